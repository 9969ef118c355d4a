"""Where people show the token, and where they leave."""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from runweaver.console.web.access import LOGIN, LOGOUT, Door, own_path
from runweaver.console.web.sessions import SESSION_S
from runweaver.console.web.views import page

router = APIRouter()


@router.get(LOGIN)
def login(request: Request, next: str = "/") -> Response:  # noqa: A002 - so it is called in addresses
    """The form; who is in needs none."""
    if request.state.visit.is_in:
        return RedirectResponse(own_path(next), 303)
    return page(request, "login.html", {"next": own_path(next), "wrong": None})


@router.post(LOGIN)
def log_in(
    request: Request,
    token: Annotated[str, Form()] = "",
    next: Annotated[str, Form()] = "/",  # noqa: A002 - so the form calls it
) -> Response:
    """A session for who shows the token."""
    door: Door = request.app.state.door
    if door.sessions is None:
        return RedirectResponse(own_path(next), 303)
    if not door.opens(request, token.strip()):
        return _refused(request, own_path(next), door.wait_s(request))
    answer = RedirectResponse(own_path(next), 303)
    answer.set_cookie(
        door.sessions.cookie,
        door.sessions.begin(),
        max_age=SESSION_S,
        path="/",
        secure=_is_private(request),
        httponly=True,
        samesite="strict",
    )
    return answer


@router.post(LOGOUT)
def log_out(request: Request) -> Response:
    """The end of the session."""
    door: Door = request.app.state.door
    answer = RedirectResponse(LOGIN, 303)
    session = door.session_of(request)
    if door.sessions is not None and session is not None:
        door.sessions.end(session)
        answer.delete_cookie(
            door.sessions.cookie, path="/", secure=_is_private(request), httponly=True, samesite="strict"
        )
    return answer


def _refused(request: Request, wanted: str, wait_s: int) -> Response:
    wrong = f"Too many wrong tokens: wait {wait_s} s." if wait_s else "That is not the token."
    answer = page(request, "login.html", {"next": wanted, "wrong": wrong}, status=429 if wait_s else 401)
    if wait_s:
        answer.headers["Retry-After"] = str(wait_s)
    else:
        answer.headers["WWW-Authenticate"] = "Bearer"
    return answer


def _is_private(request: Request) -> bool:
    """Whether nobody between the browser and us, or the proxy before us, can listen."""
    return request.url.scheme == "https" or request.headers.get("x-forwarded-proto") == "https"
