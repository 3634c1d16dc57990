"""Bursts as Linux sends them: how many segments TCP hands down at once shows in where PSH is set."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from halfopen.base.clock import MICROSECOND, SECOND
from halfopen.stack.tcp_socket import TcpSocket
from halfopen.tcp.tcb import Tcb
from halfopen.wire.offload import split
from halfopen.wire.packet import Packet
from halfopen.wire.tcp import PSH

LARGEST = 65536
"""Octets."""
RATE_SHIFT = 10
"""A burst is what goes out in about a millisecond."""

_FLAGS_OFFSET = 13


@dataclass(slots=True, kw_only=True)
class BurstRules:
    """What of Linux's autosizing of bursts its sysctls choose."""

    fast_start: int = 200
    """Percent of cwnd a round trip: the rate in slow start (``tcp_pacing_ss_ratio``) ..."""
    fast: int = 120
    """... and later (``tcp_pacing_ca_ratio``)."""
    near_shift: int = 9
    """To near peers bursts are larger, half as much for every 2^9 microseconds of distance (``tcp_tso_rtt_log``)."""

    def segments(self, tcb: Tcb, mss: int) -> int:
        """The most segments that Linux would send at once now: no more than half of cwnd, whatever the rate is."""
        congestion, rtt = tcb.congestion, tcb.rtt
        window = congestion.cwnd
        octets = LARGEST
        if rtt.srtt:
            percent = self.fast_start if window < congestion.ssthresh // 2 else self.fast
            octets = (window * percent * SECOND // (100 * rtt.srtt)) >> RATE_SHIFT
            if self.near_shift:
                octets += LARGEST >> (rtt.min_rtt // MICROSECOND >> self.near_shift)
        segments = max(min(octets, LARGEST) // mss, tcb.user.config.congestion.least_burst)
        return max(1, min(segments, window // mss // 2))


SYSCTLS: Mapping[str, str] = {
    "net.ipv4.tcp_pacing_ss_ratio": "fast_start",
    "net.ipv4.tcp_pacing_ca_ratio": "fast",
    "net.ipv4.tcp_tso_rtt_log": "near_shift",
}
"""Which of the rules a sysctl is about."""


def in_bursts(packet: Packet, segments: int) -> Iterator[Packet]:
    """A super-segment as what stands on the wire for it if it is sent in bursts of so many ``segments``.

    The last segment of every burst has PSH, unless it is a burst of one.
    """
    pieces = split(packet)
    for at in range(0, len(pieces), segments):
        *first, last = pieces[at : at + segments]
        yield from first
        yield _pushed(last) if first else last


def _pushed(packet: Packet) -> Packet:
    head = bytearray(packet.head)
    head[packet.checksum_start + _FLAGS_OFFSET] |= PSH  # Its checksum is still to be computed.
    return Packet(bytes(head), packet.body, packet.checksum, packet.checksum_start, packet.checksum_offset)


def ports_of(packet: Packet) -> bytes:
    """Source and destination port of a segment of which the checksum is still to be computed."""
    return packet.head[packet.checksum_start : packet.checksum_start + 4]


def ports_of_socket(socket: TcpSocket) -> bytes:
    """The same of what a socket sends."""
    return socket.local_port.to_bytes(2, "big") + socket.remote_port.to_bytes(2, "big")
