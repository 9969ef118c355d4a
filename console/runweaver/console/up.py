"""`runweaver up`: all that is needed, for as long as it is needed."""

from contextlib import ExitStack
from pathlib import Path

from rich.console import Console

from runweaver.console.fleet import Fleet, Interruption
from runweaver.console.private_server import private_server
from runweaver.shared.connection import check_server, connect, redact
from runweaver.shared.settings import ServerSettings

_CHECK_EVERY_S = 1.0


def run_up(out: Console, *, port: int | None, data: Path | None, workers: int) -> None:
    """Start a server (where none is named), workers and a finalizer, and wait for Ctrl-C."""
    settings = ServerSettings.load()
    with ExitStack() as stack:
        interruption = stack.enter_context(Interruption())
        try:
            url = settings.redis_url
            if not settings.names_a_server:
                url = stack.enter_context(private_server(port=port, directory=data))
            check_server(connect(url, name="up"), url)
            fleet = stack.enter_context(Fleet(url))
            fleet.start("worker", count=workers)
            fleet.start("finalizer")
            out.print(f"Runweaver is up on {redact(url)}. In another terminal, and for your agents:\n", highlight=False)
            out.print(f"    export RUNWEAVER_REDIS_URL={redact(url)}\n", highlight=False)
            out.print("Then `runweaver demo`, `runweaver runs`, `runweaver status`. Ctrl-C ends it.", highlight=False)
            while True:
                fleet.check()
                interruption.wait(_CHECK_EVERY_S)
        except KeyboardInterrupt:
            out.print("Stopping.", highlight=False)
