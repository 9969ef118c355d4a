"""A worker that is stuck as soon as it has something to merge, and that gives itself two seconds to come round.

Run as `python -m tests.support.stuck worker`.
"""

import threading
from typing import Any

from runweaver.console.__main__ import main
from runweaver.worker import merge, vitals


def _never(*_arguments: Any) -> None:
    threading.Event().wait()


# A worker's threads come round within a second, whatever they do.
_beat = vitals.Vitals.beat
vitals.Vitals.beat = lambda self, thread, **_: _beat(self, thread, back_within_s=2.0)  # type: ignore[method-assign]
merge.Merger.merge = _never  # type: ignore[method-assign,assignment]

if __name__ == "__main__":
    main()
