"""The Identification field of IP datagrams (RFC 6864 4.1), and what it has told strangers.

Only fragments need it. But hosts used to number all their datagrams, and whoever sees two of them knows how many went
to others in between: the idle scan, which probes a port in the name of somebody else.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Final

from halfopen.base.native import mypyc_attr
from halfopen.base.permit import Permit
from halfopen.base.rng import Rng

LIMIT: Final = 4096
"""Counters that are kept; the one that was started first goes first."""


@mypyc_attr(allow_interpreted_subclasses=True)
class Identifications(ABC):
    """Numbers the datagrams of a host."""

    __slots__ = ()

    numbers_atomic = True
    """Whether atomic datagrams, which nobody may fragment, have a number as well; else theirs is 0."""

    @abstractmethod
    def next(self, addresses: bytes, protocol: int, count: int = 1) -> int:
        """The first of ``count`` values for datagrams of ``protocol`` between the two ``addresses``, joined."""


class PerFlow(Identifications):
    """One counter for each source, destination and protocol, from a random start; atomic datagrams have 0."""

    __slots__ = ("_counters", "_rng")

    numbers_atomic = False

    def __init__(self, rng: Rng) -> None:
        self._rng = rng
        self._counters: dict[tuple[bytes, int], int] = {}

    def next(self, addresses: bytes, protocol: int, count: int = 1) -> int:
        """The flow's next."""
        key = (addresses, protocol)
        value = self._counters.get(key)
        if value is None:
            if len(self._counters) >= LIMIT:
                del self._counters[next(iter(self._counters))]
            value = self._rng.below(0x10000)
        self._counters[key] = (value + count) & 0xFFFF
        return value


class PerDestination(Identifications):
    """One counter for each destination, from a random start (Linux before 2013, Solaris)."""

    __slots__ = ("_counters",)

    def __init__(self, rng: Rng) -> None:
        self._counters = PerFlow(rng)

    def next(self, addresses: bytes, protocol: int, count: int = 1) -> int:
        """The destination's next."""
        return self._counters.next(addresses[len(addresses) // 2 :], 0, count)


class Random(Identifications):
    """Any number (OpenBSD)."""

    __slots__ = ("_rng",)

    def __init__(self, rng: Rng) -> None:
        self._rng = rng

    def next(self, addresses: bytes, protocol: int, count: int = 1) -> int:
        """But not 0, which says that there is none."""
        return 1 + self._rng.below(0xFFFF)


class Global(Identifications):
    """One counter for all (4.xBSD, Windows, printers): what the idle scan needs. For the lab only."""

    __slots__ = ("_permit", "_value")

    def __init__(self, rng: Rng, permit: Permit) -> None:
        self._value = rng.below(0x10000)
        self._permit = permit

    def next(self, addresses: bytes, protocol: int, count: int = 1) -> int:
        """The host's next."""
        self._permit.check("a host that counts its datagrams where everybody can see it")
        value = self._value
        self._value = (value + count) & 0xFFFF
        return value


POLICIES: Final[Mapping[str, Callable[[Rng], Identifications]]] = {
    "zero": PerFlow,
    "destination": PerDestination,
    "random": Random,
}
"""By name, as in `halfopen.stack.config.IpConfig.ip_id`. There is ``"global"`` as well."""


def make_identifications(policy: str, permit: Permit | None, rng: Rng) -> Identifications:
    """What ``policy`` names; ``"global"`` needs a permit."""
    if policy == "global" and permit is not None:
        return Global(rng, permit)
    return POLICIES[policy](rng)
