"""`runweaver worker`, `finalizer`, `up` and `demo`: the commands that run until they are stopped."""

import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from runweaver.console.demo import run_demo
from runweaver.console.fleet import stop_with_parent
from runweaver.console.monitoring.exporter import run_exporter
from runweaver.console.monitoring.health import ProcessHealth
from runweaver.console.monitoring.processes import FinalizerCollector, WorkerCollector
from runweaver.console.monitoring.serve import answering
from runweaver.console.terminal import out
from runweaver.console.up import run_up
from runweaver.shared.settings import CONSOLE_PORT, ExporterSettings, FinalizerSettings, WorkerSettings
from runweaver.worker import FinalizerProcess, Worker, stop_on_signals
from runweaver.worker.interpreter import collect_rarely, switch_soon

commands = typer.Typer()

MetricsPort = Annotated[
    int | None,
    typer.Option(
        min=0,
        max=65_535,
        help="Answer at this port how it is: /metrics, /health/live, /health/ready; 0: a free one. "
        "Absent: RUNWEAVER_METRICS_PORT.",
    ),
]
MetricsHost = Annotated[
    str | None, typer.Option(help="The address to listen at; absent: RUNWEAVER_METRICS_HOST, or else 127.0.0.1.")
]
Parent = Annotated[int | None, typer.Option(hidden=True, help="Stop when this process is not the parent any more.")]


@commands.command()
def worker(metrics_port: MetricsPort = None, metrics_host: MetricsHost = None, parent: Parent = None) -> None:
    """Merge messages into runs, until SIGTERM. Start as many as you like."""
    # Before the worker is there to be stopped, stopping is easy.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    settings = WorkerSettings.load(metrics_port=metrics_port, metrics_host=metrics_host)
    instance = Worker(settings)
    stop_on_signals(instance.stop)
    if parent is not None:
        stop_with_parent(parent)
    collect_rarely()
    switch_soon()
    with answering(settings, WorkerCollector(instance), ProcessHealth(instance.vitals)):
        instance.run()


@commands.command()
def finalizer(metrics_port: MetricsPort = None, metrics_host: MetricsHost = None, parent: Parent = None) -> None:
    """Summarise ended runs, until SIGTERM. Start as many as you like."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    settings = FinalizerSettings.load(metrics_port=metrics_port, metrics_host=metrics_host)
    instance = FinalizerProcess(settings)
    if parent is not None:
        stop_with_parent(parent)
    collect_rarely()
    with answering(settings, FinalizerCollector(instance), ProcessHealth(instance.vitals)):
        instance.run()


@commands.command()
def exporter(metrics_port: MetricsPort = None, metrics_host: MetricsHost = None) -> None:
    """Tell Prometheus what `runweaver status` shows, until SIGTERM. One is enough; it only reads."""
    run_exporter(ExporterSettings.load(metrics_port=metrics_port, metrics_host=metrics_host))


@commands.command()
def up(
    port: Annotated[int | None, typer.Option(help="Of the private server; absent: a free one.")] = None,
    data: Annotated[Path | None, typer.Option(help="Where the private server keeps its data; absent: nowhere.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="How many workers.")] = 1,
    console_port: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=65_535,
            help=f"Of the console; 0: a free one. Absent: {CONSOLE_PORT}, or a free one if it is taken.",
        ),
    ] = None,
    *,
    console: Annotated[bool, typer.Option("--console/--no-console", help="Whether to serve the console too.")] = True,
) -> None:
    """Start workers, a finalizer, the console and, where RUNWEAVER_REDIS_URL names none, a server, until Ctrl-C."""
    run_up(out, port=port, data=data, workers=workers, console_port=console_port, with_console=console)


@commands.command()
def demo(
    runs: Annotated[int, typer.Option(min=1, max=10_000, help="How many runs the agents make.")] = 40,
    agents: Annotated[int, typer.Option(min=1, max=32, help="How many agent processes.")] = 4,
) -> None:
    """Watch a small fleet at work. Uses RUNWEAVER_REDIS_URL, or else a private server that is gone afterwards."""
    run_demo(out, runs=runs, agents=agents)
