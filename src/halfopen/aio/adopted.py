"""Sockets of the kernel's that stand for connections of ours.

Some libraries make a real `socket.socket`, call ``loop.sock_connect`` with it and pass it on (aiohappyeyeballs,
pymongo). The handshake is then done on our stack, and the kernel's socket, never connected, serves as its name only.
"""

import asyncio
import socket as kernel
from weakref import WeakKeyDictionary, finalize

from halfopen.aio.errors import as_os_error, os_errors
from halfopen.aio.options import OPTIONS
from halfopen.aio.pump import Face, Pump
from halfopen.base.clock import Instant
from halfopen.base.octets import Buffer
from halfopen.stack.tcp_socket import TcpSocket
from halfopen.tcp.events import END_OF_STREAM, Closed

SEND_ROOM = 64 * 1024
"""Unsent octets with which ``sock_sendall`` counts as done."""


class AdoptedSocket(Face):
    """A connection that is read and written by the loop's ``sock_...`` methods."""

    def __init__(self, pump: Pump, tcp: TcpSocket) -> None:
        self.pump = pump
        self.tcp = tcp
        self._has_ended = False
        self._error: OSError | None = None
        self._waiters: list[asyncio.Future[None]] = []

    def take_options_of(self, sock: kernel.socket) -> None:
        """What the program has set on the kernel's socket before, now set on our connection."""
        config = self.tcp.config
        for (level, name), (set_option, _) in OPTIONS.items():
            if (level, name) in CARRIED:
                config = set_option(config, sock.getsockopt(level, name))
        self.tcp.configure(config)

    async def receive(self, limit: int) -> bytes:
        """Up to ``limit`` octets; none at the end of the stream."""
        while not self.tcp.readable_octets:
            if self._error is not None:
                raise self._error
            if self._has_ended:
                return b""
            await self._news()
        octets = b"".join(self.tcp.receive(limit, self.pump.now()))
        self.pump.kick()
        return octets

    async def send(self, data: Buffer) -> None:
        """Queues ``data`` and waits until all but a little has been sent."""
        with os_errors():
            self.tcp.send(bytes(data), self.pump.now())
        self.pump.kick()
        while self.tcp.unsent_octets > SEND_ROOM:
            if self._error is not None:
                raise self._error
            self.tcp.wants_room = True
            await self._news()

    def close(self) -> None:
        """The program is done with the connection."""
        self.pump.detach(self.tcp)
        self.tcp.close(self.pump.now())
        self.pump.kick()

    def on_news(self, now: Instant) -> None:
        """Notes how the connection ends, and wakes who waits."""
        while (event := self.tcp.poll_event()) is not None:
            if event is END_OF_STREAM:
                self._has_ended = True
            elif isinstance(event, Closed):
                self._has_ended = True
                self._error = as_os_error(event.reason) if event.reason is not None else None
        self.tcp.wants_room = False
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def _news(self) -> None:
        waiter = self.pump.loop.create_future()
        self._waiters.append(waiter)
        self.pump.attach(self.tcp, self)
        self.on_news_soon()
        await waiter

    def on_news_soon(self) -> None:
        """Events may have been waiting since before anybody listened."""
        self.pump.loop.call_soon(self.on_news, self.pump.now())


CARRIED = frozenset(
    {
        (kernel.IPPROTO_TCP, kernel.TCP_NODELAY),
        (kernel.SOL_SOCKET, kernel.SO_KEEPALIVE),
    }
)
"""Options that the kernel's socket is asked for."""


class Adoptions:
    """Which sockets of the kernel's stand for which connections. One that is dropped takes its connection along."""

    def __init__(self) -> None:
        self._sockets: WeakKeyDictionary[kernel.socket, AdoptedSocket] = WeakKeyDictionary()
        self._finalizers: WeakKeyDictionary[kernel.socket, finalize[..., kernel.socket]] = WeakKeyDictionary()

    def adopt(self, sock: kernel.socket, pump: Pump, tcp: TcpSocket) -> None:
        """From now on ``sock`` stands for ``tcp``."""
        adopted = AdoptedSocket(pump, tcp)
        adopted.take_options_of(sock)
        self._sockets[sock] = adopted
        self._finalizers[sock] = finalize(sock, adopted.close)

    def find(self, sock: kernel.socket) -> AdoptedSocket | None:
        """What ``sock`` stands for."""
        return self._sockets.get(sock)

    def release(self, sock: kernel.socket) -> AdoptedSocket | None:
        """``sock`` has done its service and is closed; its connection goes on."""
        adopted = self._sockets.pop(sock, None)
        if adopted is not None:
            self._finalizers.pop(sock).detach()
            adopted.pump.detach(adopted.tcp)
            sock.close()
        return adopted
