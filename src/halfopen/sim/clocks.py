"""The clocks of a process, virtual while a simulation runs in it.

``time.time()``, ``time.monotonic()`` and their kin, ``datetime.now()`` and ``date.today()`` all tell the scheduler's
time, and local time is UTC. It is 2026-01-01 00:00:00 when virtual time begins, and no time passes while a program
computes.

``datetime.datetime`` is C and says that it cannot be changed. It is, in the dictionary behind its back: another class
in its place would be found out by ``type(value) is datetime``, by `pickle`, and by other C code, some of which keeps
the class that it sees first.

Threads that ran before the simulation began see the real clocks. CPU time (``process_time``) and the time stamps of
files stay real, and so does what C reads by itself: OpenSSL judges a certificate's dates by the real clock.
"""

import ctypes
import datetime as dates
import gc
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime as real_datetime
from time import asctime as real_asctime
from time import clock_gettime_ns as real_clock_gettime_ns
from time import ctime as real_ctime
from time import gmtime as real_gmtime
from time import localtime as real_localtime
from time import monotonic_ns as real_monotonic_ns
from time import perf_counter_ns as real_perf_counter_ns
from time import strftime as real_strftime
from time import struct_time
from time import time_ns as real_time_ns
from typing import Any

from halfopen.base.clock import SECOND
from halfopen.sim.aliases import Pair, replaced
from halfopen.sim.scheduler import Scheduler
from halfopen.sim.sniffer import EPOCH
from halfopen.sim.stage import Stage

# These names stay real: no module of halfopen is among those whose names are replaced.

UNIX_EPOCH = real_datetime(1970, 1, 1, tzinfo=dates.UTC)

WALL_CLOCKS = frozenset({time.CLOCK_REALTIME})

STEADY_CLOCKS = frozenset(
    getattr(time, name) for name in ("CLOCK_MONOTONIC", "CLOCK_MONOTONIC_RAW", "CLOCK_BOOTTIME") if hasattr(time, name)
)


class Clocks:
    """The functions of `time`, as methods: like built-in functions they can be kept in classes without being bound."""

    def __init__(self) -> None:
        self.stage: Stage[Scheduler] = Stage("the clocks")

    def time_ns(self) -> int:
        """Nanoseconds since 1970."""
        scheduler = self.stage.current()
        return real_time_ns() if scheduler is None else EPOCH + scheduler.now

    def time(self) -> float:
        """Seconds since 1970."""
        return self.time_ns() / SECOND

    def monotonic_ns(self) -> int:
        """Nanoseconds of virtual time, as the event loop counts it."""
        scheduler = self.stage.current()
        return real_monotonic_ns() if scheduler is None else scheduler.now

    def monotonic(self) -> float:
        """Seconds of virtual time."""
        return self.monotonic_ns() / SECOND

    def perf_counter_ns(self) -> int:
        """The same as `monotonic_ns`."""
        scheduler = self.stage.current()
        return real_perf_counter_ns() if scheduler is None else scheduler.now

    def perf_counter(self) -> float:
        """The same as `monotonic`."""
        return self.perf_counter_ns() / SECOND

    def clock_gettime_ns(self, clk_id: int) -> int:
        """Nanoseconds of a clock by its number; those of CPU time are real."""
        if clk_id in WALL_CLOCKS:
            return self.time_ns()
        return self.monotonic_ns() if clk_id in STEADY_CLOCKS else real_clock_gettime_ns(clk_id)

    def clock_gettime(self, clk_id: int) -> float:
        """Seconds of a clock by its number."""
        return self.clock_gettime_ns(clk_id) / SECOND

    def gmtime(self, seconds: float | None = None) -> struct_time:
        """As `time.gmtime`; without an argument the virtual now."""
        return real_gmtime(self._or_now(seconds))

    def localtime(self, seconds: float | None = None) -> struct_time:
        """As `time.localtime`; without an argument the virtual now."""
        return real_localtime(self._or_now(seconds))

    def ctime(self, seconds: float | None = None) -> str:
        """As `time.ctime`; without an argument the virtual now."""
        return real_ctime(self._or_now(seconds))

    def asctime(self, moment: Any = None) -> str:
        """As `time.asctime`; without an argument the virtual now."""
        return real_asctime(self.localtime() if moment is None else moment)

    def strftime(self, form: str, moment: Any = None) -> str:
        """As `time.strftime`; without an argument the virtual now."""
        return real_strftime(form, self.localtime() if moment is None else moment)

    def _or_now(self, seconds: float | None) -> float:
        return self.time_ns() // SECOND if seconds is None else seconds


CLOCKS = Clocks()
"""The process has one set of clocks."""


DATETIME: dict[str, Any] = gc.get_referents(vars(real_datetime))[0]
"""What `datetime.datetime` consists of. Its proxy is read-only; what it stands for is not."""

REAL_NOW = DATETIME["now"]
REAL_UTCNOW = DATETIME["utcnow"]


def virtual_now(cls: Any, tz: dates.tzinfo | None = None) -> Any:
    """`datetime.datetime.now`, in ``tz`` or naive in local time, which is UTC."""
    if CLOCKS.stage.current() is None:
        return REAL_NOW.__get__(None, cls)(tz)
    moment = (UNIX_EPOCH + dates.timedelta(microseconds=CLOCKS.time_ns() // 1000)).astimezone(tz)
    return cls.combine(moment.date(), moment.time(), tz)


def virtual_utcnow(cls: Any) -> Any:
    """`datetime.datetime.utcnow`, naive."""
    if CLOCKS.stage.current() is None:
        return REAL_UTCNOW.__get__(None, cls)()
    return virtual_now(cls, dates.UTC).replace(tzinfo=None)


NAMES = (
    *("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns"),
    *("clock_gettime", "clock_gettime_ns", "gmtime", "localtime", "ctime", "asctime", "strftime"),
)

PAIRS: tuple[Pair, ...] = tuple((getattr(time, name), getattr(CLOCKS, name)) for name in NAMES)
"""What is replaced by what. ``date.today()`` and ``datetime.today()`` ask ``time.time()`` by themselves."""


@contextmanager
def virtual_clocks(scheduler: Scheduler) -> Iterator[None]:
    """While the block runs, the clocks of the process tell the time of ``scheduler``."""
    with ticking(scheduler), replaced(PAIRS):
        yield


@contextmanager
def ticking(scheduler: Scheduler) -> Iterator[None]:
    """What stands second in `PAIRS` tells the time of ``scheduler``; before and after, the real one."""
    with CLOCKS.stage.held_by(scheduler), utc_as_local_time(), virtual_datetimes():
        yield


@contextmanager
def utc_as_local_time() -> Iterator[None]:
    """Local time is the same on every machine; also what C makes of time stamps. Unlike POSIX Windows cannot."""
    before = os.environ.get("TZ")
    set_time_zone("UTC")
    try:
        yield
    finally:
        set_time_zone(before)


def set_time_zone(name: str | None) -> None:
    """TZ of the environment, and what the C library makes of it."""
    if not hasattr(time, "tzset"):
        return
    if name is None:
        os.environ.pop("TZ", None)
    else:
        os.environ["TZ"] = name
    time.tzset()


@contextmanager
def virtual_datetimes() -> Iterator[None]:
    """While the block runs, `datetime.datetime` reads the virtual clock."""
    change_datetime(classmethod(virtual_now), classmethod(virtual_utcnow))
    try:
        yield
    finally:
        change_datetime(REAL_NOW, REAL_UTCNOW)


def change_datetime(now: object, utcnow: object) -> None:
    """Gives the class these methods, and makes the interpreter forget those that it remembers."""
    DATETIME.update(now=now, utcnow=utcnow)
    ctypes.pythonapi.PyType_Modified(ctypes.py_object(real_datetime))
