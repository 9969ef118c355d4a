"""A worker that acknowledges before it stores, and is killed in between: the messages of that batch are lost.

The driver has to notice. Run as `python -m tests.chaos.careless worker`.
"""

import os
import signal
from typing import Final

from runweaver.console.__main__ import main
from runweaver.worker import worker
from runweaver.worker.accept import Batch
from runweaver.worker.merge import Merger
from tests.chaos import hurried  # noqa: F401 - otherwise it is as hurried as the others

#: This batch is acknowledged, and never stored.
_DIES_IN_BATCH: Final = 3


class CarelessMerger(Merger):
    """The rule that everything rests on, broken on purpose."""

    _batches = 0

    def merge(self, batch: Batch) -> None:
        self._acknowledge(batch)
        self._batches += bool(batch.runs)
        if self._batches == _DIES_IN_BATCH:
            os.kill(os.getpid(), signal.SIGKILL)
        super().merge(batch)


if __name__ == "__main__":
    vars(worker)["Merger"] = CarelessMerger
    main()
