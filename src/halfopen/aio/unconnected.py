"""The states of a TCP socket before it has a connection: fresh or bound, and listening."""

import errno
import socket as kernel

from halfopen.aio.connected import Connected
from halfopen.aio.errors import os_errors
from halfopen.aio.host import Host
from halfopen.aio.listening import ListeningSocket
from halfopen.aio.pump import Pump
from halfopen.aio.socket_states import SocketState, failure, kick
from halfopen.aio.sockets import FutureSocket, StackSocket
from halfopen.base.addresses import IPV4_ANY, IPV6_ANY, Address, is_unspecified
from halfopen.base.clock import Instant
from halfopen.base.octets import Buffer
from halfopen.stack.ports import Owner, format_endpoint
from halfopen.stack.tcp import Endpoint
from halfopen.stack.tcp_socket import TcpListener

NOWHERE: Endpoint = (IPV4_ANY, 0)
NOWHERE6: Endpoint = (IPV6_ANY, 0)
"""What fresh sockets are bound to."""


def nowhere(family: int) -> Endpoint:
    """What a fresh socket of ``family`` is bound to."""
    return NOWHERE6 if family == kernel.AF_INET6 else NOWHERE


def towards(local: Endpoint, remote: Endpoint, names: StackSocket) -> Endpoint:
    """From where a socket goes to ``remote``: one of AF_INET6 to IPv4 as well, if it may; OSError (ENETUNREACH)."""
    if len(local[0]) == len(remote[0]) or not is_unspecified(local[0]):
        return local
    if len(local[0]) == 4 or names.v6_only:
        raise failure(errno.ENETUNREACH)
    return IPV4_ANY, local[1]


class Unconnected(SocketState):
    """A fresh TCP socket; once bound, its port is reserved for it."""

    names: FutureSocket

    def __init__(self, host: Host, family: int = kernel.AF_INET) -> None:
        super().__init__(host.pump, FutureSocket(nowhere(family), host.stack.tcp.config.tcp))
        self._host = host
        self._ports = host.stack.ports
        self._owner: Owner | None = None
        self._taken: tuple[Address, ...] = ()

    @property
    def is_readable(self) -> bool:
        """Nothing that could be read is to be waited for (Linux polls POLLHUP)."""
        return True

    @property
    def is_writable(self) -> bool:
        """As for reading."""
        return True

    @property
    def is_in_use(self) -> bool:
        """At most a number is reserved."""
        return False

    def bind(self, local: Endpoint) -> None:
        """Reserves the port; 0 is any. OSError: EADDRINUSE, EADDRNOTAVAIL, or EINVAL if it is bound already."""
        if self.names.local[1]:
            raise failure(errno.EINVAL)
        self._host.check_local(local[0])
        owner = self._host.owner()
        address, port = local
        takes_both = address == IPV6_ANY and not self.names.v6_only
        with os_errors():
            if takes_both:
                port = self._ports.bind_both("tcp", port, owner)
            else:
                port = self._ports.bind("tcp", address, port, owner)
        self._owner = owner
        self._taken = (IPV6_ANY, IPV4_ANY) if takes_both else (address,)
        self.names.local = (address, port)

    def listen(self, backlog: int) -> SocketState:
        """Passive OPEN, on any port if not bound."""
        self._release()
        with os_errors():
            listener = self._host.stack.tcp.listen(
                self.names.local,
                self._host.owner(),
                config=self.names.config,
                backlog=max(1, backlog),
                v6_only=self.names.v6_only,
            )
        state = Listening(self.pump, listener)
        state.names.kept.update(self.names.kept)
        return state

    def connect(self, remote: Endpoint) -> SocketState:
        """Active OPEN; the SYN is sent with the next flush."""
        local = towards(self.names.local, remote, self.names)
        with os_errors(format_endpoint(*remote)):
            tcp = self._host.stack.tcp.connect(
                remote, self._host.owner(), self.pump.now(), config=self.names.config, local=local
            )
        self._release()
        kick(self.pump)
        state = Connected(self.pump, tcp, is_established=False, family=self.names.family)
        state.names.kept.update(self.names.kept)
        return state

    def send(self, data: Buffer) -> int:
        """Not without a connection (Linux: EPIPE)."""
        raise failure(errno.EPIPE)

    def _close(self) -> None:
        self._release()

    def _release(self) -> None:
        """The port is free, unless it has changed hands: the system frees those of a program that was killed."""
        port = self.names.local[1]
        for address in self._taken:
            if self._ports.owner_of("tcp", address, port) is self._owner:
                self._ports.release("tcp", address, port)
        self._owner, self._taken = None, ()


class Listening(SocketState):
    """Takes connections."""

    def __init__(self, pump: Pump, listener: TcpListener) -> None:
        super().__init__(pump, ListeningSocket(listener))
        self.listener = listener
        pump.attach(listener, self)

    @property
    def is_readable(self) -> bool:
        """Connections wait to be accepted."""
        return bool(self.listener.accepted)

    @property
    def is_in_use(self) -> bool:
        """The port takes connections."""
        return not self.listener.is_closed

    def listen(self, backlog: int) -> SocketState:
        """Another length of the queue."""
        self.listener.backlog = max(1, backlog)
        return self

    def accept(self) -> Connected:
        """The oldest connection that nobody has taken."""
        tcp = self.listener.accept()
        if tcp is None:
            raise failure(errno.EAGAIN)
        state = Connected(self.pump, tcp, is_established=True, family=self.names.family)
        state.names.kept.update(self.names.kept)
        self.observer()
        return state

    def connect(self, remote: Endpoint) -> SocketState:
        """Not possible any more."""
        raise failure(errno.EISCONN)

    def release(self) -> TcpListener:
        """The listener, for a server."""
        self.pump.detach(self.listener)
        return self.listener

    def on_news(self, now: Instant) -> None:
        """Connections have been established."""
        self.wake()

    def _close(self) -> None:
        self.pump.detach(self.listener)
        self.listener.close(self.pump.now())
        kick(self.pump)
