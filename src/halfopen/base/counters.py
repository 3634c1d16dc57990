"""Named counters: every drop, challenge and refusal has one."""

from collections.abc import Iterator


class Counters:
    """Counts by name, in the order of first use; names are those of Linux's MIBs where it has one (``TCPTimeouts``)."""

    __slots__ = ("_values",)

    def __init__(self) -> None:
        self._values: dict[str, int] = {}

    def add(self, name: str, count: int = 1) -> None:
        """Adds ``count`` to the counter called ``name``."""
        values = self._values
        values[name] = values.get(name, 0) + count

    def __getitem__(self, name: str) -> int:
        return self._values.get(name, 0)

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def snapshot(self) -> dict[str, int]:
        """A copy of all counts that are not zero."""
        return {name: count for name, count in self._values.items() if count}

    def __repr__(self) -> str:
        return f"Counters({self._values!r})"
