"""`ssl.SSLContext.wrap_socket` for simulated sockets: OpenSSL over two buffers instead of a descriptor.

What a program gets is an `ssl.SSLSocket` whose own methods do the work; only the object beneath them is another.
"""

import errno
import socket as kernel
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from halfopen.aio.connected import Connected
from halfopen.aio.socket_states import failure, kick
from halfopen.base.errors import SimulationError, TcpError
from halfopen.sim.sim_socket import Belongings, SimSocket
from halfopen.sim.socket_data import SocketData

T = TypeVar("T")

MAKER = "_create"
"""What `ssl.SSLContext.wrap_socket` comes down to."""

HEADER_OCTETS = 5
"""Of a TLS record: type, version and length (RFC 8446 5.1)."""


class Engine:
    """OpenSSL's side of a `TlsSocket`. Errors are those of non-blocking TLS: SSLWantReadError, SSLWantWriteError."""

    def __init__(self, sock: "TlsSocket", context: ssl.SSLContext, **options: Any) -> None:
        self._sock = sock
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._object = context.wrap_bio(self._incoming, self._outgoing, **options)

    def do_handshake(self) -> None:
        """Goes on with the handshake."""
        self._run(self._object.do_handshake)

    def read(self, octets: int, buffer: Any = None) -> Any:
        """Octets, or with ``buffer`` how many."""
        return self._run(lambda: self._object.read(octets, buffer))

    def write(self, data: Any) -> int:
        """How many octets were taken; all of them if the connection has any room."""
        if not self._sock.state.is_writable:
            raise ssl.SSLWantWriteError(ssl.SSL_ERROR_WANT_WRITE, "The operation did not complete (write)")
        return self._run(lambda: self._object.write(data))

    def shutdown(self) -> kernel.socket:
        """Says goodbye and waits for the peer's."""
        self._run(self._object.unwrap)
        return self._sock

    def __getattr__(self, name: str) -> Any:
        """Certificates, ciphers, protocols: what can be said without moving octets."""
        return getattr(self._object, name)

    def _run(self, call: Callable[[], T]) -> T:
        """The result of ``call``, which gets record after record while there are any."""
        while True:
            try:
                return call()
            except ssl.SSLWantReadError:
                self._send()
                if not self._receive():
                    raise
            finally:
                self._send()

    def _receive(self) -> bool:
        """Takes one record, so that the descriptor goes on telling the truth about the next; False if there is none."""
        sock = self._sock
        try:
            header = SocketData.recv(sock, HEADER_OCTETS, kernel.MSG_PEEK)
            if not header:
                self._incoming.write_eof()
            length = int.from_bytes(header[3:], "big") if len(header) == HEADER_OCTETS else 0
            self._incoming.write(SocketData.recv(sock, HEADER_OCTETS + length))
        except BlockingIOError:
            return False
        return True

    def _send(self) -> None:
        """All of what OpenSSL has to say. It is not much more than what there was room for."""
        octets = self._outgoing.read()
        state = self._sock.state
        if octets and isinstance(state, Connected):
            try:
                state.tcp.send(octets, state.pump.now())
            except TcpError:
                raise failure(errno.EPIPE) from None
            kick(state.pump)


class TlsSocket(ssl.SSLSocket, SimSocket):  # type: ignore[misc]  # both narrow down what arguments sockets take
    """A simulated socket with TLS, or one that listens for such."""

    def __init__(self, sock: SimSocket, context: ssl.SSLContext, options: dict[str, Any]) -> None:
        self._take(sock.give_up())
        self._context = context
        self._session = options.get("session")
        self._sslobj: Engine | None = None
        self.server_side = bool(options.get("server_side"))
        self.server_hostname = options.get("server_hostname")
        self.do_handshake_on_connect = bool(options.get("do_handshake_on_connect", True))
        self.suppress_ragged_eofs = bool(options.get("suppress_ragged_eofs", True))
        self._connected = isinstance(self.state, Connected)
        try:
            self._begin()
        except BaseException:
            self.close()
            raise

    def _take(self, belongings: Belongings) -> None:
        SocketData.__init__(self, *belongings[:4])
        self.settimeout(belongings.timeout)
        self._signal = belongings.signal
        if self._signal is not None:
            self._loop.descriptors[self._signal.descriptor] = self

    def _begin(self) -> None:
        if not self._connected:
            return
        names = {"server_side": self.server_side, "server_hostname": self.server_hostname}
        self._sslobj = Engine(self, self._context, session=self._session, **names)
        if self.do_handshake_on_connect:
            self.do_handshake()

    def connect(self, address: Any, /) -> None:
        """First connect, then wrap."""
        raise SimulationError("a simulated socket is wrapped for TLS once it is connected, not before")

    def connect_ex(self, address: Any, /) -> int:
        """First connect, then wrap."""
        self.connect(address)
        return 0


@contextmanager
def tls_sockets() -> Iterator[None]:
    """While the block runs, `ssl.SSLContext.wrap_socket` takes simulated sockets as well as real ones."""
    original = vars(ssl.SSLSocket)[MAKER]

    def make(
        cls: type[ssl.SSLSocket], /, sock: kernel.socket, *, context: ssl.SSLContext, **options: Any
    ) -> ssl.SSLSocket:
        if isinstance(sock, SimSocket):
            return TlsSocket(sock, context, options)
        wrapped: ssl.SSLSocket = original.__func__(cls, sock, context=context, **options)
        return wrapped

    setattr(ssl.SSLSocket, MAKER, classmethod(make))
    try:
        yield
    finally:
        setattr(ssl.SSLSocket, MAKER, original)
