"""Where to send to: the answer of the routing table, kept by who sends often."""

from abc import ABC, abstractmethod

from halfopen.base.addresses import Address
from halfopen.base.clock import Instant
from halfopen.base.native import mypyc_attr
from halfopen.stack.datagram import Outgoing
from halfopen.stack.interface import Interface
from halfopen.stack.neighbor import Neighbor
from halfopen.stack.routes import Routes
from halfopen.tcp.metrics import NO_METRICS, Metrics


@mypyc_attr(allow_interpreted_subclasses=True)
class Network(ABC):
    """The version of IP that a path is of: it makes the header, and sends."""

    __slots__ = ("routes",)

    routes: Routes

    @property
    def encapsulation(self) -> int:
        """Octets between IP's header and the transport's."""
        return 0

    @abstractmethod
    def send(self, path: "Path", outgoing: Outgoing, now: Instant) -> None:
        """Sends a datagram along ``path``; it is counted and reported, not raised, if that cannot be done."""


class Path:
    """How datagrams get from ``source`` to ``destination``, with everything about them that does not change looked up.

    A path is cheap to keep and says when it is out of date (`is_stale`): routes, addresses or a path MTU have changed
    since, and `IpLayer.find_path` has to be asked again. ``mtu`` is the link's or the path's, whichever is smaller.
    """

    __slots__ = (
        "addresses",
        "addresses_digest",
        "checksum_offload",
        "destination",
        "generation",
        "interface",
        "metrics",
        "mtu",
        "neighbor",
        "network",
        "next_hop",
        "source",
    )

    def __init__(
        self, network: Network, interface: Interface, ends: tuple[Address, Address], next_hop: Address
    ) -> None:
        self.network = network
        self.generation = network.routes.generation
        self.interface = interface
        self.source, self.destination = ends
        self.next_hop = next_hop
        self.mtu = interface.mtu
        self.metrics = NO_METRICS
        self.checksum_offload = interface.offloads.checksum
        self.neighbor: Neighbor | None = None
        self.addresses = self.source + self.destination
        self.addresses_digest = int.from_bytes(self.addresses, "big") % 65535
        """What headers need of the addresses: IPv4 the sum of their words, IPv6 a seed of flow labels, if not 0."""

    def heed(self, metrics: Metrics, learnt: int | None) -> None:
        """What is known of the route beforehand, and has been ``learnt`` of the path MTU, which a lock has ignored."""
        self.metrics = metrics
        mtus = [self.mtu, metrics.mtu or self.mtu, self.mtu if learnt is None or metrics.mtu_is_locked else learnt]
        self.mtu = min(mtus)

    @property
    def gso_octets(self) -> int:
        """The largest super-segment that the link takes, IP header included; 0 if it takes none."""
        return self.interface.offloads.gso_octets

    @property
    def is_stale(self) -> bool:
        """Whether something has changed since this path was found."""
        return self.generation != self.network.routes.generation

    def confirm(self, now: Instant) -> None:
        """The upper layer makes forward progress, so the next hop is reachable (RFC 1122 2.3.2.1, RFC 4861 7.3.1)."""
        if self.neighbor is not None:
            self.neighbor.confirm(now)

    def __repr__(self) -> str:
        return f"Path({self.source.hex()} -> {self.destination.hex()} by {self.interface.name})"
