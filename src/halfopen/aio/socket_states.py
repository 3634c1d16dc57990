"""What a socket of the BSD interface can do in the state that it is in: calls that never wait, over our stack.

A call that cannot be served yet raises BlockingIOError, as the kernel does for a non-blocking socket. Who would rather
wait repeats it at each news: `SocketState.until_served`.
"""

import asyncio
import errno
import os
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TypeVar

from halfopen.aio.face import Face
from halfopen.aio.pump import Pump
from halfopen.aio.sockets import Readiness, SocketAddress, StackSocket
from halfopen.base.clock import Instant
from halfopen.base.octets import Buffer
from halfopen.stack.tcp import Endpoint

T = TypeVar("T")

READ, WRITE = 0, 1
"""The two directions that somebody may wait for."""


def failure(number: int) -> OSError:
    """The error that the kernel would return; Python picks the subclass."""
    return OSError(number, os.strerror(number))


def nothing() -> None:
    """Whom nobody has told to do anything."""


class SocketState(Face, Readiness):
    """What every state has: names and options, who waits, and errors for what other states can do."""

    def __init__(self, pump: Pump, names: StackSocket) -> None:
        self.pump = pump
        self.names = names
        self.observer: Callable[[], object] = nothing
        """Called whenever it may have become readable or writable, or ceased to be."""
        self.is_closed = False
        self._waiters: list[asyncio.Future[None]] = []

    @property
    def is_readable(self) -> bool:
        """Whether `receive`, `receive_from` or `accept` need not wait."""
        return False

    @property
    def is_writable(self) -> bool:
        """Whether `send` or `send_to` need not wait, or a connection attempt is over."""
        return False

    @property
    @abstractmethod
    def is_in_use(self) -> bool:
        """Whether the host still has something for the socket: who forgets to close it now leaks that."""

    def is_ready(self, direction: int) -> bool:
        """Whether ``direction``, READ or WRITE, need not wait; after `close` nothing does."""
        return self.is_closed or (self.is_readable if direction == READ else self.is_writable)

    def bind(self, local: Endpoint) -> None:
        """Takes an address and port of the host's."""
        raise failure(errno.EINVAL)

    def listen(self, backlog: int) -> "SocketState":
        """The state of a socket that takes connections."""
        raise failure(errno.EINVAL)

    def connect(self, remote: Endpoint) -> "SocketState":
        """The state of a socket that is connected, or will be."""
        raise failure(errno.EISCONN)

    def accept(self) -> "SocketState":
        """The state of a socket for the oldest connection that nobody has taken."""
        raise failure(errno.EINVAL)

    def receive(self, limit: int, peek: bool = False) -> bytes:
        """Up to ``limit`` octets; none at the end of the stream. With ``peek`` they can be received again."""
        raise failure(errno.ENOTCONN)

    def receive_from(self, limit: int, peek: bool = False) -> tuple[bytes, SocketAddress | None]:
        """As `receive`, and who has sent it if that differs from datagram to datagram."""
        return self.receive(limit, peek), None

    def send(self, data: Buffer) -> int:
        """Takes what there is room for; how many octets."""
        raise failure(errno.ENOTCONN)

    def send_to(self, data: Buffer, remote: Endpoint) -> int:
        """As `send`, to ``remote`` if the socket can choose."""
        return self.send(data)

    def shutdown(self, how: int) -> None:
        """Closes one direction or both."""
        raise failure(errno.ENOTCONN)

    def take_error(self) -> int:
        """SO_ERROR: what has gone wrong since somebody asked; 0 for nothing."""
        return 0

    def close(self) -> None:
        """The program is done with the socket; harmless when repeated."""
        if not self.is_closed:
            self.is_closed = True
            self._close()
            self.wake()

    async def until_served(self, call: Callable[[], T]) -> T:
        """The result of ``call``, which is repeated at each news until it need not wait."""
        while True:
            if self.is_closed:
                raise failure(errno.EBADF)
            try:
                return call()
            except BlockingIOError:
                waiter = self.pump.loop.create_future()
                self._waiters.append(waiter)
                await waiter

    def on_news(self, now: Instant) -> None:
        """Something has happened to what the state is about."""
        self.wake()

    def wake(self) -> None:
        """Whoever waits tries again."""
        self.observer()
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    @abstractmethod
    def _close(self) -> None:
        """Gives back what the state holds."""


def kick(pump: Pump) -> None:
    """Output may be pending. A loop that has closed sends nothing any more."""
    if not pump.loop.is_closed():
        pump.kick()


class StatefulSocket(ABC):
    """A socket object of the kernel's class whose state is ours."""

    __slots__ = ()  # The kernel's class has the place for weak references.

    @property
    @abstractmethod
    def state(self) -> SocketState:
        """What it can do now."""

    @abstractmethod
    def hand_over(self) -> None:
        """A transport or server goes on with its state; the socket goes on naming it."""

    @abstractmethod
    def follow(self, names: StackSocket) -> None:
        """A transport goes on with the connection; its socket knows about readiness now."""
