"""Socket options that act on a connection of ours: the names of ``tcp(7)`` and ``socket(7)`` over `TcpConfig`."""

import errno
import os
import socket as kernel
import struct
from collections.abc import Callable
from dataclasses import replace

from halfopen.base.clock import MILLISECOND, SECOND
from halfopen.tcp.config import TcpConfig
from halfopen.tcp.congestion.algorithms import ALGORITHMS

Value = int | bytes
Setter = Callable[[TcpConfig, Value], TcpConfig]
Getter = Callable[[TcpConfig], Value]

TCP_KEEPIDLE: int = getattr(kernel, "TCP_KEEPIDLE", 4)
TCP_QUICKACK: int = getattr(kernel, "TCP_QUICKACK", 12)
TCP_CONGESTION: int = getattr(kernel, "TCP_CONGESTION", 13)
TCP_USER_TIMEOUT: int = getattr(kernel, "TCP_USER_TIMEOUT", 18)
TCP_INFO: int = getattr(kernel, "TCP_INFO", 11)
"""Linux's numbers where `socket` lacks the names."""


def _whole(value: Value) -> int:
    return value if isinstance(value, int) else int.from_bytes(value[:4], "little", signed=True)


def _at_least(lowest: int, value: Value) -> int:
    number = _whole(value)
    if number < lowest:
        raise OSError(errno.EINVAL, f"{os.strerror(errno.EINVAL)}: {number} is below {lowest}")
    return number


def _set_nodelay(config: TcpConfig, value: Value) -> TcpConfig:
    return replace(config, acks=replace(config.acks, nagle=not _whole(value)))


def _set_quickack(config: TcpConfig, value: Value) -> TcpConfig:
    return replace(config, acks=replace(config.acks, delay=0 if _whole(value) else TcpConfig().acks.delay))


def _set_keepalive(config: TcpConfig, value: Value) -> TcpConfig:
    return replace(config, keep_alive=replace(config.keep_alive, enabled=bool(_whole(value))))


def _set_idle(config: TcpConfig, value: Value) -> TcpConfig:
    return replace(config, keep_alive=replace(config.keep_alive, idle=_at_least(1, value) * SECOND))


def _set_interval(config: TcpConfig, value: Value) -> TcpConfig:
    return replace(config, keep_alive=replace(config.keep_alive, interval=_at_least(1, value) * SECOND))


def _set_count(config: TcpConfig, value: Value) -> TcpConfig:
    return replace(config, keep_alive=replace(config.keep_alive, count=_at_least(1, value)))


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


def _set_receive_buffer(config: TcpConfig, value: Value) -> TcpConfig:
    octets = max(2304, 2 * _at_least(0, value))
    return replace(config, buffers=replace(config.buffers, receive=octets, receive_initial=octets))


def _set_send_buffer(config: TcpConfig, value: Value) -> TcpConfig:
    return replace(config, buffers=replace(config.buffers, send=max(4608, 2 * _at_least(0, value))))


def _set_maxseg(config: TcpConfig, value: Value) -> TcpConfig:
    return replace(config, options=replace(config.options, mss=_at_least(88, value)))


def _set_congestion(config: TcpConfig, value: Value) -> TcpConfig:
    name = value.rstrip(b"\0").decode("ascii", "replace") if isinstance(value, bytes) else str(value)
    if name not in ALGORITHMS:
        raise OSError(errno.ENOENT, f"{os.strerror(errno.ENOENT)}: congestion control {name!r}")
    return replace(config, congestion=replace(config.congestion, algorithm=name))


_TCP, _SOCKET = kernel.IPPROTO_TCP, kernel.SOL_SOCKET

OPTIONS: dict[tuple[int, int], tuple[Setter, Getter]] = {
    (_TCP, kernel.TCP_NODELAY): (_set_nodelay, lambda config: int(not config.acks.nagle)),
    (_TCP, kernel.TCP_MAXSEG): (_set_maxseg, lambda config: config.options.mss or 0),
    (_TCP, TCP_USER_TIMEOUT): (_set_user_timeout, _get_user_timeout),
    (_TCP, TCP_CONGESTION): (_set_congestion, lambda config: config.congestion.algorithm.encode().ljust(16, b"\0")),
    (_TCP, TCP_KEEPIDLE): (_set_idle, lambda config: config.keep_alive.idle // SECOND),
    (_TCP, TCP_QUICKACK): (_set_quickack, lambda config: int(config.acks.delay == 0)),
    (_TCP, kernel.TCP_KEEPINTVL): (_set_interval, lambda config: config.keep_alive.interval // SECOND),
    (_TCP, kernel.TCP_KEEPCNT): (_set_count, lambda config: config.keep_alive.count),
    (_SOCKET, kernel.SO_KEEPALIVE): (_set_keepalive, lambda config: int(config.keep_alive.enabled)),
    (_SOCKET, kernel.SO_LINGER): (_set_linger, _get_linger),
    (_SOCKET, kernel.SO_RCVBUF): (_set_receive_buffer, lambda config: config.buffers.receive),
    (_SOCKET, kernel.SO_SNDBUF): (_set_send_buffer, lambda config: config.buffers.send),
}
"""Those whose value is part of the configuration."""
