"""Segments of one flow that follow each other in a batch of packets are received as one super-segment.

It is what a device with receive offload has done already, done here for one without (Linux's generic receive offload,
and by its rules): all of IP's and TCP's headers has to be the same, ECN, timestamps, SEG.ACK and window included, but
for what counts on. A shorter segment, PSH or FIN is the last of a run. Nothing is merged that says something of its
own: without text, with SYN, RST, URG or CWR, or out of order. A checksum that nobody has vouched for is verified here,
as nobody could any more behind; of a flow whose segment is corrupt, that and what follows are left as they are.
"""

from collections.abc import Container, Sequence
from functools import lru_cache
from typing import Final

from halfopen.base.addresses import Address
from halfopen.base.octets import Buffer, view
from halfopen.stack.interface import Interface
from halfopen.wire import tcp
from halfopen.wire.checksum import checksum
from halfopen.wire.codec import (
    make_headers,
    octets_of,
    put_half,
    put_lengths,
    read_ipv4,
    read_tcp,
    sum_range,
    sums_to_zero,
)
from halfopen.wire.ipv4 import PROTOCOL_TCP
from halfopen.wire.packet import CHECKSUM_VERIFIED, Packet
from halfopen.wire.tcp import ACK, CWR, FIN, PSH, RST, SYN, URG

_PLAIN: Final = 0x45
"""IPv4 without options."""
_FRAGMENT_BITS: Final = 0x3FFF
_IPV4_OCTETS: Final = 20
_IPV6_OCTETS: Final = 40
_MOST_OCTETS: Final = 65535
"""Of a super-segment: IPv4's total length has 16 bits."""
_ALONE: Final = SYN | RST | URG | CWR
_LAST: Final = FIN | PSH


class _Run:
    """Segments in order, from the first on."""

    __slots__ = (
        "first",
        "flags",
        "flow",
        "mask",
        "next_seq",
        "octets",
        "pieces",
        "place",
        "same",
        "size",
        "start",
        "transport",
    )

    def __init__(self, first: Packet, transport: int, start: int, place: int) -> None:
        self.first = first
        self.flow = b""
        self.transport = transport
        """Where TCP's header begins."""
        self.start = start
        """Where text begins."""
        self.same = 0
        """All headers as one number: under ``mask`` those of others must be equal."""
        self.mask = 0
        self.place = place
        self.size = len(first.head) - start
        self.octets = len(first.head)
        self.pieces: list[Buffer] = []
        self.next_seq = 0
        self.flags = 0

    def joined(self, network: int) -> Packet:
        """The super-segment."""
        head, start = self.first.head, self.start
        headers = make_headers(head[:start])
        octets = self.octets - network
        if head[network] == _PLAIN:
            put_lengths(headers, network + 2, octets, head[network + 4] << 8 | head[network + 5])
            put_half(headers, network + 10, 0)
            put_half(headers, network + 10, checksum(octets_of(headers)[network : network + _IPV4_OCTETS]))
            transport = network + _IPV4_OCTETS
        else:
            put_half(headers, network + 4, octets - _IPV6_OCTETS)
            transport = network + _IPV6_OCTETS
        put_half(headers, transport + 12, (head[transport + 12] << 8 | head[transport + 13]) | self.flags)
        body = (view(head, start, len(head)), *self.pieces)
        return Packet(octets_of(headers), body, CHECKSUM_VERIFIED, transport, tcp.CHECKSUM_OFFSET, self.size)


def merged(packets: Sequence[Packet], interface: Interface, owned: Container[Address]) -> list[Packet]:
    """``packets`` of one batch, with those to the ``owned`` addresses merged that follow each other in a flow.

    Each flow's order is kept. The interface's statistics go on to count what came from the wire.
    """
    batch = _Batch(interface, owned)
    for packet in packets:
        batch.take(packet)
    return batch.finish(interface)


class _Batch:
    """What has been read at once, as far as it has been looked at."""

    __slots__ = ("_joined", "_kept", "_last", "_mac", "_network", "_owned", "_runs")

    def __init__(self, interface: Interface, owned: Container[Address]) -> None:
        self._network = interface.link_octets
        self._mac = interface.mac
        self._owned = owned
        self._kept: list[Packet] = []
        self._runs: dict[bytes, _Run] = {}
        """Those that can go on, by flow."""
        self._last: _Run | None = None
        """That of the last packet."""
        self._joined: list[_Run] = []
        """Those of more than one segment."""

    def take(self, packet: Packet) -> None:
        """The next packet; mostly it goes on with the run of the last, and then its flow is not looked at."""
        last = self._last
        if last is not None and _append(last, packet, self._network):
            self._end_or_go_on(last)
            return
        head, network = packet.head, self._network
        is_candidate = not packet.body and (not network or head[:6] == self._mac)
        transport = _transport(head, network, self._owned) if is_candidate else 0
        if not transport:
            self._runs.clear()  # it may be of any flow, and may not be overtaken
            self._last = None
            self._kept.append(packet)
            return
        flow = head[network + (12 if transport - network == _IPV4_OCTETS else 8) : transport + 4]
        run = self._runs.get(flow)
        if run is not None and run is not last and _append(run, packet, network):
            self._end_or_go_on(run)
            return
        begun = self._last = _begin(packet, network, transport, len(self._kept))
        if begun is not None:
            begun.flow = flow
            self._runs[flow] = begun
        elif run is not None:
            del self._runs[flow]
        self._kept.append(packet)

    def _end_or_go_on(self, run: _Run) -> None:
        """``run`` has grown."""
        if len(run.pieces) == 1:
            self._joined.append(run)
        if run.flags or len(run.pieces[-1]) < run.size:
            del self._runs[run.flow]
            self._last = None
        else:
            self._last = run

    def finish(self, interface: Interface) -> list[Packet]:
        """The batch as it is to be received."""
        statistics = interface.statistics
        for run in self._joined:
            self._kept[run.place] = run.joined(self._network)
            statistics.received_packets += len(run.pieces)
            statistics.received_octets += len(run.pieces) * run.start
        return self._kept


def _transport(head: bytes, network: int, owned: Container[Address]) -> int:
    """Where TCP's header begins in a whole datagram to us that has nothing between it and IP's; else 0."""
    octets = len(head) - network
    if octets < _IPV4_OCTETS + tcp.HEADER_OCTETS:
        return 0
    if head[network] == _PLAIN:
        _, _, total, fragment, _, protocol, _, destination = read_ipv4(head, network)
        is_plain = total == octets and not fragment & _FRAGMENT_BITS
        transport = network + _IPV4_OCTETS
    else:
        if head[network] >> 4 != 6 or octets < _IPV6_OCTETS + tcp.HEADER_OCTETS:
            return 0
        transport = network + _IPV6_OCTETS
        is_plain = _said_octets(head, network, transport) == octets
        protocol, destination = head[network + 6], head[network + 24 : transport]
    return transport if is_plain and protocol == PROTOCOL_TCP and destination in owned else 0


def _begin(packet: Packet, network: int, transport: int, place: int) -> _Run | None:
    """A run of one, if others may follow."""
    head = packet.head
    _, _, seq, _, flags, _, _ = read_tcp(head, transport)
    start = transport + (flags >> 10 & 0x3C)
    if flags & (_ALONE | _LAST | ACK) != ACK or start < transport + tcp.HEADER_OCTETS or start >= len(head):
        return None
    if not _is_right(packet, network, transport):
        return None
    run = _Run(packet, transport, start, place)
    run.same = int.from_bytes(head[:start], "big")
    run.mask = _mask(network, transport, start)
    run.next_seq = seq + run.size & 0xFFFFFFFF
    return run


def _append(run: _Run, packet: Packet, network: int) -> bool:
    """Whether ``packet`` goes on where ``run`` ends, which has it now. Nothing is known of it yet."""
    head, start, transport = packet.head, run.start, run.transport
    octets = len(head) - start
    if not 0 < octets <= run.size or run.octets + octets > _MOST_OCTETS or packet.body:
        return False
    _, _, seq, _, flags, _, _ = read_tcp(head, transport)
    if seq != run.next_seq or (int.from_bytes(head[:start], "big") ^ run.same) & run.mask:
        return False
    if _said_octets(head, network, transport) != len(head) - network or not _is_right(packet, network, transport):
        return False
    run.pieces.append(view(head, start, len(head)))
    run.next_seq = seq + octets & 0xFFFFFFFF
    run.octets += octets
    run.flags = flags & _LAST
    return True


def _said_octets(head: bytes, network: int, transport: int) -> int:
    """How long the datagram is by its own word."""
    if transport - network == _IPV4_OCTETS:
        return head[network + 2] << 8 | head[network + 3]
    return (head[network + 4] << 8 | head[network + 5]) + _IPV6_OCTETS


def _is_right(packet: Packet, network: int, transport: int) -> bool:
    """Whether all checksums are, which the packet says from now on."""
    head = packet.head
    is_ipv4 = transport - network == _IPV4_OCTETS
    if is_ipv4 and not sums_to_zero(head, network, transport):
        return False
    if tcp.is_unverified(packet, transport):
        # Both addresses of the pseudo-header stand before the segment.
        total = sum_range(head, network + (12 if is_ipv4 else 8), len(head))
        if (total + PROTOCOL_TCP + len(head) - transport) % 0xFFFF:
            return False
        packet.checksum = CHECKSUM_VERIFIED
    return True


@lru_cache(maxsize=64)
def _mask(network: int, transport: int, start: int) -> int:
    """The bits of so long headers that segments of one run share."""
    bits = bytearray(b"\xff" * start)
    counting = [(transport + 4, 4), (transport + 16, 2)]  # SEG.SEQ, the checksum
    if transport - network == _IPV4_OCTETS:
        counting += [(network + 2, 4), (network + 10, 2)]  # total length and identification, the checksum
    else:
        counting += [(network + 4, 2)]  # the payload's length
    for at, octets in counting:
        bits[at : at + octets] = bytes(octets)
    bits[transport + 13] = ~_LAST & 0xFF
    return int.from_bytes(bits, "big")
