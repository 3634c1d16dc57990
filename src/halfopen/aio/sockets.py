"""What programs get for ``get_extra_info("socket")``: something that looks like a socket and acts on our TCP."""

import errno
import os
import socket as kernel
from abc import ABC, abstractmethod
from typing import TypeAlias

from halfopen.aio.options import OPTIONS, TCP_INFO, Value
from halfopen.aio.pump import Pump
from halfopen.aio.tcp_info import pack_tcp_info
from halfopen.base.addresses import Address, format_address
from halfopen.stack.address_selection import is_v4_mapped
from halfopen.stack.tcp import Endpoint
from halfopen.stack.tcp_socket import TcpSocket
from halfopen.stack.udp import UdpOptions
from halfopen.tcp.config import TcpConfig
from halfopen.tcp.status import make_status

SO_TYPE = kernel.SO_TYPE
SO_ERROR = kernel.SO_ERROR
SO_PROTOCOL: int = getattr(kernel, "SO_PROTOCOL", 38)
SO_DOMAIN: int = getattr(kernel, "SO_DOMAIN", 39)

V6ONLY = (kernel.IPPROTO_IPV6, kernel.IPV6_V6ONLY)
IPV6_DONTFRAG: int = getattr(kernel, "IPV6_DONTFRAG", 62)

SocketAddress: TypeAlias = tuple[str, int] | tuple[str, int, int, int]
"""As the `socket` module has it: (host, port), for IPv6 with flow label and scope."""


def socket_address(address: Address, port: int, family: int = 0) -> SocketAddress:
    """Our address and port in the form of the `socket` module; of IPv4 to AF_INET6 a mapped one (RFC 3493 3.7)."""
    text = format_address(address)
    if len(address) == 16:
        return text, port, 0, 0
    return (f"::ffff:{text}", port, 0, 0) if family == kernel.AF_INET6 else (text, port)


def plain(address: Address) -> Address:
    """What is on the wire where a program says ``address``: of a mapped one, the IPv4 address in it (RFC 3493 3.7)."""
    return address[12:] if len(address) == 16 and is_v4_mapped(address) else address


class StackSocket:
    """Names and options that every kind of socket has. It moves no data: that is the transport's."""

    def __init__(
        self, kind: kernel.SocketKind, local: Endpoint, remote: Endpoint | None = None, family: int = 0
    ) -> None:
        self.family = kernel.AddressFamily(family or (kernel.AF_INET if len(local[0]) == 4 else kernel.AF_INET6))
        """AF_INET6 also where the addresses are of IPv4, for sockets that take both."""
        self.type = kind
        self.proto = kernel.IPPROTO_TCP if kind == kernel.SOCK_STREAM else kernel.IPPROTO_UDP
        self.local = local
        self.remote = remote
        self.kept: dict[tuple[int, int], Value] = {}
        """Options that mean nothing here, such as SO_REUSEADDR, as they were set."""

    def fileno(self) -> int:
        """No descriptor stands behind this socket."""
        return -1

    def getsockname(self) -> SocketAddress:
        """Our end."""
        return socket_address(*self.local, self.family)

    def getpeername(self) -> SocketAddress:
        """The peer's end; OSError (ENOTCONN) without one."""
        if self.remote is None:
            raise OSError(errno.ENOTCONN, os.strerror(errno.ENOTCONN))
        return socket_address(*self.remote, self.family)

    @property
    def v6_only(self) -> bool:
        """Whether a socket of AF_INET6 is to have nothing to do with IPv4 (RFC 3493 5.3)."""
        return bool(self.kept.get(V6ONLY))

    def setsockopt(self, level: int, name: int, value: Value) -> None:
        """Options that mean nothing here are remembered for `getsockopt`; IPV6_V6ONLY has to come before a port has."""
        if (level, name) == V6ONLY and (self.family != kernel.AF_INET6 or self.local[1]):
            number = errno.EINVAL if self.family == kernel.AF_INET6 else errno.ENOPROTOOPT
            raise OSError(number, os.strerror(number))
        self.kept[level, name] = value

    def getsockopt(self, level: int, name: int, length: int = 0) -> Value:
        """An int, or with ``length`` that many octets at most."""
        known = {SO_TYPE: int(self.type), SO_DOMAIN: int(self.family), SO_PROTOCOL: int(self.proto), SO_ERROR: 0}
        value: Value | None = known.get(name) if level == kernel.SOL_SOCKET else None
        return sized(self.kept.get((level, name), 0) if value is None else value, length)

    def setblocking(self, flag: bool) -> None:
        """Only non-blocking sockets are to be had."""
        if flag:
            raise ValueError("a socket of an event loop cannot block")

    def settimeout(self, value: float | None) -> None:
        """Only 0 is to be had."""
        self.setblocking(value != 0)

    def gettimeout(self) -> float:
        """Never blocks."""
        return 0.0

    def close(self) -> None:
        """The transport or server closes; this object has nothing of its own to give back."""
        return None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.type.name} local={self.getsockname()}>"


class Readiness(ABC):
    """Somebody who knows whether something waits to be read."""

    @property
    @abstractmethod
    def is_readable(self) -> bool:
        """Octets or the end of the stream can be read."""


class TcpOptions(StackSocket, ABC):
    """A TCP socket, whose options change a `TcpConfig`."""

    @property
    @abstractmethod
    def config(self) -> TcpConfig:
        """What its options are part of."""

    @abstractmethod
    def configure(self, config: TcpConfig) -> None:
        """Another choice from now on."""

    def setsockopt(self, level: int, name: int, value: Value) -> None:
        """Changes the configuration where the option is part of it."""
        option = OPTIONS.get((level, name))
        if option is None:
            super().setsockopt(level, name, value)
        else:
            self.configure(option[0](self.config, value))

    def getsockopt(self, level: int, name: int, length: int = 0) -> Value:
        """From the configuration where the option is part of it."""
        option = OPTIONS.get((level, name))
        if option is None:
            return super().getsockopt(level, name, length)
        return sized(option[1](self.config), length)


class FutureSocket(TcpOptions):
    """A TCP socket without a connection: its options are for the one to come."""

    def __init__(self, local: Endpoint, config: TcpConfig) -> None:
        super().__init__(kernel.SOCK_STREAM, local)
        self._config = config

    @property
    def config(self) -> TcpConfig:
        """For the connection to come, or those that are accepted."""
        return self._config

    def configure(self, config: TcpConfig) -> None:
        """Another choice."""
        self._config = config


class ConnectionSocket(TcpOptions):
    """The socket of a connection: its options change the `TcpConfig` that the connection runs by."""

    def __init__(self, pump: Pump, tcp: TcpSocket, readable: Readiness, family: int = 0) -> None:
        local, remote = (tcp.local_address, tcp.local_port), (tcp.remote_address, tcp.remote_port)
        super().__init__(kernel.SOCK_STREAM, local, remote, family)
        self._pump = pump
        self._tcp = tcp
        self._readable = readable
        self._signal: ReadinessSignal | None = None
        self._is_closed = False

    def fileno(self) -> int:
        """A descriptor that polls readable exactly when octets or the end of the stream wait; -1 after the end.

        Made when first asked for. Connection pools poll it to see whether the peer has hung up meanwhile (httpcore).
        """
        if self._is_closed:
            return -1
        if self._signal is None:
            self._signal = ReadinessSignal()
            self.show_readiness()
        return self._signal.descriptor

    def show_readiness(self) -> None:
        """Brings the descriptor, if there is one, in line with what waits to be read."""
        if self._signal is not None:
            self._signal.set(self._readable.is_readable)

    @property
    def config(self) -> TcpConfig:
        """The connection's."""
        return self._tcp.config

    def configure(self, config: TcpConfig) -> None:
        """For the rest of the connection."""
        self._tcp.configure(config)
        if not self._pump.loop.is_closed():
            self._pump.kick()

    def getsockopt(self, level: int, name: int, length: int = 0) -> Value:
        """As its base; TCP_INFO and TCP_MAXSEG from the connection's status."""
        if (level, name) == (kernel.IPPROTO_TCP, TCP_INFO):
            return pack_tcp_info(make_status(self._tcp.connection.tcb))[: length or None]
        if (level, name) == (kernel.IPPROTO_TCP, kernel.TCP_MAXSEG):
            return sized(make_status(self._tcp.connection.tcb).snd.mss, length)
        return super().getsockopt(level, name, length)

    def shutdown(self, how: int) -> None:
        """SHUT_WR and SHUT_RDWR close our direction; reading stays the transport's."""
        if how != kernel.SHUT_RD:
            self._tcp.shutdown(self._pump.now())
            self._pump.kick()

    def close(self) -> None:
        """The connection is lost: the descriptor goes."""
        self._is_closed = True
        if self._signal is not None:
            self._signal.close()
            self._signal = None


DATAGRAM_OPTIONS = {
    (kernel.SOL_SOCKET, kernel.SO_BROADCAST): "broadcast",
    (kernel.SOL_SOCKET, kernel.SO_RCVBUF): "receive_limit",
    (kernel.IPPROTO_IP, kernel.IP_TTL): "ttl",
    (kernel.IPPROTO_IP, kernel.IP_TOS): "tos",
    (kernel.IPPROTO_IPV6, kernel.IPV6_UNICAST_HOPS): "ttl",
    (kernel.IPPROTO_IPV6, kernel.IPV6_TCLASS): "tos",
    (kernel.IPPROTO_IPV6, IPV6_DONTFRAG): "dont_fragment",
}
"""Which of `UdpOptions` they are (ip(7), ipv6(7), RFC 3542)."""

DEFAULT_DATAGRAM_OPTIONS = {"ttl": UdpOptions().ttl, "tos": UdpOptions().tos}
"""What -1 goes back to."""


class DatagramSocket(StackSocket):
    """A UDP socket, whose options are those of its datagrams."""

    def __init__(self, options: UdpOptions, local: Endpoint, remote: Endpoint | None = None, family: int = 0) -> None:
        super().__init__(kernel.SOCK_DGRAM, local, remote, family)
        self.options = options

    def setsockopt(self, level: int, name: int, value: Value) -> None:
        """Those of `DATAGRAM_OPTIONS` act; others are remembered."""
        super().setsockopt(level, name, value)
        option = DATAGRAM_OPTIONS.get((level, name))
        if option is None:
            return
        number = value if isinstance(value, int) else int.from_bytes(value[:4], "little", signed=True)
        if option in ("broadcast", "dont_fragment"):
            setattr(self.options, option, bool(number))
        elif option == "receive_limit":
            self.options.receive_limit = max(2304, 2 * number)
        else:
            setattr(self.options, option, DEFAULT_DATAGRAM_OPTIONS[option] if number == -1 else number)

    def getsockopt(self, level: int, name: int, length: int = 0) -> Value:
        """What `setsockopt` has done, or the defaults."""
        option = DATAGRAM_OPTIONS.get((level, name))
        if option is None:
            return super().getsockopt(level, name, length)
        return sized(int(getattr(self.options, option)), length)


class ReadinessSignal:
    """A descriptor that is readable when told so: an eventfd, elsewhere than on Linux a pair of sockets."""

    def __init__(self) -> None:
        self._is_set = False
        self._pair: tuple[kernel.socket, kernel.socket] | None = None
        if hasattr(os, "eventfd"):
            self.descriptor = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        else:
            self._pair = kernel.socketpair()
            self.descriptor = self._pair[0].fileno()

    def set(self, is_readable: bool) -> None:
        """Readable or not, from now on."""
        if is_readable == self._is_set:
            return
        self._is_set = is_readable
        if self._pair is None:
            if is_readable:
                os.eventfd_write(self.descriptor, 1)
            else:
                os.eventfd_read(self.descriptor)
        elif is_readable:
            self._pair[1].send(b"!")
        else:
            self._pair[0].recv(1)

    def close(self) -> None:
        """Gives the descriptor back."""
        if self._pair is None:
            os.close(self.descriptor)
        else:
            for end in self._pair:
                end.close()


def sized(value: Value, length: int) -> Value:
    """``value`` as `socket.getsockopt` returns it: as it is, or as ``length`` octets at most."""
    if length == 0:
        return value
    octets = value if isinstance(value, bytes) else value.to_bytes(4, "little", signed=True)
    return octets[:length]
