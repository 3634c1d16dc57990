"""What is process-wide belongs to one simulation at a time, and not to threads that run beside it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

from halfopen.base.errors import SimulationError

T = TypeVar("T")


class Stage(Generic[T]):
    """The place where a simulation puts what its programs get instead of the real thing."""

    __slots__ = ("_strangers", "_what", "_who")

    def __init__(self, what: str) -> None:
        self._what = what
        self._who: T | None = None
        self._strangers: frozenset[threading.Thread] = frozenset()

    def current(self) -> T | None:
        """What the running code gets; None if it is no simulation's: outside, or in a thread that ran before."""
        return None if self._who is None or threading.current_thread() in self._strangers else self._who

    @contextmanager
    def held_by(self, who: T) -> Iterator[None]:
        """Puts it there while the block runs. SimulationError if something is there."""
        if self._who is not None:
            raise SimulationError(f"a simulation has {self._what} of this process already; there can be one at a time")
        self._strangers = frozenset(threading.enumerate()) - {threading.current_thread()}
        self._who = who
        try:
            yield
        finally:
            self._who, self._strangers = None, frozenset()
