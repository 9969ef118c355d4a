"""What `runweaver status` shows: one screen."""

from datetime import timedelta
from io import StringIO
from typing import Any

from rich.console import Console

from runweaver.console.status import status_screen
from runweaver.console.troubles import troubles_of
from runweaver.query.announced import AnnouncementStatus, HookStatus
from runweaver.query.dead_letter_status import DeadLettersStatus, NewestLetter
from runweaver.query.status import QuietRun
from runweaver.worker import JobsStatus
from tests.unit.making import BEGINNING
from tests.unit.making_facts import facts, partition, server, worker


def _shown(*, all_partitions: bool = False, **changed: Any) -> list[str]:
    told = facts(**changed)
    terminal = Console(file=StringIO(), width=80, height=24, record=True)
    terminal.print(status_screen(told, troubles_of(told), all_partitions=all_partitions), highlight=False)
    return [line.rstrip() for line in terminal.export_text().splitlines()]


def test_a_sound_pipeline() -> None:
    """Each line says what it is about."""
    lines = _shown(partitions=[partition(open_runs=2, quietest_run=QuietRun(run_id="run-1", silent_s=200.0))])

    assert [
        "server        redis.example:6379 Redis 8.0.0, primary, 0 B, AOF, up 0 s",
        "waiting       0 entries, the oldest for 0.0 s, in 1 partition",
        "workers       1, with 0 entries in hand",
        "runs          2 open, 0 to summarise; silent for the longest: run-1, 3 min",
        "finalizers    1, 0 jobs waiting, 0 failed",
        "summaries     7",
        "dead letters  0",
        "",
        "Nothing is wrong.",
    ] == lines


def test_a_pipeline_in_trouble_fits_a_terminal() -> None:
    """With two servers, workers, reasons, webhooks, and a few troubles."""
    letter = NewestLetter(id="1:1-0", at=BEGINNING - timedelta(minutes=3), code="not-json", reason="It is none")
    lines = _shown(
        servers=[server(used_memory=50, maxmemory=100)],
        jobs_server=server(),
        workers=[worker("host-1-abc", idle_s=70.0, pending=12), worker("host-2-abc", pending=3)],
        partitions=[partition(backlog=4_000, lag_s=95.0), partition(1, dead_letters=1), partition(2), partition(3)],
        jobs=JobsStatus(waiting=5, failed=0, finalizers=1),
        dead_letters=DeadLettersStatus(codes={"not-json": 1}, newest=letter),
        announcements=AnnouncementStatus(
            newest_at=BEGINNING - timedelta(seconds=100), hooks=[HookStatus(hook="crm", waiting=4)]
        ),
    )

    assert 24 >= len(lines), lines
    text = "\n".join(lines)
    for told in (
        "RQ's server   redis.example:6379",
        "partition 0: 4,000 entries (95.0 s), 0 open",
        "1, with 3 entries in hand; 1 silent or gone",
        "host-1-abc: 12 in hand, silent for 70 s",
        "7, the newest 100 s ago",
        "1 (1 not-json)",
        "1:1-0, 3 min ago: It is none",
        "crm: 4 to post",
    ):
        assert told in text
    assert "partition 1" not in text


def test_all_partitions_where_somebody_asks() -> None:
    """Also those in which nothing is particular."""
    lines = _shown(all_partitions=True, partitions=[partition(number) for number in range(3)])

    assert 3 == sum("partition " in line and "0 open" in line for line in lines)
