"""``setsockopt()`` and ``getsockopt()`` of TCP sockets, by the options' names."""

import errno
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType

from halfopen.aio.options import LEAST_SEND, OPTIONS
from halfopen.aio.tcp_info import pack_tcp_info
from halfopen.base.clock import SECOND
from halfopen.packetdrill.symbols import LINUX_SYMBOLS
from halfopen.packetdrill.virtual_posix.ancillary import STAMP_FLAGS, start_stamps
from halfopen.packetdrill.virtual_posix.fast_open import get_keys, set_client, set_keys, set_no_cookie, set_server
from halfopen.packetdrill.virtual_posix.headers import DEFAULT_TTL, ttl
from halfopen.packetdrill.virtual_posix.kernel import failure
from halfopen.packetdrill.virtual_posix.md5_keys import set_md5_key, set_prefix_md5_key
from halfopen.packetdrill.virtual_posix.memory import pack_memory
from halfopen.packetdrill.virtual_posix.names import level_of
from halfopen.packetdrill.virtual_posix.pace import largest_rate, set_largest_rate
from halfopen.packetdrill.virtual_posix.patience import TIMEOUTS, emit_timeout, parse_timeout
from halfopen.packetdrill.virtual_posix.tcp_face import TcpFace
from halfopen.stack.tcp_over_udp import remote_udp_port
from halfopen.tcp.state import State
from halfopen.tcp.status import make_status

_ECN_BITS = 3
_LEAST_RECEIVE = 2304
"""``SOCK_MIN_RCVBUF``."""
_CONGESTION_ROOM = 16
_LINGER_OCTETS = 8
_FLAGS = frozenset({"SO_REUSEADDR", "SO_REUSEPORT", "SO_OOBINLINE", "SO_BROADCAST", "SO_DONTROUTE", "SO_DEBUG"})
"""Read as 0 or 1."""

_FORCED = MappingProxyType({"SO_SNDBUFFORCE": "SO_SNDBUF", "SO_RCVBUFFORCE": "SO_RCVBUF"})
_SAME = MappingProxyType({"TCP_NOPUSH": "TCP_CORK", **_FORCED})
"""Other names of options."""

_SWITCHES = frozenset({"SO_ZEROCOPY", "TCP_INQ"})
"""Only 0 and 1 will do."""


_ONLY_READ = frozenset(
    {
        "SO_ERROR",
        "SO_TYPE",
        "SO_PROTOCOL",
        "SO_DOMAIN",
        "SO_ACCEPTCONN",
        "TCP_INFO",
        "TCP_CC_INFO",
        "IP_MTU",
        "IPV6_MTU",
    }
)
"""Nobody can set these."""

_UNSET = MappingProxyType({"SO_RCVLOWAT": 1, "SO_SNDLOWAT": 1, "IP_MTU_DISCOVER": 1, "IPV6_MTU_DISCOVER": 1})
"""What is read where nothing was set, if that is not 0."""


def set_option(socket: TcpFace, name: str, value: bytes) -> None:
    """Changes the configuration or the IP headers, or is remembered for whoever asks."""
    if len(value) < 4 and name != "TCP_CONGESTION":
        raise failure(errno.EINVAL)
    is_fixed = name == "SO_SNDLOWAT" and socket.kernel.traits.counts_overhead
    if name in _ONLY_READ or is_fixed:
        raise failure(errno.ENOPROTOOPT)
    if name in _BY_OCTETS:
        _BY_OCTETS[name](socket, value)
        return
    number = int.from_bytes(value[:4], "little", signed=True)
    setter = _SETTERS.get(_SAME.get(name, name))
    if name in ("SO_SNDBUF", "SO_RCVBUF"):
        number = min(number & 0xFFFFFFFF, socket.kernel.traits.largest_buffer)
    option = OPTIONS.get(_linux(name))
    if name == "SO_LINGER" and len(value) < _LINGER_OCTETS:
        raise failure(errno.EINVAL)
    if setter is not None:
        setter(socket, number)
    elif option is not None:
        octets = value if name in ("SO_LINGER", "TCP_CONGESTION") else number
        socket.configure(option[0](socket.config, octets))
        socket.kept[name] = number
    elif name in _SWITCHES and not 0 <= number <= 1:
        raise failure(errno.EINVAL)
    else:
        socket.kept[name] = int(bool(number)) if name in _FLAGS else number


def _linux(name: str) -> tuple[int, int]:
    name = _SAME.get(name, name)
    return LINUX_SYMBOLS.get(level_of(name), -1), LINUX_SYMBOLS.get(name, -1)


def get_option(socket: TcpFace, name: str) -> int | bytes:
    """The value, as a number or as octets."""
    getter = _GETTERS.get(name)
    if getter is not None:
        return getter(socket)
    option = OPTIONS.get(_linux(name))
    if option is not None:
        return option[1](socket.config)
    return socket.kept.get(name, _UNSET.get(name, 0))


def _set_tos(socket: TcpFace, number: int) -> None:
    """TCP keeps the two bits of ECN to itself."""
    socket.kept["IP_TOS"] = number & 0xFF & ~_ECN_BITS
    socket.mark()


def _set_class(socket: TcpFace, number: int) -> None:
    if not -1 <= number <= 0xFF:
        raise failure(errno.EINVAL)
    socket.kept["IPV6_TCLASS"] = max(0, number) & ~_ECN_BITS
    socket.mark()


def _set_ttl(socket: TcpFace, number: int) -> None:
    if number != -1 and not 1 <= number <= 255:
        raise failure(errno.EINVAL)
    socket.kept["IP_TTL"] = DEFAULT_TTL if number == -1 else number
    socket.mark()


def _set_hops(socket: TcpFace, number: int) -> None:
    if not -1 <= number <= 255:
        raise failure(errno.EINVAL)
    socket.kept["IPV6_UNICAST_HOPS"] = DEFAULT_TTL if number == -1 else number
    socket.mark()


def _set_inline(socket: TcpFace, number: int) -> None:
    """SO_OOBINLINE, of a connection that there is."""
    socket.kept["SO_OOBINLINE"] = int(bool(number))
    if socket.stream is not None and socket.stream.incoming.urgent is not None:
        socket.stream.incoming.urgent.is_inline = bool(number)


def _set_least(socket: TcpFace, number: int) -> None:
    """SO_RCVLOWAT: no more than half of what the buffer may become; nothing is one octet."""
    most = socket.config.buffers.receive // 2
    socket.kept["SO_RCVLOWAT"] = most if number < 0 else min(max(1, number), most)


def _linger_2(socket: TcpFace) -> int:
    """What is no time at all reads as -1."""
    return socket.config.closing.fin_wait_2 // SECOND or -1


def _set_timeout(name: str) -> Callable[[TcpFace, bytes], None]:
    def set_timeout(socket: TcpFace, value: bytes) -> None:
        socket.kept[name] = parse_timeout(value)

    return set_timeout


def _set_report(name: str) -> Callable[[TcpFace, int], None]:
    def set_report(socket: TcpFace, number: int) -> None:
        socket.kept[name] = int(bool(number))
        socket.errors.is_queued = bool(number)

    return set_report


def _set_stamps(socket: TcpFace, number: int) -> None:
    """Octets can be counted on a connection only."""
    counts = socket.kernel.has(number, "SOF_TIMESTAMPING_OPT_ID")
    if counts and socket.state in (State.LISTEN, State.CLOSED):
        raise failure(errno.EINVAL)
    start_stamps(socket, number)


def _set_discovery(name: str) -> Callable[[TcpFace, int], None]:
    def set_discovery(socket: TcpFace, number: int) -> None:
        if not 0 <= number <= LINUX_SYMBOLS["IP_PMTUDISC_OMIT"]:
            raise failure(errno.EINVAL)
        socket.kept[name] = number

    return set_discovery


def _set_no_options(socket: TcpFace, number: int) -> None:
    options = socket.config.options
    on = not number
    chosen = replace(options, window_scaling=on, timestamps=on, sack=on)
    socket.configure(replace(socket.config, options=chosen))
    socket.kept["TCP_NOOPT"] = number


def _error(socket: TcpFace) -> int:
    """SO_ERROR: told once; if there is none, the one that only may matter."""
    errors = socket.errors
    pending = errors.take()
    if not pending and not socket.kernel.traits.error_before_end:
        pending, errors.soft = errors.soft, 0
    return pending


def _mss(socket: TcpFace) -> int:
    if socket.stream is not None:
        return socket.stream.tcp.connection.tcb.snd.mss
    return socket.config.options.mss or 536


def _unsent_low(socket: TcpFace) -> int:
    """0 where the host's own limit holds; one without any limit reads as -1."""
    low = socket.config.buffers.unsent_low
    return socket.kept.get("TCP_NOTSENT_LOWAT", 0) if low is None else low


def _mtu(socket: TcpFace) -> int:
    if socket.stream is None:
        raise failure(errno.ENOTCONN)
    return socket.stream.tcp.path.mtu


def _info(socket: TcpFace) -> bytes:
    return pack_tcp_info(make_status(socket.stream.tcp.connection.tcb)) if socket.stream is not None else bytes(104)


def _set_send_buffer(socket: TcpFace, number: int) -> None:
    """Where bookkeeping counts, what is in flight is limited by windows alone."""
    socket.kept["SO_SNDBUF"] = max(LEAST_SEND, number)
    if not socket.kernel.traits.counts_overhead:
        socket.configure(replace(socket.config, buffers=replace(socket.config.buffers, send=number)))


def _set_receive_buffer(socket: TcpFace, number: int) -> None:
    """Where bookkeeping counts, the buffer is twice what was asked for; the window is what of it text can have."""
    octets = max(_LEAST_RECEIVE, 2 * number) if socket.kernel.traits.counts_overhead else number
    buffers = socket.config.buffers
    linux = replace(buffers.linux, most=buffers.linux.most or buffers.receive)
    buffers = replace(buffers, receive=octets, receive_initial=octets, linux=linux)
    socket.configure(replace(socket.config, buffers=buffers))
    socket.kept["SO_RCVBUF"] = octets


def _buffer(name: str) -> Callable[[TcpFace], int]:
    def size(socket: TcpFace) -> int:
        if name == "SO_SNDBUF":
            return socket.send_buffer
        return socket.config.buffers.receive_initial

    return size


def _congestion(socket: TcpFace) -> bytes:
    return socket.config.congestion.algorithm.encode().ljust(_CONGESTION_ROOM, b"\0")


def _set_patience(socket: TcpFace, seconds: int) -> None:
    """TCP_KEEPINIT."""
    if seconds <= 0:
        raise failure(errno.EINVAL)
    timeouts = replace(socket.config.timeouts, connect=seconds * SECOND)
    socket.configure(replace(socket.config, timeouts=timeouts))


def _set_udp_port(socket: TcpFace, number: int) -> None:
    """TCP_REMOTE_UDP_ENCAPS_PORT: to be chosen before there is a connection, where TCP comes in UDP at all."""
    has_tunnel = socket.kernel.stack.tcp_over_udp.port > 0
    if not 0 <= number <= 0xFFFF or (number and not has_tunnel) or socket.state is not State.CLOSED:
        raise failure(errno.EINVAL)
    socket.kept["TCP_REMOTE_UDP_ENCAPS_PORT"] = number


def _udp_port(socket: TcpFace) -> int:
    if socket.stream is not None:
        return remote_udp_port(socket.stream.tcp)
    return socket.kept.get("TCP_REMOTE_UDP_ENCAPS_PORT", 0)


def _patience(socket: TcpFace) -> int:
    return (socket.config.timeouts.connect or 0) // SECOND


_SETTERS: Mapping[str, Callable[[TcpFace, int], None]] = MappingProxyType(
    {
        "SO_SNDBUF": _set_send_buffer,
        "SO_RCVBUF": _set_receive_buffer,
        "SO_RCVLOWAT": _set_least,
        "SO_OOBINLINE": _set_inline,
        "IP_TOS": _set_tos,
        "IPV6_TCLASS": _set_class,
        "IP_TTL": _set_ttl,
        "IPV6_UNICAST_HOPS": _set_hops,
        "IP_RECVERR": _set_report("IP_RECVERR"),
        "IPV6_RECVERR": _set_report("IPV6_RECVERR"),
        "IP_MTU_DISCOVER": _set_discovery("IP_MTU_DISCOVER"),
        "IPV6_MTU_DISCOVER": _set_discovery("IPV6_MTU_DISCOVER"),
        STAMP_FLAGS: _set_stamps,
        "TCP_FASTOPEN": set_server,
        "TCP_FASTOPEN_CONNECT": set_client,
        "TCP_FASTOPEN_NO_COOKIE": set_no_cookie,
        "TCP_KEEPINIT": _set_patience,
        "TCP_NOOPT": _set_no_options,
        "TCP_REMOTE_UDP_ENCAPS_PORT": _set_udp_port,
    }
)
_BY_OCTETS: Mapping[str, Callable[[TcpFace, bytes], None]] = MappingProxyType(
    {
        "TCP_FASTOPEN_KEY": set_keys,
        "SO_MAX_PACING_RATE": set_largest_rate,
        "TCP_MD5SIG": set_md5_key,
        "TCP_MD5SIG_EXT": set_prefix_md5_key,
        **{name: _set_timeout(name) for name in TIMEOUTS},
    }
)
_GETTERS: Mapping[str, Callable[[TcpFace], int | bytes]] = MappingProxyType(
    {
        "SO_ERROR": _error,
        "SO_TYPE": lambda socket: 1,
        "SO_PROTOCOL": lambda socket: socket.protocol,
        "SO_DOMAIN": lambda socket: socket.family,
        "SO_ACCEPTCONN": lambda socket: int(socket.listener is not None),
        "SO_SNDBUF": _buffer("SO_SNDBUF"),
        "SO_RCVBUF": _buffer("SO_RCVBUF"),
        "SO_RCVTIMEO": lambda socket: emit_timeout(socket.kept.get("SO_RCVTIMEO", 0)),
        "SO_SNDTIMEO": lambda socket: emit_timeout(socket.kept.get("SO_SNDTIMEO", 0)),
        "SO_MAX_PACING_RATE": largest_rate,
        "TCP_KEEPINIT": _patience,
        "TCP_MAXSEG": _mss,
        "TCP_INFO": _info,
        "TCP_CC_INFO": lambda socket: b"",
        "TCP_LINGER2": _linger_2,
        "SO_MEMINFO": pack_memory,
        "TCP_CONGESTION": _congestion,
        "TCP_FASTOPEN_KEY": get_keys,
        "IP_MTU": _mtu,
        "IPV6_MTU": _mtu,
        "IP_TTL": lambda socket: ttl(socket.kept, is_ipv6=socket.is_ipv6),
        "IPV6_UNICAST_HOPS": lambda socket: ttl(socket.kept, is_ipv6=socket.is_ipv6),
        "TCP_NOTSENT_LOWAT": _unsent_low,
        "TCP_REMOTE_UDP_ENCAPS_PORT": _udp_port,
    }
)
