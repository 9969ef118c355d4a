"""A real browser: Debian's Chromium, driven by Playwright.

Playwright's driver for plain functions keeps an event loop in the thread that it was started in, which `asyncio.run`
in other tests of that process would not bear. So it has a thread of its own, in which whole tests run: see
tests/console/conftest.py.
"""

import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, ParamSpec, TypeVar

from playwright.sync_api import Browser, BrowserContext, Page, Playwright, sync_playwright

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")

CHROMIUM: Final = shutil.which("chromium")

#: A laptop and a phone.
LAPTOP: Final = {"width": 1280, "height": 900}
PHONE: Final = {"width": 390, "height": 844}

#: Far from UTC, and not by whole hours: Nepal, at +05:45.
ZONE: Final = "Asia/Kathmandu"

#: No page takes that long, however busy the machine is.
_PATIENCE_MS: Final = 10_000
_ARGUMENTS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


class BrowserThread:
    """One browser for many tests, started when it is first needed. As a context manager it ends it."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "browser")
        self._playwright: Playwright | None = None
        self._browser: Browser | None = None

    def run(
        self, function: Callable[_Arguments, _Result], *arguments: _Arguments.args, **named: _Arguments.kwargs
    ) -> _Result:
        """Run something in the only thread that may use the browser."""
        return self._thread.submit(function, *arguments, **named).result()

    @property
    def browser(self) -> Browser:
        """The browser. Only for what runs in its thread."""
        if self._browser is None:
            assert CHROMIUM is not None
            self._playwright = sync_playwright().start()
            self._browser = self._playwright.chromium.launch(executable_path=CHROMIUM, args=_ARGUMENTS)
        return self._browser

    def close(self) -> None:
        """End it."""
        self.run(self._end)
        self._thread.shutdown()

    def _end(self) -> None:
        if self._browser is not None:
            self._browser.close()
        if self._playwright is not None:
            self._playwright.stop()


@dataclass
class Visit:
    """A page that is being looked at, and what went wrong on it."""

    address: str
    page: Page
    #: Errors and warnings of scripts, what the policy forbade, what could not be loaded, dialogs that opened.
    troubles: list[str] = field(default_factory=list)

    def open(self, path: str, *, status: int = 200) -> Page:
        """Go to a page of the console, and wait until it is loaded."""
        answer = self.page.goto(self.address + path)
        assert answer is not None
        assert status == answer.status, f"{path}: {answer.status}"
        return self.page

    def watch(self) -> None:
        """Note what goes wrong from now on."""
        self.page.on("console", self._note_console)
        self.page.on("pageerror", lambda error: self.troubles.append(f"error: {error}"))
        self.page.on("requestfailed", self._note_request)
        self.page.on("dialog", self._note_dialog)

    def _note_console(self, message: Any) -> None:
        if message.type in {"error", "warning"}:
            self.troubles.append(f"{message.type}: {message.text}")

    def _note_request(self, request: Any) -> None:
        # Whoever leaves a page aborts what it was still waiting for.
        if request.failure != "net::ERR_ABORTED":
            self.troubles.append(f"not loaded: {request.url}: {request.failure}")

    def _note_dialog(self, dialog: Any) -> None:
        self.troubles.append(f"dialog: {dialog.message}")
        dialog.dismiss()


@contextmanager
def visit(browser: Browser, address: str, *, dark: bool = False, phone: bool = False, **more: Any) -> Iterator[Visit]:
    """A visitor who was never here before.

    Args:
        browser: the browser.
        address: the console's, without a slash at its end.
        dark: whether they like it dark.
        phone: whether they look at a phone.
        more: for Playwright's `new_context`.
    """
    context: BrowserContext = browser.new_context(
        color_scheme="dark" if dark else "light",
        viewport=PHONE if phone else LAPTOP,  # type: ignore[arg-type]
        **{"timezone_id": ZONE, "locale": "en-GB", "reduced_motion": "reduce", **more},
    )
    context.set_default_timeout(_PATIENCE_MS)
    try:
        visiting = Visit(address, context.new_page())
        visiting.watch()
        yield visiting
    finally:
        context.close()
