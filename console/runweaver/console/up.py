"""`runweaver up`: all that is needed, for as long as it is needed."""

from pathlib import Path
from typing import Final

from rich.console import Console

from runweaver.console.http_server import free_port
from runweaver.console.local_pipeline import local_pipeline
from runweaver.shared.connection import redact
from runweaver.shared.settings import CONSOLE_PORT, ServerSettings

_CHECK_EVERY_S: Final = 1.0


def run_up(
    out: Console, *, port: int | None, data: Path | None, workers: int, console_port: int | None, with_console: bool
) -> None:
    """Start a server (where none is named), workers, a finalizer and the console, and wait for Ctrl-C.

    Args:
        out: where to say what is there.
        port: of the private server; none for a free one.
        data: where the private server keeps its data; none for nowhere.
        workers: how many.
        console_port: of the console; none for its usual one, or a free one where that is taken; 0 for a free one.
        with_console: whether there is to be one.
    """
    at = (console_port or free_port(*(() if console_port == 0 else (CONSOLE_PORT,)))) if with_console else None
    settings = ServerSettings.load()
    try:
        with local_pipeline(settings, workers=workers, port=port, data=data, console_port=at) as pipeline:
            where = redact(pipeline.url)
            out.print(f"Runweaver is up on {where}. In another terminal, and for your agents:\n", highlight=False)
            out.print(f"    export RUNWEAVER_REDIS_URL={where}\n", highlight=False)
            if pipeline.console_url is not None:
                out.print(f"Look at runs at {pipeline.console_url}", highlight=False, soft_wrap=True)
            out.print("Then `runweaver demo`, `runweaver runs`, `runweaver status`. Ctrl-C ends it.", highlight=False)
            while True:
                pipeline.fleet.check()
                pipeline.interruption.wait(_CHECK_EVERY_S)
    except KeyboardInterrupt:
        out.print("Stopped; nothing is left running.", highlight=False)
