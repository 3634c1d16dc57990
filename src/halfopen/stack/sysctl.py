"""A host's configuration by the names of a kernel's sysctls: how a field of ours is read and written as text."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from operator import attrgetter
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from halfopen.base.errors import ConfigError
from halfopen.stack.config import StackConfig

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    D = TypeVar("D", bound=DataclassInstance)

Value: TypeAlias = int | str


@dataclass(slots=True, frozen=True)
class Kind:
    """How a field of ours is written as a sysctl: ``read`` shows it; ``write`` takes words, and the field as it was."""

    read: Callable[[object], Value]
    write: Callable[[str, object], object]


@dataclass(slots=True, frozen=True)
class Sysctl:
    """A field of `StackConfig`, by its path, and what it means."""

    path: str
    kind: Kind
    meaning: str


def whole(least: int = 0, most: int = 2**31 - 1, unit: int = 1) -> Kind:
    """A number of so many ``unit``."""

    def write(text: str, _: object) -> int:
        if not text.isdecimal() or not least <= int(text) <= most:
            raise ValueError(f"expected a number from {least} to {most}")
        return int(text) * unit

    return Kind(lambda field: int(str(field)) // unit, write)


def switch(on: int = 1, off: int = 0) -> Kind:
    """A truth value; ``on`` and ``off`` are what Linux writes for it."""

    def write(text: str, _: object) -> bool:
        if text not in (str(on), str(off)):
            raise ValueError(f"expected {on} (on) or {off} (off)")
        return text == str(on)

    return Kind(lambda field: on if field else off, write)


def numbers(text: str, names: str) -> list[int]:
    """As many numbers as ``names``, rising."""
    words = text.split()
    count = len(names.split(", "))
    if len(words) != count or not all(word.isdecimal() for word in words):
        raise ValueError(f"expected {count} numbers: {names}")
    numbers = [int(word) for word in words]
    if numbers != sorted(numbers) or not numbers[0]:
        raise ValueError(f"expected numbers that rise, of at least 1: {names}")
    return numbers


Table: TypeAlias = Mapping[str, Sysctl]
"""Sysctls by their names."""


def defaults(prefix: str, words: str) -> dict[str, str]:
    """``name=value`` between blanks, each name behind ``prefix``."""
    pairs = (word.split("=") for word in words.split())
    return {prefix + name: value for name, value in pairs}


def read(table: Table, config: StackConfig, name: str) -> Value:
    """What ``sysctl name`` would print of a host with this configuration; ConfigError if there is no such name."""
    entry = _entry(table, name)
    return entry.kind.read(attrgetter(entry.path)(config))


def write(table: Table, config: StackConfig, name: str, value: Value) -> StackConfig:
    """``sysctl name=value``; ConfigError if there is no such name, or the value cannot be meant."""
    entry = _entry(table, name)
    text = " ".join(str(value).split())
    try:
        return _replaced(config, entry.path.split("."), entry.kind.write(text, attrgetter(entry.path)(config)))
    except (ValueError, ConfigError) as error:
        raise ConfigError(f"sysctl {name} cannot be {value!r}: {error}") from None


def _entry(table: Table, name: str) -> Sysctl:
    """By its name with dots, or with slashes as below ``/proc/sys``."""
    dotted = name.replace("/", ".")
    if dotted in table:
        return table[dotted]
    last = {known.rpartition(".")[2]: known for known in table}
    close = get_close_matches(dotted, table, n=3, cutoff=0.8)
    close += [last[word] for word in get_close_matches(dotted.rpartition(".")[2], last, n=3, cutoff=0.8)]
    hint = f" (did you mean {' or '.join(repr(each) for each in dict.fromkeys(close))}?)" if close else ""
    raise ConfigError(f"there is no sysctl {name!r}{hint}")


def _replaced(config: "D", path: list[str], value: object) -> "D":
    """A copy of ``config`` in which the field at ``path`` is ``value``."""
    first, *rest = path
    return replace(config, **{first: _replaced(getattr(config, first), rest, value) if rest else value})
