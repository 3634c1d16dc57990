"""Calls that wait: how long (SO_RCVTIMEO, SO_SNDTIMEO), for how much (SO_RCVLOWAT, MSG_WAITALL), what wakes them."""

import errno
import struct
from collections.abc import Callable

from halfopen.base.clock import MICROSECOND, NEVER, SECOND, Duration, Instant
from halfopen.packetdrill.posix import WouldBlock
from halfopen.packetdrill.virtual_posix.descriptor import Descriptor, Result
from halfopen.packetdrill.virtual_posix.kernel import failure
from halfopen.packetdrill.virtual_posix.stream import Stream

TIMEOUTS = frozenset({"SO_RCVTIMEO", "SO_SNDTIMEO"})
_TIMEVAL = struct.Struct("=2q")


def parse_timeout(value: bytes) -> Duration:
    """``struct timeval``; none at all is for ever."""
    if len(value) < _TIMEVAL.size:
        raise failure(errno.EINVAL)
    seconds, microseconds = _TIMEVAL.unpack_from(value)
    if not 0 <= microseconds < SECOND // MICROSECOND:
        raise failure(errno.EDOM)
    return max(0, int(seconds)) * SECOND + int(microseconds) * MICROSECOND


def emit_timeout(timeout: Duration) -> bytes:
    """The same as ``struct timeval``."""
    seconds, rest = divmod(timeout, SECOND)
    return _TIMEVAL.pack(seconds, rest // MICROSECOND)


class Patience:
    """A call in one direction, which waits or not."""

    def __init__(self, descriptor: Descriptor) -> None:
        self._descriptor = descriptor
        self._until: Instant | None = None
        self.in_vain = errno.EALREADY
        """What ``connect()`` says when it has waited for long enough; the call that has begun it says so but once."""

    @property
    def is_waiting(self) -> bool:
        """The call has been made before, and found that it had to wait."""
        return self._until is not None

    def served(self, call: Callable[[], Result], *, waits: bool, timeout: Duration) -> Result:
        """The result of ``call``; a blocking descriptor waits, no longer than ``timeout``, where another one fails."""
        try:
            result = call()
        except BlockingIOError:
            now = self._descriptor.kernel.now
            if self._until is None and waits and self._descriptor.is_blocking:
                self._until = now + timeout if timeout else NEVER
            if self._until is None or now >= self._until:
                self._until = None
                raise
            raise WouldBlock(self._until) from None
        except OSError:
            self._until = None
            raise
        self._until = None
        return result


class Reading(Patience):
    """``recv()``."""

    def __init__(self, descriptor: Descriptor) -> None:
        super().__init__(descriptor)
        self._partial = b""

    def receive(self, stream: Stream, octets: int, least: int, *, peek: bool) -> bytes:
        """Up to ``octets``, but not before there are ``least``; to be called by `served`."""
        if self.is_waiting and not stream.is_worth_reading(1 if least == octets else least):
            raise failure(errno.EAGAIN)
        if self._partial and stream.has_no_more:
            return self.rest()
        left = octets if peek else octets - len(self._partial)
        piece = stream.receive(left, peek=peek)
        self._partial = piece if peek else self._partial + piece
        if len(self._partial) >= least or not piece:
            return self.rest()
        raise failure(errno.EAGAIN)

    def rest(self) -> bytes:
        """What there is so far: the call is over."""
        taken, self._partial = self._partial, b""
        return taken
