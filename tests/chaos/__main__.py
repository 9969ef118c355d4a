"""The command line of the chaos driver."""

import argparse
import secrets
import signal
import sys
from contextlib import nullcontext
from pathlib import Path

from tests.chaos.driver import Plan, run_chaos
from tests.chaos.releases import newest_tag, previous_release


def main() -> int:
    """Run the driver as it was asked to, and print what came of it.

    Returns:
        0 where all is as it should be.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600, help="how long the chaos lasts (%(default)s)")
    parser.add_argument("--seed", default=secrets.token_hex(4), help="repeats the schedule of an earlier run")
    parser.add_argument("--rate", type=float, default=50, help="messages a second of each sender (%(default)s)")
    parser.add_argument("--drain", type=float, default=180, metavar="S", help="drains within (%(default)s)")
    parser.add_argument("--previous", default=newest_tag(), metavar="REF", help="release to run beside (%(default)s)")
    parser.add_argument("--directory", type=Path, help="keep journals and logs here")
    arguments = parser.parse_args()
    # As Ctrl-C: everything is tidied up on the way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    print(f"seed {arguments.seed}", flush=True)
    if arguments.directory is not None:
        arguments.directory.mkdir(parents=True)
    beside = previous_release(arguments.previous) if arguments.previous else nullcontext()
    with beside as previous:
        plan = Plan(
            arguments.seconds,
            arguments.seed,
            rate=arguments.rate,
            drain_within_s=arguments.drain,
            previous=previous,
            directory=arguments.directory,
        )
        report = run_chaos(plan, tell=lambda line: print(line, flush=True))
    print(report.text())
    return 0 if report.has_passed else 1


if __name__ == "__main__":
    sys.exit(main())
