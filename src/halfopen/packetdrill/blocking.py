"""Calls on the kernel that may block, each in a thread of its own: whoever makes them looks in until they are over."""

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from halfopen.packetdrill.posix import WouldBlock

Result = TypeVar("Result")

_MOMENT = 0.001
"""Seconds that a call takes which does not wait, at most."""


class Waiter:
    """One call under way."""

    def __init__(self, call: Callable[[], object]) -> None:
        self._call = call
        self._result: object = None
        self._error: OSError | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._thread.join(_MOMENT)

    def _run(self) -> None:
        try:
            self._result = self._call()
        except OSError as error:
            self._error = error

    @property
    def is_over(self) -> bool:
        """It has returned."""
        return not self._thread.is_alive()

    def take(self, kind: type[Result]) -> Result:
        """What it has returned, or the error that it has failed with."""
        if self._error is not None:
            raise self._error
        assert isinstance(self._result, kind)
        return self._result

    def end(self, wake: Callable[[], object]) -> None:
        """Nobody waits for it any more: ``wake`` makes it return, if anything can."""
        with suppress(OSError):
            wake()
        self._thread.join(_MOMENT)


class Waiters:
    """The calls under way, by their descriptors and what they return."""

    def __init__(self) -> None:
        self._waiters: dict[tuple[int, type], Waiter] = {}

    def served(self, fd: int, kind: type[Result], call: Callable[[], Result]) -> Result:
        """The result of ``call``, which is of ``kind``; WouldBlock until it is there: then it is to be asked again."""
        waiter = self._waiters.get((fd, kind))
        if waiter is None:
            waiter = self._waiters[fd, kind] = Waiter(call)
        if not waiter.is_over:
            raise WouldBlock
        del self._waiters[fd, kind]
        return waiter.take(kind)

    def end(self, fd: int, wake: Callable[[], object]) -> None:
        """The descriptor is about to go: what waits on it is woken up."""
        for key in [key for key in self._waiters if key[0] == fd]:
            self._waiters.pop(key).end(wake)
