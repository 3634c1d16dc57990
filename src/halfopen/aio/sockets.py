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
from halfopen.stack.tcp_socket import TcpSocket
from halfopen.tcp.status import make_status

SocketAddress: TypeAlias = tuple[str, int] | tuple[str, int, int, int]
"""As the `socket` module has it: (host, port), for IPv6 with flow label and scope."""


def socket_address(address: Address, port: int) -> SocketAddress:
    """Our address and port in the form of the `socket` module."""
    text = format_address(address)
    return (text, port) if len(address) == 4 else (text, port, 0, 0)


class StackSocket:
    """Names and options that every kind of socket has. It moves no data: that is the transport's."""

    def __init__(self, kind: kernel.SocketKind, local: tuple[Address, int], remote: tuple[Address, int] | None) -> None:
        self.family = kernel.AF_INET if len(local[0]) == 4 else kernel.AF_INET6
        self.type = kind
        self.proto = kernel.IPPROTO_TCP if kind == kernel.SOCK_STREAM else kernel.IPPROTO_UDP
        self._local = local
        self._remote = remote
        self._kept: dict[tuple[int, int], Value] = {}

    def fileno(self) -> int:
        """No descriptor stands behind this socket."""
        return -1

    def getsockname(self) -> SocketAddress:
        """Our end."""
        return socket_address(*self._local)

    def getpeername(self) -> SocketAddress:
        """The peer's end; OSError (ENOTCONN) without one."""
        if self._remote is None:
            raise OSError(errno.ENOTCONN, os.strerror(errno.ENOTCONN))
        return socket_address(*self._remote)

    def setsockopt(self, level: int, name: int, value: Value) -> None:
        """Options that mean nothing here, such as SO_REUSEADDR, are remembered for `getsockopt`."""
        self._kept[level, name] = value

    def getsockopt(self, level: int, name: int, length: int = 0) -> Value:
        """An int, or with ``length`` that many octets at most."""
        value: Value
        if (level, name) == (kernel.SOL_SOCKET, kernel.SO_TYPE):
            value = self.type
        elif (level, name) == (kernel.SOL_SOCKET, kernel.SO_ERROR):
            value = 0
        else:
            value = self._kept.get((level, name), 0)
        return _sized(value, length)

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


class ConnectionSocket(StackSocket):
    """The socket of a connection: its options change the `TcpConfig` that the connection runs by."""

    def __init__(self, pump: Pump, tcp: TcpSocket, readable: Readiness) -> None:
        local, remote = (tcp.local_address, tcp.local_port), (tcp.remote_address, tcp.remote_port)
        super().__init__(kernel.SOCK_STREAM, local, remote)
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

    def setsockopt(self, level: int, name: int, value: Value) -> None:
        """Changes the connection's configuration where the option is part of it."""
        option = OPTIONS.get((level, name))
        if option is None:
            super().setsockopt(level, name, value)
        else:
            self._tcp.configure(option[0](self._tcp.config, value))
            self._pump.kick()

    def getsockopt(self, level: int, name: int, length: int = 0) -> Value:
        """From the connection's configuration or, for TCP_INFO, its status."""
        if (level, name) == (kernel.IPPROTO_TCP, TCP_INFO):
            return pack_tcp_info(make_status(self._tcp.connection.tcb))[: length or None]
        if (level, name) == (kernel.IPPROTO_TCP, kernel.TCP_MAXSEG):
            return _sized(make_status(self._tcp.connection.tcb).snd.mss, length)
        option = OPTIONS.get((level, name))
        if option is None:
            return super().getsockopt(level, name, length)
        return _sized(option[1](self._tcp.config), length)

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


def _sized(value: Value, length: int) -> Value:
    if length == 0:
        return value
    octets = value if isinstance(value, bytes) else value.to_bytes(4, "little", signed=True)
    return octets[:length]
