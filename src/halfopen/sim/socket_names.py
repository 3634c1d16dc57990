"""The half of `SimSocket` that moves no data: names, options, its descriptor."""

import errno
import socket as kernel
from collections.abc import Callable
from typing import Any
from weakref import ref

from halfopen.aio.connected import Connected
from halfopen.aio.host import Host
from halfopen.aio.socket_states import SocketState, StatefulSocket, failure, nothing
from halfopen.aio.sockets import ReadinessSignal, SocketAddress, StackSocket, sized
from halfopen.aio.unconnected import Listening
from halfopen.sim.loop import SimLoop

SO_ACCEPTCONN: int = getattr(kernel, "SO_ACCEPTCONN", 30)


class SocketNames(StatefulSocket, kernel.socket):
    """A socket of the kernel's class that has opened nothing: what it says of itself comes from its `SocketState`."""

    def __init__(self, host: Host, loop: SimLoop, state: SocketState, proto: int) -> None:
        self._io_refs = 0
        self._closed = False
        self._host = host
        self._loop = loop
        self._proto = proto
        self._signal: ReadinessSignal | None = None
        self._followed: StackSocket | None = None
        self._is_handed_over = False
        self._is_gone = False
        """Really closed: nor does a file made by `makefile` use it any more."""
        self._become(state)

    @property
    def state(self) -> SocketState:
        """What it can do now."""
        return self._state

    @property
    def family(self) -> kernel.AddressFamily:
        """AF_INET or AF_INET6."""
        return self._state.names.family

    @property
    def type(self) -> kernel.SocketKind:
        """SOCK_STREAM or SOCK_DGRAM."""
        return self._state.names.type

    @property
    def proto(self) -> int:
        """As it was asked for."""
        return self._proto

    def fileno(self) -> int:
        """A descriptor that polls readable when the socket is; -1 once closed. It cannot be read from."""
        if self._is_gone:
            return -1
        if self._followed is not None:
            return self._followed.fileno()
        if self._signal is None:
            self._signal = ReadinessSignal()
            self._loop.descriptors[self._signal.descriptor] = self
            self.show_readiness()
        return self._signal.descriptor

    def hand_over(self) -> None:
        """A transport or server goes on with its state; what is called now only names it, and never waits."""
        self.setblocking(False)
        self._open_state().observer = nothing
        self._is_handed_over = True

    def follow(self, names: StackSocket) -> None:
        """The descriptor is that of the transport's socket from now on."""
        self._drop_signal()
        self._followed = names

    def getsockname(self) -> SocketAddress:
        """Our end."""
        return self._open_state().names.getsockname()

    def getpeername(self) -> SocketAddress:
        """The peer's end; OSError (ENOTCONN) without one."""
        state = self._open_state()
        if isinstance(state, Connected) and not state.is_established:
            raise failure(errno.ENOTCONN)
        return state.names.getpeername()

    def setsockopt(self, level: int, optname: int, value: Any, optlen: int | None = None) -> None:
        """Acts on our TCP or UDP, also before there is a connection."""
        names = self._open_state().names
        if value is None:
            names.setsockopt(level, optname, bytes(optlen or 0))
        else:
            names.setsockopt(level, optname, int(value) if isinstance(value, int) else bytes(value))

    def getsockopt(self, level: int, optname: int, buflen: int = 0) -> Any:
        """What was set, or the defaults; SO_ERROR is told once."""
        state = self._open_state()
        if level == kernel.SOL_SOCKET and optname == kernel.SO_ERROR:
            return sized(state.take_error(), buflen)
        if level == kernel.SOL_SOCKET and optname == SO_ACCEPTCONN:
            return sized(int(isinstance(state, Listening)), buflen)
        return state.names.getsockopt(level, optname, buflen)

    def _open_state(self) -> SocketState:
        if self._is_gone:
            raise failure(errno.EBADF)
        return self._state

    def _become(self, state: SocketState) -> None:
        self._state = state
        state.observer = weakly(self)
        self.show_readiness()

    def show_readiness(self) -> None:
        """Those who watch learn how it stands."""
        if self._signal is not None:
            self._signal.set(self._state.is_readable)
        self._loop.on_readiness(self)

    def _give_back(self, also_the_state: bool) -> None:
        self._is_gone = True
        self._drop_signal()
        if also_the_state:
            self._state.close()
        self._loop.forget(self)

    def _drop_signal(self) -> None:
        signal, self._signal = self._signal, None
        if signal is not None:
            self._loop.descriptors.pop(signal.descriptor, None)
            signal.close()


def weakly(sock: SocketNames) -> Callable[[], None]:
    """Tells ``sock``, if it is still there, that its readiness may have changed. The stack does not keep it alive."""
    reference = ref(sock)

    def tell() -> None:
        alive = reference()
        if alive is not None:
            alive.show_readiness()

    return tell
