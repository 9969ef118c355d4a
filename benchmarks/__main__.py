"""What Runweaver does on this machine, against what could be done there.

    python -m benchmarks [ROW …] [--rounds 3] [--scale 1.0] [--json]

Each row is measured in rounds that interleave ours and what it is compared with, with real processes and a private
server of each measurement's own, its log on disk (fsync every second). Figures are medians over the rounds, and each
ratio is that of one round. Processes have started, and messages are encoded, before a clock starts.
"""

import argparse
import json
from dataclasses import asdict

from benchmarks.figures import Figure, Row
from benchmarks.machine import machine
from benchmarks.rows import ROWS


def main() -> None:
    """Measure one row after another, and print each as it comes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=", ".join(ROWS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0, help="of the sizes: 0.1 for a quick look")
    parser.add_argument("--json", action="store_true", help="print JSON and nothing else")
    arguments = parser.parse_args()
    if unknown := set(arguments.rows) - ROWS.keys():
        parser.error(f"{', '.join(unknown)}: there are only {', '.join(ROWS)}")
    setting = {**machine(), "rounds": str(arguments.rounds), "scale": f"{arguments.scale:g}"}
    if not arguments.json:
        print(", ".join(f"{name} {value}" for name, value in setting.items()))
    figures: list[Figure] = []
    for name in arguments.rows or ROWS:
        figures += (measured := ROWS[name].figures(arguments.rounds, arguments.scale))
        if not arguments.json:
            report(ROWS[name], measured)
    if arguments.json:
        how = {row.name: row.how for row in ROWS.values()}
        described = [{**asdict(each), "how": how[each.row], "target": str(each.target or "")} for each in figures]
        print(json.dumps({"setting": setting, "figures": described}))


def report(row: Row, figures: list[Figure]) -> None:
    """One row of the table: a line for each figure."""
    print(f"\n{row.name}: {row.how}")
    for figure in figures:
        print(figure, flush=True)


if __name__ == "__main__":
    main()
