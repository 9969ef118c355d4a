"""All rows, in the order of the table."""

from collections.abc import Mapping
from typing import Final

from benchmarks import ingest
from benchmarks.figures import Row

ROWS: Final[Mapping[str, Row]] = {row.name: row for row in (*ingest.ROWS,)}
