"""A script as values: options, events, and what each event does or expects. Times are in nanoseconds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

from halfopen.base.addresses import Address
from halfopen.base.clock import Duration
from halfopen.packetdrill.link_script import LinkLine


@dataclass(slots=True, frozen=True)
class Position:
    """Where in the script something stands; both count from 1."""

    line: int
    column: int


@dataclass(slots=True, frozen=True)
class ScriptOption:
    """A line ``--name=value`` at the top; ``value`` is None for a bare switch."""

    name: str
    value: str | None
    position: Position


class Clock(Enum):
    """What a time counts from."""

    ABSOLUTE = "the start of the script"
    RELATIVE = "the event before"
    ANY = "nothing: an outbound packet may come whenever it comes"


@dataclass(slots=True, frozen=True)
class When:
    """The time of an event. ``latest`` ends a range (``0.1~0.2``), ``until`` is when a blocking call returns."""

    clock: Clock
    at: Duration = 0
    latest: Duration | None = None
    until: Duration | None = None


@dataclass(slots=True, frozen=True)
class IpInfo:
    """What is said of an IP header; None is not said. ``ecn`` is one of noecn, ect0, ect1, ce, ect01."""

    ecn: str | None = None
    tos: int | None = None
    flow_label: int | None = None
    ttl: int | None = None


@dataclass(slots=True, frozen=True)
class Option:
    """One TCP option.

    ``name`` is one of mss, nop, eol, wscale, sackOK, TS, sack, md5, FO, FOEXP, ECN (accurate ECN), raw, gen, exp.
    ``numbers``: mss and wscale have one, TS has val and ecr, sack left and right edges in turn, gen and exp the kind or
    magic, ECN the counters in order of `words`. ``octets``: what FO, FOEXP, md5, raw, gen and exp carry.
    ``words``: of ECN the names of the counters (``("e0b", "ceb")``); of md5 ``"valid"``; of TS ``"any val"``,
    ``"any ecr"``, ``"absolute val"`` and ``"absolute ecr"`` if so written (FreeBSD's dialect).
    """

    name: str
    numbers: tuple[int, ...] = ()
    octets: bytes = b""
    words: tuple[str, ...] = ()


@dataclass(slots=True, frozen=True)
class TcpLine:
    """A TCP segment. ``flags`` as in the header, AE bit (0x100) included; ``ace`` where a digit was written instead."""

    flags: int
    ace: int | None
    start: int
    end: int
    octets: int
    ack: int | None = None
    window: int | None = None
    urgent: int | None = None
    options: tuple[Option, ...] | None = ()
    """None: ``<...>``, they are not compared."""
    ports: tuple[int, int] | None = None
    words: tuple[str, ...] = ()
    """Of ``"absolute seq"``, ``"absolute ack"`` and ``"any seq"`` those that are so written (FreeBSD's dialect)."""

    @property
    def absolute_seq(self) -> bool:
        """Sequence numbers as on the wire (``a:b(n)!``)."""
        return "absolute seq" in self.words

    @property
    def absolute_ack(self) -> bool:
        """The acknowledgment number as on the wire (``ack n!``)."""
        return "absolute ack" in self.words

    @property
    def any_seq(self) -> bool:
        """``...(n)``: the sequence number is not compared."""
        return "any seq" in self.words


@dataclass(slots=True, frozen=True)
class UdpLine:
    """A UDP datagram with ``octets`` of payload."""

    octets: int
    ports: tuple[int, int] | None = None


@dataclass(slots=True, frozen=True)
class IcmpLine:
    """An ICMP message of either version. ``quoted`` is the datagram that an error is about; None: ``raw``, nothing."""

    type: str
    code: str | None = None
    mtu: int | None = None
    id: int | None = None
    quoted: "TcpLine | UdpLine | None" = None
    raw_octets: int | None = None


@dataclass(slots=True, frozen=True)
class PacketLine:
    """``<`` is injected, ``>`` has to come out. ``encapsulation`` names the headers around it: unsupported."""

    inbound: bool
    transport: TcpLine | UdpLine | IcmpLine | LinkLine
    ip: IpInfo = field(default_factory=IpInfo)
    encapsulation: tuple[str, ...] = ()
    udp_ports: tuple[int, int] | None = None
    """The segment travels in UDP between these ports (FreeBSD's ``/udp(s > d)``)."""


@dataclass(slots=True, frozen=True)
class Omitted:
    """``...``: the interpreter knows better."""


@dataclass(slots=True, frozen=True)
class Word:
    """A symbol, such as ``SOCK_STREAM``."""

    name: str


@dataclass(slots=True, frozen=True)
class AnyOf:
    """``A|B``: symbols and numbers joined bit by bit."""

    parts: "tuple[Value, ...]"


@dataclass(slots=True, frozen=True)
class Applied:
    """``inet_addr("192.0.2.1")``, ``htons(80)``, and ``name(...)`` on the left of ``=`` in a structure."""

    name: str
    arguments: "tuple[Value, ...]"


@dataclass(slots=True, frozen=True)
class Structure:
    """``{a=1, b=...}``: fields in order; those without a name have ``""`` for one. ``msg_iov(2)=`` has key msg_iov."""

    fields: "tuple[tuple[str, Value], ...]"


@dataclass(slots=True, frozen=True)
class Vector:
    """``[a, b]``."""

    items: "tuple[Value, ...]"


Value: TypeAlias = int | str | bytes | Word | AnyOf | Applied | Structure | Vector | Omitted | Address
"""An argument: a str is one in quotes."""


@dataclass(slots=True, frozen=True)
class Call:
    """A system call, and what it is to return."""

    name: str
    arguments: tuple[Value, ...]
    result: Value
    """An int, a `Word`, or `Omitted`."""
    errno: str | None = None
    note: str | None = None


@dataclass(slots=True, frozen=True)
class Shell:
    """A command in back quotes, as written."""

    command: str


@dataclass(slots=True, frozen=True)
class Code:
    """A block ``%{ ... }%``, blanks at its ends taken off."""

    text: str


Action: TypeAlias = PacketLine | Call | Shell | Code


@dataclass(slots=True, frozen=True)
class Event:
    """Something that happens or is expected, and when."""

    position: Position
    when: When
    action: Action


@dataclass(slots=True, frozen=True)
class Script:
    """A whole script; ``path`` names it in messages. ``source`` is its text, for showing lines."""

    path: str
    source: str
    options: tuple[ScriptOption, ...]
    init: tuple[Shell, Position] | None
    events: tuple[Event, ...]
    cleanup: tuple[Shell, Position] | None
    definitions: Mapping[str, str] = field(default_factory=dict)
