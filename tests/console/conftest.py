"""Fixtures: a console over a namespace that is filled once a session, and a browser that visits it.

A test that takes `visiting` or `browser_thread` runs in the browser's thread, all of it.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeAlias

import pytest

from tests.support.browsing import CHROMIUM, BrowserThread, Visit, visit
from tests.support.consoles import serve_console
from tests.support.filling import Filled, fill
from tests.support.hostile import plant
from tests.support.processes import Pipeline
from tests.support.server import Server

#: Makes visitors: `with visiting(dark=True) as visit`.
Visiting: TypeAlias = Callable[..., AbstractContextManager[Visit]]

_THREAD: Final = pytest.StashKey[BrowserThread]()


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Iterator[None]:
    """Let a test that drives the browser run in the browser's thread."""
    thread = pyfuncitem.funcargs.get("browser_thread")
    if isinstance(thread, BrowserThread):
        pyfuncitem.obj = partial(thread.run, pyfuncitem.obj)
    return (yield)


@pytest.fixture(scope="session")
def browser_thread() -> Iterator[BrowserThread]:
    """The browser, and the thread that drives it."""
    if CHROMIUM is None:
        pytest.skip("there is no Chromium here (Debian: chromium)")
    thread = BrowserThread()
    yield thread
    thread.close()


@pytest.fixture(scope="session")
def filled_pipeline(server: Server) -> Iterator[tuple[Pipeline, Filled]]:
    """A namespace as a fleet leaves it after two days, with a worker and a finalizer that go on. Only add to it."""
    with Pipeline(server.url, "filled") as running:
        running.start("worker")
        running.start("finalizer")
        yield running, fill(running)


@pytest.fixture(scope="session")
def filled(filled_pipeline: tuple[Pipeline, Filled]) -> Filled:
    """The runs in it that are something special."""
    return filled_pipeline[1]


@pytest.fixture(scope="session")
def console(filled_pipeline: tuple[Pipeline, Filled], tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a console of the filled namespace."""
    return serve_console(filled_pipeline[0], tmp_path_factory.mktemp("console") / "log")


@pytest.fixture
def visiting(browser_thread: BrowserThread, console: str) -> Visiting:
    """Visitors of the console: each was never there before."""

    def begin(address: str = console, **how: Any) -> AbstractContextManager[Visit]:
        return visit(browser_thread.browser, address, **how)

    return begin


@pytest.fixture(scope="session")
def hostile_console(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, dict[str, str]]]:
    """The address of a console of a namespace with hostile text in every field, and its runs with the text of each."""
    with Pipeline(server.url, "hostile") as pipeline:
        processes = [pipeline.start("worker"), pipeline.start("finalizer")]
        planted = plant(pipeline)
        for process in processes:
            pipeline.stop(process)
        log: Path = tmp_path_factory.mktemp("hostile") / "log"
        yield serve_console(pipeline, log), planted
