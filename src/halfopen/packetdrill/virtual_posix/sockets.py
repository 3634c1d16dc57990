"""The calls on sockets, by descriptor."""

import errno

from halfopen.packetdrill.info import tcp_info
from halfopen.packetdrill.posix import Message, Received, SocketName, Sockets
from halfopen.packetdrill.profiles import FREEBSD_DIALECT
from halfopen.packetdrill.virtual_posix import bsd_calls, bsd_options
from halfopen.packetdrill.virtual_posix.datagrams import UdpDescriptor
from halfopen.packetdrill.virtual_posix.descriptor import O_RDWR
from halfopen.packetdrill.virtual_posix.kernel import Kernel, failure
from halfopen.packetdrill.virtual_posix.memory import memory_facts
from halfopen.packetdrill.virtual_posix.names import LEVELS, option_name
from halfopen.packetdrill.virtual_posix.socket import SocketDescriptor
from halfopen.packetdrill.virtual_posix.table import Table
from halfopen.packetdrill.virtual_posix.tcp import TcpDescriptor
from halfopen.stack.tcp_socket import TcpSocket


class VirtualSockets(Sockets):
    """Sockets on a stack of ours."""

    _kernel: Kernel
    _table: Table

    def socket(self, family: int, kind: int, protocol: int) -> int:
        """EAFNOSUPPORT, EPROTONOSUPPORT and ESOCKTNOSUPPORT for what the host does not have."""
        number = self._kernel.number
        if family not in (number("AF_INET"), number("AF_INET6")):
            raise failure(errno.EAFNOSUPPORT)
        status = O_RDWR
        for name, flag in (("SOCK_NONBLOCK", "O_NONBLOCK"), ("SOCK_CLOEXEC", "")):
            if self._kernel.has(kind, name):
                kind &= ~number(name)
                status |= number(flag) if flag else 0
        kinds: dict[int, type[TcpDescriptor | UdpDescriptor]] = {
            number("SOCK_STREAM"): TcpDescriptor,
            number("SOCK_DGRAM"): UdpDescriptor,
        }
        if kind not in kinds:
            raise failure(errno.ESOCKTNOSUPPORT)
        made = kinds[kind](self._kernel, family, status)
        if protocol not in (0, made.protocol):
            raise failure(errno.EPROTONOSUPPORT)
        return self._table.add(made)

    def bind(self, fd: int, name: SocketName) -> None:
        """Takes a local address and port."""
        self._table.socket(fd).bind(name)

    def listen(self, fd: int, backlog: int) -> None:
        """Passive OPEN."""
        self._table.socket(fd).listen(backlog)

    def accept(self, fd: int, flags: int = 0) -> tuple[int, SocketName]:
        """A descriptor for the oldest connection that nobody has taken, and who it is with."""
        accepted, name = self._table.socket(fd).accept()
        nonblocking = self._kernel.number("O_NONBLOCK")
        if self._kernel.has(flags, "SOCK_NONBLOCK"):
            accepted.status |= nonblocking
        elif not self._kernel.traits.accepted_are_alike:
            accepted.status &= ~nonblocking
        return self._table.add(accepted), name

    def connect(self, fd: int, name: SocketName | None) -> None:
        """Active OPEN; None makes the socket a fresh one again."""
        self._table.socket(fd).connect(name)

    def receive(self, fd: int, octets: int, flags: int = 0, room: int = 0) -> Received:
        """``recvmsg()``."""
        return self._table.socket(fd).receive(octets, flags, room)

    def send(self, fd: int, message: Message) -> int:
        """``sendmsg()``."""
        socket = self._table.socket(fd)
        if self._kernel.traits.dialect == FREEBSD_DIALECT and isinstance(socket, TcpDescriptor):
            return bsd_calls.send(socket, message)
        return socket.send(message)

    def shutdown(self, fd: int, how: int) -> None:
        """Ends one direction or both."""
        self._table.socket(fd).shutdown(how)

    def setsockopt(self, fd: int, level: int, option: int, value: bytes) -> None:
        """ENOPROTOOPT if the host has no such option."""
        socket = self._table.socket(fd)
        socket.set_option(self._option(socket, level, option), value)

    def getsockopt(self, fd: int, level: int, option: int, octets: int) -> bytes:
        """ENOPROTOOPT if the host has no such option."""
        socket = self._table.socket(fd)
        is_linux = not self._kernel.traits.error_before_end
        if is_linux and not socket.is_ipv6 and level not in map(self._kernel.number, LEVELS):
            raise failure(errno.EOPNOTSUPP)
        value = socket.get_option(self._option(socket, level, option))
        if isinstance(value, int):
            value = (value & 0xFFFFFFFF).to_bytes(4, "little")
        return value[:octets]

    def _option(self, socket: SocketDescriptor, level: int, option: int) -> str:
        name = option_name(self._kernel.traits.symbols, level, option)
        if name is None or (name.startswith("TCP_") and not isinstance(socket, TcpDescriptor)):
            raise failure(errno.ENOPROTOOPT)
        return name

    def tcp_info(self, fd: int) -> dict[str, int]:
        """EOPNOTSUPP for what is no connection, nor was one; but not on FreeBSD."""
        socket = self._table.socket(fd)
        if self._kernel.traits.dialect == FREEBSD_DIALECT and isinstance(socket, TcpDescriptor):
            return bsd_options.get_info(socket)
        facts = tcp_info(self.connection(fd), self._kernel.traits.dialect, self._kernel.now)
        if isinstance(socket, TcpDescriptor) and socket.stream is not None:
            facts |= self._kernel.traffic(socket.stream.tcp)
            facts |= socket.stream.chronograph.facts(self._kernel.now) | memory_facts(socket)
        return facts

    def connection(self, fd: int) -> TcpSocket:
        """The connection of a socket."""
        socket = self._table.socket(fd)
        tcp = socket.tcp if isinstance(socket, TcpDescriptor) else None
        if tcp is None:
            raise failure(errno.EOPNOTSUPP)
        return tcp
