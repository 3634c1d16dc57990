"""Reads the files of samples that `halfopen.base.samples` writes: an object a line (JSONL), or a table (CSV)."""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from math import isfinite

from halfopen.base.errors import ConfigError
from halfopen.base.samples import FIELDS, Sample


def read_samples(lines: Iterable[str], file: str = "samples") -> list[Sample]:
    """The samples in ``lines``; which of the two forms it is, the first line tells.

    ``when`` is in nanoseconds, counted as in the capture that belongs to it. ConfigError names ``file`` and the line.
    """
    numbered = [(number, line) for number, line in enumerate(lines, 1) if line.strip()]
    rows = _objects(numbered, file) if numbered and numbered[0][1].lstrip().startswith("{") else _table(numbered, file)
    return [_sample(row, f"{file}:{number}") for number, row in rows]


def _objects(numbered: list[tuple[int, str]], file: str) -> Iterator[tuple[int, Mapping[str, object]]]:
    for number, line in numbered:
        try:
            row = json.loads(line)
        except ValueError as error:
            raise ConfigError(f"{file}:{number}: not JSON: {error}") from None
        if not isinstance(row, dict):
            raise ConfigError(f"{file}:{number}: expected an object with {', '.join(FIELDS)}")
        yield number, row


def _table(numbered: list[tuple[int, str]], file: str) -> Iterator[tuple[int, Mapping[str, object]]]:
    if not numbered:
        return
    columns = [column.strip() for column in next(csv.reader([numbered[0][1]]))]
    if missing := [field for field in FIELDS if field not in columns]:
        raise ConfigError(f"{file}:{numbered[0][0]}: no column {missing[0]!r}: expected {', '.join(FIELDS)}, or JSON")
    for number, line in numbered[1:]:
        yield number, dict(zip(columns, next(csv.reader([line])), strict=False))


def _sample(row: Mapping[str, object], place: str) -> Sample:
    for field in FIELDS:
        if field not in row:
            raise ConfigError(f"{place}: {field!r} is missing")
    try:
        when, value = int(str(row["when"])), float(str(row["value"]))
    except ValueError:
        raise ConfigError(f"{place}: expected whole nanoseconds in 'when' and a number in 'value'") from None
    if not isfinite(value):
        raise ConfigError(f"{place}: 'value' is not finite")
    return Sample(when, str(row["subject"]), str(row["name"]), value)
