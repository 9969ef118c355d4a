"""`runweaver demo`: a small fleet at work, to watch for some seconds."""

import json
import select
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from redis import Redis
from rich.console import Console
from rich.live import Live
from rich.table import Table

from runweaver.console.demo_agents import DEMO_TAG
from runweaver.console.fleet import Fleet, stop_all
from runweaver.console.http_server import free_port
from runweaver.console.local_pipeline import LocalPipeline, local_pipeline
from runweaver.console.render import summary_panel, summary_table
from runweaver.console.render_insights import suggestion_parts
from runweaver.query import Insights
from runweaver.shared.connection import redact, server_errors
from runweaver.shared.errors import RunweaverError
from runweaver.shared.fields import utc_now
from runweaver.shared.keys import Keys
from runweaver.shared.replies import as_entries
from runweaver.shared.run import RunStatus
from runweaver.shared.settings import CONSOLE_PORT, ServerSettings
from runweaver.shared.summary import RunSummary

_WORKERS: Final = 2
_REFRESH_S: Final = 0.2
_PATIENCE_S: Final = 60.0
_SHOWN_RUNS: Final = 15
_SHOWN_SUGGESTIONS: Final = 3


def run_demo(out: Console, *, runs: int, agents: int) -> None:
    """Start everything, watch it, show what came of it, and leave nothing running."""
    settings = ServerSettings.load()
    began_at = utc_now()
    try:
        with local_pipeline(
            settings, workers=_WORKERS, log_level="warning", console_port=free_port(CONSOLE_PORT)
        ) as pipeline:
            where = redact(pipeline.url)
            out.print(f"{_WORKERS} workers, 1 finalizer and {agents} agents on {where}: {runs} runs", highlight=False)
            out.print(f"Look at them at {pipeline.console_url}\n", highlight=False, soft_wrap=True)
            with server_errors(pipeline.url), _working_agents(pipeline.fleet, runs=runs, agents=agents) as working:
                watch = _Watch(pipeline.client, Keys(settings.namespace), working, runs=runs)
                with Live(console=out, auto_refresh=False) as live:
                    while not watch.is_over:
                        pipeline.fleet.check()
                        watch.look()
                        live.update(watch.table(), refresh=out.is_terminal)
                        pipeline.interruption.wait(_REFRESH_S)
                insights = Insights(pipeline.url).get(tag=DEMO_TAG, since=began_at, limit=_SHOWN_SUGGESTIONS)
            _show(out, watch.summaries)
            for part in suggestion_parts(insights):
                out.print(part)
            _say_how_to_go_on(out, pipeline.url, watch.summaries[0].run_id, is_private=pipeline.is_private)
            _let_them_look(out, pipeline)
    except KeyboardInterrupt:
        out.print("Stopped; nothing is left running.", highlight=False)


class _Agents:
    """The agent processes, and how far they are."""

    def __init__(self, fleet: Fleet, *, runs: int, agents: int) -> None:
        shares = [runs // agents + (number < runs % agents) for number in range(agents)]
        self.processes = [
            fleet.spawn(
                [sys.executable, "-m", "runweaver.console.demo_agents", str(share), str(seed)],
                stdout=subprocess.PIPE,
            )
            for seed, share in enumerate(shares)
            if share
        ]
        self._progress = [{"runs": 0, "messages": 0} for _ in self.processes]
        for number in range(len(self.processes)):
            threading.Thread(target=self._listen, args=(number,), daemon=True).start()

    def count(self, what: str) -> int:
        """How many `runs` or `messages` all of them have made."""
        return sum(progress[what] for progress in self._progress)

    def check(self) -> None:
        """Make sure that none has failed."""
        for process in self.processes:
            if process.poll():
                raise RunweaverError(f"an agent of the demo ended with exit code {process.returncode}, see above")

    def _listen(self, number: int) -> None:
        lines = self.processes[number].stdout
        assert lines is not None
        for line in lines:
            self._progress[number] = json.loads(line)


@contextmanager
def _working_agents(fleet: Fleet, *, runs: int, agents: int) -> Iterator[_Agents]:
    working = _Agents(fleet, runs=runs, agents=agents)
    try:
        yield working
    finally:
        stop_all(working.processes)


class _Watch:
    """What has come of the demo's runs so far."""

    def __init__(self, client: Redis, keys: Keys, working: _Agents, *, runs: int) -> None:
        self._client = client
        self._keys = keys
        self._working = working
        self._runs = runs
        self._seen: dict[str, RunSummary] = {}
        newest = as_entries(client.xrevrange(keys.finished, count=1))
        self._last = newest[0][0] if newest else "0"
        self._deadline = time.monotonic() + _PATIENCE_S

    @property
    def is_over(self) -> bool:
        """Whether every run has its summary."""
        return len(self._seen) >= self._runs

    @property
    def summaries(self) -> list[RunSummary]:
        """The newest first."""
        return sorted(self._seen.values(), key=lambda summary: summary.finished_at, reverse=True)

    def look(self) -> None:
        """Take in what was announced since the last look.

        Raises:
            RunweaverError: an agent failed, or nothing has come for long.
        """
        self._working.check()
        for entry_id, fields in as_entries(self._client.xrange(self._keys.finished, f"({self._last}")):
            self._last = entry_id
            raw = self._client.get(self._keys.summary(fields[b"run_id"].decode()))
            summary = RunSummary.model_validate_json(raw) if raw else None
            if summary is not None and DEMO_TAG in summary.tags:
                self._seen[summary.run_id] = summary
                self._deadline = time.monotonic() + _PATIENCE_S
        if time.monotonic() > self._deadline:
            raise RunweaverError(f"no new summary for {_PATIENCE_S:.0f} s: {len(self._seen)} of {self._runs} are there")

    def table(self) -> Table:
        """How far it all is."""
        partitions = range(int(self._client.get(self._keys.partitions) or 1))
        waiting = sum(self._client.xlen(self._keys.messages(partition)) for partition in partitions)
        open_runs = sum(self._client.zcard(self._keys.active(partition)) for partition in partitions)
        failed = sum(summary.status is RunStatus.FAILED for summary in self._seen.values())
        table = Table.grid(padding=(0, 3))
        table.add_column(style="bold")
        table.add_column(justify="right")
        table.add_row("runs made by agents", f"{self._working.count('runs')} of {self._runs}")
        table.add_row("messages sent", f"{self._working.count('messages'):,}")
        table.add_row("entries waiting for a worker", f"{waiting:,}")
        table.add_row("open runs", f"{open_runs:,}")
        table.add_row("summaries written", f"{len(self._seen)}, of which {failed} failed runs")
        return table


def _show(out: Console, summaries: list[RunSummary]) -> None:
    out.print()
    out.print(summary_table(summaries[:_SHOWN_RUNS], width=out.width))
    if len(summaries) > _SHOWN_RUNS:
        out.print(f"… and {len(summaries) - _SHOWN_RUNS} more", style="dim", highlight=False)
    failed = [summary for summary in summaries if summary.status is RunStatus.FAILED]
    out.print()
    out.print(summary_panel((failed or summaries)[0]))


def _say_how_to_go_on(out: Console, url: str, run_id: str, *, is_private: bool) -> None:
    out.print("\nTo look further:", style="bold")
    if is_private:
        out.print("    runweaver up                     # all of this, and the console, to stay", highlight=False)
        out.print("    export RUNWEAVER_REDIS_URL=…     # as `up` prints it, in another terminal", highlight=False)
        out.print("    runweaver demo", highlight=False)
        run_id = "RUN_ID"
    else:
        out.print(f"    export RUNWEAVER_REDIS_URL={redact(url)}", highlight=False)
        out.print("    runweaver console", highlight=False)
    out.print("    runweaver runs --status failed", highlight=False)
    out.print(f"    runweaver why {run_id}", highlight=False)
    out.print(f"    runweaver compare {run_id} --nearest", highlight=False)
    out.print("    runweaver insights plan-trip", highlight=False)
    out.print("    runweaver status", highlight=False)


def _let_them_look(out: Console, pipeline: LocalPipeline) -> None:
    """Somebody at a terminal may look at the runs in the console, for as long as they like."""
    if not out.is_terminal or not sys.stdin.isatty():
        return
    out.print(f"\nThe console stays at {pipeline.console_url} until you press Enter.", highlight=False, soft_wrap=True)
    while not select.select([sys.stdin], [], [], _REFRESH_S)[0]:
        pipeline.fleet.check()
        pipeline.interruption.wait(0)
