"""All rows, in the order of the table."""

from collections.abc import Mapping
from typing import Final

from benchmarks import (
    finalizing,
    hooks_hive,
    hooks_plain_python,
    huge_run,
    idle,
    ingest,
    insights,
    latency,
    memory,
    peers,
    producer_span,
    reading,
)
from benchmarks.figures import Row

_MODULES: Final = (
    ingest,
    peers,
    producer_span,
    hooks_hive,
    hooks_plain_python,
    latency,
    finalizing,
    huge_run,
    reading,
    insights,
    memory,
    idle,
)

ROWS: Final[Mapping[str, Row]] = {row.name: row for module in _MODULES for row in module.ROWS}
