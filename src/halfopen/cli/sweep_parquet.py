"""Rows of a sweep as Parquet: a column for each parameter and figure, and the same rows give the same octets."""

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

import pyarrow
from pyarrow import parquet

Kept: TypeAlias = bool | int | float | str | None
Flat: TypeAlias = dict[str, Kept]

ROWS_IN_A_GROUP = 65_536
LINE = "row"
"""The column of the rows as they stand in JSON: a sweep goes on from there, and nothing of them is lost."""


def write(path: Path, rows: Sequence[str]) -> None:
    """All ``rows``, lines of JSON, as one file."""
    flat = [flattened(row) for row in rows]
    names = dict.fromkeys(name for each in flat for name in each)
    columns = {name: _column([each.get(name) for each in flat]) for name in names if name != LINE}
    columns[LINE] = pyarrow.array(rows, pyarrow.string())
    parquet.write_table(pyarrow.table(columns), path, compression="zstd", row_group_size=ROWS_IN_A_GROUP)


def read(path: Path) -> list[str]:
    """The rows of a file; ValueError if it is none that `write` has written."""
    try:
        lines: list[str] = parquet.read_table(path, columns=[LINE])[LINE].to_pylist()
    except (pyarrow.ArrowException, KeyError) as error:
        raise ValueError(str(error)) from None
    return lines


def flattened(row: str) -> Flat:
    """The fields of a row, each with a name of its own; counts become ``hits`` and ``trials``."""
    fields = json.loads(row)
    return dict(_fields(fields))


def _fields(fields: dict[str, object]) -> Iterator[tuple[str, Kept]]:
    for name, value in fields.items():
        if isinstance(value, dict):
            yield from _inner(name, value.items())
        elif value is None or isinstance(value, bool | int | float | str):
            yield name, value


def _inner(name: str, items: Iterable[tuple[str, object]]) -> Iterator[tuple[str, Kept]]:
    for inner, value in items:
        if isinstance(value, list):
            hits, trials = value
            yield f"hits.{inner}", hits
            yield f"trials.{inner}", trials
        elif value is None or isinstance(value, bool | int | float | str):
            yield f"{name}.{inner}", value


def _column(values: Sequence[Kept]) -> pyarrow.Array:
    """Of one type: what is sometimes an integer is a float64, and what is sometimes a text is always one."""
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {bool}:
        return pyarrow.array(values, pyarrow.bool_())
    if kinds == {int}:
        return pyarrow.array(values, pyarrow.int64())
    if kinds <= {int, float}:
        return pyarrow.array(values, pyarrow.float64())
    return pyarrow.array([None if value is None else str(value) for value in values], pyarrow.string())
