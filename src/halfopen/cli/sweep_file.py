"""The file of a sweep's rows: while it runs, a journal that loses nothing; in the end, in the order of the sweep."""

import json
import os
from collections.abc import Iterable
from pathlib import Path

import click

from halfopen.lab.sweep import Run, Sweep

BEGINNING = b'{"key": "'
"""Of each row."""


class Journal:
    """Rows by their keys, and the file that they are kept in, if there is one."""

    def __init__(self, sweep: Sweep, path: Path | None) -> None:
        self._sweep = sweep
        # What is put in order replaces the file itself, and not a link to it.
        self._path = path.resolve() if path is not None else None
        self.rows: dict[str, str] = {}
        if self._path is not None:
            self.rows = _kept(self._path, {each.key for each in sweep.runs})
            self._replace(self._path, self.rows.values())

    @property
    def missing(self) -> list[Run]:
        """What is still to be run."""
        return [each for each in self._sweep.runs if each.key not in self.rows]

    def add(self, batch: Iterable[tuple[Run, str]]) -> None:
        """Rows as they come; an interrupted sweep goes on after them."""
        new = {each.key: row for each, row in batch}
        self.rows.update(new)
        if self._path is not None:
            with self._path.open("ab") as file:
                file.writelines(f"{row}\n".encode() for row in new.values())

    def sort(self) -> None:
        """Puts the file in order, when all are there: it is the same octets now, whoever ran what."""
        if self._path is not None:
            self._replace(self._path, (self.rows[each.key] for each in self._sweep.runs))

    def _replace(self, path: Path, rows: Iterable[str]) -> None:
        """At once, or not at all."""
        beside = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            with beside.open("wb") as file:
                file.writelines(f"{row}\n".encode() for row in rows)
            beside.replace(path)
        except OSError as error:
            beside.unlink(missing_ok=True)
            raise click.UsageError(f"{path} cannot be written: {error.strerror}") from None


def _kept(path: Path, wanted: set[str]) -> dict[str, str]:
    """Finished rows of a file that an earlier sweep has left; nothing is taken for one, or thrown away, that is not.

    The last line may have been cut off. What failed is run again.
    """
    if not path.exists():
        return {}
    if not path.is_file():
        raise click.UsageError(f"{path} is no file")
    try:
        *lines, rest = path.read_bytes().split(b"\n")
    except OSError as error:
        raise click.UsageError(f"{path} cannot be read: {error.strerror}") from None
    if not (rest.startswith(BEGINNING) or BEGINNING.startswith(rest)):
        raise _foreign(path, len(lines) + 1)
    rows = {}
    for number, line in enumerate(lines, 1):
        row = _row(line)
        key = row.get("key")
        if not isinstance(key, str) or key not in wanted:
            raise _foreign(path, number)
        if "error" not in row:
            rows[key] = line.decode()
    return rows


def _row(line: bytes) -> dict[str, object]:
    try:
        row = json.loads(line)
    except ValueError:
        return {}
    return row if isinstance(row, dict) else {}


def _foreign(path: Path, line: int) -> click.UsageError:
    return click.UsageError(f"{path}: line {line} is no row of this sweep: expected a new file, or its own")
