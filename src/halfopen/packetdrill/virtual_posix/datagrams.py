"""UDP sockets."""

import errno

from halfopen.base.errors import HalfopenError, NetworkUnreachable
from halfopen.packetdrill.posix import Message, Received, SocketName
from halfopen.packetdrill.virtual_posix.descriptor import O_RDWR, POLLERR, READABLE, WRITABLE
from halfopen.packetdrill.virtual_posix.error_queue import ORIGIN_ICMP, ORIGIN_ICMP6, ErrorQueue, Report
from halfopen.packetdrill.virtual_posix.icmp_codes import icmp_code
from halfopen.packetdrill.virtual_posix.kernel import Kernel, errno_of, failure
from halfopen.packetdrill.virtual_posix.socket import SocketDescriptor
from halfopen.stack import datagram as kinds
from halfopen.stack.ports import any_address
from halfopen.stack.tcp import Endpoint
from halfopen.stack.udp import Message as Datagram
from halfopen.stack.udp import UdpSocket

_HARD = frozenset({kinds.PROTOCOL_UNREACHABLE, kinds.PORT_UNREACHABLE})
"""Errors that are told without IP_RECVERR, to a connected socket."""


class UdpDescriptor(SocketDescriptor):
    """A UDP socket: without a port until it is bound, connects or sends."""

    protocol = 17

    def __init__(self, kernel: Kernel, family: int, status: int = O_RDWR) -> None:
        super().__init__(kernel, family, status)
        self._udp: UdpSocket | None = None
        self._waiting: list[Datagram] = []
        self._queue = ErrorQueue(kernel)
        self._pending = 0

    def bind(self, name: SocketName) -> None:
        """EINVAL if it is bound, EADDRNOTAVAIL, EADDRINUSE."""
        address, port = self.endpoint(name)
        if self._udp is not None:
            raise failure(errno.EINVAL)
        if not self.kernel.is_local(address):
            raise failure(errno.EADDRNOTAVAIL)
        self._bind((address, port))

    def _bind(self, local: Endpoint) -> UdpSocket:
        try:
            self._udp = self.kernel.stack.udp.bind(*local, self.kernel.owner)
        except HalfopenError as error:
            raise failure(errno_of(error)) from error
        return self._udp

    def connect(self, name: SocketName | None) -> None:
        """Datagrams go to, and come from, this peer only; None takes that back."""
        if name is None:
            if self._udp is not None:
                self._udp.remote = None
            return
        remote = self.endpoint(name)
        udp = self._udp or self._bind((any_address(remote[0]), 0))
        try:
            udp.connect(*remote, self.kernel.now)
        except HalfopenError as error:
            raise failure(errno_of(error)) from error

    def receive(self, octets: int, flags: int, room: int) -> Received:
        """One datagram; what does not fit is lost."""
        has, number = self.kernel.has, self.kernel.number
        if has(flags, "MSG_ERRQUEUE"):
            received = self._queue.receive(octets, is_ipv6=self.is_ipv6, stamps=0)
            self._pending = self._queue.next_errno
            return received
        datagram = self.served(lambda: self._oldest(take=not has(flags, "MSG_PEEK")), waits=self.waits(flags))
        size = len(datagram.data)
        result = size if has(flags, "MSG_TRUNC") else min(size, octets)
        cut = number("MSG_TRUNC") if size > octets else 0
        name = self.name((datagram.address, datagram.port))
        return Received(result, datagram.data[:octets], flags=cut, name=name)

    def _oldest(self, *, take: bool) -> Datagram:
        self.attend()
        self._raise_pending()
        if not self._waiting:
            raise failure(errno.EAGAIN)
        return self._waiting.pop(0) if take else self._waiting[0]

    def _raise_pending(self) -> None:
        pending, self._pending = self._pending, 0
        if pending:
            raise failure(pending)

    def send(self, message: Message) -> int:
        """One datagram, to the peer or to ``message.name``; EDESTADDRREQ without either."""
        self.attend()
        self._raise_pending()
        udp = self._udp
        remote = self.endpoint(message.name) if message.name is not None else udp.remote if udp is not None else None
        if remote is None:
            raise failure(errno.EDESTADDRREQ)
        udp = udp or self._bind((any_address(remote[0]), 0))
        try:
            udp.send_to(message.data, *remote, self.kernel.now)
        except HalfopenError as error:
            raise failure(errno_of(error)) from error
        message.taken = len(message.data)
        return message.taken

    def shutdown(self, how: int) -> None:
        """ENOTCONN without a peer."""
        if self._udp is None or self._udp.remote is None:
            raise failure(errno.ENOTCONN)

    def set_option(self, name: str, value: bytes) -> None:
        """IP_TOS, IP_TTL and SO_BROADCAST act; others are remembered."""
        number = int.from_bytes(value[:4], "little", signed=True)
        self.kept[name] = number
        options = (
            (self._udp or self._bind(self.nowhere)).options if name in ("IP_TOS", "IP_TTL", "SO_BROADCAST") else None
        )
        if options is None:
            return
        if name == "IP_TOS":
            options.tos = number & 0xFF
        elif name == "IP_TTL":
            options.ttl = number
        else:
            options.broadcast = bool(number)

    def get_option(self, name: str) -> int | bytes:
        """SO_ERROR and what was set."""
        self.attend()
        if name == "SO_ERROR":
            pending, self._pending = self._pending, 0
            return pending
        known = {"SO_TYPE": 2, "SO_PROTOCOL": self.protocol, "SO_DOMAIN": self.family, "IP_TTL": 64}
        return self.kept.get(name, known.get(name, 0))

    def poll_mask(self) -> int:
        """Always writable."""
        waits = bool(self._waiting)
        return WRITABLE | READABLE * waits | POLLERR * bool(self._pending or self._queue)

    def ioctl(self, request: int) -> int:
        """SIOCINQ: the size of the oldest datagram."""
        if request != self.kernel.number("FIONREAD"):
            return 0
        return len(self._waiting[0].data) if self._waiting else 0

    def attend(self) -> None:
        """Takes datagrams and errors."""
        if self._udp is None:
            return
        while (datagram := self._udp.receive()) is not None:
            self._waiting.append(datagram)
        while (error := self._udp.poll_icmp_error()) is not None:
            self._on_error(error.kind, error.mtu)

    def _on_error(self, kind: str, mtu: int) -> None:
        number = errno_of(NetworkUnreachable(kind))
        is_ipv6 = self.is_ipv6 and self._udp is not None and len(self._udp.address) == 16
        wants = self.kept.get("IP_RECVERR") or self.kept.get("IPV6_RECVERR")
        code = icmp_code(NetworkUnreachable(kind), is_ipv6=is_ipv6)
        if wants and code is not None:
            origin = ORIGIN_ICMP6 if is_ipv6 else ORIGIN_ICMP
            self._queue.add_icmp(Report(errno=number, origin=origin, type=code[0], code=code[1], info=mtu))
        if wants or (kind in _HARD and self._udp is not None and self._udp.remote is not None):
            self._pending = number

    def close(self) -> None:
        """The port is free."""
        if self._udp is not None:
            self._udp.close()
