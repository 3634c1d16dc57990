"""What scripts about the layers below TCP say of a packet, as values; a dialect of our own (``--link``).

Hosts and stations may be named: `halfopen.packetdrill.link_layout` knows who they are in either IP version.
"""

from dataclasses import dataclass
from typing import TypeAlias

from halfopen.base.addresses import Address, Mac
from halfopen.wire.ndp_options import PrefixInformation

Host: TypeAlias = str | Address
"""A name, such as ``remote``, or an address."""
Station: TypeAlias = str | Mac
"""A name, or a link address."""


@dataclass(slots=True, frozen=True)
class Slice:
    """``frag 7:1480@0+``: of the datagram that the line tells, ``octets`` from ``offset``, with more to follow or not.

    ``id`` is the script's own: whatever numbers the host gives, those of one datagram are the same.
    """

    id: int
    octets: int
    offset: int
    more: bool


@dataclass(slots=True, frozen=True)
class ArpLine:
    """``arp who-has TARGET tell SENDER``, or ``arp reply SENDER is-at STATION [to TARGET]`` (RFC 826)."""

    is_reply: bool
    sender: Host
    target: Host | None
    station: Station | None = None


@dataclass(slots=True, frozen=True)
class UdpDatagram:
    """``udp [SOURCE > DESTINATION] (OCTETS)``; the payload is zeros."""

    octets: int
    ports: tuple[int, int] | None = None


@dataclass(slots=True, frozen=True)
class RawPayload:
    """``proto N (OCTETS)``: zeros behind the IP header."""

    protocol: int
    octets: int


@dataclass(slots=True, frozen=True)
class IcmpMessage:
    """An ICMP message of the script's IP version. Echoes carry ``octets``; errors quote what they are about."""

    type: str
    code: str | None = None
    id: int | None = None
    seq: int = 0
    mtu: int | None = None
    pointer: int | None = None
    gateway: Host | None = None
    octets: int = 0

    @property
    def is_echo(self) -> bool:
        """A question or an answer, which quotes nothing."""
        return self.type in ("echo_request", "echo_reply")


@dataclass(slots=True, frozen=True, kw_only=True)
class NdpLine:
    """``icmp6 neighbor_solicitation who-has TARGET ...`` and the other messages of Neighbor Discovery (RFC 4861).

    ``flags`` are router, solicited, override, managed, other; ``numbers`` those of an advertisement by name.
    """

    type: str
    target: Host | None = None
    destination: Host | None = None
    flags: frozenset[str] = frozenset()
    numbers: tuple[tuple[str, int], ...] = ()
    source_link: Station | None = None
    target_link: Station | None = None
    mtu: int | None = None
    nonce: int | None = None
    """The script's own number for a nonce (RFC 7527)."""
    prefixes: tuple[PrefixInformation, ...] = ()


@dataclass(slots=True, frozen=True)
class MldLine:
    """``icmp6 multicast_listener_report GROUP RECORD, ...``: for each ``to_ex``, ``is_ex`` or ``to_in`` (RFC 3810)."""

    records: tuple[tuple[Host, str], ...]


@dataclass(slots=True, frozen=True)
class MldQuery:
    """``icmp6 multicast_listener_query [GROUP] max-delay N``; without a group a general one."""

    group: Host | None
    max_delay: int


Body: TypeAlias = ArpLine | UdpDatagram | RawPayload | IcmpMessage | NdpLine | MldLine | MldQuery


@dataclass(slots=True, frozen=True)
class LinkLine:
    """One frame: by which device, between which stations and which hosts (None: as is usual), and what is in it."""

    body: Body
    device: int = 0
    stations: tuple[Station, Station] | None = None
    ends: tuple[Host, Host] | None = None
    slice: Slice | None = None
    dont_fragment: bool = False
