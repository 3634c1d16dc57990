"""A TCP connection as its descriptor sees it: which call finds what, in the words of Linux's ``inet_stream_*``."""

import errno
from collections.abc import Sequence

from halfopen.base.errors import ConnectionReset, ConnectionTimedOut, TcpError
from halfopen.packetdrill.info import tcp_info
from halfopen.packetdrill.posix import Message
from halfopen.packetdrill.virtual_posix.chronograph import Chronograph
from halfopen.packetdrill.virtual_posix.descriptor import POLLERR, POLLHUP, POLLIN, POLLOUT, POLLPRI, READABLE, WRITABLE
from halfopen.packetdrill.virtual_posix.error_queue import ORIGIN_ICMP, ORIGIN_ICMP6, ErrorQueue, Report
from halfopen.packetdrill.virtual_posix.icmp_codes import icmp_code
from halfopen.packetdrill.virtual_posix.incoming import Incoming
from halfopen.packetdrill.virtual_posix.kernel import Kernel, failure
from halfopen.packetdrill.virtual_posix.opt_stats import pack_stats
from halfopen.packetdrill.virtual_posix.room import deaf
from halfopen.packetdrill.virtual_posix.send_queue import SendQueue
from halfopen.packetdrill.virtual_posix.urgent import Urgent
from halfopen.stack.tcp_socket import TcpSocket
from halfopen.tcp.events import CONNECTED, END_OF_STREAM, Closed, Event, SoftError
from halfopen.tcp.send_queue import MORE, RECORD, URGENT
from halfopen.tcp.state import State

SHUT_RD, SHUT_WR, SHUT_RDWR = 0, 1, 2


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
        self.is_shut = [False, False, False]
        """For reading and for writing, by our side; and for both ways, as soon as the state is FIN-WAIT-2 (a BSD's
        ``soisdisconnected()``)."""
        self.queue = SendQueue(kernel, tcp)
        self.chronograph = Chronograph()
        self.incoming = Incoming(tcp, Urgent() if kernel.traits.counts_overhead else None)
        self._una = 0

    @property
    def is_deferred(self) -> bool:
        """The SYN waits for the first SEND (TCP_FASTOPEN_CONNECT)."""
        return self.tcp.is_deferred

    # What has happened

    def attend(self, sndbuf: int) -> None:
        """Takes events, and tells the error queue how far the stream has got."""
        while (event := self.tcp.poll_event()) is not None:
            self._on_event(event)
        snd = self.tcp.connection.tcb.snd
        self.incoming.attend()
        if snd.una > self._una:
            self._una = snd.una
            self.errors.soft = 0
            self.queue.cork(more=False)
        self.queue.attend(sndbuf)
        self.chronograph.observe(self.tcp.connection.tcb, self._kernel.now, lacks_room=self.queue.lacks_room)
        self.errors.queue.on_progress(snd, self._stats)

    def _stats(self) -> bytes:
        """Of SOF_TIMESTAMPING_OPT_STATS."""
        facts = tcp_info(self.tcp, self._kernel.traits.dialect, self._kernel.now)
        facts |= self.chronograph.facts(self._kernel.now)
        facts |= self._kernel.traffic(self.tcp)
        return pack_stats(facts, self.tcp.connection.tcb.snd, self._kernel.traits.symbols)

    def activity(self, wanted: int) -> int:
        """How much has happened that wakes who wants to hear of ``wanted``."""
        snd = self.tcp.connection.tcb.snd
        happened = self.is_established + self.is_over + self.has_fin + self.errors.queue.told
        happened += sum(self.is_shut[:SHUT_RDWR]) + snd.fin_is_acknowledged
        if wanted & POLLIN:
            happened += self.tcp.connection.tcb.rcv.queue.stop
        return happened + self.queue.rooms if wanted & POLLOUT else happened

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
        report = _report_of(reason, number, is_ipv6=len(self.tcp.remote_address) == 16)
        if self.errors.is_queued and report is not None:
            self.errors.queue.add_icmp(report)

    def is_worth_reading(self, least: int) -> bool:
        """What wakes a reader: ``least`` octets, or that no more will come."""
        return self.incoming.readable >= least or self._is_ending

    @property
    def has_no_more(self) -> bool:
        """Everything has been read, and nothing will come but the end or an error."""
        return not self.incoming.readable and self._is_ending

    @property
    def _is_ending(self) -> bool:
        return self.has_fin or self.is_over or self.is_shut[SHUT_RD] or bool(self.errors.pending)

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
        queued = self.incoming.readable
        if queued:
            return self.incoming.take(min(octets, queued), self._kernel.now, peek=peek)
        if self._kernel.traits.error_before_end:
            self.errors.raise_pending()
        if self.has_fin:
            return b""
        self.errors.raise_pending()
        if self.is_shut[SHUT_RD] or self.is_over:
            return b""
        raise failure(errno.EAGAIN)

    def send(self, message: Message, sndbuf: int, cuts: Sequence[int] = ()) -> None:
        """Takes what there is room for; EAGAIN if nothing more, EPIPE once that is over.

        What is on different sides of one of ``cuts`` is never in one segment.
        """
        if message.taken and self.is_established and self._cannot_send:
            return
        self._check_sendable()
        octets = memoryview(message.data)
        more = self._kernel.has(message.flags, "MSG_MORE")
        ends = self._kernel.has(message.flags, "MSG_EOR")
        how = more * MORE | ends * RECORD | self._kernel.has(message.flags, "MSG_OOB") * URGENT
        for stop in (*cuts, len(octets)):
            part = octets[message.taken : stop]
            ends_run = RECORD * (stop < len(octets))
            if part:
                message.taken += self.queue.put(part, how | ends_run, sndbuf, is_established=self.is_established)
            if message.taken < stop:
                self.queue.lacks_room = True
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

    def shutdown(self, how: int) -> None:
        """Ends directions; ENOTCONN once the connection is over."""
        is_bsd, awaits_fin = self._kernel.traits.is_for_one, self.tcp.connection.state is State.FIN_WAIT_2
        if self.is_over or (is_bsd and awaits_fin and self.is_shut[SHUT_RDWR]):
            raise failure(errno.ENOTCONN)
        if how != (SHUT_RD if awaits_fin else SHUT_WR):
            self.is_shut[SHUT_RDWR] = True
        if how != SHUT_WR or (is_bsd and awaits_fin):
            self.is_shut[SHUT_RD] = True
            self.tcp.configure(deaf(self.tcp.config))
        if how != SHUT_RD and (is_bsd or not self.is_shut[SHUT_WR]):
            self.is_shut[SHUT_WR] = True
            self.queue.cork(more=False)
            self.tcp.shutdown(self._kernel.now)

    def poll_mask(self, sndbuf: int, low: int = 1) -> int:
        """``tcp_poll()``; ``low`` octets are worth to be read."""
        has = self._kernel.number
        mask = 0
        no_more_reading = self.has_fin or self.is_shut[SHUT_RD] or self.is_over
        no_more_writing = self.is_shut[SHUT_WR] or self.is_over
        if no_more_reading and no_more_writing:
            mask |= POLLHUP
        if no_more_reading:
            mask |= READABLE | has("POLLRDHUP")
        if self.is_established or self.is_over:
            if self.incoming.readable >= low:
                mask |= READABLE
            if self.incoming.has_urgent:
                mask |= POLLPRI
            if no_more_writing or self.queue.is_writable(sndbuf):
                mask |= WRITABLE
            else:
                self.queue.lacks_room = True
        elif self.is_deferred:
            mask |= WRITABLE
        if self.errors.pending or self.errors.queue:
            mask |= POLLERR
        return mask

    @property
    def is_open_for_text(self) -> bool:
        """Nothing but room is needed to send."""
        return self.is_established and not self._cannot_send

    @property
    def is_gone(self) -> bool:
        """Nothing of ours is left to be sent or acknowledged: lingering may end."""
        return self.is_over or self.tcp.connection.state not in (State.FIN_WAIT_1, State.CLOSING, State.LAST_ACK)


def _report_of(reason: TcpError, number: int, *, is_ipv6: bool) -> Report | None:
    """For the error queue, if it was ICMP that has ended the connection."""
    code = icmp_code(reason, is_ipv6=is_ipv6)
    if code is None:
        return None
    return Report(errno=number, origin=ORIGIN_ICMP6 if is_ipv6 else ORIGIN_ICMP, type=code[0], code=code[1])
