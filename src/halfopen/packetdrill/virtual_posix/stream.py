"""A TCP connection as its descriptor sees it: which call finds what, in the words of Linux's ``inet_stream_*``."""

import errno

from halfopen.base.errors import ConnectionReset, ConnectionTimedOut, TcpError
from halfopen.packetdrill.posix import Message
from halfopen.packetdrill.virtual_posix.descriptor import POLLERR, POLLHUP, POLLIN, POLLOUT, READABLE, WRITABLE
from halfopen.packetdrill.virtual_posix.error_queue import ORIGIN_ICMP, ORIGIN_ICMP6, ErrorQueue, Report
from halfopen.packetdrill.virtual_posix.icmp_codes import icmp_code
from halfopen.packetdrill.virtual_posix.kernel import Kernel, failure
from halfopen.packetdrill.virtual_posix.room import charged, corked, deaf, send_room
from halfopen.stack.tcp_socket import TcpSocket
from halfopen.tcp.events import CONNECTED, END_OF_STREAM, Closed, Event, SoftError
from halfopen.tcp.state import State

SHUT_RD, SHUT_WR = 0, 1


class Errors:
    """SO_ERROR: the error that the next call tells, the one that only may matter, and the queue."""

    def __init__(self, kernel: Kernel) -> None:
        self.pending = 0
        """``sk_err``."""
        self.soft = 0
        """``sk_err_soft``: told if the connection times out, or if somebody asks."""
        self.queue = ErrorQueue(kernel)
        self.is_queued = False
        """IP_RECVERR."""

    def take(self) -> int:
        """The pending error, which is told once."""
        pending, self.pending = self.pending, 0
        return pending

    def raise_pending(self) -> None:
        """Fails with the pending error if there is one."""
        if pending := self.take():
            raise failure(pending)


class Stream:
    """A connection, or an attempt at one."""

    def __init__(self, kernel: Kernel, tcp: TcpSocket, errors: Errors, *, is_established: bool) -> None:
        self._kernel = kernel
        self.tcp = tcp
        self.errors = errors
        self.is_established = is_established
        self.is_connected = is_established
        """Somebody has been told that it is established (``SS_CONNECTED``)."""
        self.is_over = False
        """CLOSED, as far as the socket is concerned: TIME-WAIT is nobody's any more."""
        self.has_fin = False
        self.is_shut = [False, False]
        """For reading and for writing, by our side."""
        self._is_more = False
        self._lacks_room = False
        """Somebody has found that there was none (``SOCK_NOSPACE``): is told when there is."""
        self._rooms = 0
        self._una = 0

    @property
    def is_deferred(self) -> bool:
        """The SYN waits for the first SEND (TCP_FASTOPEN_CONNECT)."""
        early = self.tcp.connection.tcb.user.early
        return early is not None and early.is_deferred

    # What has happened

    def attend(self, sndbuf: int) -> None:
        """Takes events, and tells the error queue how far the stream has got."""
        while (event := self.tcp.poll_event()) is not None:
            self._on_event(event)
        snd = self.tcp.connection.tcb.snd
        if snd.una > self._una:
            self._una = snd.una
            self.errors.soft = 0
            self.cork(more=False)
        self.errors.queue.on_progress(snd.nxt, snd.una, self._kernel.now)
        if self._lacks_room and self._is_writable(sndbuf):
            self._lacks_room = False
            self._rooms += 1

    def activity(self, wanted: int) -> int:
        """How much has happened that wakes who wants to hear of ``wanted``."""
        happened = self.is_established + self.is_over + self.has_fin + len(self.errors.queue)
        if wanted & POLLIN:
            happened += self.tcp.connection.tcb.rcv.queue.stop
        return happened + self._rooms if wanted & POLLOUT else happened

    def _on_event(self, event: Event) -> None:
        if event is CONNECTED:
            self.is_established = True
        elif event is END_OF_STREAM:
            self.has_fin = True
        elif isinstance(event, Closed):
            self._end(event.reason)
        elif isinstance(event, SoftError) and not isinstance(event.error, ConnectionTimedOut):
            self._on_icmp(event.error)

    def _on_icmp(self, error: TcpError) -> None:
        """A soft error ends an attempt to connect on Linux; on a connection it is remembered, or told to who asks."""
        if not self.is_established and self._kernel.traits.every_error_refuses:
            self._end(error)
            self.tcp.abort(self._kernel.now)
        elif self.errors.is_queued:
            self.errors.pending = self._kernel.number_of(error)
        else:
            self.errors.soft = self._kernel.number_of(error)

    def _end(self, reason: TcpError | None) -> None:
        if self.is_over:
            return
        self.is_over = True
        self.errors.queue.on_end()
        if reason is None:
            return
        number = self._kernel.number_of(reason)
        is_plain = self._kernel.traits.error_before_end
        if isinstance(reason, ConnectionReset) and self.has_fin and not self.is_shut[SHUT_WR] and not is_plain:
            number = errno.EPIPE
        elif isinstance(reason, ConnectionTimedOut) and self.errors.soft:
            number = self.errors.soft
        self.errors.pending = number
        self._queue_icmp(reason, number)

    def _queue_icmp(self, reason: TcpError, number: int) -> None:
        is_ipv6 = len(self.tcp.remote_address) == 16
        code = icmp_code(reason, is_ipv6=is_ipv6)
        if self.errors.is_queued and code is not None:
            origin = ORIGIN_ICMP6 if is_ipv6 else ORIGIN_ICMP
            self.errors.queue.add_icmp(Report(errno=number, origin=origin, type=code[0], code=code[1]))

    # Calls

    def finish_connecting(self) -> None:
        """What ``connect()`` says when it is called again: EALREADY, how it ended, or EISCONN."""
        if self.is_connected or self.is_deferred:
            raise failure(errno.EISCONN)
        if self.is_over:
            raise failure(self.errors.take() or errno.ECONNABORTED)
        if not self.is_established:
            raise failure(errno.EALREADY)
        self.is_connected = True

    def receive(self, octets: int, *, peek: bool) -> bytes:
        """Octets first, then the end of the stream, then the error."""
        queued = self.tcp.readable_octets
        if queued:
            return self._take(min(octets, queued), peek=peek)
        if self._kernel.traits.error_before_end:
            self.errors.raise_pending()
        if self.has_fin:
            return b""
        self.errors.raise_pending()
        if self.is_shut[SHUT_RD] or self.is_over:
            return b""
        raise failure(errno.EAGAIN)

    def _take(self, octets: int, *, peek: bool) -> bytes:
        if peek:
            queue = self.tcp.connection.tcb.rcv.queue
            return b"".join(queue.peek(queue.start, octets))
        return b"".join(self.tcp.receive(octets, self._kernel.now)) if octets else b""

    def send(self, message: Message, sndbuf: int) -> None:
        """Takes what there is room for; EAGAIN if nothing more, EPIPE once that is over."""
        if message.taken and self.is_established and self._cannot_send:
            return
        self._check_sendable()
        now = self._kernel.now
        left = len(message.data) - message.taken
        room = send_room(self.tcp, sndbuf, left, counts_overhead=self._kernel.traits.counts_overhead)
        piece = memoryview(message.data)[message.taken : message.taken + room]
        more = self._kernel.has(message.flags, "MSG_MORE")
        if piece:
            self.cork(more=more)
            self.tcp.send(bytes(piece), now, urgent=self._kernel.has(message.flags, "MSG_OOB"))
            message.taken += len(piece)
        if message.taken < len(message.data):
            self._lacks_room = True
            raise failure(errno.EAGAIN)

    def _check_sendable(self) -> None:
        if not self.is_established and not self.is_over:
            self.errors.raise_pending()
            raise failure(errno.EAGAIN if self._kernel.traits.connects_in_send else errno.ENOTCONN)
        if self._cannot_send:
            is_told = self.is_over and self._kernel.traits.error_before_end
            raise failure(errno.EPIPE if is_told else self.errors.take() or errno.EPIPE)

    @property
    def _cannot_send(self) -> bool:
        """What has been taken before is then the call's result, and the error is left for the next one."""
        is_closing = self.tcp.connection.state not in (State.ESTABLISHED, State.CLOSE_WAIT, State.SYN_RECEIVED)
        return bool(self.errors.pending) or self.is_over or self.is_shut[SHUT_WR] or is_closing

    def cork(self, *, more: bool) -> None:
        """MSG_MORE: a segment that is not full waits for more, or for the next ACK."""
        config = self.tcp.config
        if more and not config.acks.cork:
            self._is_more = True
            self.tcp.configure(corked(config, cork=True))
        elif not more and self._is_more:
            self._is_more = False
            self.tcp.configure(corked(config, cork=False))

    def shutdown(self, how: int) -> None:
        """Ends directions; ENOTCONN once the connection is over."""
        if self.is_over:
            raise failure(errno.ENOTCONN)
        if how != SHUT_WR:
            self.is_shut[SHUT_RD] = True
            self.tcp.configure(deaf(self.tcp.config))
        if how != SHUT_RD and not self.is_shut[SHUT_WR]:
            self.is_shut[SHUT_WR] = True
            self.cork(more=False)
            self.tcp.shutdown(self._kernel.now)

    def poll_mask(self, sndbuf: int) -> int:
        """``tcp_poll()``."""
        has = self._kernel.number
        mask = 0
        no_more_reading = self.has_fin or self.is_shut[SHUT_RD] or self.is_over
        no_more_writing = self.is_shut[SHUT_WR] or self.is_over
        if no_more_reading and no_more_writing:
            mask |= POLLHUP
        if no_more_reading:
            mask |= READABLE | has("POLLRDHUP")
        if self.is_established or self.is_over:
            if self.tcp.readable_octets:
                mask |= READABLE
            if no_more_writing or self._is_writable(sndbuf):
                mask |= WRITABLE
            else:
                self._lacks_room = True
        elif self.is_deferred:
            mask |= WRITABLE
        if self.errors.pending or self.errors.queue:
            mask |= POLLERR
        return mask

    def _is_writable(self, sndbuf: int) -> bool:
        """Room for a third of the buffer, and half of TCP_NOTSENT_LOWAT (``__sk_stream_is_writeable``)."""
        queued = self.tcp.connection.queued_octets
        low = self.tcp.config.buffers.unsent_low
        if low is not None and 2 * self.tcp.unsent_octets >= low:
            return False
        used = charged(self.tcp, queued, self.tcp.unsent_octets) if self._kernel.traits.counts_overhead else queued
        return sndbuf - used >= used // 2

    @property
    def is_gone(self) -> bool:
        """Nothing of ours is left to be sent or acknowledged: lingering may end."""
        return self.is_over or self.tcp.connection.state not in (State.FIN_WAIT_1, State.CLOSING, State.LAST_ACK)
