"""All rows, in the order of the table."""

from collections.abc import Mapping
from typing import Final

from benchmarks import (
    finalizing,
    fleet,
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
from benchmarks.hooks import hive, langchain, openai_agents, opentelemetry, plain_python

_MODULES: Final = (
    ingest,
    peers,
    producer_span,
    plain_python,
    opentelemetry,
    openai_agents,
    langchain,
    hive,
    latency,
    finalizing,
    huge_run,
    reading,
    insights,
    fleet,
    memory,
    idle,
)

ROWS: Final[Mapping[str, Row]] = {row.name: row for module in _MODULES for row in module.ROWS}
