"""The routing table: longest prefix match (RFC 1812 5.2.4.3)."""

from collections.abc import Iterator
from dataclasses import dataclass

from halfopen.base.addresses import Address, Prefix
from halfopen.stack.interface import Interface
from halfopen.tcp.metrics import NO_METRICS, Metrics


@dataclass(slots=True, frozen=True, kw_only=True)
class Route:
    """Datagrams to ``prefix`` leave by ``interface``, to ``gateway`` or, without one, straight to their destination.

    Without ``interface`` the route is there to refuse: destinations in ``prefix`` are unreachable (RFC 1812 5.2.4.1).
    ``source`` is the address preferred for what this host itself sends there.
    """

    prefix: Prefix
    interface: Interface | None = None
    gateway: Address | None = None
    metric: int = 0
    source: Address | None = None
    metrics: Metrics = NO_METRICS


class Routes:
    """Routes by prefix: one dict for each prefix length in use, asked from the longest to the shortest.

    ``generation`` grows with every change of anything that a `Path` depends on; `advance` is for the changes that are
    made elsewhere (addresses, path MTUs).
    """

    __slots__ = ("_by_length", "_search", "generation")

    def __init__(self) -> None:
        self.generation = 0
        self._by_length: dict[tuple[int, int], dict[int, list[Route]]] = {}
        self._search: dict[int, list[tuple[int, dict[int, list[Route]]]]] = {4: [], 16: []}

    def advance(self) -> None:
        """Makes every path found so far stale."""
        self.generation += 1

    def add(self, route: Route) -> None:
        """Adds ``route``; of several to one prefix the lowest metric wins, then the first added."""
        octets = len(route.prefix.network)
        shift = 8 * octets - route.prefix.length
        table = self._by_length.setdefault((octets, shift), {})
        same = table.setdefault(int.from_bytes(route.prefix.network, "big") >> shift, [])
        same.append(route)
        same.sort(key=lambda entry: entry.metric)
        self._changed()

    def remove(self, route: Route) -> None:
        """Removes ``route``; ValueError if it is not there."""
        octets = len(route.prefix.network)
        shift = 8 * octets - route.prefix.length
        table = self._by_length.get((octets, shift), {})
        key = int.from_bytes(route.prefix.network, "big") >> shift
        table.get(key, []).remove(route)
        if not table[key]:
            del table[key]
        if not table:
            del self._by_length[octets, shift]
        self._changed()

    def remove_interface(self, interface: Interface) -> None:
        """Removes every route that leaves by ``interface``."""
        for route in [route for route in self if route.interface is interface]:
            self.remove(route)

    def lookup(self, destination: Address) -> Route | None:
        """The best route of the longest prefix that ``destination`` lies in."""
        value = int.from_bytes(destination, "big")
        for shift, table in self._search[len(destination)]:
            found = table.get(value >> shift)
            if found is not None:
                return found[0]
        return None

    def __iter__(self) -> Iterator[Route]:
        return iter([route for table in self._by_length.values() for same in table.values() for route in same])

    def __len__(self) -> int:
        return sum(len(same) for table in self._by_length.values() for same in table.values())

    def _changed(self) -> None:
        for octets, search in self._search.items():
            lengths = sorted(shift for family, shift in self._by_length if family == octets)
            search[:] = [(shift, self._by_length[octets, shift]) for shift in lengths]
        self.advance()
