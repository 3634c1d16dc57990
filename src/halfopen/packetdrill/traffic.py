"""What has gone over the device, by connection: TCP_INFO's counts of segments and octets, and when they were seen."""

from collections.abc import Callable
from dataclasses import dataclass

from halfopen.base.addresses import Address
from halfopen.base.clock import MILLISECOND, Instant
from halfopen.stack.tcp_socket import TcpSocket
from halfopen.wire.ipv4 import PROTOCOL_TCP
from halfopen.wire.packet import Packet
from halfopen.wire.tcp import ACK, SYN

_IPV6_OCTETS = 40
_HALF = 1 << 31
_MASK = (1 << 32) - 1


@dataclass(slots=True)
class _Count:
    """One connection."""

    segs_out: int = 0
    segs_in: int = 0
    data_segs_out: int = 0
    data_segs_in: int = 0
    bytes_sent: int = 0
    bytes_retrans: int = 0
    total_retrans: int = 0
    syn: int | None = None
    """The number of our last SYN."""
    end: int | None = None
    """Up to where text has been sent."""
    data_at: Instant = 0
    """When text last came, or the connection was there ..."""
    ack_at: Instant = 0
    """... and an acknowledgment."""


@dataclass(slots=True, frozen=True)
class _Segment:
    """What counts of a packet."""

    key: tuple[Address, int, int]
    seq: int
    flags: int
    octets: int
    pieces: int


class Traffic:
    """Counts by the peer's address and both ports."""

    def __init__(self, clock: Callable[[], Instant]) -> None:
        self._clock = clock
        self._counts: dict[tuple[Address, int, int], _Count] = {}

    def on_received(self, packet: Packet) -> None:
        """It is about to arrive; a SYN begins anew."""
        segment = _parse(packet, is_received=True)
        if segment is None:
            return
        now = self._clock()
        if segment.flags & (SYN | ACK) == SYN or segment.key not in self._counts:
            self._counts[segment.key] = _Count(data_at=now)
        count = self._counts[segment.key]
        if count.segs_in == 1 and not count.data_segs_in:
            count.data_at = now
        count.segs_in += segment.pieces
        if segment.octets:
            count.data_segs_in += segment.pieces
            count.data_at = now
        if segment.flags & ACK:
            count.ack_at = now

    def on_sent(self, packet: Packet) -> None:
        """It has left; a SYN,ACK is not yet the connection's."""
        segment = _parse(packet, is_received=False)
        if segment is None or segment.flags & (SYN | ACK) == SYN | ACK:
            return
        count = self._counts.setdefault(segment.key, _Count(data_at=self._clock()))
        count.segs_out += segment.pieces
        if segment.flags & SYN:
            count.total_retrans += segment.seq == count.syn
            count.syn = segment.seq
        if not segment.octets:
            return
        count.data_segs_out += segment.pieces
        count.bytes_sent += segment.octets
        end = segment.seq + segment.octets & _MASK
        if count.end is not None and 0 < (count.end - segment.seq & _MASK) < _HALF:
            count.bytes_retrans += segment.octets
            count.total_retrans += segment.pieces
        else:
            count.end = end

    def facts(self, tcp: TcpSocket) -> dict[str, int]:
        """Of one connection."""
        now = self._clock()
        count = self._counts.get((tcp.remote_address, tcp.remote_port, tcp.local_port), _Count(data_at=now, ack_at=now))
        return {
            "tcpi_segs_out": count.segs_out,
            "tcpi_segs_in": count.segs_in,
            "tcpi_data_segs_out": count.data_segs_out,
            "tcpi_data_segs_in": count.data_segs_in,
            "tcpi_bytes_sent": count.bytes_sent,
            "tcpi_bytes_retrans": count.bytes_retrans,
            "tcpi_total_retrans": count.total_retrans,
            "tcpi_last_data_recv": (now - count.data_at) // MILLISECOND,
            "tcpi_last_ack_recv": (now - count.ack_at) // MILLISECOND,
        }


def _parse(packet: Packet, *, is_received: bool) -> _Segment | None:
    head = packet.head
    is_ipv6 = head[0] >> 4 == 6
    at = _IPV6_OCTETS if is_ipv6 else (head[0] & 0xF) << 2
    if head[6 if is_ipv6 else 9] != PROTOCOL_TCP:
        return None
    source, destination = (head[8:24], head[24:40]) if is_ipv6 else (head[12:16], head[16:20])
    ports = int.from_bytes(head[at : at + 2], "big"), int.from_bytes(head[at + 2 : at + 4], "big")
    octets = len(head) + sum(map(len, packet.body)) - at - (head[at + 12] >> 4 << 2)
    pieces = -(-octets // packet.gso_size) if packet.gso_size else 1
    key = (bytes(source), *ports) if is_received else (bytes(destination), ports[1], ports[0])
    return _Segment(key, int.from_bytes(head[at + 4 : at + 8], "big"), head[at + 13], octets, max(1, pieces))
