"""`runweaver up`: all that is needed, for as long as it is needed."""

from pathlib import Path
from typing import Final

from rich.console import Console

from runweaver.console.local_pipeline import local_pipeline
from runweaver.shared.connection import redact
from runweaver.shared.settings import ServerSettings

_CHECK_EVERY_S: Final = 1.0


def run_up(out: Console, *, port: int | None, data: Path | None, workers: int) -> None:
    """Start a server (where none is named), workers and a finalizer, and wait for Ctrl-C."""
    try:
        with local_pipeline(ServerSettings.load(), workers=workers, port=port, data=data) as pipeline:
            where = redact(pipeline.url)
            out.print(f"Runweaver is up on {where}. In another terminal, and for your agents:\n", highlight=False)
            out.print(f"    export RUNWEAVER_REDIS_URL={where}\n", highlight=False)
            out.print("Then `runweaver demo`, `runweaver runs`, `runweaver status`. Ctrl-C ends it.", highlight=False)
            while True:
                pipeline.fleet.check()
                pipeline.interruption.wait(_CHECK_EVERY_S)
    except KeyboardInterrupt:
        out.print("Stopped; nothing is left running.", highlight=False)
