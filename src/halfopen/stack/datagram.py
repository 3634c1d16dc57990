"""The seam between IP and the transports: what crosses it, in both directions."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Final

from halfopen.base.addresses import Address
from halfopen.base.clock import Instant
from halfopen.base.native import mypyc_attr
from halfopen.base.octets import Buffers
from halfopen.stack.interface import Interface
from halfopen.wire.icmpv4 import Quoted
from halfopen.wire.packet import CHECKSUM_PARTIAL, Packet

NET_UNREACHABLE: Final = "net-unreachable"
HOST_UNREACHABLE: Final = "host-unreachable"
PROTOCOL_UNREACHABLE: Final = "protocol-unreachable"
PORT_UNREACHABLE: Final = "port-unreachable"
FRAGMENTATION_NEEDED: Final = "fragmentation-needed"
SOURCE_ROUTE_FAILED: Final = "source-route-failed"
HOST_UNKNOWN: Final = "host-unknown"
HOST_ISOLATED: Final = "host-isolated"
NET_PROHIBITED: Final = "net-prohibited"
ADMIN_PROHIBITED: Final = "admin-prohibited"
PRECEDENCE: Final = "precedence"
"""A router does not like the precedence (RFC 1812 5.3.3.2)."""
TTL_EXCEEDED: Final = "ttl-exceeded"
REASSEMBLY_EXCEEDED: Final = "reassembly-exceeded"
PARAMETER_PROBLEM: Final = "parameter-problem"


@mypyc_attr(acyclic=True)
class Datagram:
    """One whole datagram for a transport of this host; its IP header has been checked.

    ``offset`` is where the transport header starts in ``packet.head`` and ``octets`` the length of transport header
    and payload: a link's padding may follow in the head. ``link_broadcast``: the frame or the IP destination was a
    broadcast or multicast, which no TCP and no ICMP error may answer. ``flow_offset`` is where addresses and ports lie
    contiguously in ``packet.head``, or -1 where IP options part them.
    """

    __slots__ = (
        "destination",
        "flow_offset",
        "interface",
        "link_broadcast",
        "octets",
        "offset",
        "packet",
        "protocol",
        "source",
        "tos",
        "ttl",
    )

    def __init__(
        self,
        packet: Packet,
        offset: int,
        octets: int,
        source: Address,
        destination: Address,
        protocol: int,
        tos: int,
        ttl: int,
        interface: Interface,
        link_broadcast: bool,
        flow_offset: int,
    ) -> None:
        self.packet = packet
        self.offset = offset
        self.octets = octets
        self.source = source
        self.destination = destination
        self.protocol = protocol
        self.tos = tos
        self.ttl = ttl
        self.interface = interface
        self.link_broadcast = link_broadcast
        self.flow_offset = flow_offset

    def payload(self) -> bytes:
        """Transport header and payload as one string of octets: a copy."""
        packet = self.packet
        stop = self.offset + self.octets
        if not packet.body:
            return packet.head[self.offset : stop]
        return packet.joined()[self.offset : stop]

    @property
    def network_offset(self) -> int:
        """Where the IP header starts in ``packet.head``: behind the link header, which reassembled ones have too."""
        return self.interface.link_octets


@mypyc_attr(acyclic=True)
class Outgoing:
    """What a transport wants sent. ``head`` is its header, ``octets`` the length of header and ``body`` together.

    With `CHECKSUM_PARTIAL` the field at ``checksum_offset`` in ``head`` holds the folded sum of the pseudo-header.
    ``tos`` is the whole octet, DSCP and ECN. ``gso_size`` above zero: a super-segment of TCP (see `Packet`).
    """

    __slots__ = (
        "body",
        "checksum",
        "checksum_offset",
        "dont_fragment",
        "gso_size",
        "head",
        "octets",
        "protocol",
        "tos",
        "ttl",
    )

    def __init__(
        self,
        protocol: int,
        head: bytes,
        body: Buffers,
        octets: int,
        tos: int = 0,
        ttl: int = 64,
        dont_fragment: bool = True,
        checksum: int = CHECKSUM_PARTIAL,
        checksum_offset: int = 0,
        gso_size: int = 0,
    ) -> None:
        self.protocol = protocol
        self.head = head
        self.body = body
        self.octets = octets
        self.tos = tos
        self.ttl = ttl
        self.dont_fragment = dont_fragment
        self.checksum = checksum
        self.checksum_offset = checksum_offset
        self.gso_size = gso_size


@dataclass(slots=True, frozen=True, eq=False)
class IcmpError:
    """Something went wrong with a datagram of ours: said by ICMP, or found out here (no neighbour, too large).

    ``kind`` is one of the constants of this module, ``mtu`` the next hop's with `FRAGMENTATION_NEEDED` (else 0),
    ``source`` who says so: an own address if we found out ourselves.
    """

    kind: str
    mtu: int
    source: Address
    quoted: Quoted


@mypyc_attr(allow_interpreted_subclasses=True)
class Transport(ABC):
    """A protocol on top of IP; `IpLayer.register` gives it a protocol number."""

    @abstractmethod
    def receive(self, datagram: Datagram, now: Instant) -> None:
        """Takes a datagram for this host; may raise `Malformed`, which the stack counts."""

    @abstractmethod
    def on_error(self, error: IcmpError, now: Instant) -> None:
        """Takes news about a datagram that claims to be ours: whether it is, the quoted ports and numbers tell."""
