"""How much a socket takes to send: SO_SNDBUF and TCP_NOTSENT_LOWAT."""

from dataclasses import replace

from halfopen.stack.tcp_socket import TcpSocket
from halfopen.tcp.config import TcpConfig

BUFFER_OVERHEAD = 1280
"""What Linux's bookkeeping of a segment in the send queue costs, besides its octets."""

_LARGEST_SEGMENT = 65535 - 320
"""Octets of the largest super-segment, less the room for headers."""

_SMALL_WINDOW = 536
_FIRST_WINDOW, _HEADROOM, _DESCRIPTOR = 10, 640, 256


def send_room(tcp: TcpSocket, sndbuf: int, wanted: int, *, counts_overhead: bool) -> int:
    """Octets of ``wanted`` that are taken now.

    With ``counts_overhead`` the buffer is charged for super-segments with their bookkeeping, the last of which may
    exceed it, and what is begun is filled up (Linux ``sk_stream_memory_free``).
    """
    if counts_overhead:
        return _fill(tcp, sndbuf, wanted)
    return max(0, sndbuf - tcp.connection.queued_octets)


def _fill(tcp: TcpSocket, sndbuf: int, wanted: int) -> int:
    """One super-segment after the other, of which what may be sent is sent at once."""
    unit, low = segment_goal(tcp), tcp.config.buffers.unsent_low
    queued, unsent, sendable, room = tcp.connection.queued_octets, tcp.unsent_octets, _sendable(tcp), 0
    while room < wanted:
        taken = unit - unsent % unit
        if taken == unit and (charged(tcp, queued, unsent) >= sndbuf or (low is not None and unsent >= low)):
            break
        room, queued, unsent = room + taken, queued + taken, unsent + taken
        sent = min(sendable, unsent)
        unsent, sendable = unsent - sent, sendable - sent
    return room


def _sendable(tcp: TcpSocket) -> int:
    """Octets that congestion control and the peer let go now, in whole segments."""
    tcb = tcp.connection.tcb
    octets = max(0, min(tcb.congestion.cwnd - tcb.snd.pipe, tcb.snd.usable))
    return octets - octets % tcb.snd.mss


def charged(tcp: TcpSocket, queued: int, unsent: int) -> int:
    """What the send queue costs: half a window is sent at once, as one super-segment."""
    tcb = tcp.connection.tcb
    burst = max(tcb.snd.mss, tcb.congestion.cwnd // 2)
    return queued + (-(-(queued - unsent) // burst) - (-unsent // segment_goal(tcp))) * BUFFER_OVERHEAD


def default_buffer(tcp: TcpSocket) -> int:
    """SO_SNDBUF where nobody has chosen one: twice the congestion window, bookkeeping included (Linux)."""
    tcb = tcp.connection.tcb
    segments = max(_FIRST_WINDOW, -(-tcb.congestion.cwnd // tcb.snd.mss))
    memory = 1 << (tcb.snd.mss + _HEADROOM - 1).bit_length()
    return 2 * segments * (memory + _DESCRIPTOR)


def segment_goal(tcp: TcpSocket) -> int:
    """Octets of a super-segment in the send queue: whole segments, half of the largest window at most."""
    snd = tcp.connection.tcb.snd
    window = snd.max_wnd
    largest = (
        _LARGEST_SEGMENT if not window else min(_LARGEST_SEGMENT, window // 2 if window > _SMALL_WINDOW else window)
    )
    return max(snd.mss, largest - largest % snd.mss)


def corked(config: TcpConfig, *, cork: bool) -> TcpConfig:
    """The same, with TCP_CORK on or off."""
    return replace(config, acks=replace(config.acks, cork=cork))


def deaf(config: TcpConfig) -> TcpConfig:
    """The same, with a user who reads no more (SHUT_RD)."""
    return replace(config, closing=replace(config.closing, is_deaf=True))


def without_linger(config: TcpConfig) -> TcpConfig:
    """The same, with SO_LINGER off."""
    return replace(config, closing=replace(config.closing, linger=None))
