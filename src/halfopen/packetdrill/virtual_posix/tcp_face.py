"""A TCP socket and what it holds: nothing, a port that takes connections, or a connection."""

import errno
from dataclasses import replace

from halfopen.base.errors import AddressInUse, HalfopenError
from halfopen.packetdrill.virtual_posix.descriptor import O_RDWR
from halfopen.packetdrill.virtual_posix.headers import marks
from halfopen.packetdrill.virtual_posix.kernel import Kernel, errno_of, failure
from halfopen.packetdrill.virtual_posix.reservation import Reservation
from halfopen.packetdrill.virtual_posix.room import default_buffer
from halfopen.packetdrill.virtual_posix.socket import SocketDescriptor
from halfopen.packetdrill.virtual_posix.stream import Errors, Stream
from halfopen.stack.tcp import Endpoint
from halfopen.stack.tcp_socket import TcpListener, TcpSocket
from halfopen.tcp.config import TcpConfig
from halfopen.tcp.state import State
from halfopen.tcp.windows import send_limit


class TcpFace(SocketDescriptor):
    """A TCP socket, whatever state it is in."""

    protocol = 6

    def __init__(self, kernel: Kernel, family: int, status: int = O_RDWR) -> None:
        super().__init__(kernel, family, status)
        self.errors = Errors(kernel)
        self.stream: Stream | None = None
        self.listener: TcpListener | None = None

        self.port = Reservation(kernel, self.nowhere)
        self._config = kernel.stack.tcp.config.tcp

    @property
    def tcp(self) -> TcpSocket | None:
        """The connection, if there is or was one."""
        return self.stream.tcp if self.stream is not None else None

    @property
    def config(self) -> TcpConfig:
        """What the connection runs by, or those to come will."""
        if self.stream is not None:
            return self.stream.tcp.config
        return self.listener.config if self.listener is not None else self._config

    def configure(self, config: TcpConfig) -> None:
        """Another choice from now on."""
        self._config = config
        if self.stream is not None:
            self.stream.tcp.configure(config)
        elif self.listener is not None:
            self.listener.configure(config)

    def open(self, remote: Endpoint, *, early: bool = False) -> Stream:
        """Active OPEN; ``early``: with Fast Open."""
        self.errors.pending = 0
        wants = early or bool(self.kept.get("TCP_FASTOPEN_CONNECT"))
        host, without = self.kernel.stack.tcp.config.tcp.fast_open, bool(self.kept.get("TCP_FASTOPEN_NO_COOKIE"))
        fast_open = replace(host, connect=wants, sends_no_cookie=host.sends_no_cookie or without)
        try:
            tcp = self._connect(remote, replace(self._config, fast_open=fast_open) if wants else self._config)
        except HalfopenError as error:
            in_use = isinstance(error, AddressInUse) and self.port.is_taken
            raise failure(errno.EADDRNOTAVAIL if in_use else errno_of(error)) from error
        self.stream = Stream(self.kernel, tcp, self.errors, is_established=False)
        self.mark()
        return self.stream

    def _connect(self, remote: Endpoint, config: TcpConfig) -> TcpSocket:
        kernel, local = self.kernel, self.port.for_peer(remote)
        stack, udp_port = kernel.stack, self.kept.get("TCP_REMOTE_UDP_ENCAPS_PORT", 0)

        def connect() -> TcpSocket:
            return stack.tcp.connect(remote, kernel.owner, kernel.now, config=config, local=local)

        return stack.tcp_over_udp.through(udp_port, connect) if udp_port else connect()

    def mark(self) -> None:
        """The connection's IP headers are as the options say."""
        if self.stream is not None:
            self.stream.tcp.marks = marks(self.kept, is_ipv6=self.is_ipv6)

    def disconnect(self) -> None:
        """Whatever there is of a connection is reset, and the socket fresh again."""
        stream, now = self.stream, self.kernel.now
        if self.listener is not None:
            self.listener.close(now)
            self.listener = None
        if stream is not None:
            self._config = stream.tcp.config
            if not stream.is_over:
                self.errors.pending = errno.ECONNRESET
                stream.tcp.abort(now)
            self.stream = None

    def attend(self) -> None:
        """Takes the connection's events."""
        if self.stream is not None:
            self.stream.attend(self.send_buffer)

    def activity(self, wanted: int) -> int:
        """How much has happened to the connection, or how many connections wait."""
        if self.stream is not None:
            return self.stream.activity(wanted)
        return len(self.listener.accepted) if self.listener is not None else 0

    @property
    def send_buffer(self) -> int:
        """Octets that may wait to be acknowledged, with what the kernel needs for itself if that counts."""
        chosen = self.kept.get("SO_SNDBUF")
        buffers = self.config.buffers
        if not self.kernel.traits.counts_overhead:
            if self.stream is None or chosen is not None:
                return buffers.send
            tcb = self.stream.tcp.connection.tcb
            return send_limit(buffers, tcb.snd.mss + tcb.agreed.option_octets)
        if chosen is not None:
            return 2 * chosen
        grown = default_buffer(self.stream.tcp) if self.stream is not None else 0
        return min(max(buffers.send_initial, grown), max(buffers.send_initial, buffers.send))

    @property
    def state(self) -> State:
        """As the kernel keeps it: TIME-WAIT is nobody's any more."""
        if self.listener is not None:
            return State.LISTEN
        if self.stream is None or self.stream.is_over:
            return State.CLOSED
        return self.stream.tcp.connection.state
