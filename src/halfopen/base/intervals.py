"""A set of integers as disjoint half-open ranges: what a datagram still lacks, what a peer has selectively acked."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator


class IntervalSet:
    """Disjoint, sorted, non-touching ranges ``[start, stop)``. `add` merges what overlaps or touches."""

    __slots__ = ("_starts", "_stops")

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._stops: list[int] = []

    def add(self, start: int, stop: int) -> int:
        """Adds ``[start, stop)`` and returns how many integers are new; an empty range adds nothing."""
        if start >= stop:
            return 0
        low = bisect_left(self._stops, start)
        high = bisect_right(self._starts, stop)
        if low == high:
            self._starts.insert(low, start)
            self._stops.insert(low, stop)
            return stop - start
        held = sum(self._stops[low:high]) - sum(self._starts[low:high])
        merged_start = min(start, self._starts[low])
        merged_stop = max(stop, self._stops[high - 1])
        self._starts[low:high] = [merged_start]
        self._stops[low:high] = [merged_stop]
        return merged_stop - merged_start - held

    def remove_below(self, stop: int) -> None:
        """Forgets every integer below ``stop``."""
        gone = bisect_right(self._stops, stop)
        del self._starts[:gone]
        del self._stops[:gone]
        if self._starts and self._starts[0] < stop:
            self._starts[0] = stop

    def covers(self, start: int, stop: int) -> bool:
        """Whether all of ``[start, stop)`` is in the set; an empty range is."""
        if start >= stop:
            return True
        index = bisect_right(self._starts, start) - 1
        return index >= 0 and stop <= self._stops[index]

    def gaps(self, start: int, stop: int) -> Iterator[tuple[int, int]]:
        """The ranges of ``[start, stop)`` that are missing, in order."""
        at = start
        for low, high in self:
            if high <= at:
                continue
            if low >= stop:
                break
            if low > at:
                yield at, low
            at = high
        if at < stop:
            yield at, stop

    @property
    def total(self) -> int:
        """How many integers are in the set."""
        return sum(self._stops) - sum(self._starts)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(zip(self._starts, self._stops, strict=True))

    def __len__(self) -> int:
        return len(self._starts)

    def __contains__(self, value: int) -> bool:
        index = bisect_right(self._starts, value) - 1
        return index >= 0 and value < self._stops[index]

    def __repr__(self) -> str:
        return "{" + ", ".join(f"[{start}, {stop})" for start, stop in self) + "}"
