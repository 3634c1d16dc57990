"""Socket options that act on a connection of ours: the names of ``tcp(7)`` and ``socket(7)`` over `TcpConfig`."""

import errno
import os
import socket as kernel
import struct
from collections.abc import Callable
from dataclasses import replace

from halfopen.base.clock import MILLISECOND, SECOND
from halfopen.tcp.config import DEFAULT, TcpConfig
from halfopen.tcp.congestion.algorithms import ALGORITHMS
from halfopen.tcp.negotiation import DEFAULT_MSS

Value = int | bytes
Setter = Callable[[TcpConfig, Value], TcpConfig]
Getter = Callable[[TcpConfig], Value]

TCP_CORK: int = getattr(kernel, "TCP_CORK", 3)
TCP_KEEPIDLE: int = getattr(kernel, "TCP_KEEPIDLE", 4)
TCP_SYNCNT: int = getattr(kernel, "TCP_SYNCNT", 7)
TCP_LINGER2: int = getattr(kernel, "TCP_LINGER2", 8)
TCP_DEFER_ACCEPT: int = getattr(kernel, "TCP_DEFER_ACCEPT", 9)
TCP_WINDOW_CLAMP: int = getattr(kernel, "TCP_WINDOW_CLAMP", 10)
TCP_INFO: int = getattr(kernel, "TCP_INFO", 11)
TCP_QUICKACK: int = getattr(kernel, "TCP_QUICKACK", 12)
TCP_CONGESTION: int = getattr(kernel, "TCP_CONGESTION", 13)
TCP_USER_TIMEOUT: int = getattr(kernel, "TCP_USER_TIMEOUT", 18)
TCP_NOTSENT_LOWAT: int = getattr(kernel, "TCP_NOTSENT_LOWAT", 25)
"""Linux's numbers where `socket` lacks the names."""

LEAST_RECEIVE, LEAST_SEND, LEAST_CLAMP = 1152, 2304, 1152
"""Octets that a buffer or a window has at least (Linux: half of 2304 and 4608, what its bookkeeping takes included)."""

_NO_LIMIT = 0xFFFFFFFF


def _whole(value: Value) -> int:
    return value if isinstance(value, int) else int.from_bytes(value[:4], "little", signed=True)


def _within(lowest: int, highest: int, value: Value) -> int:
    number = _whole(value)
    if not lowest <= number <= highest:
        raise OSError(errno.EINVAL, f"{os.strerror(errno.EINVAL)}: {number} is not {lowest} to {highest}")
    return number


def _at_least(lowest: int, value: Value) -> int:
    return _within(lowest, 0x7FFFFFFF, value)


def _set_nodelay(config: TcpConfig, value: Value) -> TcpConfig:
    return replace(config, acks=replace(config.acks, nagle=not _whole(value)))


def _set_cork(config: TcpConfig, value: Value) -> TcpConfig:
    return replace(config, acks=replace(config.acks, cork=bool(_whole(value))))


def _set_quickack(config: TcpConfig, value: Value) -> TcpConfig:
    """No choice for ever, but a switch that is thrown now, each time (tcp(7))."""
    quick = DEFAULT.acks.quick if _whole(value) else 0
    return replace(config, acks=replace(config.acks, quick=quick, switched=config.acks.switched + 1))


def _set_keepalive(config: TcpConfig, value: Value) -> TcpConfig:
    return replace(config, keep_alive=replace(config.keep_alive, enabled=bool(_whole(value))))


def _set_idle(config: TcpConfig, value: Value) -> TcpConfig:
    return replace(config, keep_alive=replace(config.keep_alive, idle=_within(1, 32767, value) * SECOND))


def _set_interval(config: TcpConfig, value: Value) -> TcpConfig:
    return replace(config, keep_alive=replace(config.keep_alive, interval=_within(1, 32767, value) * SECOND))


def _set_count(config: TcpConfig, value: Value) -> TcpConfig:
    return replace(config, keep_alive=replace(config.keep_alive, count=_within(1, 127, value)))


def _set_syncnt(config: TcpConfig, value: Value) -> TcpConfig:
    return replace(config, retransmission=replace(config.retransmission, syn_retries=_within(1, 127, value)))


def _set_user_timeout(config: TcpConfig, value: Value) -> TcpConfig:
    timeout = _at_least(0, value) * MILLISECOND or None
    return replace(config, retransmission=replace(config.retransmission, user_timeout=timeout))


def _get_user_timeout(config: TcpConfig) -> int:
    return (config.retransmission.user_timeout or 0) // MILLISECOND


def _set_linger(config: TcpConfig, value: Value) -> TcpConfig:
    if isinstance(value, int):
        raise OSError(errno.EINVAL, "SO_LINGER takes a struct linger, as octets")
    on, time = struct.unpack_from("ii", value)
    return replace(config, closing=replace(config.closing, linger=time * SECOND if on else None))


def _get_linger(config: TcpConfig) -> bytes:
    linger = config.closing.linger
    return struct.pack("ii", 0, 0) if linger is None else struct.pack("ii", 1, linger // SECOND)


def _set_linger2(config: TcpConfig, value: Value) -> TcpConfig:
    """Seconds in FIN-WAIT-2, 120 at most; 0 is the default, and less is no time at all."""
    seconds = _whole(value)
    time = min(max(seconds, 0), 120) * SECOND if seconds else DEFAULT.closing.fin_wait_2
    return replace(config, closing=replace(config.closing, fin_wait_2=time))


def _set_defer_accept(config: TcpConfig, value: Value) -> TcpConfig:
    """Rounded up to when a SYN,ACK is sent again: 1, 3, 7 ... seconds; Linux counts in the same steps."""
    steps = max(0, _whole(value)).bit_length()
    return replace(config, listening=replace(config.listening, defer_accept=((1 << steps) - 1) * SECOND))


def _set_receive_buffer(config: TcpConfig, value: Value) -> TcpConfig:
    """The window is what was asked for. Linux doubles that and keeps half for its bookkeeping; so `getsockopt` says."""
    octets = max(LEAST_RECEIVE, _at_least(0, value))
    return replace(config, buffers=replace(config.buffers, receive=octets, receive_initial=octets))


def _set_send_buffer(config: TcpConfig, value: Value) -> TcpConfig:
    return replace(config, buffers=replace(config.buffers, send=max(LEAST_SEND, _at_least(0, value))))


def _set_window_clamp(config: TcpConfig, value: Value) -> TcpConfig:
    octets = max(LEAST_CLAMP, _at_least(0, value)) if _whole(value) else None
    return replace(config, buffers=replace(config.buffers, window_clamp=octets))


def _set_notsent_lowat(config: TcpConfig, value: Value) -> TcpConfig:
    octets = _whole(value) & _NO_LIMIT
    return replace(config, buffers=replace(config.buffers, unsent_low=octets if 0 < octets < _NO_LIMIT else None))


def _get_notsent_lowat(config: TcpConfig) -> int:
    lowest = config.buffers.unsent_low
    return -1 if lowest is None else lowest


def _set_maxseg(config: TcpConfig, value: Value) -> TcpConfig:
    mss = _within(88, 32767, value) if _whole(value) else None
    return replace(config, options=replace(config.options, mss=mss))


def _set_congestion(config: TcpConfig, value: Value) -> TcpConfig:
    name = value.rstrip(b"\0").decode("ascii", "replace") if isinstance(value, bytes) else str(value)
    if name not in ALGORITHMS:
        raise OSError(errno.ENOENT, f"{os.strerror(errno.ENOENT)}: congestion control {name!r}")
    return replace(config, congestion=replace(config.congestion, algorithm=name))


_TCP, _SOCKET = kernel.IPPROTO_TCP, kernel.SOL_SOCKET

OPTIONS: dict[tuple[int, int], tuple[Setter, Getter]] = {
    (_TCP, kernel.TCP_NODELAY): (_set_nodelay, lambda config: int(not config.acks.nagle)),
    (_TCP, TCP_CORK): (_set_cork, lambda config: int(config.acks.cork)),
    (_TCP, kernel.TCP_MAXSEG): (_set_maxseg, lambda config: config.options.mss or DEFAULT_MSS),
    (_TCP, TCP_USER_TIMEOUT): (_set_user_timeout, _get_user_timeout),
    (_TCP, TCP_CONGESTION): (_set_congestion, lambda config: config.congestion.algorithm.encode().ljust(16, b"\0")),
    (_TCP, TCP_KEEPIDLE): (_set_idle, lambda config: config.keep_alive.idle // SECOND),
    (_TCP, TCP_QUICKACK): (_set_quickack, lambda config: int(config.acks.quick > 0)),
    (_TCP, kernel.TCP_KEEPINTVL): (_set_interval, lambda config: config.keep_alive.interval // SECOND),
    (_TCP, kernel.TCP_KEEPCNT): (_set_count, lambda config: config.keep_alive.count),
    (_TCP, TCP_SYNCNT): (_set_syncnt, lambda config: config.retransmission.syn_retries),
    (_TCP, TCP_LINGER2): (_set_linger2, lambda config: config.closing.fin_wait_2 // SECOND),
    (_TCP, TCP_DEFER_ACCEPT): (_set_defer_accept, lambda config: config.listening.defer_accept // SECOND),
    (_TCP, TCP_WINDOW_CLAMP): (_set_window_clamp, lambda config: config.buffers.window_clamp or 0),
    (_TCP, TCP_NOTSENT_LOWAT): (_set_notsent_lowat, _get_notsent_lowat),
    (_SOCKET, kernel.SO_KEEPALIVE): (_set_keepalive, lambda config: int(config.keep_alive.enabled)),
    (_SOCKET, kernel.SO_LINGER): (_set_linger, _get_linger),
    (_SOCKET, kernel.SO_RCVBUF): (_set_receive_buffer, lambda config: 2 * config.buffers.receive_initial),
    (_SOCKET, kernel.SO_SNDBUF): (_set_send_buffer, lambda config: 2 * config.buffers.send),
}
"""Those whose value is part of the configuration."""
