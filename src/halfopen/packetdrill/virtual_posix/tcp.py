"""TCP sockets: fresh or bound, listening, and with a connection."""

import errno

from halfopen.base.clock import Instant
from halfopen.base.errors import HalfopenError
from halfopen.packetdrill.posix import ControlMessage, Message, Received, SocketName, WouldBlock
from halfopen.packetdrill.virtual_posix import tcp_options
from halfopen.packetdrill.virtual_posix.ancillary import control_of, receive_report, watch
from halfopen.packetdrill.virtual_posix.descriptor import O_RDWR, POLLERR, POLLHUP, READABLE, WRITABLE
from halfopen.packetdrill.virtual_posix.fast_open import begin_early
from halfopen.packetdrill.virtual_posix.kernel import Kernel, errno_of, failure
from halfopen.packetdrill.virtual_posix.room import without_linger
from halfopen.packetdrill.virtual_posix.stream import SHUT_WR, Stream
from halfopen.packetdrill.virtual_posix.tcp_face import TcpFace


class TcpDescriptor(TcpFace):
    """A TCP socket, whatever state it is in."""

    def __init__(self, kernel: Kernel, family: int, status: int = O_RDWR) -> None:
        super().__init__(kernel, family, status)
        self._lingers: Instant | None = None

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
        most = max(0, backlog) + self.kernel.traits.backlog_slack
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
        return self.served(self._accept)

    def _accept(self) -> "tuple[TcpDescriptor, SocketName]":
        if self.listener is None:
            raise failure(errno.EINVAL)
        tcp = self.listener.accept()
        if tcp is None:
            raise failure(errno.EAGAIN)
        accepted = TcpDescriptor(self.kernel, self.family, self.status)
        accepted.kept.update(self.kept)
        accepted.errors.is_queued = self.errors.is_queued
        accepted.stream = Stream(self.kernel, tcp, accepted.errors, is_established=True)
        accepted.attend()
        accepted.mark()
        return accepted, self.name((tcp.remote_address, tcp.remote_port))

    def connect(self, name: SocketName | None) -> None:
        """Active OPEN, or how far it is; None takes the connection back."""
        if name is None:
            self.disconnect()
        elif self.listener is not None:
            raise failure(errno.EISCONN)
        elif self.stream is None:
            stream = self.open(self.endpoint(name))
            if not stream.is_deferred:
                self._connect_in_progress()
        else:
            self._go_on_connecting()

    def _connect_in_progress(self) -> None:
        if self.is_blocking:
            raise WouldBlock
        raise failure(errno.EINPROGRESS)

    def _go_on_connecting(self) -> None:
        assert self.stream is not None
        try:
            self.served(self.stream.finish_connecting)
        except BlockingIOError:
            raise
        except OSError as error:
            if error.errno != errno.EISCONN:
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
        peek = has(flags, "MSG_PEEK")
        data = self.served(lambda: stream.receive(octets, peek=peek), waits=self.waits(flags))
        control: tuple[ControlMessage, ...] = control_of(self, stream) if room else ()
        return Received(len(data), b"" if has(flags, "MSG_TRUNC") else data, control=control)

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
            self.served(lambda: stream.send(message, self.send_buffer), waits=self.waits(message.flags))
        except BlockingIOError:
            if not message.taken:
                raise
        finally:
            if message.taken > before:
                watch(self, stream, message, extends=unsent > 0)
        return message.taken

    def shutdown(self, how: int) -> None:
        """A connection that is under way is given up; ENOTCONN without one."""
        if not 0 <= how <= 2:
            raise failure(errno.EINVAL)
        keeps = self.kernel.traits.shutdown_keeps
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
        """See `tcp_options`."""
        tcp_options.set_option(self, name, value)

    def get_option(self, name: str) -> int | bytes:
        """See `tcp_options`."""
        return tcp_options.get_option(self, name)

    def poll_mask(self) -> int:
        """``tcp_poll()``."""
        if self.listener is not None:
            return READABLE if self.listener.accepted else 0
        if self.stream is not None:
            return self.stream.poll_mask(self.send_buffer)
        return WRITABLE | POLLHUP | (POLLERR if self.errors.pending else 0)

    def ioctl(self, request: int) -> int:
        """SIOCINQ and SIOCOUTQ: octets that wait to be read, and that are not acknowledged."""
        number = self.kernel.number
        if self.listener is not None or request not in map(
            number, ("FIONREAD", "SIOCOUTQ", "FIONWRITE", "SIOCOUTQNSD")
        ):
            raise failure(errno.EINVAL if self.listener is not None else errno.ENOTTY)
        if self.stream is None or request == number("FIONREAD"):
            return self.stream.tcp.readable_octets if self.stream is not None else 0
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
            stream.cork(more=False)
            if linger:  # Only the call waits for it: when it is over, the connection goes on alone.
                stream.tcp.configure(without_linger(stream.tcp.config))
            stream.tcp.close(now)
            self._lingers = now + (linger or 0)
        if self._lingers > now and not stream.is_gone:
            raise WouldBlock(self._lingers)
