"""What a SYN proxy says to either end, and how it translates what they say to each other: pure functions."""

from dataclasses import dataclass

from halfopen.base.clock import Instant
from halfopen.stack.demux import Flow, local_of, remote_of
from halfopen.tcp.config import TcpConfig
from halfopen.tcp.cookies import Cookies
from halfopen.tcp.half_open import HalfOpen
from halfopen.tcp.negotiation import DEFAULT_MSS, agree, answer
from halfopen.tcp.passive import bake
from halfopen.tcp.seqnum import wrap
from halfopen.tcp.timestamps import clock_value
from halfopen.wire import ipv4, tcp
from halfopen.wire.checksum import pseudo_header_sum
from halfopen.wire.ipv4 import PROTOCOL_TCP, Ipv4
from halfopen.wire.packet import CHECKSUM_PARTIAL, Packet
from halfopen.wire.tcp import ACK, CWR, ECE, RST, SYN, Segment
from halfopen.wire.tcp_options import Options

BY_CLIENT, BY_SERVER = 1, 2
BOTH = BY_CLIENT | BY_SERVER


@dataclass(slots=True)
class Proxied:
    """One connection: its client has returned a cookie. ``shift`` is what the client's view of the server is ahead."""

    flow: Flow
    record: HalfOpen
    opening: Segment
    """The ACK that brought the cookie: what the SYN to the server is made of."""
    used: Instant
    is_open: bool = False
    shift: int = 0
    stamp_shift: int = 0
    fins: int = 0

    @property
    def stamps(self) -> tuple[int, int] | None:
        """The client's TSval, and ours as it knows it."""
        options = self.opening.options
        return options.timestamps if options is not None else None

    def suits(self, syn_ack: Segment) -> bool:
        """Whether the server has the options that its client was promised."""
        options, record = syn_ack.options or Options(), self.record
        return (
            (options.timestamps is None) == (self.stamps is None)
            and (options.window_scale is None) == (record.window_scale is None)
            and options.sack_permitted == record.sack_permitted
        )

    def join(self, syn_ack: Segment) -> None:
        """From now on the server's numbers are known."""
        self.is_open = True
        self.shift = wrap(self.record.iss - syn_ack.seq)
        options, stamps = syn_ack.options, self.stamps
        if options is not None and options.timestamps is not None and stamps is not None:
            self.stamp_shift = wrap(stamps[1] - options.timestamps[0])

    def syn(self) -> Segment:
        """The client's SYN as it was, as far as the cookie could tell."""
        record, stamps = self.record, self.stamps
        clock = (stamps[0], 0) if stamps is not None else None
        return Segment(
            remote_of(self.flow)[1],
            local_of(self.flow)[1],
            record.irs,
            flags=SYN | (ECE | CWR if record.ecn else 0),
            window=min(self.opening.window << (record.window_scale or 0), 0xFFFF),
            options=Options(record.peer_mss, record.window_scale, record.sack_permitted, clock),
        )

    def last(self, syn_ack: Segment) -> Segment:
        """The third segment of the server's handshake."""
        stamps, options = self.stamps, syn_ack.options
        clock = None
        if stamps is not None and options is not None and options.timestamps is not None:
            clock = (stamps[0], options.timestamps[0])
        ports = remote_of(self.flow)[1], local_of(self.flow)[1]
        seq, ack = wrap(self.record.irs + 1), wrap(syn_ack.seq + 1)
        return Segment(*ports, seq, ack, ACK, self.opening.window, options=_stamped(clock))

    def update(self, syn_ack: Segment) -> Segment:
        """Opens the window that was closed: the server takes data now."""
        scale = syn_ack.options.window_scale if syn_ack.options is not None else None
        clock = self.stamps[::-1] if self.stamps is not None else None
        seq, ack = wrap(self.record.iss + 1), wrap(self.record.irs + 1)
        ports = local_of(self.flow)[1], remote_of(self.flow)[1]
        return Segment(*ports, seq, ack, ACK, syn_ack.window >> (scale or 0), options=_stamped(clock))

    def reset_client(self) -> Segment:
        """Its connection leads to nobody."""
        ports = local_of(self.flow)[1], remote_of(self.flow)[1]
        return Segment(*ports, wrap(self.record.iss + 1), wrap(self.record.irs + 1), RST | ACK)

    def reset_server(self) -> Segment:
        """Nobody will come."""
        return Segment(remote_of(self.flow)[1], local_of(self.flow)[1], wrap(self.record.irs + 1), flags=RST)

    def towards_server(self, segment: Segment) -> Segment:
        """What acknowledges the server's octets, and echoes its clock, is in its own numbers again."""
        options = segment.options
        if options is not None:
            stamps, shift = options.timestamps, self.shift
            options = options.copy()
            options.timestamps = None if stamps is None else (stamps[0], wrap(stamps[1] - self.stamp_shift))
            options.sack = tuple((wrap(left - shift), wrap(right - shift)) for left, right in options.sack)
        towards = segment.copy()
        towards.options = options
        if segment.flags & ACK:
            towards.ack = wrap(segment.ack - self.shift)
        return towards

    def towards_client(self, segment: Segment) -> Segment:
        """The server's octets and clock as the client has come to know them."""
        options = segment.options
        if options is not None and options.timestamps is not None:
            value, echo = options.timestamps
            options = options.copy()
            options.timestamps = wrap(value + self.stamp_shift), echo
        towards = segment.copy()
        towards.options = options
        towards.seq = wrap(segment.seq + self.shift)
        return towards


@dataclass(slots=True, frozen=True)
class Promise:
    """What the router answers in the server's name: its configuration and MSS."""

    config: TcpConfig
    mss: int

    def syn_ack(self, flow: Flow, syn: Segment, cookies: Cookies, now: Instant) -> Segment:
        """SYN,ACK with a cookie; the window is closed, for there is nobody yet who would take data."""
        agreed = agree(self.config, syn, DEFAULT_MSS)
        options = syn.options or Options()
        scaled = self.config.options.window_scaling and options.window_scale is not None
        stamps = options.timestamps if agreed.timestamps else None
        record = HalfOpen(
            flow,
            syn.seq,
            0,
            min(agreed.mss, 0xFFFF),
            window_scale=agreed.snd_shift if scaled else None,
            sack_permitted=agreed.sack,
            ecn=agreed.ecn,
            ts_recent=stamps[0] if stamps is not None else None,
        )
        bake(cookies, record, now)
        clock = None if stamps is None else (clock_value(cookies.offset(flow), now), stamps[0])
        scaled = record.window_scale is not None
        offered = answer(self.config, self.mss, clock, record.sack_permitted, scaled)
        flags = SYN | ACK | (ECE if record.ecn else 0)
        ports = local_of(flow)[1], remote_of(flow)[1]
        return Segment(*ports, record.iss, wrap(syn.seq + 1), flags, options=offered)


def make_datagram(header: Ipv4, segment: Segment) -> Packet:
    """A datagram with ``segment`` in it; whoever puts it on a wire completes its checksum."""
    octets = tcp.header_octets(segment) + segment.octets
    head = ipv4.emit(header, octets)
    start = len(head)
    head += tcp.emit(segment, pseudo_header_sum(header.source, header.destination, PROTOCOL_TCP, octets))
    return Packet(head, segment.payload, CHECKSUM_PARTIAL, start, tcp.CHECKSUM_OFFSET, segment.gso_size)


def _stamped(stamps: tuple[int, int] | None) -> Options | None:
    return None if stamps is None else Options(timestamps=stamps)
