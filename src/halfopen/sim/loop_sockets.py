"""What the simulation's event loop does for sockets: who waits until one is ready, and what there is not.

Readiness is as level-triggered as the kernel's: while a socket is ready and somebody watches it, the callback is called
in each iteration of the loop.
"""

import inspect
import signal
import socket as kernel
from collections.abc import Callable
from contextvars import Context, copy_context
from typing import Any, NoReturn, Protocol
from weakref import WeakValueDictionary

from halfopen.aio.loop import StackNetworking
from halfopen.aio.socket_states import READ, WRITE, SocketState, StatefulSocket
from halfopen.base.errors import SimulationError
from halfopen.sim.signals import FATAL, SignalTable


class HasFileno(Protocol):
    """A file object, for `select` and friends."""

    def fileno(self) -> int:
        """Its descriptor."""


class Watch:
    """Somebody's callback for one direction of a socket, and what the loop calls in its stead."""

    __slots__ = ("_arguments", "_callback", "_context", "_direction", "_is_cancelled", "_is_planned", "_sock")

    def __init__(
        self, sock: StatefulSocket, direction: int, callback: Callable[..., object], arguments: tuple[Any, ...]
    ) -> None:
        self._sock = sock
        self._direction = direction
        self._callback = callback
        self._arguments = arguments
        self._context: Context = copy_context()
        self._is_planned = False
        self._is_cancelled = False

    def look(self) -> None:
        """Plans the callback if the socket is ready."""
        state = self._sock.state
        if not (self._is_planned or self._is_cancelled) and state.is_ready(self._direction):
            self._is_planned = True
            state.pump.loop.call_soon(self, context=self._context)

    def cancel(self) -> None:
        """The callback is not called any more."""
        self._is_cancelled = True

    def __call__(self) -> None:
        """Calls back, and again as long as the socket is ready."""
        self._is_planned = False
        if self._is_cancelled or not self._sock.state.is_ready(self._direction):
            return
        try:
            self._callback(*self._arguments)
        finally:
            self.look()

    def __repr__(self) -> str:
        role = "writer" if self._direction == WRITE else "reader"
        return f"{getattr(self._callback, '__qualname__', self._callback)}(), {role} of {self._sock!r}"


class SimulatedSockets(StackNetworking):
    """Readers and writers of sockets whose state is ours; signal handlers of each host; clear errors for the rest."""

    def __init__(self) -> None:
        super().__init__()
        self.descriptors: WeakValueDictionary[int, StatefulSocket] = WeakValueDictionary()
        """The sockets that have been asked for their descriptor."""
        self.signals = SignalTable()
        """Handlers of the programs on each host; None is the host of code that is on none."""
        self._watches: dict[tuple[StatefulSocket, int], Watch] = {}

    def state_of(self, sock: kernel.socket) -> SocketState:
        """What ``sock`` can do; SimulationError if it is a real socket."""
        state = super().state_of(sock)
        if state is None:
            raise SimulationError(f"{sock!r} is real: in virtual time nobody can wait for the real world")
        return state

    def on_readiness(self, sock: StatefulSocket) -> None:
        """``sock`` may have become ready, or ceased to be."""
        for direction in (READ, WRITE):
            watch = self._watches.get((sock, direction))
            if watch is not None:
                watch.look()

    def forget(self, sock: StatefulSocket) -> None:
        """``sock`` is closed: nobody watches it any more, as with epoll."""
        for direction in (READ, WRITE):
            self._unwatch(sock, direction)

    def add_reader(self, fd: int | HasFileno, callback: Callable[..., object], *args: Any) -> None:  # type: ignore[override]  # typeshed ties the callback to its arguments
        """Calls back in each iteration while ``fd`` is readable."""
        self._watch(fd, READ, callback, args)

    def add_writer(self, fd: int | HasFileno, callback: Callable[..., object], *args: Any) -> None:  # type: ignore[override]  # as above
        """Calls back in each iteration while ``fd`` is writable."""
        self._watch(fd, WRITE, callback, args)

    def remove_reader(self, fd: int | HasFileno) -> bool:
        """Whether somebody was called back."""
        sock = self._find(fd)
        return sock is not None and self._unwatch(sock, READ)

    def remove_writer(self, fd: int | HasFileno) -> bool:
        """Whether somebody was called back."""
        sock = self._find(fd)
        return sock is not None and self._unwatch(sock, WRITE)

    def add_signal_handler(self, sig: int, callback: Callable[..., object], *args: Any) -> None:  # type: ignore[override]  # as above
        """For signals to the host that the running code is on: ``signals.deliver`` calls back soon, in its context."""
        if inspect.iscoroutinefunction(callback):
            raise TypeError("coroutines cannot be used with add_signal_handler()")
        if signal.Signals(sig) in FATAL:
            raise RuntimeError(f"sig {sig} cannot be caught")
        context = copy_context()

        def handle(signum: int, frame: object) -> None:
            self.call_soon(callback, *args, context=context)

        self.signals.set(self.host_or_none(), sig, handle)

    def remove_signal_handler(self, sig: int) -> bool:
        """Whether there was a handler."""
        return self.signals.forget(self.host_or_none(), sig)

    def host_or_none(self) -> object:
        """The host that the running code is on, if any."""
        try:
            return self.current_host()
        except SimulationError:
            return None

    async def create_unix_connection(self, *arguments: Any, **options: Any) -> NoReturn:
        """Hosts have no Unix sockets."""
        raise no_such("Unix sockets")

    async def create_unix_server(self, *arguments: Any, **options: Any) -> NoReturn:
        """Hosts have no Unix sockets."""
        raise no_such("Unix sockets")

    async def connect_read_pipe(self, *arguments: Any, **options: Any) -> NoReturn:
        """Hosts have no pipes."""
        raise no_such("pipes")

    async def connect_write_pipe(self, *arguments: Any, **options: Any) -> NoReturn:
        """Hosts have no pipes."""
        raise no_such("pipes")

    async def subprocess_exec(self, *arguments: Any, **options: Any) -> NoReturn:
        """Hosts run coroutines."""
        raise no_such("subprocesses")

    async def subprocess_shell(self, *arguments: Any, **options: Any) -> NoReturn:
        """Hosts run coroutines."""
        raise no_such("subprocesses")

    def _watch(self, fd: int | HasFileno, direction: int, callback: Callable[..., object], args: Any) -> None:
        sock = self._find(fd)
        if sock is None:
            raise SimulationError(f"{fd!r} is real: in virtual time nobody can wait for the real world")
        self._unwatch(sock, direction)
        self._watches[sock, direction] = watch = Watch(sock, direction, callback, args)
        watch.look()

    def _unwatch(self, sock: StatefulSocket, direction: int) -> bool:
        watch = self._watches.pop((sock, direction), None)
        if watch is not None:
            watch.cancel()
        return watch is not None

    def _find(self, fd: int | HasFileno) -> StatefulSocket | None:
        if isinstance(fd, StatefulSocket):
            return fd
        return self.descriptors.get(fd if isinstance(fd, int) else fd.fileno())


def no_such(what: str) -> SimulationError:
    """The error for what belongs to the real world."""
    return SimulationError(f"a simulated host has no {what}: start programs by host.run(...), let them talk over TCP")
