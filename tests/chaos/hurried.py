"""A worker or a finalizer that asks again after two seconds, not thirty, for runs whose job may be lost.

For chaos that has only a minute. Run as `python -m tests.chaos.hurried worker`.
"""

from runweaver.console.__main__ import main
from runweaver.worker import sweep

vars(sweep)["_AGAIN_MS"] = 2_000

if __name__ == "__main__":
    main()
