"""What the driver did, and what came of it, in numbers."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from tests.chaos.verdict import Verdict

_MOST_TOLD: Final = 10


@dataclass
class Tally:
    """The blows that were dealt."""

    kills: Counter[str] = field(default_factory=Counter)
    busy_kills: Counter[str] = field(default_factory=Counter)
    asked_to_stop: int = 0
    frozen: int = 0
    rolled: int = 0
    crashes: int = 0
    #: Those of them at which entries waited to be merged.
    busy_crashes: int = 0
    hangs: int = 0
    #: Processes that were started while the server was away, and said so.
    could_not_begin: int = 0
    #: Processes that ended by themselves, or did not end when they were asked to.
    misbehaved: list[str] = field(default_factory=list)
    #: The same, but of the previous release: told, and not held against this one.
    misbehaved_before: list[str] = field(default_factory=list)

    def killed(self, role: str, *, is_busy: bool) -> None:
        """Count a SIGKILL."""
        self.kills[role] += 1
        self.busy_kills[role] += is_busy


@dataclass(frozen=True)
class Report:
    """One run of the driver."""

    seed: str
    #: Measured: from the first message to the last.
    seconds: float
    releases: tuple[str, ...]
    tally: Tally
    verdict: Verdict
    #: From the last message until nothing was left to do; none where that did not come true in time.
    drained_after_s: float | None

    @property
    def has_passed(self) -> bool:
        """Nothing lost, nothing counted twice, nothing wrong, all in time, and nobody ended by himself."""
        return self.verdict.is_clean and self.drained_after_s is not None and not self.tally.misbehaved

    def text(self) -> str:
        """A table, and the first of what is wrong."""
        lines = [f"{name:<26}{value}" for name, value in self._rows()]
        lines += [*self.tally.misbehaved, *self.tally.misbehaved_before][:_MOST_TOLD]
        lines += map(str, self.verdict.differences[:_MOST_TOLD])
        return "\n".join(lines)

    def _rows(self) -> list[tuple[str, str]]:
        tally, verdict = self.tally, self.verdict
        drained = "not in time" if self.drained_after_s is None else f"{self.drained_after_s:.1f} s"
        return [
            ("seed", self.seed),
            ("releases", ", ".join(self.releases)),
            ("time under chaos", f"{self.seconds:.1f} s"),
            ("messages sent", f"{verdict.messages:,} in {verdict.runs:,} runs, {verdict.stuck:,} without an end"),
            ("duplicates", f"{verdict.resent:,}"),
            ("garbage", f"{verdict.garbage:,}"),
            *(
                (f"kill -9 of {role}s", f"{count}, of which {tally.busy_kills[role]} in the middle of work")
                for role, count in sorted(tally.kills.items(), reverse=True)
            ),
            ("SIGTERM", f"{tally.asked_to_stop}, of which {tally.rolled} to change the release"),
            ("frozen for a while", f"{tally.frozen}"),
            ("server restarts", f"{tally.crashes}, of which {tally.busy_crashes} with entries waiting"),
            ("server hangs", f"{tally.hangs}"),
            ("could not begin", f"{tally.could_not_begin}, the server was away"),
            ("summaries revised", f"{verdict.revised:,} of {verdict.runs:,}"),
            ("lost", f"{verdict.lost:,}"),
            ("double-counted", f"{verdict.doubled:,}"),
            ("wrong summaries", f"{verdict.wrong:,}"),
            ("wrong figures", f"{verdict.misfigured:,}"),
            ("wrong index entries", f"{verdict.misplaced:,}"),
            ("wrong dead letters", f"{verdict.misjudged:,}"),
            (
                "misbehaved processes",
                f"{len(tally.misbehaved)}, and {len(tally.misbehaved_before)} of an earlier release",
            ),
            ("time to drain", drained),
        ]
