"""Lets a release write its folder."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.chaos.releases import Release
from tests.support.server import Server

FOLDERS: Final = Path(__file__).parent
_ROOT: Final = Path(__file__).parents[2]

#: A hundred years: what was written long ago must not be swept away before it is read.
LONG: Final = {
    "RUNWEAVER_SUMMARY_TTL_S": "3000000000",
    "RUNWEAVER_ARCHIVE_TTL_S": "3000000000",
    "RUNWEAVER_DEAD_LETTER_TTL_S": "3000000000",
    "RUNWEAVER_STUCK_AFTER_S": "3000000000",
}


def write_folder(release: Release, folder: Path) -> None:
    """Run `writer.py` with the code of this release, on a server of its own. The folder must not be there yet."""
    folder.mkdir()
    with Server() as server:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("RUNWEAVER_")}
        environment = {**inherited, **release.environment, **LONG, "RUNWEAVER_REDIS_URL": server.url}
        command = [sys.executable, str(FOLDERS / "writer.py"), str(folder)]
        subprocess.run(command, env=environment, cwd=_ROOT, check=True, timeout=90)
