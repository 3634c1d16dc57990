"""The state of a UDP socket."""

import errno
import socket as kernel

from halfopen.aio.errors import as_os_error, os_errors
from halfopen.aio.host import Host
from halfopen.aio.socket_states import SocketState, failure, kick
from halfopen.aio.sockets import DatagramSocket, SocketAddress, socket_address
from halfopen.aio.unconnected import nowhere, towards
from halfopen.base.clock import Instant
from halfopen.base.octets import Buffer
from halfopen.stack.tcp import Endpoint
from halfopen.stack.udp import Message, UdpOptions, UdpSocket


class Datagrams(SocketState):
    """Sends and receives datagrams; bound at the latest when it first sends."""

    names: DatagramSocket

    def __init__(self, host: Host, family: int = kernel.AF_INET) -> None:
        super().__init__(host.pump, DatagramSocket(UdpOptions(), nowhere(family)))
        self._host = host
        self._udp: UdpSocket | None = None
        self._message: Message | None = None
        self._error: OSError | None = None

    @property
    def is_readable(self) -> bool:
        """A datagram or an error waits."""
        self._look()
        return self._message is not None or self._error is not None

    @property
    def is_writable(self) -> bool:
        """IP takes every datagram, or drops it."""
        return True

    @property
    def is_in_use(self) -> bool:
        """A port is bound."""
        return self._udp is not None and not self._udp.is_closed

    def bind(self, local: Endpoint) -> None:
        """Takes the port; 0 is any. OSError: EADDRINUSE, EADDRNOTAVAIL, or EINVAL if it is bound already."""
        if self._udp is not None:
            raise failure(errno.EINVAL)
        self._host.check_local(local[0])
        with os_errors():
            udp = self._host.stack.udp.bind(*local, self._host.owner(), v6_only=self.names.v6_only)
        udp.options = self.names.options
        self._udp = udp
        self.names.local = (udp.address, udp.port)
        self.pump.attach(udp, self)

    def connect(self, remote: Endpoint) -> SocketState:
        """From now on datagrams go to this peer, and come from it."""
        udp = self._bound()
        towards(self.names.local, remote, self.names)
        with os_errors():
            udp.connect(*remote, self.pump.now())
        self.names.local, self.names.remote = (udp.address, udp.port), udp.remote
        return self

    def receive(self, limit: int, peek: bool = False) -> bytes:
        """The oldest datagram, cut to ``limit``."""
        return self.receive_from(limit, peek)[0]

    def receive_from(self, limit: int, peek: bool = False) -> tuple[bytes, SocketAddress | None]:
        """The oldest datagram, cut to ``limit``, and who has sent it."""
        self._look()
        self._raise_error()
        message = self._message
        if message is None:
            raise failure(errno.EAGAIN)
        if not peek:
            self._message = None
            self.observer()
        return message.data[:limit], socket_address(message.address, message.port, self.names.family)

    def send(self, data: Buffer) -> int:
        """To the peer that the socket is connected to."""
        if self.names.remote is None:
            raise failure(errno.EDESTADDRREQ)
        return self.send_to(data, self.names.remote)

    def send_to(self, data: Buffer, remote: Endpoint) -> int:
        """To ``remote``; what ICMP has reported meanwhile is raised first."""
        udp = self._bound()
        self._look()
        self._raise_error()
        towards(self.names.local, remote, self.names)
        with os_errors():
            udp.send_to(data, *remote, self.pump.now())
        kick(self.pump)
        return len(data)

    def shutdown(self, how: int) -> None:
        """There is no direction to close; a socket without a peer says so."""
        if self.names.remote is None:
            raise failure(errno.ENOTCONN)

    def take_error(self) -> int:
        """What ICMP has reported."""
        self._look()
        error, self._error = self._error, None
        return 0 if error is None or error.errno is None else error.errno

    def release(self) -> UdpSocket:
        """The socket of the stack, for a transport."""
        udp = self._bound()
        self.pump.detach(udp)
        return udp

    def on_news(self, now: Instant) -> None:
        """Datagrams or errors have come."""
        self.wake()

    def _close(self) -> None:
        if self._udp is not None:
            self.pump.detach(self._udp)
            self._udp.close()

    def _bound(self) -> UdpSocket:
        if self._udp is None:
            self.bind(nowhere(self.names.family))
        assert self._udp is not None
        return self._udp

    def _look(self) -> None:
        """Takes the next datagram and error out of the queue; only a connected socket hears of errors (``udp(7)``)."""
        udp = self._udp
        if udp is None or udp.is_closed:
            return
        if self._message is None:
            self._message = udp.receive()
        while self._error is None and (error := udp.poll_error()) is not None:
            if udp.remote is not None:
                self._error = as_os_error(error)

    def _raise_error(self) -> None:
        error, self._error = self._error, None
        if error is not None:
            raise error
