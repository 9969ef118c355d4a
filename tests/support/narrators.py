"""Narrators of somebody else's, to be plugged in."""

import os
import time
from pathlib import Path

from runweaver.shared import Run


class Haiku:
    """Short, and not able to tell every run."""

    def narrate(self, run: Run) -> str:
        if run.id == "fails":
            raise RuntimeError("no inspiration")
        return f"{run.id} ran, and is done"


class Slow:
    """Takes its time for each run. The file that `SLOW_BEGUN` names is there from when it has begun."""

    def narrate(self, run: Run) -> str:
        if begun := os.environ.get("SLOW_BEGUN"):
            Path(begun).touch()
        time.sleep(float(os.environ.get("SLOW_S", "0.3")))
        return f"{run.id} at last"
