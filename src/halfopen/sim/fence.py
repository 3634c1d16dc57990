"""A fence around the simulation: who reaches for the real world gets an error that names him.

An audit hook (PEP 578) sees what Python code asks of the system: sockets that connect, bind or send, look-ups of names,
processes, threads, sleep. What C code does by itself it cannot see: libpq's connections, those of gRPC, c-ares and
libuv, a thread that no Python code started. Sockets that such code leaves open are found at the end.

Through it go imports, which may run a program or two (trio looks for the C library by ldconfig), and threads that ran
before the simulation began.
"""

import asyncio
import ctypes.util
import inspect
import os
import platform
import socket as kernel
import stat
import sys
import sysconfig
import threading
import warnings
from _thread import start_new_thread as real_start_new_thread
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from socket import socket as real_socket
from time import sleep as real_sleep
from types import FrameType
from typing import Any

from halfopen.base.errors import ConfigError, SimulationError
from halfopen.sim.aliases import Pair, replaced, replaced_in
from halfopen.sim.stage import Stage

HINTS = {
    "socket": "on the simulated network use asyncio, or sockets that were made while the simulation runs",
    "names": "hosts of the simulated network are found by the loop's getaddrinfo()",
    "process": "another process has no part in virtual time: start its program as a task of a host",
    "thread": "a thread takes no virtual time, or any: use loop.run_in_executor() or await the work",
    "sleep": "nothing happens while the only thread sleeps: use `await asyncio.sleep()`",
}
"""What can be let through by its name, and what to do instead."""

EVENTS = {
    **dict.fromkeys(("socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg"), "socket"),
    **dict.fromkeys(("socket.getaddrinfo", "socket.getnameinfo"), "names"),
    **dict.fromkeys(("socket.gethostbyname", "socket.gethostbyaddr"), "names"),
    **dict.fromkeys(("subprocess.Popen", "os.system", "os.fork", "os.forkpty", "os.posix_spawn"), "process"),
    **dict.fromkeys(("os.spawn", "os.exec", "pty.spawn", "os.kill", "os.killpg"), "process"),
    **dict.fromkeys(("_thread.start_new_thread", "_thread.start_joinable_thread"), "thread"),
    "time.sleep": "sleep",
}
"""Audit events by kind, as Python's manual lists them."""

DEEDS = {
    "socket.connect": "connected a real socket",
    "socket.bind": "bound a real socket",
    "socket.sendto": "sent from a real socket",
    "socket.sendmsg": "sent from a real socket",
    "subprocess.Popen": "started a process",
    "_thread.start_new_thread": "started a thread",
    "_thread.start_joinable_thread": "started a thread",
    "time.sleep": "called time.sleep()",
}

STANDARD_LIBRARY = tuple({sysconfig.get_path("stdlib") + os.sep, sysconfig.get_path("platstdlib") + os.sep, "<frozen "})

INSTALLED = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")

OURS = str(Path(__file__).parents[1]) + os.sep

LET_THROUGH = ("<frozen importlib", ctypes.util.__file__, platform.__file__)
"""Files whose code runs programs to find something out about the machine."""

STEP = asyncio.BaseEventLoop.run_forever.__code__
"""Below the loop on the stack is who runs the simulation, not who is simulated."""

UNSEEN = ("psycopg", "psycopg2", "grpc", "pycares", "uvloop", "gevent")
"""Libraries whose C code opens sockets."""


class EscapeError(SimulationError):
    """A simulated program has reached for the real world."""


class EscapeWarning(UserWarning):
    """A simulated program has reached for the real world, was stopped, and went on as if it had failed otherwise."""


class Fence:
    """What is kept in, and who tried to get out. ``allow`` lets kinds of `HINTS` through."""

    __slots__ = ("_allowed", "_before", "escapes")

    def __init__(self, allow: Collection[str] = ()) -> None:
        self._allowed = kinds(allow)
        self._before = open_sockets()
        self.escapes: list[EscapeError] = []

    def check(self, event: str, arguments: tuple[Any, ...]) -> None:
        """EscapeError unless ``event`` may happen where it does."""
        kind = EVENTS[event]
        if kind in self._allowed or is_harmless(event, arguments):
            return
        frames = simulated_frames()
        if any(frame.f_code.co_filename.startswith(LET_THROUGH) for frame in frames):
            return
        deed = DEEDS.get(event, f"called {event}")
        error = EscapeError(
            f"{culprit(frames)} {deed}{details(event, arguments)}: {HINTS[kind]}, or let it through by allow={kind!r}"
        )
        self.escapes.append(error)
        raise error

    def explain(self, error: BaseException) -> None:
        """The program has failed, perhaps because it was stopped: says so."""
        for escape in self.escapes:
            if escape is not error:
                error.add_note(f"before that, {escape}")

    def check_out(self) -> None:
        """EscapeError if sockets have been left open; a warning for escapes that were stopped and got over."""
        for escape in self.escapes:
            warnings.warn(EscapeWarning(str(escape)), stacklevel=2)
        if "socket" in self._allowed:
            return
        opened = [number for number, identity in open_sockets().items() if self._before.get(number) != identity]
        if left := [text for number in opened if (text := ends(number))]:
            known = [name for name in UNSEEN if name in sys.modules]
            blame = f" ({', '.join(known)}?)" if known else ""
            raise EscapeError(f"real sockets were opened by code that Python cannot see{blame}: {'; '.join(left)}")


def kinds(allow: Collection[str]) -> frozenset[str]:
    """What can be let through; ConfigError for a word that means nothing."""
    if unknown := sorted(set(allow) - HINTS.keys()):
        raise ConfigError(f"the fence knows no {unknown[0]!r}; it can let through: {', '.join(HINTS)}")
    return frozenset(allow)


FENCES: Stage[Fence] = Stage("the fence")
"""The process has one; it stands open until somebody is inside."""


class Checked:
    """What stands for functions that not every version of Python tells audit hooks of: before 3.12 and 3.13."""

    def sleep(self, secs: float, /) -> None:
        """As `time.sleep`; EscapeError inside the fence."""
        check("time.sleep", (secs,))
        real_sleep(secs)

    def start_new_thread(self, *arguments: Any) -> int:
        """As `_thread.start_new_thread`; EscapeError inside the fence."""
        check("_thread.start_new_thread", arguments)
        return real_start_new_thread(*arguments)


CHECKED = Checked()

PAIRS: tuple[Pair, ...] = ((real_sleep, CHECKED.sleep), (real_start_new_thread, CHECKED.start_new_thread))
"""What is replaced by what."""


@contextmanager
def fenced(allow: Collection[str] = ()) -> Iterator[Fence]:
    """While the block runs, who reaches for the real world gets an `EscapeError`."""
    with replaced(PAIRS), guarding(allow) as fence:
        yield fence


@contextmanager
def guarding(allow: Collection[str] = ()) -> Iterator[Fence]:
    """What the audit hook sees, and what stands second in `PAIRS`, is checked."""
    add_hook()
    fence = Fence(allow)
    with FENCES.held_by(fence), replaced_in(vars(threading), PAIRS):
        try:
            yield fence
        except BaseException as error:
            fence.explain(error)
            raise
    fence.check_out()


def check(event: str, arguments: tuple[Any, ...]) -> None:
    """EscapeError if ``event`` happens inside the fence and is not let through."""
    if event in EVENTS and (fence := FENCES.current()) is not None:
        fence.check(event, arguments)


@cache
def add_hook() -> None:
    """Once per process: an audit hook cannot be removed."""
    watched, fences = frozenset(EVENTS), FENCES  # A module's globals go when the interpreter ends; hooks do not.

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event in watched and (fence := fences.current()) is not None:
            fence.check(event, arguments)

    sys.addaudithook(hook)


def is_harmless(event: str, arguments: tuple[Any, ...]) -> bool:
    """A sleep of no length; a message without an address: what connected the socket was stopped before."""
    return (event == "time.sleep" and not arguments[0]) or (event == "socket.sendmsg" and arguments[1] is None)


def simulated_frames() -> list[FrameType]:
    """Who is running, innermost first, down to the loop."""
    frames: list[FrameType] = []
    frame = inspect.currentframe()
    while frame is not None and frame.f_code is not STEP:
        frames.append(frame)
        frame = frame.f_back
    return frames


def culprit(frames: Sequence[FrameType]) -> str:
    """``"redis.asyncio.connection line 123"``: the first that is neither the standard library's nor ours."""
    for frame in frames:
        file = frame.f_code.co_filename
        is_standard = file.startswith(STANDARD_LIBRARY) and not any(part in file for part in INSTALLED)
        if not is_standard and not file.startswith(OURS):
            return f"{frame.f_globals.get('__name__', file)} line {frame.f_lineno}"
    return "the standard library"


def details(event: str, arguments: tuple[Any, ...]) -> str:
    """With what it was called: an address, a name, a command, a thread."""
    telling = 1 if event in ("socket.connect", "socket.bind", "socket.sendto", "subprocess.Popen") else 0
    if len(arguments) <= telling:
        return ""
    argument = arguments[telling]
    return f" ({getattr(argument, '__self__', argument)!r})"


def open_sockets() -> dict[int, tuple[int, int]]:
    """The sockets among this process's descriptors, and what tells one from the next of the same number."""
    directory = next((path for path in ("/proc/self/fd", "/dev/fd") if os.path.isdir(path)), None)
    found = {}
    for name in os.listdir(directory) if directory is not None else ():
        with suppress(OSError):  # The descriptor by which the directory is read is in it too.
            status = os.fstat(int(name))
            if stat.S_ISSOCK(status.st_mode):
                found[int(name)] = (status.st_dev, status.st_ino)
    return found


def ends(number: int) -> str:
    """``"descriptor 7 to ('127.0.0.1', 5432)"``; empty if it is neither bound nor connected, or one of a pair."""
    with real_socket(fileno=os.dup(number)) as sock:
        if sock.family not in (kernel.AF_INET, kernel.AF_INET6, kernel.AF_UNIX):
            return ""
        with suppress(OSError):
            if remote := sock.getpeername():
                return f"descriptor {number} to {remote!r}"
        local = sock.getsockname()
        is_bound = bool(local) if sock.family == kernel.AF_UNIX else bool(local[1])
        return f"descriptor {number} of {local!r}" if is_bound else ""
