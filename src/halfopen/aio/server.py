"""Servers: listeners of ours behind `asyncio.AbstractServer`."""

import asyncio
import socket as kernel
from collections.abc import Callable, Sequence
from contextvars import copy_context

from halfopen.aio.face import Face
from halfopen.aio.listening import ListeningSocket
from halfopen.aio.pump import Pump
from halfopen.aio.sockets import StackSocket
from halfopen.aio.tls import Tls, TransportMaker
from halfopen.aio.transport import StackTransport, TransportOwner
from halfopen.base.clock import Instant
from halfopen.stack.tcp_socket import TcpListener

ProtocolFactory = Callable[[], asyncio.BaseProtocol]


class StackServer(asyncio.AbstractServer, Face, TransportOwner):
    """Accepts connections on one or several listeners; each gets a protocol, called in the server's context.

    Its ports listen from the start. Until `start_serving` connections wait to be accepted.
    """

    def __init__(
        self, pump: Pump, listeners: Sequence[TcpListener], factory: ProtocolFactory, tls: Tls | None = None
    ) -> None:
        self._pump = pump
        self._listeners = list(listeners)
        self._factory = factory
        takes_both = any(len(listener.addresses) > 1 for listener in listeners)
        self._maker = TransportMaker(pump, tls, self, kernel.AF_INET6 if takes_both else 0)
        self._context = copy_context()
        self._transports: dict[StackTransport, None] = {}
        self._is_serving = False
        self._waiters: list[asyncio.Future[None]] = []
        self._serving_forever: asyncio.Future[None] | None = None

    def __repr__(self) -> str:
        return f"<StackServer sockets={self.sockets!r}>"

    @property
    def sockets(self) -> tuple[StackSocket, ...]:
        """One for each listening port; none after `close`."""
        return tuple(ListeningSocket(each) for each in self._listeners)

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """The loop that the server runs in."""
        return self._pump.loop

    def is_serving(self) -> bool:
        """Whether connections are being accepted."""
        return self._is_serving

    async def start_serving(self) -> None:
        """Begins to accept; harmless when repeated."""
        self.accept_from_now()
        await asyncio.sleep(0)

    def accept_from_now(self) -> None:
        """`start_serving` for callers that cannot wait."""
        if self._is_serving or not self._listeners:
            return
        self._is_serving = True
        for listener in self._listeners:
            self._pump.attach(listener, self)
        self._pump.loop.call_soon(self._accept, context=self._context)

    async def serve_forever(self) -> None:
        """Accepts until cancelled, then closes."""
        if self._serving_forever is not None:
            raise RuntimeError(f"server {self!r} is already being awaited on serve_forever()")
        if not self._listeners:
            raise RuntimeError(f"server {self!r} is closed")
        self.accept_from_now()
        self._serving_forever = self._pump.loop.create_future()
        try:
            await self._serving_forever
        except asyncio.CancelledError:
            self.close()
            await self.wait_closed()
            raise
        finally:
            self._serving_forever = None

    def close(self) -> None:
        """Stops listening; connections go on."""
        listeners, self._listeners = self._listeners, []
        self._is_serving = False
        for listener in listeners:
            self._pump.detach(listener)
            listener.close(self._pump.now())
        self._pump.kick()
        if self._serving_forever is not None and not self._serving_forever.done():
            self._serving_forever.cancel()
        self._wake_waiters()

    def close_clients(self) -> None:
        """Closes every connection."""
        for transport in list(self._transports):
            transport.close()

    def abort_clients(self) -> None:
        """Resets every connection."""
        for transport in list(self._transports):
            transport.abort()

    async def wait_closed(self) -> None:
        """Until `close` was called and the last connection is lost (as since Python 3.12)."""
        if not self._listeners and not self._transports:
            return
        waiter = self._pump.loop.create_future()
        self._waiters.append(waiter)
        await waiter

    def on_news(self, now: Instant) -> None:
        """Connections have been established."""
        self._context.run(self._accept)

    def on_open(self, transport: StackTransport) -> None:
        """Counts the connection."""
        self._transports[transport] = None

    def on_lost(self, transport: StackTransport) -> None:
        """One less; the last one ends `wait_closed`."""
        self._transports.pop(transport, None)
        self._wake_waiters()

    def _accept(self) -> None:
        for listener in self._listeners:
            while (tcp := listener.accept()) is not None:
                try:
                    protocol = self._factory()
                except Exception as error:
                    tcp.abort(self._pump.now())
                    context = {"message": "Error on protocol creation for an incoming connection", "exception": error}
                    self._pump.loop.call_exception_handler(context)
                    continue
                self._maker.start(tcp, protocol)

    def _wake_waiters(self) -> None:
        if self._listeners or self._transports:
            return
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)
