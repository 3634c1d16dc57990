"""Network interfaces and the addresses of this host."""

from dataclasses import dataclass, field
from typing import Final

from halfopen.base.addresses import IPV4_BROADCAST, Address, Mac, Prefix, parse_address
from halfopen.wire.ipv6 import ALL_NODES

ETHERNET: Final = "ethernet"
IP: Final = "ip"

IPV6_LOOPBACK: Final = parse_address("::1")


@dataclass(slots=True, frozen=True, kw_only=True)
class Offloads:
    """What the link does for us: transport checksums, and cutting super-segments.

    ``gso_octets`` is the largest of those, IP header included; 0 if it takes none.
    """

    checksum: bool = False
    gso_octets: int = 0


@dataclass(slots=True)
class InterfaceStatistics:
    """Packets and octets, whole frames where there are frames."""

    received_packets: int = 0
    received_octets: int = 0
    sent_packets: int = 0
    sent_octets: int = 0


@dataclass(slots=True, eq=False)
class Interface:
    """One attachment to a network: frames on ``ethernet`` (TAP, AF_PACKET), bare datagrams on ``ip`` (TUN).

    ``addresses`` are those in use; one that is still being probed for conflicts is not among them yet. With
    ``has_ipv6`` a link-local one is, or will be.
    """

    name: str
    kind: str
    mtu: int = 1500
    mac: Mac = b""
    offloads: Offloads = field(default_factory=Offloads)
    forwarding: bool = True
    addresses: list[tuple[Address, Prefix]] = field(default_factory=list)
    statistics: InterfaceStatistics = field(default_factory=InterfaceStatistics)
    has_ipv6: bool = False
    is_ethernet: bool = field(init=False)
    link_octets: int = field(init=False)

    def __post_init__(self) -> None:
        self.is_ethernet = self.kind == ETHERNET
        self.link_octets = 14 if self.is_ethernet else 0

    def address_towards(self, neighbor: Address) -> Address | None:
        """Our address on the network that ``neighbor`` is on; None if it is on none of ours."""
        for address, prefix in self.addresses:
            if neighbor in prefix:
                return address
        return None

    def __repr__(self) -> str:
        return f"Interface({self.name})"


class HostAddresses:
    """Which addresses are this host's own, and which are broadcasts on the networks that it is attached to."""

    __slots__ = ("broadcasts", "groups", "interfaces", "loopback", "owners")

    def __init__(self, loopback: Interface) -> None:
        self.loopback = loopback
        self.interfaces: list[Interface] = []
        self.owners: dict[Address, Interface] = {IPV6_LOOPBACK: loopback}
        self.broadcasts: set[Address] = {IPV4_BROADCAST}
        self.groups: set[Address] = {b"\xe0\x00\x00\x01", ALL_NODES}

    def add(self, interface: Interface, address: Address, prefix: Prefix) -> None:
        """``address`` is in use from now on."""
        interface.addresses.append((address, prefix))
        self.owners[address] = interface
        self._find_broadcasts()

    def remove(self, interface: Interface, address: Address) -> None:
        """``address`` is ours no longer."""
        interface.addresses[:] = [entry for entry in interface.addresses if entry[0] != address]
        self.owners.pop(address, None)
        self._find_broadcasts()

    def owns(self, address: Address) -> bool:
        """Whether a datagram to ``address`` is for this host, and for nobody else (RFC 1122 3.2.1.3)."""
        return address in self.owners or (len(address) == 4 and address[0] == 127)

    def _find_broadcasts(self) -> None:
        self.broadcasts.clear()
        self.broadcasts.add(IPV4_BROADCAST)
        for interface in self.interfaces:
            for address, prefix in interface.addresses:
                if len(address) == 4 and prefix.length < 31:
                    self.broadcasts.add(prefix.broadcast)
                    self.broadcasts.add(prefix.network)
