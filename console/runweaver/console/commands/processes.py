"""`runweaver worker`, `finalizer`, `up` and `demo`: the commands that run until they are stopped."""

import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from runweaver.console.demo import run_demo
from runweaver.console.fleet import stop_with_parent
from runweaver.console.terminal import out
from runweaver.console.up import run_up
from runweaver.shared.settings import FinalizerSettings, WorkerSettings
from runweaver.worker import FinalizerProcess, Worker, stop_on_signals
from runweaver.worker.interpreter import collect_rarely, switch_soon

commands = typer.Typer()

Parent = Annotated[int | None, typer.Option(hidden=True, help="Stop when this process is not the parent any more.")]


@commands.command()
def worker(parent: Parent = None) -> None:
    """Merge messages into runs, until SIGTERM. Start as many as you like."""
    # Before the worker is there to be stopped, stopping is easy.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    instance = Worker(WorkerSettings.load())
    stop_on_signals(instance.stop)
    if parent is not None:
        stop_with_parent(parent)
    collect_rarely()
    switch_soon()
    instance.run()


@commands.command()
def finalizer(parent: Parent = None) -> None:
    """Summarise ended runs, until SIGTERM. Start as many as you like."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    instance = FinalizerProcess(FinalizerSettings.load())
    if parent is not None:
        stop_with_parent(parent)
    collect_rarely()
    instance.run()


@commands.command()
def up(
    port: Annotated[int | None, typer.Option(help="Of the private server; absent: a free one.")] = None,
    data: Annotated[Path | None, typer.Option(help="Where the private server keeps its data; absent: nowhere.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="How many workers.")] = 1,
) -> None:
    """Start workers, a finalizer and, where RUNWEAVER_REDIS_URL names none, a server, until Ctrl-C."""
    run_up(out, port=port, data=data, workers=workers)


@commands.command()
def demo(
    runs: Annotated[int, typer.Option(min=1, max=10_000, help="How many runs the agents make.")] = 40,
    agents: Annotated[int, typer.Option(min=1, max=32, help="How many agent processes.")] = 4,
) -> None:
    """Watch a small fleet at work. Uses RUNWEAVER_REDIS_URL, or else a private server that is gone afterwards."""
    run_demo(out, runs=runs, agents=agents)
