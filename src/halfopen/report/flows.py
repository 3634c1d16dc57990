"""TCP connections as a capture shows them: each direction with its segments, and what is odd about them."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from halfopen.base.addresses import Address, format_address
from halfopen.base.clock import MILLISECOND, Duration, Instant
from halfopen.base.errors import Malformed
from halfopen.capture.record import Record
from halfopen.report.passages import Passage, follow
from halfopen.report.streams import StreamView
from halfopen.wire import ipv4, tcp
from halfopen.wire.carried import ETHERTYPES, look
from halfopen.wire.checksum import pseudo_header_sum
from halfopen.wire.packet import Packet
from halfopen.wire.tcp import Segment

REORDERING: Duration = 3 * MILLISECOND
"""What fills a gap this soon after the gap was seen has been overtaken, not sent again; Wireshark's figure as well."""

Endpoint = tuple[Address, int]


@dataclass(slots=True)
class Sent:
    """One segment of a flow. Sequence numbers count from the initial ones, without wrap; ``window`` is in octets.

    ``start`` and ``stop`` are SEG.SEQ and the sequence number behind it. ``is_probe``: a keep-alive or window probe.
    """

    passage: Passage
    flags: int
    start: int
    stop: int
    ack: int
    window: int
    octets: int
    sack: tuple[tuple[int, int], ...] = ()
    is_retransmission: bool = False
    is_out_of_order: bool = False
    is_probe: bool = False

    @property
    def occupies(self) -> bool:
        """Whether it takes sequence numbers that count: text, SYN or FIN, and not as a probe."""
        return self.stop > self.start and not self.is_probe


@dataclass(slots=True)
class Stream:
    """One direction of a connection: its segments in the order in which they left."""

    source: Endpoint
    destination: Endpoint
    sent: list[Sent] = field(default_factory=list)
    window_scale: int | None = None
    mss: int | None = None
    view: StreamView = field(default_factory=StreamView)
    highest_at: Instant = 0

    @property
    def octets(self) -> int:
        """Octets of text, each counted once."""
        carrying = [one.stop - bool(one.flags & tcp.FIN) for one in self.sent if one.octets and not one.is_probe]
        first = min((one.start + bool(one.flags & tcp.SYN) for one in self.sent if one.octets), default=0)
        return max(carrying, default=first) - first

    @property
    def retransmissions(self) -> int:
        """Segments sent again."""
        return sum(one.is_retransmission for one in self.sent)


@dataclass(slots=True)
class Flow:
    """A connection; ``forth`` is the direction of whoever opened it, or was seen first."""

    forth: Stream
    back: Stream

    @property
    def streams(self) -> tuple[Stream, Stream]:
        """Both directions."""
        return self.forth, self.back

    @property
    def began(self) -> Instant:
        """When its first segment left."""
        return min(stream.sent[0].passage.departed for stream in self.streams if stream.sent)

    @property
    def ended(self) -> Instant:
        """When its last segment was seen last."""
        return max(one.passage.sightings[-1].when for stream in self.streams for one in stream.sent)

    @property
    def main(self) -> Stream:
        """The direction that carries more."""
        return max(self.streams, key=lambda stream: stream.octets)

    def other(self, stream: Stream) -> Stream:
        """The opposite direction, whose ACKs tell of ``stream``."""
        return self.back if stream is self.forth else self.forth


def format_endpoint(endpoint: Endpoint, names: Mapping[Address, str]) -> str:
    """``"client:40000"``, ``"192.0.2.1:40000"``."""
    address, port = endpoint
    return f"{names.get(address) or format_address(address)}:{port}"


def flows_of(records: Iterable[Record]) -> list[Flow]:
    """The TCP connections of a capture, in the order in which they begin."""
    return flows_among(follow(records).passages)


def flows_among(passages: Iterable[Passage]) -> list[Flow]:
    """The TCP connections among frames that have been followed."""
    flows: list[Flow] = []
    current: dict[tuple[Endpoint, Endpoint], tuple[Flow, Stream]] = {}
    for passage in passages:
        parsed = _segment(passage)
        if parsed is None:
            continue
        source, destination, segment = parsed
        known = current.get((source, destination))
        if known is None or _is_another(known, segment):
            flow = Flow(Stream(source, destination), Stream(destination, source))
            if segment.flags & (tcp.SYN | tcp.ACK) == tcp.SYN | tcp.ACK:
                flow.forth, flow.back = flow.back, flow.forth
            flows.append(flow)
            for stream in flow.streams:
                current[stream.source, stream.destination] = (flow, stream)
        flow, stream = current[source, destination]
        _add(flow, stream, segment, passage)
    for flow in flows:
        _mark_overtaken(flow)
    return flows


def _segment(passage: Passage) -> tuple[Endpoint, Endpoint, Segment] | None:
    data, offset = passage.data, passage.offset
    if passage.ethertype not in ETHERTYPES:
        return None
    try:
        header = look(data, offset, len(data) - offset)
        if header.protocol != ipv4.PROTOCOL_TCP or header.fragment is not None:
            return None
        packet, start, octets = Packet(data), header.start, header.octets
        segment = tcp.parse(packet, start, octets)
    except Malformed:
        return None
    if passage.is_stray:
        pseudo = pseudo_header_sum(header.source, header.destination, ipv4.PROTOCOL_TCP, octets)
        if not tcp.verify(packet, start, octets, pseudo):
            return None  # What is left of one that was corrupted on its way.
    return (header.source, segment.source_port), (header.destination, segment.destination_port), segment


def _is_another(known: tuple[Flow, Stream], segment: Segment) -> bool:
    """Whether a SYN opens another connection on the same ports: its sequence number is none of the known one's."""
    if segment.flags & (tcp.SYN | tcp.ACK) != tcp.SYN:
        return False
    stream = known[1]
    is_known_syn = any(one.flags & tcp.SYN and one.start == stream.view.offset(segment.seq) for one in stream.sent)
    return bool(stream.sent) and not is_known_syn


def _add(flow: Flow, stream: Stream, segment: Segment, passage: Passage) -> None:
    options, view, other = segment.options, stream.view, flow.other(stream)
    if segment.flags & tcp.SYN:
        view.begin(segment.seq)
        stream.window_scale = options.window_scale if options else None
        stream.mss = options.mss if options else None
    start = view.offset(segment.seq)
    # Both ends have to say that they scale; the window of a SYN itself is never scaled (RFC 7323 2.2).
    scales = not segment.flags & tcp.SYN and stream.window_scale is not None and other.window_scale is not None
    sent = Sent(
        passage,
        segment.flags,
        start,
        start + segment.length,
        other.view.offset(segment.ack) if segment.flags & tcp.ACK else 0,
        segment.window << (stream.window_scale or 0) if scales else segment.window,
        segment.octets,
        tuple(other.view.sack(edges) for edges in options.sack) if options else (),
    )
    _judge(flow, stream, sent, segment.seq)
    stream.sent.append(sent)


def _judge(flow: Flow, stream: Stream, sent: Sent, seq: int) -> None:
    """Whether it is there for the first time."""
    highest = stream.view.highest
    length = sent.stop - sent.start
    is_text = length == sent.octets and length <= 1
    if is_text and sent.start == highest - 1 and stream.sent and not sent.flags & tcp.RST:
        sent.is_probe = length == 0 or sent.stop <= max((one.ack for one in flow.other(stream).sent[-1:]), default=0)
    if sent.is_probe or not length:
        return
    remark = stream.view.add(seq, length)
    behind = bool(remark) and sent.start < highest
    left_here = sent.passage.sightings[0].direction == "outbound"
    soon = sent.passage.departed - stream.highest_at < REORDERING
    sent.is_out_of_order = behind and remark == "fills a gap" and not left_here and soon
    sent.is_retransmission = behind and not sent.is_out_of_order
    if sent.stop > highest:
        stream.highest_at = sent.passage.departed


def _mark_overtaken(flow: Flow) -> None:
    """Where the capture saw arrivals as well: what was sent for the first time and arrived behind a later octet."""
    for stream in flow.streams:
        arrivals = [
            (one.passage.arrived, index, one)
            for index, one in enumerate(stream.sent)
            if one.occupies and one.passage.arrived is not None and not one.passage.is_wasted
        ]
        highest = 0
        for _, _, one in sorted(arrivals, key=lambda arrival: arrival[:2]):
            one.is_out_of_order = one.is_out_of_order or (one.start < highest and not one.is_retransmission)
            highest = max(highest, one.stop)


def acknowledgements(flow: Flow, stream: Stream) -> Iterator[tuple[Instant, Sent]]:
    """The segments with ACK that came back for ``stream``, in the order in which its sender had them."""
    answers = (one for one in flow.other(stream).sent if one.flags & tcp.ACK)
    known = [(when, one) for one in answers if (when := one.passage.received) is not None]
    yield from sorted(known, key=lambda pair: (pair[0], pair[1].passage.sightings[-1].number))
