"""Summaries or full runs as a Parquet file: a column for each field, and a row group for some thousands of runs."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, get_args

from pydantic_core import to_jsonable_python

from runweaver.console.export_file import UNFINISHED, Export, beside
from runweaver.shared.errors import InvalidArgumentError, MissingExtraError
from runweaver.shared.run import Run
from runweaver.shared.summary import RunSummary

#: A row group is written when it has so many rows, or about so many characters of text.
_ROWS: Final = 10_000
_CHARACTERS: Final = 32_000_000

#: The largest number that a column holds. Sums of absurd counts may be larger.
_LARGEST: Final = 2**63 - 1


class ParquetFile:
    """Gathers rows, and writes them group by group."""

    def __init__(self, path: Path, model: type[RunSummary | Run], arrow: Any, parquet: Any) -> None:
        self._path = path
        self._arrow = arrow
        self._schema = _schema(model, arrow)
        self._writer = parquet.ParquetWriter(beside(path, UNFINISHED), self._schema, compression="zstd")
        self._rows: list[dict[str, Any]] = []
        self._characters = 0

    def write(self, document: RunSummary | Run) -> None:
        row = {
            name: _cell(getattr(document, name), self._arrow, self._schema.field(name)) for name in self._schema.names
        }
        self._rows.append(row)
        self._characters += sum(len(cell) for cell in row.values() if isinstance(cell, str))
        if len(self._rows) >= _ROWS or self._characters >= _CHARACTERS:
            self._write_group()

    def keep(self, export: Export) -> None:
        """A file without its end is none: there is nothing to go on from."""

    def finish(self) -> None:
        self._write_group()
        self._writer.close()
        beside(self._path, UNFINISHED).replace(self._path)

    def close(self) -> None:
        """What is not finished is of no use."""
        self._writer.close()
        beside(self._path, UNFINISHED).unlink(missing_ok=True)

    def _write_group(self) -> None:
        if self._rows:
            self._writer.write_table(self._arrow.Table.from_pylist(self._rows, schema=self._schema))
        self._rows, self._characters = [], 0


@contextmanager
def parquet_file(path: Path, *, full: bool) -> Iterator[ParquetFile]:
    """Begin a file.

    Args:
        path: where it is to be in the end.
        full: whether it will hold full runs.

    Raises:
        MissingExtraError: the library that writes it is not installed.
        InvalidArgumentError: it cannot be written there.
    """
    try:
        import pyarrow as pa  # noqa: PLC0415 - an extra
        from pyarrow import parquet  # noqa: PLC0415
    except ModuleNotFoundError:
        raise MissingExtraError("Parquet files need pip install 'runweaver[parquet]'") from None
    try:
        file = ParquetFile(path, Run if full else RunSummary, pa, parquet)
    except OSError as error:
        raise InvalidArgumentError(f"--output: {beside(path, UNFINISHED)} cannot be written: {error}") from None
    try:
        yield file
    finally:
        file.close()


def _schema(model: type[RunSummary | Run], arrow: Any) -> Any:
    types = {name: field.annotation for name, field in model.model_fields.items()}
    types |= {name: field.return_type for name, field in model.model_computed_fields.items()}
    return arrow.schema([(name, _type(kind, arrow)) for name, kind in types.items()])


def _type(kind: Any, arrow: Any) -> Any:
    """The type of a column: what is neither a number, a time, a text nor a list of texts is JSON, as text."""
    if kind is int:
        return arrow.int64()
    if kind is float:
        return arrow.float64()
    if datetime in (kind, *get_args(kind)):
        return arrow.timestamp("us", tz="UTC")
    if kind == list[str]:
        return arrow.list_(arrow.string())
    return arrow.string()


def _cell(value: Any, arrow: Any, column: Any) -> Any:
    if isinstance(value, int):
        return min(value, _LARGEST)
    if isinstance(value, StrEnum):
        return value.value
    if column.type != arrow.string() or value is None or isinstance(value, str):
        return value
    return json.dumps(to_jsonable_python(value, by_alias=True), ensure_ascii=False)
