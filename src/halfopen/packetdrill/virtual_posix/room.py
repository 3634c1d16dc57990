"""How much a socket takes to send: SO_SNDBUF and TCP_NOTSENT_LOWAT."""

from dataclasses import replace

from halfopen.stack.tcp_socket import TcpSocket
from halfopen.tcp.config import TcpConfig

BUFFER_OVERHEAD = 832
"""What Linux's bookkeeping of a segment in the send queue costs, besides its octets."""

_LARGEST_SEGMENT = 65535 - 320
"""Octets of the largest super-segment, less the room for headers."""

_SMALL_WINDOW = 536
_FIRST_WINDOW, _HEADROOM, _DESCRIPTOR = 10, 640, 256


def has_memory(tcp: TcpSocket, sndbuf: int) -> bool:
    """Whether another super-segment may be begun; the last one may exceed the buffer (``sk_stream_memory_free``)."""
    low = tcp.config.buffers.unsent_low
    return charged(tcp) < sndbuf and (low is None or tcp.unsent_octets < low)


def charged(tcp: TcpSocket) -> int:
    """What the send queue costs: its octets, and the bookkeeping of each super-segment (``sk_wmem_queued``)."""
    snd = tcp.connection.tcb.snd
    text = snd.queue.stop - snd.queue.start
    return text + (len(snd.flight.records) + snd.unsent_runs) * BUFFER_OVERHEAD


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


def about_to_send(config: TcpConfig) -> TcpConfig:
    """The same, for somebody whose call waits for the connection and sends at once when there is one."""
    return replace(config, acks=replace(config.acks, awaits_text=True))


def deaf(config: TcpConfig) -> TcpConfig:
    """The same, with a user who reads no more (SHUT_RD)."""
    return replace(config, closing=replace(config.closing, is_deaf=True))


def without_linger(config: TcpConfig) -> TcpConfig:
    """The same, with SO_LINGER off."""
    return replace(config, closing=replace(config.closing, linger=None))
