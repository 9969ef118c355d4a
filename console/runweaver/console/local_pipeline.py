"""All that is needed on one machine: a server, workers, a finalizer and the console, for as long as it is needed."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from redis import Redis

from runweaver.console.fleet import Fleet, Interruption
from runweaver.console.private_server import private_server
from runweaver.shared.connection import check_server, connect
from runweaver.shared.settings import ServerSettings


@dataclass(frozen=True)
class LocalPipeline:
    """What is running."""

    url: str
    #: Whether the server is ours, and gone afterwards.
    is_private: bool
    client: Redis
    fleet: Fleet
    interruption: Interruption
    #: Where the console is, or will be in a moment; none where there is none.
    console_url: str | None


@contextmanager
def local_pipeline(
    settings: ServerSettings,
    *,
    workers: int,
    log_level: str = "info",
    port: int | None = None,
    data: Path | None = None,
    console_port: int | None = None,
) -> Iterator[LocalPipeline]:
    """Start workers and a finalizer, and a private server where none is named; stop all of them in the end.

    With a port for it, the console too.

    Raises:
        KeyboardInterrupt: inside, where the interruption is waited for; all has stopped when it comes out of here.
        ServerError: the server is not fit.
    """
    is_private = not settings.names_a_server
    server = private_server(port=port, directory=data) if is_private else nullcontext(settings.redis_url)
    with Interruption() as interruption, server as url:
        client = connect(url, name="console")
        check_server(client, url)
        with Fleet(url, log_level=log_level) as fleet:
            fleet.start("worker", count=workers)
            fleet.start("finalizer")
            if console_port is not None:
                fleet.start("console", "--port", str(console_port))
            console_url = f"http://127.0.0.1:{console_port}/" if console_port is not None else None
            yield LocalPipeline(url, is_private, client, fleet, interruption, console_url)
