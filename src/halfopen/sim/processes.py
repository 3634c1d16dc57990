"""Who runs what: the programs of each host, which can be killed, stopped and continued as processes can (signal(7))."""

import asyncio
from collections import deque
from contextlib import suppress
from contextvars import Context, ContextVar, copy_context
from itertools import count
from types import CoroutineType

from halfopen.aio.host import Host

FIRST_PID = 100

PATIENCE = 1000
"""So often is a task cancelled that catches its cancellation and waits again; then its coroutine is closed."""


class Programs:
    """All that was started on ``host`` since it came up, or since its last programs were killed.

    They share one process number, by which the port table says whose a socket is.
    """

    __slots__ = ("host", "is_alive", "is_stopped", "pid")

    def __init__(self, host: Host, pid: int) -> None:
        self.host = host
        self.pid = pid
        self.is_alive = True
        self.is_stopped = False

    @property
    def is_running(self) -> bool:
        """Neither killed nor stopped."""
        return self.is_alive and not self.is_stopped


PROGRAMS: ContextVar[Programs] = ContextVar("halfopen.programs")
"""Whose the running code is. Unset where code only visits a host, as a test does with its ``with host:``."""


class Processes:
    """The tasks and callbacks of one event loop, by the host whose programs they are."""

    __slots__ = ("_loop", "_pids", "_ready", "_tasks", "_withheld", "running", "watches")

    def __init__(self, loop: asyncio.AbstractEventLoop, ready: deque[asyncio.Handle]) -> None:
        self._loop = loop
        self._ready = ready
        self.running: dict[Host, Programs] = {}
        self._tasks: dict[asyncio.Task[object], Programs | None] = {}
        self._withheld: deque[asyncio.Handle] = deque()
        self.watches = False
        """Something was ever stopped or killed: `withhold` has to look."""
        self._pids = count(FIRST_PID)

    def start(self, host: Host) -> Programs:
        """From now on what is started on ``host`` belongs together, and not to what was there before."""
        programs = self.running[host] = Programs(host, next(self._pids))
        return programs

    def belonging(self, host: Host | None, context: Context | None) -> tuple[Context | None, Programs | None]:
        """Whose a new task on ``host`` is, and the context for it: its creator's, whose child it is, or the host's."""
        inherited = PROGRAMS.get(None)
        if context is not None:
            inherited = context.get(PROGRAMS, inherited)
        if inherited is not None and inherited.host is host:
            if context is None:
                return None, inherited
            programs = inherited
        elif host is None or host not in self.running:
            return context, None
        else:
            programs = self.running[host]
        context = context or copy_context()
        context.run(PROGRAMS.set, programs)
        return context, programs

    def enlist(self, task: "asyncio.Task[object]", programs: Programs | None) -> None:
        """``task`` is one of ``programs``, or of none; a child of the dead dies at once.

        It is kept until it is done. asyncio would let go of one that nobody else keeps: whenever the collector runs.
        """
        self._tasks[task] = programs
        task.add_done_callback(self._tasks.pop, context=Context())
        if programs is not None and not programs.is_alive:
            task.cancel()

    def programs_of(self, task: "asyncio.Task[object]") -> Programs | None:
        """Whose ``task`` is; None if it is on no host."""
        return self._tasks.get(task)

    def tasks_of(self, programs: Programs) -> "list[asyncio.Task[object]]":
        """Those that are not done, oldest first."""
        return [task for task, owner in self._tasks.items() if owner is programs and not task.done()]

    def stop(self, programs: Programs) -> None:
        """SIGSTOP: nothing of them runs until `resume`."""
        programs.is_stopped = programs.is_alive
        self.watches = True

    def resume(self, programs: Programs) -> None:
        """SIGCONT: what has become due meanwhile is ready, in its old order."""
        programs.is_stopped = False
        withheld, self._withheld = self._withheld, deque()
        self._ready.extend(withheld)  # What belongs to others that are stopped is taken out again before anything runs.

    def kill(self, programs: Programs) -> None:
        """SIGKILL, as near as coroutines allow: timers never fire again, tasks are cancelled until they end.

        What they do on their way is done by nobody: see `SimHost.owner`. Whoever awaits one gets its CancelledError.
        """
        programs.is_alive = False
        self.watches = True
        for task in self.tasks_of(programs):
            task.add_done_callback(_retrieve, context=Context())
        self._cancel(programs, PATIENCE)

    def withhold(self) -> None:
        """Takes out of what is ready what may not run: everything of the stopped, the timers of the dead."""
        kept: list[asyncio.Handle] = []
        for handle in self._ready:
            programs: Programs | None = handle._context.get(PROGRAMS)  # type: ignore[attr-defined]  # noqa: SLF001  # private to the stdlib, and nowhere else
            if programs is None or programs.is_running:
                kept.append(handle)
            elif programs.is_alive:
                self._withheld.append(handle)
            elif not isinstance(handle, asyncio.TimerHandle):
                kept.append(handle)  # By steps and callbacks of futures a cancelled task comes to its end.
        if len(kept) < len(self._ready):
            self._ready.clear()
            self._ready.extend(kept)

    def _cancel(self, programs: Programs, patience: int) -> None:
        tasks = self.tasks_of(programs)
        for task in tasks:
            if not patience:
                _close(task)
            task.cancel()
        if tasks and patience:
            self._loop.call_soon(self._cancel, programs, patience - 1, context=Context())


def _close(task: "asyncio.Task[object]") -> None:
    """What it was running ends where it stands, at the latest when it awaits something once more."""
    coroutine = task.get_coro()
    if isinstance(coroutine, CoroutineType):
        with suppress(RuntimeError):  # It has ignored that, too.
            coroutine.close()


def _retrieve(task: "asyncio.Task[object]") -> None:
    """Nobody has to be told that a killed program died of something else on its way."""
    if not task.cancelled():
        task.exception()
