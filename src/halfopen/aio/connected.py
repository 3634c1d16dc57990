"""The state of a socket that has a connection, or is about to have one."""

import errno
import socket as kernel

from halfopen.aio.errors import as_os_error
from halfopen.aio.pump import Pump
from halfopen.aio.socket_states import SocketState, failure, kick
from halfopen.aio.sockets import ConnectionSocket
from halfopen.base.clock import Instant
from halfopen.base.errors import NetworkUnreachable, TcpError
from halfopen.base.octets import Buffer
from halfopen.stack.ports import format_endpoint
from halfopen.stack.tcp import Endpoint
from halfopen.stack.tcp_socket import TcpSocket
from halfopen.tcp.events import CONNECTED, END_OF_STREAM, Closed, Event, SoftError

SEND_ROOM = 64 * 1024
"""Octets that may wait to be sent for the first time, besides what is in flight (as ``TCP_NOTSENT_LOWAT``)."""


class Connected(SocketState):
    """Reads and writes a connection. Unless ``is_established``, the connection attempt is still under way."""

    def __init__(self, pump: Pump, tcp: TcpSocket, *, is_established: bool, family: int = 0) -> None:
        super().__init__(pump, ConnectionSocket(pump, tcp, self, family))
        self.tcp = tcp
        self.is_established = is_established
        self._ending: list[Event] = []
        self._error: OSError | None = None
        self._is_over = False
        self._is_shut = [False, False]
        pump.attach(tcp, self)
        self._take_events()

    @property
    def has_ended(self) -> bool:
        """The peer's FIN is here, perhaps behind octets that still wait, or the connection is over."""
        return bool(self._ending) or self._is_over or self._is_shut[0]

    @property
    def is_readable(self) -> bool:
        """Octets, the end of the stream or an error can be had."""
        return self.tcp.readable_octets > 0 or self._error is not None or self.has_ended

    @property
    def is_writable(self) -> bool:
        """There is room to speak of, or the attempt has failed."""
        if self._error is not None or self._is_over or self._is_shut[1]:
            return True
        enough = min(SEND_ROOM, self.tcp.config.buffers.send) // 2
        return self.is_established and self._room() >= enough

    @property
    def is_in_use(self) -> bool:
        """Until the connection is over, or the system has closed it for a program that is dead."""
        return not (self.is_closed or self._is_over or self.tcp.is_orphan)

    def connect(self, remote: Endpoint) -> SocketState:
        """Says how far the attempt is."""
        if self.is_established:
            raise failure(errno.EISCONN)
        raise self._pending_error() or failure(errno.ECONNABORTED if self._is_over else errno.EALREADY)

    def finish_connecting(self) -> None:
        """Returns once the connection stands."""
        if self.is_established:
            return
        raise self._pending_error() or failure(errno.EINPROGRESS)

    def receive(self, limit: int, peek: bool = False) -> bytes:
        """Octets first, then the error if there is one, then the end of the stream."""
        if limit == 0:
            return b""
        octets = self._take(limit, peek)
        if octets:
            return octets
        error = self._pending_error()
        if error is not None:
            raise error
        if self.has_ended:
            return b""
        raise failure(errno.EAGAIN)

    def send(self, data: Buffer) -> int:
        """Takes as much as there is room for: `SEND_ROOM` unsent octets, SO_SNDBUF in all, TCP_NOTSENT_LOWAT."""
        error = self._pending_error()
        if error is not None:
            raise error
        if self._is_over or self._is_shut[1]:
            raise failure(errno.EPIPE)
        room = self._room() if self.is_established else 0
        piece = bytes(memoryview(data).cast("B")[: max(0, room)])
        if len(data) and not piece:
            self._watch_room()
            raise failure(errno.EAGAIN)
        try:
            self.tcp.send(piece, self.pump.now())
        except TcpError:
            raise failure(errno.EPIPE) from None
        self._watch_room()
        kick(self.pump)
        self.observer()
        return len(piece)

    def shutdown(self, how: int) -> None:
        """SHUT_WR sends FIN behind what is queued; after SHUT_RD the stream has ended for the reader, not the peer."""
        if not self.is_established or self._is_over:
            raise failure(errno.ENOTCONN)
        if how != kernel.SHUT_WR:
            self._is_shut[0] = True
        if how != kernel.SHUT_RD and not self._is_shut[1]:
            self._is_shut[1] = True
            self.tcp.shutdown(self.pump.now())
            kick(self.pump)
        self.wake()

    def take_error(self) -> int:
        """Why the connection has ended, or why there is none."""
        error = self._pending_error()
        return 0 if error is None or error.errno is None else error.errno

    def release(self) -> TcpSocket:
        """The connection for somebody else, who will hear of its end even if this state has."""
        self.pump.detach(self.tcp)
        self.tcp.wants_room = False
        self.tcp.put_back(self._ending)
        return self.tcp

    def on_news(self, now: Instant) -> None:
        """Takes events, and wakes who waits."""
        self._take_events()
        self._watch_room()
        self.wake()

    def _close(self) -> None:
        self.pump.detach(self.tcp)
        self.tcp.wants_room = False
        self.tcp.close(self.pump.now())
        kick(self.pump)

    def _take(self, limit: int, peek: bool) -> bytes:
        tcp = self.tcp
        if peek:
            queue = tcp.connection.tcb.rcv.queue
            return b"".join(queue.peek(queue.start, min(limit, len(queue))))
        taken = tcp.receive(limit, self.pump.now())
        if taken:
            kick(self.pump)
            self.observer()
        return b"".join(taken)

    def _take_events(self) -> None:
        while (event := self.tcp.poll_event()) is not None:
            if event is CONNECTED:
                self.is_established = True
            elif event is END_OF_STREAM:
                self._ending.append(event)
            elif isinstance(event, Closed):
                self._ending.append(event)
                self._end(event.reason)
            elif isinstance(event, SoftError) and not self.is_established and is_unreachable(event.error):
                self.tcp.abort(self.pump.now())
                self._end(event.error)

    def _end(self, reason: TcpError | None) -> None:
        """The first reason is the one that counts."""
        if not self._is_over and reason is not None:
            self._error = as_os_error(reason, format_endpoint(self.tcp.remote_address, self.tcp.remote_port))
        self._is_over = True

    def _pending_error(self) -> OSError | None:
        """The error, which is told once."""
        error, self._error = self._error, None
        return error

    def _room(self) -> int:
        return min(SEND_ROOM - self.tcp.unsent_octets, self.tcp.send_room)

    def _watch_room(self) -> None:
        """Whoever found no room is to hear of it."""
        self.tcp.wants_room = self.is_established and not self.is_writable


def is_unreachable(error: TcpError) -> bool:
    """What ends an attempt to connect although TCP would go on trying, as on Linux (RFC 5461 4.1)."""
    return isinstance(error, NetworkUnreachable)
