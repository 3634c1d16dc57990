"""Signals: each host has handlers of its own, and those of the process stay what they are.

uvicorn sets handlers for SIGINT and SIGTERM while it serves. With two servers in a process the last one would swallow
Ctrl-C; here each is a host's, and Ctrl-C still ends the run.
"""

import errno
import os
import signal
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import Context, copy_context
from os import kill as real_kill
from signal import getsignal as real_getsignal
from signal import raise_signal as real_raise_signal
from signal import signal as real_signal
from types import FrameType
from typing import Any, TypeAlias

from halfopen.sim.aliases import Pair, replaced
from halfopen.sim.stage import Stage

Handler: TypeAlias = Callable[[int, FrameType | None], object] | int | None
"""What `signal.signal` takes: a function, SIG_DFL or SIG_IGN; None is a handler that was not set from Python."""

FATAL = frozenset({signal.SIGKILL, signal.SIGSTOP})
"""No program can handle them (signal(7))."""

STOPPING = frozenset({signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU})
"""They stop who does not handle them."""

IGNORED = frozenset({signal.SIGCHLD, signal.SIGCONT, signal.SIGURG, signal.SIGWINCH})
"""They do nothing to who does not handle them; all others end it."""


class SignalTable:
    """What the programs of each host do about signals."""

    __slots__ = ("_handlers",)

    def __init__(self) -> None:
        self._handlers: dict[tuple[Hashable, int], tuple[Handler, Context]] = {}

    def set(self, host: Hashable, signum: int, handler: Handler) -> Handler:
        """From now on ``handler`` is called; returns the one before. OSError for what no program can handle."""
        number = signal.Signals(signum)
        if number in FATAL:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        if not callable(handler) and handler not in (signal.SIG_DFL, signal.SIG_IGN):
            raise TypeError("signal handler must be signal.SIG_IGN, signal.SIG_DFL, or a callable object")
        previous = self.get(host, signum)
        self._handlers[host, signum] = handler, copy_context()
        return previous

    def get(self, host: Hashable, signum: int) -> Handler:
        """The handler of ``signum`` on ``host``: at first Python's own for SIGINT, else SIG_DFL."""
        at_first: Handler = signal.default_int_handler if signum == signal.SIGINT else signal.SIG_DFL
        return self._handlers.get((host, signum), (at_first,))[0]

    def forget(self, host: Hashable, signum: int | None = None) -> bool:
        """As at first again: one signal, or all when the programs of ``host`` are gone. False if none was set."""
        gone = [key for key in self._handlers if key[0] is host and signum in (None, key[1])]
        for key in gone:
            del self._handlers[key]
        return bool(gone)

    def deliver(self, host: Hashable, signum: int) -> bool:
        """Calls the handler, at once and with no frame; False if there is none, and the default action is due.

        It runs in the context of who has set it. The default action ends or stops the host's programs: it is the
        caller's, who can.
        """
        if (host, signum) not in self._handlers:
            return False
        handler, context = self._handlers[host, signum]
        if not callable(handler) or handler is signal.default_int_handler:
            return handler == signal.SIG_IGN
        context.copy().run(handler, signum, None)
        return True


class HostSignals:
    """The signals of the hosts of one simulation, and who is asked which host the running code is on."""

    __slots__ = ("current_host", "table")

    def __init__(self, table: SignalTable, current_host: Callable[[], Hashable | None]) -> None:
        self.table = table
        self.current_host = current_host


class Signals:
    """What stands for the functions of `signal`, and `os.kill`. Code that is on no host gets the process's."""

    def __init__(self) -> None:
        self.stage: Stage[HostSignals] = Stage("the signals")

    def signal(self, signum: int, handler: Handler) -> Any:
        """As `signal.signal`, for the host that the code is on; it need not be the main thread."""
        table, host = self._here()
        return real_signal(signum, handler) if table is None else table.set(host, signum, handler)

    def getsignal(self, signum: int) -> Any:
        """As `signal.getsignal`, for the host that the code is on."""
        table, host = self._here()
        return real_getsignal(signum) if table is None else table.get(host, signum)

    def raise_signal(self, signum: int) -> None:
        """As `signal.raise_signal`; on a host where no handler is set nothing happens: there is no process to end."""
        table, host = self._here()
        if table is None:
            real_raise_signal(signum)
        else:
            table.deliver(host, signum)

    def kill(self, pid: int, signum: int) -> None:
        """As `os.kill`; a program on a host may send signals to itself, and to nobody else."""
        table, host = self._here()
        if table is None:
            real_kill(pid, signum)
        elif pid != os.getpid():
            raise ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH))
        else:
            table.deliver(host, signum)

    def _here(self) -> tuple[SignalTable | None, Hashable]:
        signals = self.stage.current()
        host = None if signals is None else signals.current_host()
        return (None, None) if signals is None or host is None else (signals.table, host)


SIGNALS = Signals()
"""The process has one set of signal handlers."""

PAIRS: tuple[Pair, ...] = (
    (real_signal, SIGNALS.signal),
    (real_getsignal, SIGNALS.getsignal),
    (real_raise_signal, SIGNALS.raise_signal),
    (real_kill, SIGNALS.kill),
)
"""What is replaced by what."""


@contextmanager
def signals_of_hosts(table: SignalTable, current_host: Callable[[], Hashable | None]) -> Iterator[None]:
    """While the block runs, handlers that a program on a host sets are that host's."""
    with SIGNALS.stage.held_by(HostSignals(table, current_host)), replaced(PAIRS):
        yield
