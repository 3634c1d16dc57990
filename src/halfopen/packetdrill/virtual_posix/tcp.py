"""TCP sockets: fresh or bound, listening, and with a connection."""

import errno
from typing import NoReturn

from halfopen.base.clock import Instant
from halfopen.base.errors import HalfopenError
from halfopen.packetdrill.posix import ControlMessage, Message, Received, SocketName, WouldBlock
from halfopen.packetdrill.profiles import FREEBSD_DIALECT
from halfopen.packetdrill.virtual_posix import bsd_options, tcp_options
from halfopen.packetdrill.virtual_posix.ancillary import (
    control_of,
    fragment_ends,
    receive_report,
    receive_urgent,
    waiting_octets,
    watch,
)
from halfopen.packetdrill.virtual_posix.descriptor import O_RDWR, POLLERR, POLLHUP, READABLE, WRITABLE
from halfopen.packetdrill.virtual_posix.fast_open import begin_early, limit_children
from halfopen.packetdrill.virtual_posix.kernel import Kernel, errno_of, failure
from halfopen.packetdrill.virtual_posix.patience import Patience, Reading
from halfopen.packetdrill.virtual_posix.room import about_to_send, without_linger
from halfopen.packetdrill.virtual_posix.stream import SHUT_WR, Stream
from halfopen.packetdrill.virtual_posix.tcp_face import TcpFace
from halfopen.tcp.state import State


class TcpDescriptor(TcpFace):
    """A TCP socket, whatever state it is in."""

    def __init__(self, kernel: Kernel, family: int, status: int = O_RDWR) -> None:
        super().__init__(kernel, family, status)
        self._lingers: Instant | None = None
        self._reading, self._writing = Reading(self), Patience(self)

    def bind(self, name: SocketName) -> None:
        """EINVAL if it is bound, EADDRNOTAVAIL, EADDRINUSE."""
        if self.stream is not None or self.listener is not None or self.port.is_taken:
            raise failure(errno.EINVAL)
        self.port.take(self.endpoint(name), shares=bool(self.kept.get("SO_REUSEADDR")), frees=self._is_freebind)

    @property
    def _is_freebind(self) -> bool:
        return any(self.kept.get(name) for name in ("IP_FREEBIND", "IP_TRANSPARENT", "IPV6_FREEBIND"))

    def listen(self, backlog: int) -> None:
        """Passive OPEN; again, another length of the queue."""
        if self.stream is not None:
            raise failure(errno.EINVAL)
        traits, longest = self.kernel.traits, self.kernel.stack.config.tcp_layer.backlog
        most = traits.backlog_halves * (backlog if backlog >= 0 else longest) // 2 + 1
        limit_children(self, backlog)
        if self.listener is not None:
            self.listener.backlog = max(1, most)
            return
        self.port.give_back()
        try:
            self.listener = self.kernel.stack.tcp.listen(
                self.port.endpoint, self.kernel.owner, config=self.config, backlog=max(1, most)
            )
        except HalfopenError as error:
            raise failure(errno_of(error)) from error

    def accept(self) -> "tuple[TcpDescriptor, SocketName]":
        """The oldest connection that nobody has taken; it has its listener's options."""
        return self._reading.served(self._accept, waits=True, timeout=self.kept.get("SO_RCVTIMEO", 0))

    def _accept(self) -> "tuple[TcpDescriptor, SocketName]":
        if self.listener is None:
            raise failure(errno.EINVAL)
        tcp = self.listener.accept()
        if tcp is None:
            raise failure(errno.EAGAIN)
        if tcp.connection.state is State.CLOSED and self.kernel.traits.is_for_one:
            raise failure(errno.ECONNABORTED)
        accepted = TcpDescriptor(self.kernel, self.family, self.status)
        accepted.kept.update(self.kept)
        accepted.errors.is_queued = self.errors.is_queued
        accepted.stream = Stream(self.kernel, tcp, accepted.errors, is_established=True)
        if accepted.stream.incoming.urgent is not None:
            accepted.stream.incoming.urgent.is_inline = bool(accepted.kept.get("SO_OOBINLINE"))
        accepted.attend()
        accepted.mark()
        return accepted, self.name((tcp.remote_address, tcp.remote_port))

    def connect(self, name: SocketName | None) -> None:
        """Active OPEN, or how far it is; None takes the connection back."""
        if name is None:
            self.disconnect()
        elif self.listener is not None:
            raise failure(errno.EOPNOTSUPP if self.kernel.traits.is_for_one else errno.EISCONN)
        elif self.stream is None:
            stream = self.open(self.endpoint(name))
            if not stream.is_deferred:
                self._writing.served(self._connect_in_progress, waits=True, timeout=self.kept.get("SO_SNDTIMEO", 0))
        elif self.kernel.traits.is_for_one and not self._writing.is_waiting:
            _refuse_to_connect(self.stream)
        else:
            self._go_on_connecting()

    def _connect_in_progress(self) -> None:
        self._writing.in_vain = errno.EINPROGRESS if self.is_blocking else errno.EALREADY
        raise failure(errno.EINPROGRESS)

    def _go_on_connecting(self) -> None:
        assert self.stream is not None
        try:
            self._writing.served(self.stream.finish_connecting, waits=True, timeout=self.kept.get("SO_SNDTIMEO", 0))
        except BlockingIOError:
            in_vain, self._writing.in_vain = self._writing.in_vain, errno.EALREADY
            raise failure(in_vain) from None
        except OSError as error:
            if error.errno != errno.EISCONN and not self.kernel.traits.is_for_one:
                self.stream = None
            raise

    def receive(self, octets: int, flags: int, room: int) -> Received:
        """Octets of the stream, or with MSG_ERRQUEUE what the error queue has."""
        has = self.kernel.has
        if has(flags, "MSG_ERRQUEUE"):
            return receive_report(self, octets)
        stream = self.stream
        if stream is None:
            raise failure(errno.ENOTCONN)
        if has(flags, "MSG_OOB"):
            return receive_urgent(self, stream, octets, flags)
        data = self._read(stream, octets, flags)
        control: tuple[ControlMessage, ...] = control_of(self, stream) if room else ()
        return Received(len(data), b"" if has(flags, "MSG_TRUNC") else data, control=control)

    def _read(self, stream: Stream, octets: int, flags: int) -> bytes:
        reading, peek = self._reading, self.kernel.has(flags, "MSG_PEEK")
        least = octets if self.kernel.has(flags, "MSG_WAITALL") else min(octets, self.kept.get("SO_RCVLOWAT", 1))
        timeout, waits = self.kept.get("SO_RCVTIMEO", 0), self.waits(flags)
        try:
            return reading.served(
                lambda: reading.receive(stream, octets, max(1, least), peek=peek), waits=waits, timeout=timeout
            )
        except BlockingIOError:
            if rest := reading.rest():
                return rest
            raise

    def send(self, message: Message) -> int:
        """How many octets have been taken; a blocking call takes all."""
        begin_early(self, message)
        stream = self.stream
        if stream is None:
            raise failure(
                self.errors.take() or (errno.EPIPE if self.kernel.traits.connects_in_send else errno.ENOTCONN)
            )
        before, unsent = message.taken, stream.tcp.unsent_octets
        try:
            self._writing.served(
                lambda: self._write(stream, message),
                waits=self.waits(message.flags),
                timeout=self.kept.get("SO_SNDTIMEO", 0),
            )
        except BlockingIOError:
            if not message.taken:
                raise
        except WouldBlock:
            if not stream.is_established and message.taken < len(message.data):
                stream.tcp.configure(about_to_send(stream.tcp.config))
            raise
        finally:
            if message.taken > before:
                watch(self, stream, message, extends=unsent > 0)
        return message.taken

    def _write(self, stream: Stream, message: Message) -> None:
        """Who waits for room is not woken for a little of it."""
        if self._writing.is_waiting and stream.is_open_for_text and not stream.queue.is_writable(self.send_buffer):
            raise failure(errno.EAGAIN)
        stream.send(message, self.send_buffer, fragment_ends(self, message))

    def shutdown(self, how: int) -> None:
        """A connection that is under way is given up; ENOTCONN without one."""
        if not 0 <= how <= 2:
            raise failure(errno.EINVAL)
        keeps = self.kernel.traits.is_for_one
        if self.listener is not None:
            if keeps:
                raise failure(errno.ENOTCONN)
            if how != SHUT_WR:
                self.disconnect()
            return
        if self.stream is None:
            raise failure(errno.ENOTCONN)
        if not self.stream.is_established and not self.stream.is_over and not keeps:
            self.disconnect()
        else:
            self.stream.shutdown(how)

    def set_option(self, name: str, value: bytes) -> None:
        """See `tcp_options` and `bsd_options`."""
        if not (self._is_bsd and bsd_options.set_option(self, name, value)):
            tcp_options.set_option(self, name, value)

    def get_option(self, name: str) -> int | bytes:
        """See `tcp_options` and `bsd_options`."""
        own = bsd_options.get_option(self, name) if self._is_bsd else None
        return tcp_options.get_option(self, name) if own is None else own

    @property
    def _is_bsd(self) -> bool:
        return self.kernel.traits.dialect == FREEBSD_DIALECT

    def poll_mask(self) -> int:
        """``tcp_poll()``."""
        if self.listener is not None:
            return READABLE if self.listener.accepted else 0
        if self.stream is not None:
            return self.stream.poll_mask(self.send_buffer, self.kept.get("SO_RCVLOWAT", 1))
        return WRITABLE | POLLHUP | (POLLERR if self.errors.pending else 0)

    def ioctl(self, request: int) -> int:
        """SIOCINQ and SIOCOUTQ: octets that wait to be read, and that are not acknowledged."""
        number = self.kernel.number
        if request not in map(number, ("FIONREAD", "SIOCOUTQ", "FIONWRITE", "SIOCOUTQNSD", "SIOCATMARK")):
            raise failure(errno.ENOTTY)
        if self.listener is not None:
            raise failure(errno.EINVAL)
        if self.stream is None:
            return 0
        if request in (number("FIONREAD"), number("SIOCATMARK")):
            return waiting_octets(self.stream, is_mark=request == number("SIOCATMARK"))
        snd = self.stream.tcp.connection.tcb.snd
        end = snd.queue.stop + snd.fin
        start = snd.nxt if request == number("SIOCOUTQNSD") else snd.una
        return max(0, end - start) if self.stream.is_established and not self.stream.is_over else 0

    def close(self) -> None:
        """Reset if there is unread text or no linger time; otherwise the rest is sent, and lingering waits for it."""
        now = self.kernel.now
        self.port.give_back()
        if self.listener is not None:
            self.listener.close(now)
        stream = self.stream
        if stream is None:
            return
        if self._lingers is None:
            linger = stream.tcp.config.closing.linger
            stream.queue.cork(more=False)
            if linger:  # Only the call waits for it: when it is over, the connection goes on alone.
                stream.tcp.configure(without_linger(stream.tcp.config))
            stream.tcp.close(now)
            self._lingers = now + (linger or 0)
        if self._lingers > now and not stream.is_gone:
            raise WouldBlock(self._lingers)


def _refuse_to_connect(stream: Stream) -> NoReturn:
    """What a BSD's ``connect()`` says when it is called again; it forgets what has happened to a connection."""
    state = stream.tcp.connection.state
    if state is State.CLOSED:
        stream.errors.take()
        raise failure(errno.ECONNREFUSED)
    raise failure(errno.EALREADY if state in (State.SYN_SENT, State.SYN_RECEIVED) else errno.EISCONN)
