"""`make simulate`: what to provision for so many messages a second, and what accidents cost."""

import argparse
import sys
from dataclasses import replace

from simulation import report
from simulation.accidents import Kind
from simulation.effects import effects_of
from simulation.fleet import Fleet, provision


def main() -> int:
    """Simulate what was asked for, and print it as Markdown.

    Returns:
        0.
    """
    parser = argparse.ArgumentParser(prog="python -m simulation", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same course (%(default)s)")
    parser.add_argument("--rate", type=float, help="messages a second; not given: a table of four rates")
    for part in ("primaries", "partitions", "workers", "finalizers"):
        parser.add_argument(f"--{part}", type=int, help="so many instead of those that are proposed")
    arguments = parser.parse_args()
    given = {part: getattr(arguments, part) for part in ("primaries", "partitions", "workers", "finalizers")}
    fleets = [
        replace(provision(rate), **{part: count for part, count in given.items() if count is not None})
        for rate in ([arguments.rate] if arguments.rate else report.RATES)
    ]
    print(report.provisioning(fleets))
    print(f"\n{report.accidents(fleets, arguments.seed)}")
    for kind in Kind:
        _draw(fleets[-1], kind, arguments.seed)
    return 0


def _draw(fleet: Fleet, kind: Kind, seed: int) -> None:
    course = report.course_of(fleet, kind, seed)
    if effects_of(course).peak_backlog > fleet.rate:
        print(f"\n{kind} dies, at {fleet.rate:,.0f} messages/s: messages that wait\n\n{report.chart(course)}")


if __name__ == "__main__":
    sys.exit(main())
