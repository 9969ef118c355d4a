"""A framework that tells of its agents' steps: what one costs with Runweaver's hook, and with its own tracing only."""

import json
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Final

from benchmarks.child import in_turn, measured_in_child, median
from benchmarks.figures import Kind, Row

#: Each run of an agent has so many steps: a model that asks for a tool, and the tool.
STEPS: Final = 20

_BLOCKS: Final = 40
_RUNS_A_BLOCK: Final = 5

_STEP: Final = "a step"
_HOOK: Final = "the hook"


def hook_row(name: str, framework: str, package: str, module: str, tracing: str) -> Row:
    """A row for the hook of one framework.

    Args:
        name: of the row.
        framework: what it is called.
        package: what must be installed.
        module: its `main` calls `print_steps`.
        tracing: what the framework has of its own.
    """
    return Row(
        name,
        f"a step of an agent of {framework} (a scripted model asks for a tool, which returns at once) with {tracing} "
        "and Runweaver's hook, against the same without the hook; and what of this is the hook, against what the "
        "framework's own tracing adds to a step without any",
        (Kind(_STEP, "µs", "without"), Kind(_HOOK, "µs", "own tracing")),
        measured_in_child(module, (_STEP, _HOOK), blocks=_BLOCKS, packages=(package,)),
    )


def print_steps(
    run: Callable[[], object],
    ways: Mapping[str, Callable[[], AbstractContextManager[object]]],
    flush: Callable[[], object],
) -> None:
    """Measure, and print the medians of a step in microseconds.

    Args:
        run: lets an agent take `STEPS` steps.
        ways: what is on while one of these is entered: nothing (`bare`), the framework's own tracing (`traced`), or
            that and the hook (`hooked`).
        flush: sends what was traced.
    """

    def in_way(way: Callable[[], AbstractContextManager[object]]) -> Callable[[], None]:
        def run_in_way() -> None:
            with way():
                run()

        return run_in_way

    calls = {name: in_way(way) for name, way in ways.items()}
    took_us = in_turn(calls, flush, blocks=int(sys.argv[1]), calls_a_block=_RUNS_A_BLOCK)
    step_us = {name: median(took) / STEPS for name, took in took_us.items()}
    traced, hook = step_us["traced"] - step_us["bare"], step_us["hooked"] - step_us["traced"]
    print(json.dumps({_STEP: (step_us["hooked"], step_us["traced"]), _HOOK: (hook, traced)}))
