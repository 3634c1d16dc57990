"""The file of a sweep's rows: while it runs, a journal that loses nothing; in the end, in the order of the sweep."""

import json
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import click

from halfopen.lab.sweep import Run, Sweep

BEGINNING = b'{"key": "'
"""Of each row."""
PARQUET = ".parquet"
UNFINISHED = ".unfinished.jsonl"
"""Behind the name of a Parquet file, which cannot be added to, while its sweep runs."""


class Journal:
    """Rows by their keys, and the file that they are kept in, if there is one."""

    def __init__(self, sweep: Sweep, path: Path | None) -> None:
        self._sweep = sweep
        # What is put in order replaces the file itself, and not a link to it.
        self._path = path.resolve() if path is not None else None
        self.rows: dict[str, str] = {}
        self._lines = self._path
        if self._path is None or self._lines is None:
            return
        wanted = {each.key for each in sweep.runs}
        if self._path.suffix == PARQUET:
            self.rows = _kept_in_parquet(self._path, wanted)
            self._lines = self._path.with_name(self._path.name + UNFINISHED)
        self.rows |= _kept(self._lines, wanted)
        _replace(self._lines, _lines_of(self.rows.values()))

    @property
    def missing(self) -> list[Run]:
        """What is still to be run."""
        return [each for each in self._sweep.runs if each.key not in self.rows]

    def add(self, batch: Iterable[tuple[Run, str]]) -> None:
        """Rows as they come; an interrupted sweep goes on after them."""
        new = {each.key: row for each, row in batch}
        self.rows.update(new)
        if self._lines is not None:
            with self._lines.open("ab") as file:
                file.writelines(f"{row}\n".encode() for row in new.values())

    def sort(self) -> None:
        """Puts the file in order, when all are there: it is the same octets now, whoever ran what."""
        if self._path is None or self._lines is None:
            return
        rows = [self.rows[each.key] for each in self._sweep.runs]
        if self._path.suffix == PARQUET:
            from halfopen.cli import sweep_parquet

            _replace(self._path, lambda beside: sweep_parquet.write(beside, rows))
            self._lines.unlink()
        else:
            _replace(self._path, _lines_of(rows))


def _lines_of(rows: Iterable[str]) -> Callable[[Path], object]:
    """Writes them."""
    return lambda path: path.write_bytes("".join(f"{row}\n" for row in rows).encode())


def _replace(path: Path, write: Callable[[Path], object]) -> None:
    """At once, or not at all."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        write(beside)
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise click.UsageError(f"{path} cannot be written: {error.strerror}") from None


def _kept(path: Path, wanted: set[str]) -> dict[str, str]:
    """Finished rows of a file that an earlier sweep has left; nothing is taken for one, or thrown away, that is not.

    The last line may have been cut off. What failed is run again.
    """
    if not _is_there(path):
        return {}
    try:
        *lines, rest = path.read_bytes().split(b"\n")
    except OSError as error:
        raise click.UsageError(f"{path} cannot be read: {error.strerror}") from None
    if not (rest.startswith(BEGINNING) or BEGINNING.startswith(rest)):
        raise _foreign(path, len(lines) + 1)
    return dict(_finished(lines, path, wanted))


def _kept_in_parquet(path: Path, wanted: set[str]) -> dict[str, str]:
    """The same of Parquet; a file that cannot have been written by a sweep is left alone."""
    from halfopen.cli import sweep_parquet

    if not _is_there(path):
        return {}
    try:
        lines = [row.encode() for row in sweep_parquet.read(path)]
    except OSError as error:
        raise click.UsageError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError:
        raise click.UsageError(f"{path} has no rows of a sweep: expected a new file, or its own") from None
    return dict(_finished(lines, path, wanted))


def _is_there(path: Path) -> bool:
    if path.exists() and not path.is_file():
        raise click.UsageError(f"{path} is no file")
    return path.exists()


def _finished(lines: Iterable[bytes], path: Path, wanted: set[str]) -> Iterator[tuple[str, str]]:
    """Rows that have no error, with their keys."""
    for number, line in enumerate(lines, 1):
        row = _row(line)
        key = row.get("key")
        if not isinstance(key, str) or key not in wanted:
            raise _foreign(path, number)
        if "error" not in row:
            yield key, line.decode()


def _row(line: bytes) -> dict[str, object]:
    try:
        row = json.loads(line)
    except ValueError:
        return {}
    return row if isinstance(row, dict) else {}


def _foreign(path: Path, line: int) -> click.UsageError:
    return click.UsageError(f"{path}: line {line} is no row of this sweep: expected a new file, or its own")
