"""Where FreeBSD's socket options differ from Linux's (``tcp_default_ctloutput()``, ``sosetopt()``, ``sogetopt()``)."""

import errno
import struct
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType

from halfopen.aio.options import OPTIONS
from halfopen.base.clock import SECOND, Duration
from halfopen.packetdrill.bsd_info import fresh_facts
from halfopen.packetdrill.info import tcp_info
from halfopen.packetdrill.symbols import FREEBSD_SYMBOLS, LINUX_SYMBOLS
from halfopen.packetdrill.virtual_posix.kernel import failure
from halfopen.packetdrill.virtual_posix.tcp_face import TcpFace
from halfopen.tcp.config import TcpConfig
from halfopen.tcp.congestion.algorithms import ALGORITHMS
from halfopen.tcp.negotiation import DEFAULT_MSS, DEFAULT_MSS_IPV6
from halfopen.tcp.state import State

HEADER_OCTETS = 40
"""What ``minmss`` counts beside the octets of text."""
_CLUSTER, _BUFFER_HEADER = 2048, 256
_FLAGS: Mapping[str, int] = MappingProxyType(
    {"TCP_NODELAY": 0x4, "TCP_NOOPT": 0x8, "TCP_NOPUSH": 0x1000, "TCP_FASTOPEN": 0x8000_0000}
)
"""Switches of TCP read as the bit of ``t_flags`` that they are ..."""
_SOCKET_FLAGS = frozenset(
    {
        *("SO_DEBUG", "SO_ACCEPTCONN", "SO_REUSEADDR", "SO_KEEPALIVE", "SO_DONTROUTE", "SO_BROADCAST"),
        *("SO_USELOOPBACK", "SO_OOBINLINE", "SO_REUSEPORT", "SO_TIMESTAMP", "SO_NOSIGPIPE", "SO_REUSEPORT_LB"),
    }
)
"""... and those of sockets as their own number."""
_ALGORITHM_NAMES = MappingProxyType({"reno": "newreno"})
_MOST_SECONDS = 0xFFFF_FFFF // 1000
_LINGER = struct.Struct("=ii")


def set_option(socket: TcpFace, name: str, value: bytes) -> bool:
    """Whether the option is one of these; it has been set then."""
    _check_alive(socket, name)
    if name == "TCP_CONGESTION":
        _set_congestion(socket, value)
    elif name == "SO_LINGER":
        _set_linger(socket, value)
    elif name in _SETTERS:
        if len(value) < _INT_OCTETS:
            raise failure(errno.EINVAL)
        _SETTERS[name](socket, int.from_bytes(value[:_INT_OCTETS], "little", signed=True))
    elif name in _UNSETTABLE:
        raise failure(errno.EINVAL if name.startswith("TCP_") else errno.ENOPROTOOPT)
    else:
        return False
    return True


_INT_OCTETS = 4
_UNSETTABLE = frozenset({"TCP_INFO", "SO_ACCEPTCONN", "SO_TYPE", "SO_ERROR", "SO_PROTOCOL", "SO_DOMAIN"})


def get_option(socket: TcpFace, name: str) -> int | bytes | None:
    """The value of an option that is one of these; None if it is not."""
    _check_alive(socket, name)
    if name in _FLAGS:
        return _FLAGS[name] if _is_on(socket, name) else 0
    if name in _SOCKET_FLAGS:
        is_on = socket.listener is not None if name == "SO_ACCEPTCONN" else socket.kept.get(name)
        return FREEBSD_SYMBOLS[name] if is_on else 0
    getter = _GETTERS.get(name)
    return getter(socket) if getter is not None else None


def _check_alive(socket: TcpFace, name: str) -> None:
    """ECONNRESET for options of TCP once the connection is gone (``INP_DROPPED``)."""
    stream = socket.stream
    if name.startswith("TCP_") and stream is not None and stream.tcp.connection.state is State.CLOSED:
        raise failure(errno.ECONNRESET)


def get_info(socket: TcpFace) -> dict[str, int]:
    """TCP_INFO, by the names of its members."""
    _check_alive(socket, "TCP_INFO")
    if socket.stream is None:
        return fresh_facts(socket.state, socket.config, max_segment(socket))
    return tcp_info(socket.stream.tcp, socket.kernel.traits.dialect, socket.kernel.now)


def _is_on(socket: TcpFace, name: str) -> bool:
    acks = socket.config.acks
    if name == "TCP_NODELAY":
        return not acks.nagle
    return acks.cork if name == "TCP_NOPUSH" else bool(socket.kept.get(name))


def largest_buffer(socket: TcpFace) -> int:
    """What a buffer may be set to: ``kern.ipc.maxsockbuf``, less what clusters cost beside their octets."""
    most = socket.kernel.stack.config.tcp.buffers.receive
    return most * _CLUSTER // (_BUFFER_HEADER + _CLUSTER)


def _checked_room(socket: TcpFace, number: int) -> int:
    if number < 1:
        raise failure(errno.EINVAL)
    if number > largest_buffer(socket):
        raise failure(errno.ENOBUFS)
    return number


def _set_send_buffer(socket: TcpFace, number: int) -> None:
    """Of a connection that there is, it is not rounded up any more."""
    buffers = replace(socket.config.buffers, send=_checked_room(socket, number))
    socket.configure(replace(socket.config, buffers=buffers))
    if socket.stream is not None:
        socket.kept["SO_SNDBUF"] = number


def _set_receive_buffer(socket: TcpFace, number: int) -> None:
    """The window scale is that of the largest buffer there may be, whatever size was chosen."""
    octets, buffers = _checked_room(socket, number), socket.config.buffers
    chosen = replace(buffers, receive=octets, receive_initial=octets, scale_for=buffers.scale_for or buffers.receive)
    socket.configure(replace(socket.config, buffers=chosen))


def _receive_buffer(socket: TcpFace) -> int:
    if socket.stream is None or socket.state is State.SYN_SENT:
        return socket.config.buffers.receive_initial
    return socket.stream.tcp.connection.tcb.rcv.limit


def _set_keep_alive(socket: TcpFace, number: int) -> None:
    """It is on for all with ``always_keepalive``, whatever a socket wants."""
    socket.kept["SO_KEEPALIVE"] = int(bool(number))
    is_on = bool(number) or socket.kernel.stack.config.tcp.keep_alive.enabled
    socket.configure(replace(socket.config, keep_alive=replace(socket.config.keep_alive, enabled=is_on)))


def _set_linger(socket: TcpFace, value: bytes) -> None:
    if len(value) < _LINGER.size:
        raise failure(errno.EINVAL)
    on, seconds = _LINGER.unpack_from(value)
    if not 0 <= seconds <= 0xFFFF:
        raise failure(errno.EDOM)
    socket.kept["linger"] = seconds
    closing = replace(socket.config.closing, linger=seconds * SECOND if on else None)
    socket.configure(replace(socket.config, closing=closing))


def _linger(socket: TcpFace) -> bytes:
    is_on = socket.config.closing.linger is not None
    return _LINGER.pack(FREEBSD_SYMBOLS["SO_LINGER"] if is_on else 0, socket.kept.get("linger", 0))


def _set_congestion(socket: TcpFace, value: bytes) -> None:
    name = value.split(b"\0")[0].decode("ascii", "replace")
    ours = {theirs: ours for ours, theirs in _ALGORITHM_NAMES.items()}.get(name, name)
    if ours not in ALGORITHMS or name in _ALGORITHM_NAMES:
        raise failure(errno.ESRCH)
    socket.configure(replace(socket.config, congestion=replace(socket.config.congestion, algorithm=ours)))


def _congestion(socket: TcpFace) -> bytes:
    name = socket.config.congestion.algorithm
    return _ALGORITHM_NAMES.get(name, name).encode() + b"\0"


def max_segment(socket: TcpFace) -> int:
    """``t_maxseg``: without a connection a default; with one what the MSS options and the MTU leave, options too."""
    stream = socket.stream
    if stream is not None and stream.tcp.connection.state is not State.SYN_SENT:
        tcb = stream.tcp.connection.tcb
        return tcb.snd.mss + tcb.agreed.option_octets
    options = socket.config.options
    default = options.mss_manner.default_ipv6 if socket.is_ipv6 else options.mss_manner.default
    standard = DEFAULT_MSS_IPV6 if socket.is_ipv6 else DEFAULT_MSS
    return socket.kept.get("TCP_MAXSEG", default or standard)


def _set_max_segment(socket: TcpFace, number: int) -> None:
    """Only a smaller one; one that is chosen before the connection holds where the peer's SYN tells none."""
    options = socket.config.options
    if not 0 < number <= max_segment(socket) or number + HEADER_OCTETS < options.least_mss:
        raise failure(errno.EINVAL)
    if socket.stream is not None and socket.state is not State.SYN_SENT:
        chosen = replace(options, mss=number)
    else:
        socket.kept["TCP_MAXSEG"] = number
        manner = options.mss_manner
        own = replace(manner, default_ipv6=number) if socket.is_ipv6 else replace(manner, default=number)
        chosen = replace(options, mss_manner=own)
    socket.configure(replace(socket.config, options=chosen))


def _set_no_options(socket: TcpFace, number: int) -> None:
    on = not number
    host, options = socket.kernel.stack.config.tcp.options, socket.config.options
    chosen = replace(
        options,
        mss_manner=replace(options.mss_manner, is_said=on),
        window_scaling=on and host.window_scaling,
        timestamps=on and host.timestamps,
        sack=on and host.sack,
    )
    socket.configure(replace(socket.config, options=chosen))
    socket.kept["TCP_NOOPT"] = int(bool(number))


def _set_signature(socket: TcpFace, number: int) -> None:
    """The keys are those of ``setkey``."""
    socket.kept["TCP_MD5SIG"] = int(bool(number))


def _set_fast_open(socket: TcpFace, number: int) -> None:
    """On a listener: text in SYNs is taken; else a SYN asks for a cookie, or has text if there is one."""
    host = socket.kernel.stack.config.tcp.fast_open
    if not (host.client or host.may_serve):
        raise failure(errno.EPERM)
    if socket.state not in (State.CLOSED, State.LISTEN):
        raise failure(errno.EINVAL)
    if socket.state is State.LISTEN and number and not host.may_serve:
        raise failure(errno.EPERM)
    socket.kept["TCP_FASTOPEN"] = int(bool(number))
    socket.kept["TCP_FASTOPEN_CONNECT"] = int(bool(number) and host.client)
    fast_open = replace(socket.config.fast_open, server=bool(number))
    socket.configure(replace(socket.config, fast_open=fast_open))


def _set_seconds(change: Callable[[TcpConfig, Duration], TcpConfig]) -> Callable[[TcpFace, int], None]:
    def set_seconds(socket: TcpFace, number: int) -> None:
        seconds = number & 0xFFFF_FFFF
        if seconds > _MOST_SECONDS:
            raise failure(errno.EINVAL)
        socket.configure(change(socket.config, seconds * SECOND))

    return set_seconds


def _with_idle(config: TcpConfig, time: Duration) -> TcpConfig:
    idle = time or _HOST.keep_alive.idle
    return replace(config, keep_alive=replace(config.keep_alive, idle=idle))


def _with_interval(config: TcpConfig, time: Duration) -> TcpConfig:
    return replace(config, keep_alive=replace(config.keep_alive, interval=time or _HOST.keep_alive.interval))


def _with_patience(config: TcpConfig, time: Duration) -> TcpConfig:
    return replace(config, timeouts=replace(config.timeouts, connect=time or 75 * SECOND))


def _with_unacknowledged(config: TcpConfig, time: Duration) -> TcpConfig:
    return replace(config, retransmission=replace(config.retransmission, user_timeout=time or None))


_HOST = TcpConfig()


def _set_count(socket: TcpFace, number: int) -> None:
    keep_alive = replace(socket.config.keep_alive, count=number or socket.kernel.stack.config.tcp.keep_alive.count)
    socket.configure(replace(socket.config, keep_alive=keep_alive))


def _linux_setter(name: str) -> Callable[[TcpFace, int], None]:
    setter = OPTIONS[LINUX_SYMBOLS["IPPROTO_TCP"], LINUX_SYMBOLS[name]][0]

    def set_it(socket: TcpFace, number: int) -> None:
        socket.configure(setter(socket.config, number))

    return set_it


_SETTERS: Mapping[str, Callable[[TcpFace, int], None]] = MappingProxyType(
    {
        "SO_KEEPALIVE": _set_keep_alive,
        "SO_RCVBUF": _set_receive_buffer,
        "SO_SNDBUF": _set_send_buffer,
        "TCP_FASTOPEN": _set_fast_open,
        "TCP_KEEPCNT": _set_count,
        "TCP_KEEPIDLE": _set_seconds(_with_idle),
        "TCP_KEEPINIT": _set_seconds(_with_patience),
        "TCP_KEEPINTVL": _set_seconds(_with_interval),
        "TCP_MAXSEG": _set_max_segment,
        "TCP_MD5SIG": _set_signature,
        "TCP_MAXUNACKTIME": _set_seconds(_with_unacknowledged),
        "TCP_NODELAY": _linux_setter("TCP_NODELAY"),
        "TCP_NOOPT": _set_no_options,
        "TCP_NOPUSH": _linux_setter("TCP_CORK"),
    }
)
_GETTERS: Mapping[str, Callable[[TcpFace], int | bytes]] = MappingProxyType(
    {
        "SO_LINGER": _linger,
        "SO_RCVBUF": _receive_buffer,
        "SO_SNDBUF": lambda socket: socket.send_buffer,
        "TCP_CONGESTION": _congestion,
        "TCP_KEEPCNT": lambda socket: socket.config.keep_alive.count,
        "TCP_KEEPIDLE": lambda socket: socket.config.keep_alive.idle // SECOND,
        "TCP_KEEPINIT": lambda socket: (socket.config.timeouts.connect or 0) // SECOND,
        "TCP_KEEPINTVL": lambda socket: socket.config.keep_alive.interval // SECOND,
        "TCP_MAXSEG": max_segment,
        "TCP_MAXUNACKTIME": lambda socket: (socket.config.retransmission.user_timeout or 0) // SECOND,
    }
)
