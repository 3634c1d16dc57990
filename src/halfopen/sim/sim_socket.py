"""The socket of programs on simulated hosts.

A `SimSocket` is a `socket.socket` in the eyes of ``isinstance``, but opens nothing; its connections and datagrams are
those of the host that the program is on. A call that would have to wait is an error unless the socket is non-blocking:
nothing can happen while the only thread stands still.
"""

import errno
import socket as kernel
import warnings
from typing import Any, NamedTuple, NoReturn

from halfopen.aio.connected import Connected
from halfopen.aio.datagram_state import Datagrams
from halfopen.aio.host import Host
from halfopen.aio.resolving import has_ipv6
from halfopen.aio.socket_states import SocketState, failure
from halfopen.aio.sockets import ReadinessSignal, SocketAddress
from halfopen.aio.unconnected import Listening, Unconnected
from halfopen.base.errors import SimulationError
from halfopen.sim.loop import CURRENT_HOST, SimLoop
from halfopen.sim.pump import SimPump
from halfopen.sim.socket_data import SocketData, would_block

KIND_BITS = 0xF
"""Of a socket's type; above them are flags such as SOCK_NONBLOCK."""
SOCK_NONBLOCK: int = getattr(kernel, "SOCK_NONBLOCK", 0o4000)


class Belongings(NamedTuple):
    """What makes up a socket."""

    host: Host
    loop: SimLoop
    state: SocketState
    proto: int
    timeout: float | None
    signal: ReadinessSignal | None


class SimSocket(SocketData):
    """A TCP or UDP socket of the host that the running code is on."""

    def __init__(self, family: int = -1, type: int = -1, proto: int = -1, fileno: int | None = None) -> None:
        if fileno is not None:
            raise SimulationError(f"descriptor {fileno} cannot be made a socket of a simulated host")
        host, loop = here()
        kind = kernel.SOCK_STREAM if type == -1 else type & KIND_BITS
        super().__init__(host, loop, fresh_state(host, family, kind), max(proto, 0))
        if type != -1 and type & SOCK_NONBLOCK:
            self.setblocking(False)

    def bind(self, address: Any, /) -> None:
        """Takes an address and port of the host's."""
        self._open_state().bind(self._endpoint(address, passive=True))

    def listen(self, backlog: int = 128, /) -> None:
        """Takes connections from now on."""
        self._become(self._open_state().listen(backlog))

    def accept(self) -> tuple[kernel.socket, SocketAddress]:
        """A socket for the oldest connection that nobody has taken, and the peer's address."""
        state = self._serve("accept", self._state.accept)
        sock = SimSocket.__new__(SimSocket)
        SocketData.__init__(sock, self._host, self._loop, state, self._proto)
        return sock, state.names.getpeername()

    def connect(self, address: Any, /) -> None:
        """Begins to connect: BlockingIOError (EINPROGRESS). The socket becomes writable when it is decided."""
        state = self._open_state()
        remote = self._endpoint(address)
        if isinstance(state, Unconnected) and self._timeout != 0:
            raise would_block("connect")
        new = state.connect(remote)
        self._become(new)
        if isinstance(new, Connected):
            raise failure(errno.EINPROGRESS)

    def connect_ex(self, address: Any, /) -> int:
        """As `connect`; the error number, 0 for none."""
        try:
            self.connect(address)
        except kernel.gaierror:
            raise
        except OSError as error:
            return error.errno or errno.EIO
        return 0

    def shutdown(self, how: int, /) -> None:
        """Closes one direction or both."""
        self._open_state().shutdown(how)

    def give_up(self) -> Belongings:
        """All that it has, for another socket object; this one is as good as closed."""
        belongings = Belongings(self._host, self._loop, self._open_state(), self._proto, self._timeout, self._signal)
        self._signal = None
        self._is_gone = self._closed = True
        return belongings

    def detach(self) -> NoReturn:
        """A bare descriptor would be of no use to anybody."""
        raise SimulationError("a simulated socket lives without a descriptor: it cannot be detached from its object")

    def dup(self) -> NoReturn:
        """There are no two descriptors of one socket."""
        raise SimulationError("a simulated socket lives without a descriptor: it cannot be duplicated")

    def __repr__(self) -> str:
        state = "closed" if self._is_gone else type(self._state).__name__.lower()
        return f"<SimSocket on {self._host.program}, {self.type.name}, {state}, {self._state.names.getsockname()}>"

    def __del__(self) -> None:
        if getattr(self, "_is_gone", True):
            return
        is_leaked = not self._is_handed_over and self._state.is_in_use
        if is_leaked and self._loop.is_running() and has_power(self._host):
            warnings.warn(f"unclosed {self!r}", ResourceWarning, source=self, stacklevel=2)
        self._give_back(not self._is_handed_over)

    def _real_close(self) -> None:
        """What `close` does once no file made by `makefile` needs the socket."""
        self._give_back(not self._is_handed_over or isinstance(self._state, Listening))


def here() -> tuple[Host, SimLoop]:
    """The host that the running code is on, and its loop; SimulationError if it is on none."""
    host = CURRENT_HOST.get(None)
    if host is None:
        raise SimulationError("this code runs on no host: start it by host.run(...)")
    loop = host.pump.loop
    if not isinstance(loop, SimLoop):
        raise SimulationError(f"{host.program} is no simulated host")
    return host, loop


def has_power(host: Host) -> bool:
    """Whether what the host has could be leaked at all."""
    return isinstance(host.pump, SimPump) and host.pump.is_on


def fresh_state(host: Host, family: int, kind: int) -> SocketState:
    """The state of a new socket; OSError for what a host does not have."""
    if family == -1:
        family = kernel.AF_INET
    if family not in (kernel.AF_INET, kernel.AF_INET6) or (family == kernel.AF_INET6 and not has_ipv6(host.stack)):
        raise failure(errno.EAFNOSUPPORT)
    if kind == kernel.SOCK_STREAM:
        return Unconnected(host, family)
    if kind == kernel.SOCK_DGRAM:
        return Datagrams(host, family)
    raise failure(errno.EPERM if kind == kernel.SOCK_RAW else errno.ESOCKTNOSUPPORT)
