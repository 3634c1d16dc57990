"""An event loop in virtual time, for the programs of many hosts: it never waits, it jumps."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar
from itertools import count
from typing import Any, TypeVar

from halfopen.aio.host import Host
from halfopen.base.clock import NEVER, SECOND
from halfopen.base.errors import SimulationError
from halfopen.sim.loop_sockets import SimulatedSockets
from halfopen.sim.processes import Processes
from halfopen.sim.scheduler import START, Event, Scheduler
from halfopen.sim.socket_table import socket_tables
from halfopen.sim.waiting import who_spins, who_waits

T = TypeVar("T")

CURRENT_HOST: ContextVar[Host] = ContextVar("halfopen.current_host")
"""The host that the running code is on. Tasks and callbacks inherit it from who started them."""

LIVELOCK = 100_000
"""So many iterations of the loop within one instant are taken for a program that never yields to time.

One that does not even yield to the loop (``while True: pass``) nobody can report; Ctrl-C, pressed twice, ends it.
"""


class Timer(asyncio.TimerHandle):
    """A timer of asyncio's whose firing is an event of the scheduler's."""

    __slots__ = ("event",)

    event: Event

    def cancel(self) -> None:
        """Also the event."""
        self.event.cancel()
        super().cancel()


class SimLoop(SimulatedSockets):
    """asyncio over hosts of ours in virtual time.

    Time stands still while anything is ready to run. Then it jumps exactly to the next timer or packet; if there is
    none, nobody will ever wake anybody, and `SimulationError` says who waits where. What is given to an executor runs
    at once, in the loop's own thread: a real thread would take no virtual time, or any.
    """

    _ready: deque[asyncio.Handle]
    _debug: bool
    _stopping: bool

    def __init__(self) -> None:
        super().__init__()
        self.scheduler = Scheduler()
        self.call_again: Callable[[asyncio.Handle], object] = self._ready.append
        """As ``call_soon``, with a handle that its owner has made once."""
        self.processes = Processes(self, self._ready)
        self._selector = self  # The base class asks its selector how long to wait.
        self._iterations = 0
        self._task_numbers = count(1)
        self._clock_resolution = 1 / SECOND
        self.on_close: Callable[[], object] | None = None
        """Called before the loop is closed, whoever closes it."""

    def close(self) -> None:
        """After what `on_close` does."""
        if self.on_close is not None and not self.is_closed():
            self.on_close()
        super().close()

    def current_host(self) -> Host:
        """The host that the running code is on; SimulationError if it is on none."""
        host = CURRENT_HOST.get(None)
        if host is None:
            raise SimulationError("this code runs on no host: start it by host.run(...)")
        return host

    def time(self) -> float:
        """Seconds of virtual time."""
        return self.scheduler.now / SECOND

    @property
    def elapsed(self) -> float:
        """Seconds of virtual time since the beginning."""
        return (self.scheduler.now - START) / SECOND

    def call_at(  # type: ignore[override]  # typeshed ties the callback to its arguments
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """At ``when``, to the nanosecond; timers of one instant fire in the order in which they were set.

        At infinity is never, as asyncio has it too.
        """
        if self.is_closed():
            raise RuntimeError("Event loop is closed")
        timer = Timer(when, callback, args, self, context)
        timer.event = self.scheduler.at(round(min(when * SECOND, NEVER)), lambda: self._ready.append(timer))
        return timer

    def create_task(  # type: ignore[override]  # only coroutines: generators are none since Python 3.12
        self, coro: Coroutine[Any, Any, T], *, context: Context | None = None, **options: Any
    ) -> asyncio.Task[T]:
        """The task is on the host of who creates it, even if it is given a context of its own.

        Those without a name are counted from 1; asyncio would go on counting from one loop to the next.
        """
        host = CURRENT_HOST.get(None)
        if context is not None:
            if host is not None and CURRENT_HOST not in context:
                context.run(CURRENT_HOST.set, host)
            host = context.get(CURRENT_HOST)
        context, programs = self.processes.belonging(host, context)
        options["name"] = options.get("name") or f"Task-{next(self._task_numbers)}"
        task = super().create_task(coro, context=context, **options)
        self.processes.enlist(task, programs)
        return task

    def run_in_executor(  # type: ignore[override]  # a plain future, as BaseEventLoop's is at run time
        self, executor: object, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        """The result of ``func``, which is called at once."""
        future: asyncio.Future[T] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:
            future.set_exception(error)
        return future

    def _run_once(self) -> None:
        """One iteration: asyncio's own without its timers and descriptors, which are the scheduler's and nobody's."""
        if self._debug:
            super()._run_once()  # type: ignore[misc]  # the stdlib's, unknown to typeshed; it warns of slow callbacks
            return
        ready = self._ready
        self.select(0 if ready or self._stopping else None)
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle._cancelled:  # noqa: SLF001  # what `cancelled()` says
                handle._run()  # noqa: SLF001  # private to the stdlib, and nowhere else

    def select(self, timeout: float | None) -> list[object]:
        """What the base class calls in each iteration: 0 if something is ready, None if time may pass."""
        if timeout is None:
            self._iterations = 0
            if not self.scheduler.jump():
                raise SimulationError(f"deadlock at {self.elapsed:.9f} s: nothing is planned, and\n{self.report()}")
        else:
            self._iterations += 1
            if self._iterations > LIVELOCK:
                self._iterations = 0
                spinning = who_spins(self._ready, self._host_name)
                raise SimulationError(
                    f"livelock at {self.elapsed:.9f} s: time cannot pass because of\n{spinning}\nand\n{self.report()}"
                )
            self.scheduler.run_due()
        if self.processes.watches:
            self.processes.withhold()
        return []

    def report(self) -> str:
        """Who waits where, and the ports of every host."""
        return f"{who_waits(self, self._host_name)}\n{socket_tables(self.processes.running)}"

    def _host_name(self, task: asyncio.Task[Any]) -> str | None:
        programs = self.processes.programs_of(task)
        if programs is None:
            return None
        return programs.host.program + (" (stopped)" if programs.is_stopped else "")

    def _process_events(self, event_list: list[object]) -> None:
        """There are no descriptors."""

    def _write_to_self(self) -> None:
        """Nothing to wake: the loop never sleeps."""
