"""What each answer tells browsers: to run nothing but our own scripts, and to show it nowhere else."""

from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: No inline script, no inline style, nothing from elsewhere.
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

_HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Elsewhere nobody learns which run was looked at. With "no-referrer", forms would not say that they are from here.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


class SafeHeaders:
    """Adds the headers to all that is answered."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in safe_headers(scope["path"]).items():
                    if name == "Cache-Control":
                        headers.setdefault(name, value)
                    else:
                        headers[name] = value
            await send(message)

        await self._app(scope, receive, send_safely if scope["type"] == "http" else send)


def safe_headers(path: str) -> dict[str, str]:
    """What an answer has to say, by the path that was asked for."""
    # What agents wrote is no business of a shared computer's cache. Assets are named by their version.
    is_asset = path.startswith("/static/")
    return {**_HEADERS, "Cache-Control": "public, max-age=86400" if is_asset else "no-store"}
