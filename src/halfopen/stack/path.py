"""Where to send to: the answer of the routing table, kept by who sends often."""

from halfopen.base.addresses import Address
from halfopen.base.clock import Instant
from halfopen.stack.interface import Interface
from halfopen.stack.neighbor import Neighbor
from halfopen.stack.routes import Routes


class Path:
    """How datagrams get from ``source`` to ``destination``, with everything about them that does not change looked up.

    A path is cheap to keep and says when it is out of date (`is_stale`): routes, addresses or a path MTU have changed
    since, and `IpLayer.find_path` has to be asked again. ``mtu`` is the link's or the path's, whichever is smaller.
    """

    __slots__ = (
        "addresses",
        "addresses_sum",
        "checksum_offload",
        "destination",
        "generation",
        "gso_octets",
        "interface",
        "mtu",
        "neighbor",
        "next_hop",
        "routes",
        "source",
    )

    def __init__(self, routes: Routes, interface: Interface, ends: tuple[Address, Address], next_hop: Address) -> None:
        self.routes = routes
        self.generation = routes.generation
        self.interface = interface
        self.source, self.destination = ends
        self.next_hop = next_hop
        self.mtu = interface.mtu
        self.gso_octets = interface.offloads.gso_octets
        self.checksum_offload = interface.offloads.checksum
        self.neighbor: Neighbor | None = None
        self.addresses = self.source + self.destination
        self.addresses_sum = int.from_bytes(self.addresses, "big") % 65535

    @property
    def is_stale(self) -> bool:
        """Whether something has changed since this path was found."""
        return self.generation != self.routes.generation

    def confirm(self, now: Instant) -> None:
        """The upper layer makes forward progress, so the next hop is reachable (RFC 1122 2.3.2.1, RFC 4861 7.3.1)."""
        if self.neighbor is not None:
            self.neighbor.confirm(now)

    def __repr__(self) -> str:
        return f"Path({self.source.hex()} -> {self.destination.hex()} by {self.interface.name})"
