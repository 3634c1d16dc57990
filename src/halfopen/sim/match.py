"""Which packets a rule is about: their headers, read when somebody asks, and keywords for what is asked most."""

from collections.abc import Callable
from functools import cached_property
from typing import Literal, TypedDict, Unpack, get_type_hints

from halfopen.base.clock import Instant
from halfopen.base.errors import ConfigError, Malformed
from halfopen.wire import arp, ethernet, icmpv4, ipv4, tcp, udp
from halfopen.wire.carried import ETHERTYPES, Carried, look
from halfopen.wire.packet import Packet

FLAG_LETTERS = "FSRP.UEWe"
"""tcpdump's and packetdrill's letters for the control bits, from the lowest bit up: FIN, SYN, RST, PSH, ACK ..."""

_ETHERTYPE = slice(12, 14)
_ARP = ethernet.ETHERTYPE_ARP.to_bytes(2, "big")


class Passing:
    """One packet, no super-segment, as it enters a cable from host ``source`` towards host ``destination``.

    ``ip``, ``tcp``, ``udp``, ``arp`` and ``icmp`` are its headers as `wire` parses them; None if it has no such header,
    or a broken one. ``ip`` is IPv4's; what both versions have is ``carried``.
    """

    def __init__(self, packet: Packet, when: Instant, way: tuple[str, str], network_offset: int) -> None:
        self.packet = packet
        self.when = when
        self.source, self.destination = way
        self.network_offset = network_offset

    @cached_property
    def arp(self) -> arp.Arp | None:
        """Address resolution (RFC 826)."""
        head = self.packet.head
        if not self.network_offset or head[_ETHERTYPE] != _ARP:
            return None
        try:
            return arp.parse(head, self.network_offset)
        except Malformed:
            return None

    @cached_property
    def ip(self) -> ipv4.Ipv4 | None:
        """The IPv4 header."""
        try:
            return ipv4.parse(self.packet.head, self.network_offset, self.packet.octets - self.network_offset)
        except Malformed:
            return None

    @cached_property
    def carried(self) -> Carried | None:
        """What the datagram carries, of either version of IP."""
        if self.network_offset and int.from_bytes(self.packet.head[_ETHERTYPE], "big") not in ETHERTYPES:
            return None
        try:
            return look(self.packet.head, self.network_offset, self.packet.octets - self.network_offset)
        except Malformed:
            return None

    @cached_property
    def tcp(self) -> tcp.Segment | None:
        """The TCP segment; of fragments, only the first has one."""
        start, octets = self._transport(ipv4.PROTOCOL_TCP)
        try:
            return tcp.parse(self.packet, start, octets) if start else None
        except Malformed:
            return None

    @cached_property
    def udp(self) -> tuple[int, int, int, int, int] | None:
        """Source port, destination port, payload offset, payload octets and checksum field of a UDP datagram."""
        start, octets = self._transport(ipv4.PROTOCOL_UDP)
        try:
            return udp.parse(self.packet.head, start, octets) if start else None
        except Malformed:
            return None

    @cached_property
    def icmp(self) -> icmpv4.Icmp | None:
        """The ICMP message, of either version."""
        carried = self.carried
        if carried is None or not carried.is_icmp:
            return None
        start, octets = self._transport(carried.protocol)
        try:
            return carried.icmp(self.packet.joined()[start : start + octets]) if start else None
        except Malformed:
            return None

    @property
    def flags(self) -> str:
        """The control bits of a TCP segment in packetdrill's letters: ``"S."`` is SYN and ACK; empty without TCP."""
        segment = self.tcp
        return flag_letters(segment.flags) if segment else ""

    @property
    def payload_octets(self) -> int:
        """Octets of text in a TCP segment or UDP datagram; 0 in all else."""
        if self.tcp is not None:
            return self.tcp.octets
        return self.udp[3] if self.udp is not None else 0

    @property
    def ports(self) -> tuple[int, int] | None:
        """Source and destination port, of TCP or UDP."""
        if self.tcp is not None:
            return self.tcp.source_port, self.tcp.destination_port
        return self.udp[:2] if self.udp is not None else None

    def _transport(self, protocol: int) -> tuple[int, int]:
        """Where the header of ``protocol`` begins in the head, and its octets with all that follows; (0, 0) if none."""
        carried = self.carried
        if carried is None or carried.protocol != protocol or (carried.fragment is not None and carried.fragment[0]):
            return 0, 0
        return carried.start, carried.octets


def flag_letters(flags: int) -> str:
    """``"S."`` for SYN and ACK."""
    return "".join(letter for bit, letter in enumerate(FLAG_LETTERS) if flags >> bit & 1)


class Flags(TypedDict, total=False):
    """Control bits that are set or not; ``flags``: exactly these, in packetdrill's letters."""

    syn: bool
    ack: bool
    fin: bool
    rst: bool
    psh: bool
    flags: str


class Turns(TypedDict, total=False):
    """Of the packets that match, only the ``nth``, the ``first`` so many, or one in ``every`` so many."""

    nth: int
    first: int
    every: int


class Matching(Flags, Turns, total=False):
    """What a packet may be picked by; all that is given must hold.

    ``port``: either port. ``source`` and ``destination``: the hosts at the ends of the cable. ``min_octets``: at least
    so much text.
    """

    port: int
    source: str
    destination: str
    min_octets: int
    protocol: Literal["tcp", "udp", "arp", "icmp"]


_BITS = {"fin": tcp.FIN, "syn": tcp.SYN, "rst": tcp.RST, "psh": tcp.PSH, "ack": tcp.ACK}
_COUNTS = ("nth", "first", "every")
_PROTOCOLS = ("tcp", "udp", "arp", "icmp")


class Match:
    """The keywords of `Matching` as a predicate. It counts: each rule needs one of its own."""

    def __init__(self, **wanted: Unpack[Matching]) -> None:
        known = get_type_hints(Matching)
        for name in wanted:
            if name not in known:
                raise ConfigError(
                    f"{name!r} is nothing that a packet is matched by: expected one of {', '.join(known)}"
                )
        for name in _COUNTS:
            count = wanted.get(name, 1)
            if not isinstance(count, int) or count < 1:
                raise ConfigError(f"{name} counts packets from 1 on, so it cannot be {count!r}")
        if sum(name in wanted for name in _COUNTS) > 1:
            raise ConfigError("nth, first and every exclude each other")
        self.matched = 0
        self._wanted = wanted
        self._tests = [*_flag_tests(wanted), *_other_tests(wanted)]

    def __call__(self, passing: Passing) -> bool:
        """Whether ``passing`` is picked."""
        if not all(test(passing) for test in self._tests):
            return False
        self.matched = number = self.matched + 1
        wanted = self._wanted
        if "nth" in wanted:
            return number == wanted["nth"]
        if "first" in wanted:
            return number <= wanted["first"]
        return number % wanted.get("every", 1) == 0

    def __str__(self) -> str:
        """``"syn=True, ack=True"``"""
        return ", ".join(f"{name}={value!r}" for name, value in self._wanted.items())


def _flag_tests(wanted: Matching) -> list[Callable[[Passing], bool]]:
    tests: list[Callable[[Passing], bool]] = []
    given = {bit: wanted.get(name) for name, bit in _BITS.items() if name in wanted}
    if given:
        mask, value = sum(given), sum(bit for bit, is_set in given.items() if is_set)
        tests.append(lambda passing: passing.tcp is not None and passing.tcp.flags & mask == value)
    if "flags" in wanted:
        letters = set(wanted["flags"])
        if not letters <= set(FLAG_LETTERS):
            raise ConfigError(f"flags {wanted['flags']!r} are not understood: expected letters of {FLAG_LETTERS!r}")
        tests.append(lambda passing: passing.tcp is not None and set(passing.flags) == letters)
    return tests


def _other_tests(wanted: Matching) -> list[Callable[[Passing], bool]]:
    tests: list[Callable[[Passing], bool]] = []
    if "source" in wanted:
        source = wanted["source"]
        tests.append(lambda passing: passing.source == source)
    if "destination" in wanted:
        destination = wanted["destination"]
        tests.append(lambda passing: passing.destination == destination)
    if "protocol" in wanted:
        protocol = wanted["protocol"]
        if protocol not in _PROTOCOLS:
            raise ConfigError(f"protocol {protocol!r} is not known: expected one of {', '.join(_PROTOCOLS)}")
        tests.append(lambda passing: getattr(passing, protocol) is not None)
    if "port" in wanted:
        port = wanted["port"]
        tests.append(lambda passing: port in (passing.ports or ()))
    if "min_octets" in wanted:
        octets = wanted["min_octets"]
        tests.append(lambda passing: passing.payload_octets >= octets)
    return tests
