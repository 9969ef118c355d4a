"""Writes the folder of a release: `python -m tests.releases VERSION`."""

import argparse
import sys
import tomllib
from pathlib import Path
from typing import Final

from tests.chaos.releases import CURRENT, previous_release
from tests.releases.making import FOLDERS, write_folder

_PROJECT: Final = Path(__file__).parents[2] / "pyproject.toml"


def main() -> None:
    """Write what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.releases", description=__doc__)
    parser.add_argument("version", help="such as 0.2.0: that of pyproject.toml, or one that has a tag")
    version = parser.parse_args().version
    folder = FOLDERS / version
    if version == tomllib.loads(_PROJECT.read_text())["project"]["version"]:
        write_folder(CURRENT, folder)
    else:
        with previous_release(f"v{version}") as release:
            write_folder(release, folder)
    sys.stdout.write(f"{folder} is written: commit it\n")


if __name__ == "__main__":
    main()
