"""All rows, in the order of the table."""

from collections.abc import Mapping
from typing import Final

from benchmarks import finalizing, ingest, latency, peers, producer_span
from benchmarks.figures import Row

ROWS: Final[Mapping[str, Row]] = {
    row.name: row for row in (*ingest.ROWS, *peers.ROWS, *producer_span.ROWS, *latency.ROWS, *finalizing.ROWS)
}
