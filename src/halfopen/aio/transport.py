"""A connection of ours as an asyncio transport: the whole contract of `asyncio.Transport`, and what sslproto needs.

Nagle's algorithm is off, as on all of asyncio's transports. Two choices are ours. *Write buffer*:
`get_write_buffer_size` counts octets that were never sent, not those in flight, so that the usual limit of 64 KB does
not also limit the window (what Linux offers as ``TCP_NOTSENT_LOWAT``). *Reading paused*: octets stay in the
connection's receive queue, so that its window closes and the peer stops.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Iterable

from halfopen.aio.errors import as_os_error
from halfopen.aio.face import Face
from halfopen.aio.pump import Pump
from halfopen.aio.transport_base import ConnectionTransport
from halfopen.base.clock import Instant
from halfopen.base.errors import TcpError
from halfopen.base.octets import Buffer
from halfopen.stack.tcp_socket import TcpSocket
from halfopen.tcp.events import END_OF_STREAM, Closed


class TransportOwner(ABC):
    """A server, which has to know which connections it still has."""

    @abstractmethod
    def on_open(self, transport: "StackTransport") -> None:
        """A transport has been made."""

    @abstractmethod
    def on_lost(self, transport: "StackTransport") -> None:
        """Its ``connection_lost`` has been called."""


class StackTransport(ConnectionTransport, Face):
    """Moves octets between a `TcpSocket` and a protocol, which it calls in the context that it was made in."""

    __slots__ = ("_eof_written", "_is_closing", "_is_lost", "_owner", "_room")

    def __init__(
        self,
        pump: Pump,
        tcp: TcpSocket,
        protocol: asyncio.BaseProtocol,
        owner: TransportOwner | None = None,
        family: int = 0,
    ) -> None:
        super().__init__(pump, tcp, protocol, family)
        tcp.configure(pump.without_nagle(tcp.config))
        tcp.ignore_acknowledgments()
        self._owner = owner
        self._is_closing = False
        self._is_lost = False
        self._eof_written = False
        self._room: asyncio.Future[None] | None = None
        if owner is not None:
            owner.on_open(self)

    def start(self, waiter: "asyncio.Future[None] | None" = None) -> None:
        """Calls ``connection_made`` soon and reads from then on; ``waiter`` is done after that."""
        self._pump.loop.call_soon(self._start, waiter, context=self._context)

    def __repr__(self) -> str:
        state = "lost" if self._is_lost else "closing" if self._is_closing else "open"
        return f"<StackTransport from port {self._tcp.local_port} to {self.peer_text()} {state}>"

    def is_closing(self) -> bool:
        """Whether `close` was called or the connection is lost."""
        return self._is_closing

    def close(self) -> None:
        """Stops reading, sends what is queued and FIN; ``connection_lost(None)`` follows when all has been sent."""
        if self._is_closing:
            return
        self._is_closing = True
        self._inbound.is_stopped = True
        if self._tcp.unsent_octets:
            if not self._eof_written:
                self._tcp.shutdown(self._pump.now())
            self._tcp.wants_room = True
            self._pump.kick()
        else:
            self._lose(None)

    def abort(self) -> None:
        """Sends RST; what is queued is forgotten."""
        self._force_close(None)

    def write(self, data: Buffer) -> None:
        """Queues octets: immutable ones as they are, others are copied."""
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise TypeError(f"data argument must be a bytes-like object, not {type(data).__name__!r}")
        if self._eof_written:
            raise RuntimeError("Cannot call write() after write_eof()")
        if self._is_closing or not data:
            return
        try:
            self._tcp.send(_frozen(data), self._pump.now())
        except TcpError:
            return  # The connection is over, and the news of it on their way to connection_lost.
        self._pump.kick()
        if self._tcp.unsent_octets > self._high_water:
            self._tcp.wants_room = True
            self._maybe_pause_protocol()  # type: ignore[attr-defined]  # the stdlib's, unknown to typeshed

    def writelines(self, list_of_data: Iterable[Buffer]) -> None:
        """Queues all of them."""
        for data in list_of_data:
            self.write(data)

    def write_eof(self) -> None:
        """FIN after what is queued; reading goes on."""
        if self._eof_written or self._is_closing:
            return
        self._eof_written = True
        self._tcp.shutdown(self._pump.now())
        self._pump.kick()

    def get_write_buffer_size(self) -> int:
        """Octets that have never been sent."""
        return 0 if self._is_lost else self._tcp.unsent_octets

    async def wait_for_room(self) -> None:
        """Returns once the write buffer is at its low-water mark or below; raises if the connection ends before."""
        if self._is_lost:
            raise ConnectionResetError(f"the connection to {self.peer_text()} is lost")
        if self._tcp.unsent_octets > self._low_water:
            self._tcp.wants_room = True
            self._room = self._room or self._pump.loop.create_future()
            await asyncio.shield(self._room)

    def on_news(self, now: Instant) -> None:
        """Takes events, hands over octets, uses room."""
        self._context.run(self._take_news, now)

    def _start(self, waiter: "asyncio.Future[None] | None") -> None:
        try:
            self._inbound.protocol.connection_made(self)
        except Exception as error:
            self._fail(error, "Fatal error: protocol.connection_made() call failed.")
        self._pump.attach(self._tcp, self)
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
        self._take_news(self._pump.now())

    def _take_news(self, now: Instant) -> None:
        tcp, inbound = self._tcp, self._inbound
        reason: TcpError | None = None
        while (event := tcp.poll_event()) is not None:
            if event is END_OF_STREAM:
                inbound.has_ended = True
            elif isinstance(event, Closed):
                reason = event.reason
        if inbound.is_readable:
            self._deliver()
        else:
            if self._sock is not None:
                self._sock.show_readiness()
            self._pump.kick()
        if reason is not None:
            self._lose(as_os_error(reason, self.peer_text()))
        if tcp.wants_room:
            self._use_room()

    def _deliver(self) -> None:
        """Hands over octets. The end of the stream closes the transport unless the protocol keeps it open."""
        try:
            keep_open = self._inbound.deliver(self._pump.now())
        except Exception as error:
            self._fail(error, "Fatal error: protocol.data_received() call failed.")
            return
        self._show_readiness()
        self._pump.kick()
        if not keep_open:
            self.close()

    def _use_room(self) -> None:
        """Octets have left the write buffer: the protocol may write again, or the last one has gone before our FIN."""
        unsent = self._tcp.unsent_octets
        if self._is_closing:
            if unsent == 0:
                self._lose(None)
        elif unsent <= self._low_water:
            self._tcp.wants_room = False
            if self._room is not None:
                self._room.set_result(None)
                self._room = None
            self._maybe_resume_protocol()  # type: ignore[attr-defined]  # the stdlib's, unknown to typeshed

    def _fail(self, error: Exception, message: str) -> None:
        context = {"message": message, "exception": error, "transport": self, "protocol": self._inbound.protocol}
        self._pump.loop.call_exception_handler(context)
        self._force_close(error)

    def _force_close(self, error: Exception | None) -> None:
        """Ends the connection with RST; sslproto calls this as well."""
        if not self._is_lost:
            self._tcp.abort(self._pump.now())
            self._lose(error)

    def _lose(self, error: Exception | None) -> None:
        """The program is done with the connection, which ends on its own; once only."""
        if self._is_lost:
            return
        self._is_closing = self._is_lost = self._inbound.is_stopped = True
        self._tcp.wants_room = False
        if self._room is not None:
            self._room.set_exception(error or ConnectionResetError(f"the connection to {self.peer_text()} is lost"))
            self._room.exception()  # Who waited may have been cancelled.
            self._room = None
        self._pump.detach(self._tcp)
        self._tcp.close(self._pump.now())
        self._pump.kick()
        self._pump.loop.call_soon(self._call_connection_lost, error, context=self._context)

    def _call_connection_lost(self, error: Exception | None) -> None:
        try:
            self._inbound.protocol.connection_lost(error)
        finally:
            self._close_sock()
            if self._owner is not None:
                self._owner.on_lost(self)


def _frozen(data: Buffer) -> Buffer:
    """``data`` if nobody can change it, else a copy."""
    if isinstance(data, memoryview):
        return data if isinstance(data.obj, bytes) and data.contiguous and data.itemsize == 1 else bytes(data)
    return data if type(data) is bytes else bytes(data)
