"""`python -m fuzz`: fuzz every target for its share of the time, and tell what came of it."""

import argparse
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from fuzz.targets import TARGETS

#: Input that found something new, kept for the next time, and input that made a target fail. Not in git.
FOUND: Final = Path(__file__).parents[1] / ".fuzz"

_LEAST_S: Final = 5
_LONGEST_INPUT: Final = 8_192
_LONGEST_RUN_S: Final = 30
_MOST_MEMORY_MB: Final = 2_048


@dataclass(frozen=True)
class Outcome:
    """What came of fuzzing a target."""

    target: str
    executions: int
    #: Points of the code that no earlier input reached.
    new_coverage: int
    crashes: list[Path]
    #: The traceback, or else the end of what the fuzzer said.
    told: str

    @property
    def row(self) -> str:
        """A line of the table."""
        return f"{self.target:<14}{self.executions:>12,}{self.new_coverage:>14,}{len(self.crashes):>10}"


def main() -> int:
    """Fuzz, and print a table; what crashed is printed below it.

    Returns:
        The exit code: 0 where nothing crashed.
    """
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=300, help="for all targets together")
    parser.add_argument("--target", choices=sorted(TARGETS), help="only this one")
    options = parser.parse_args()
    if find_spec("atheris") is None:
        sys.stderr.write("atheris is not installed: `make fuzz` does that, where there is one for this Python\n")
        return 2
    print(f"{'target':<14}{'executions':>12}{'new coverage':>14}{'crashes':>10}", flush=True)
    outcomes = []
    for name, seconds in _shares(options.seconds, options.target).items():
        outcomes.append(fuzz(name, seconds))
        print(outcomes[-1].row, flush=True)
    crashed = [outcome for outcome in outcomes if outcome.crashes]
    for outcome in crashed:
        paths = "\n".join(map(str, outcome.crashes))
        print(f"\n{outcome.target} fails for:\n{paths}\n{outcome.told}")
    return 1 if crashed else 0


def _shares(seconds: int, only: str | None) -> Mapping[str, int]:
    """How long each target takes."""
    chosen = {name: target.weight for name, target in TARGETS.items() if only in (None, name)}
    return {name: max(_LEAST_S, seconds * weight // sum(chosen.values())) for name, weight in chosen.items()}


def fuzz(name: str, seconds: int) -> Outcome:
    """Fuzz a target for so long, or until it fails."""
    corpus, crashes = FOUND / "corpus" / name, FOUND / "crashes" / name
    for folder in (corpus, crashes):
        folder.mkdir(parents=True, exist_ok=True)
    for seed in TARGETS[name].seeds:
        (corpus / sha256(seed).hexdigest()).write_bytes(seed)
    known = set(crashes.iterdir())
    done = subprocess.run(
        [
            *(sys.executable, "-m", "fuzz.harness", name, str(corpus), f"-artifact_prefix={crashes}/"),
            *(f"-max_total_time={seconds}", f"-max_len={_LONGEST_INPUT}", f"-timeout={_LONGEST_RUN_S}"),
            *(f"-rss_limit_mb={_MOST_MEMORY_MB}", "-print_final_stats=1"),
        ],
        capture_output=True,
        check=False,
        cwd=FOUND.parent,
    )
    told = (done.stdout + done.stderr).decode(errors="backslashreplace")
    new = sorted(set(crashes.iterdir()) - known)
    if done.returncode and not new:
        raise SystemExit(f"the fuzzer of {name} ended with {done.returncode}:\n{told[-4_000:]}")
    coverage = [int(number) for number in re.findall(r"\bcov: (\d+)", told)]
    return Outcome(
        name,
        _executions(told),
        coverage[-1] - coverage[0] if coverage else 0,
        new,
        _failure(done.stdout.decode(errors="backslashreplace")) or told[-1_000:],
    )


def _executions(told: str) -> int:
    counted = re.search(r"stat::number_of_executed_units: (\d+)", told) or re.search(r"Done (\d+) runs", told)
    return int(counted[1]) if counted else max(map(int, re.findall(r"^#(\d+)", told, re.MULTILINE)), default=0)


def _failure(told: str) -> str:
    """The traceback, where there is one."""
    _, begin, traceback = told.partition("=== Uncaught Python exception: ===")
    return (begin + traceback)[:4_000]


if __name__ == "__main__":
    sys.exit(main())
