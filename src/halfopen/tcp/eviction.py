"""Who has to go when a SYN finds its bucket of the half-open table full (RFC 4987 3)."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Final

from halfopen.base.clock import Instant
from halfopen.base.native import mypyc_attr
from halfopen.base.rng import Rng


@mypyc_attr(allow_interpreted_subclasses=True)
class EvictionPolicy(ABC):
    """Chooses among the records of one bucket."""

    __slots__ = ()

    @abstractmethod
    def choose(self, ways: int, added: Callable[[], list[Instant]]) -> int | None:
        """The index of the record to evict, of ``ways`` in the bucket; None refuses the newcomer.

        ``added`` tells when each of them came; it costs some microseconds, so only who wants to know asks.
        """


class DropNew(EvictionPolicy):
    """Tail drop, as a plain backlog: whoever is in stays in."""

    __slots__ = ()

    def choose(self, ways: int, added: Callable[[], list[Instant]]) -> int | None:
        """Never anybody."""
        return None


class DropOldest(EvictionPolicy):
    """The record that has waited longest (RFC 4987 3.4; FreeBSD's syncache)."""

    __slots__ = ()

    def choose(self, ways: int, added: Callable[[], list[Instant]]) -> int | None:
        """Whoever came first."""
        arrivals = added()
        return arrivals.index(min(arrivals))


class DropRandom(EvictionPolicy):
    """Any: a flood of SYNs then mostly evicts itself, and no position in time is safe or doomed."""

    __slots__ = ("_rng",)

    def __init__(self, rng: Rng) -> None:
        self._rng = rng

    def choose(self, ways: int, added: Callable[[], list[Instant]]) -> int | None:
        """Each with the same chance."""
        return self._rng.below(ways)


EVICTIONS: Final[Mapping[str, Callable[[Rng], EvictionPolicy]]] = {
    "drop-new": lambda rng: DropNew(),
    "oldest": lambda rng: DropOldest(),
    "random": DropRandom,
}
"""By name, as in `halfopen.stack.config.TcpLayerConfig.eviction`."""
