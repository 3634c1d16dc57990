"""A router that makes the initial sequence numbers of the hosts behind it strong, as pf's ``modulate state``.

What comes out of a weak host is moved by an offset of its connection's own, and what goes back to it by the same.
Unlike pf, which draws an offset and has to remember it, the offset is F(addresses, ports, secret): the router turns
the weak generator into RFC 6528's "M + F", its M being the host's own numbers, keeps no state that a flood could fill,
and knows all connections again after a reboot::

    weak host            router                     others
    SEQ   n      --->    n + F            --->      SEQ  n + F
    ACK   m, SACK <---   m - F            <---      ACK  m, SACK
"""

from hashlib import blake2s
from struct import Struct

from halfopen.base.addresses import Address, Prefix
from halfopen.base.clock import Instant
from halfopen.base.counters import Counters
from halfopen.base.errors import ConfigError, Malformed
from halfopen.sim.cable import CableEnd
from halfopen.sim.host import SimHost
from halfopen.sim.network import Network
from halfopen.sim.pump import Plug
from halfopen.sim.rewriting import Datagram, look, look_quoted
from halfopen.tcp.seqnum import MASK
from halfopen.wire import tcp_options
from halfopen.wire.checksum import checksum, fold, ones_sum
from halfopen.wire.ethernet import ETHERTYPE_IPV4
from halfopen.wire.ipv4 import PROTOCOL_TCP
from halfopen.wire.packet import CHECKSUM_PARTIAL, Packet
from halfopen.wire.tcp import ACK

_IPV4 = ETHERTYPE_IPV4.to_bytes(2, "big")
_WORD = Struct("!I")
_HALF_WORD = Struct("!H")
_SEQ, _ACK, _LENGTH, _CHECKSUM = 4, 8, 12, 16
_SINGLE = (tcp_options.END, tcp_options.NO_OPERATION)
_SIGNED = (tcp_options.MD5_SIGNATURE, tcp_options.AUTHENTICATION)


class Modulator:
    """At work on ``router`` from now on, for the hosts in ``protected`` (``"198.51.100.0/24"``) and who is outside.

    Connections of before would break. The router's own are left alone, and so are those whose segments are signed
    (TCP-AO, RFC 2385): a signature covers the numbers. Counters: ``Modulated``, and, of what is dropped, those of
    `Malformed`: ``ModulatorTinyFragment`` for a first fragment without a whole TCP header (RFC 1858 3).
    """

    def __init__(self, network: Network, router: SimHost, protected: str, secret: bytes) -> None:
        if not 16 <= len(secret) <= 32:
            raise ConfigError(f"the secret of a modulator has 16 to 32 octets, not {len(secret)}")
        self.counters = Counters()
        self._keyed = blake2s(key=secret, digest_size=4, person=b"modulate")
        self._protected = Prefix.parse(protected)
        self._router = router
        for cable in network.cables:
            for end in cable.ends:
                if end.pump is router.sim_pump:
                    router.sim_pump.plug(end.interface, _Outlet(self, end))

    def offset(self, host: tuple[Address, int], peer: tuple[Address, int]) -> int:
        """F: by how much the numbers of ``host``, who is protected, are moved when it talks to ``peer``."""
        digest = self._keyed.copy()
        for address, port in (host, peer):
            digest.update(address + _HALF_WORD.pack(port))
        return int.from_bytes(digest.digest(), "big")

    def modulated(self, packet: Packet, network: int) -> Packet:
        """What leaves instead of ``packet``, whose IP header begins at ``network``; raises Malformed."""
        datagram = look(packet, network)
        header = datagram.header
        is_from = header.source in self._protected
        is_for = header.destination in self._protected
        if is_from is is_for or not datagram.is_first or self._is_own(header.source):
            return packet
        if datagram.is_error and is_for:
            return self._error(packet, datagram)
        if datagram.protocol != PROTOCOL_TCP:
            return packet
        return self._segment(packet, datagram, is_from)

    def _is_own(self, address: Address) -> bool:
        return any(address == own for each in self._router.stack.interfaces for own, _ in each.addresses)

    def _segment(self, packet: Packet, datagram: Datagram, is_from: bool) -> Packet:
        """SEQ of the protected, or ACK and SACK of who talks to them, and the checksum with it (RFC 1624 3)."""
        start = datagram.transport
        stop = start + (packet.head[start + _LENGTH] >> 2 & 0x3C)
        if len(packet.head) < stop:
            raise Malformed("ModulatorTinyFragment")
        places = self._places(packet.head, (start, stop), is_from, datagram.word)
        if not places:
            return packet
        offset = self._offset_of(datagram, is_from)
        head = bytearray(packet.head)
        _move(head, places, offset if is_from else -offset)
        if packet.checksum != CHECKSUM_PARTIAL:  # That of a partial one covers no number yet.
            (old,) = _HALF_WORD.unpack_from(head, start + _CHECKSUM)
            change = (0xFFFF ^ ones_sum(packet.head[start:stop])) + ones_sum(bytes(head[start:stop]))
            _HALF_WORD.pack_into(head, start + _CHECKSUM, fold((old ^ 0xFFFF) + change) ^ 0xFFFF)
        self.counters.add("Modulated")
        return Packet(
            bytes(head), packet.body, packet.checksum, packet.checksum_start, packet.checksum_offset, packet.gso_size
        )

    def _places(self, head: bytes, span: tuple[int, int], is_from: bool, flags: int) -> list[int]:
        """Where in the header that ``span`` covers the numbers of the protected stand; nowhere if it is signed."""
        start, stop = span
        options = list(_options(head, start + 20, stop))
        if any(kind in _SIGNED for kind, _, _ in options):
            return []
        if is_from:
            return [start + _SEQ]
        acked = [start + _ACK] if flags & ACK else []
        for kind, at, octets in options:
            if kind == tcp_options.SACK:
                acked += range(at, at + octets - 3, 4)
        return acked

    def _offset_of(self, datagram: Datagram, is_from: bool) -> int:
        header, ports = datagram.header, datagram.ports
        source, destination = (header.source, ports[0]), (header.destination, ports[1])
        return self.offset(source, destination) if is_from else self.offset(destination, source)

    def _error(self, packet: Packet, error: Datagram) -> Packet:
        """An ICMP error that quotes a segment of a protected host: he shall find the number that he has sent."""
        quoted = look_quoted(packet, error)
        if quoted.protocol != PROTOCOL_TCP or quoted.header.source not in self._protected:
            return packet
        head = bytearray(packet.joined())
        _move(head, [quoted.transport + _SEQ], -self._offset_of(quoted, True))
        stop = error.network + error.header.total_octets
        _HALF_WORD.pack_into(head, error.transport + 2, 0)
        _HALF_WORD.pack_into(head, error.transport + 2, checksum(head[error.transport : stop]))
        self.counters.add("Modulated")
        return Packet(bytes(head))


class _Outlet(Plug):
    """Between the router's stack and a cable."""

    __slots__ = ("_end", "_modulator")

    def __init__(self, modulator: Modulator, end: CableEnd) -> None:
        self._modulator = modulator
        self._end = end

    def send(self, packet: Packet, now: Instant) -> None:
        """All that leaves by the interface, forwarded or the router's own."""
        network = self._end.interface.link_octets
        if not network or packet.head[12:14] == _IPV4:
            try:
                packet = self._modulator.modulated(packet, network)
            except Malformed as error:
                self._modulator.counters.add(error.reason)
                return
        self._end.send(packet, now)


def _move(head: bytearray, places: list[int], offset: int) -> None:
    """Adds ``offset`` to each of these 32-bit numbers."""
    for at in places:
        (number,) = _WORD.unpack_from(head, at)
        _WORD.pack_into(head, at, number + offset & MASK)


def _options(head: bytes, at: int, stop: int) -> list[tuple[int, int, int]]:
    """(kind, where its value begins, octets of that) of each option; raises Malformed."""
    found = []
    while at < stop and head[at] != tcp_options.END:
        if head[at] in _SINGLE:
            at += 1
            continue
        length = head[at + 1] if at + 1 < stop else 0
        if length < 2 or at + length > stop:
            raise Malformed("TcpBadOptions")
        found.append((head[at], at + 2, length - 2))
        at += length
    return found
