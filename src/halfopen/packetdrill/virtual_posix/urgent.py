"""Urgent data apart from the stream, as Linux has it: one octet, which MSG_OOB reads and everything else leaves out."""

import errno

from halfopen.packetdrill.virtual_posix.kernel import failure
from halfopen.tcp.receiving import ReceiveSpace


class Urgent:
    """The octet before RCV.UP (Linux ``tcp_stdurg=0``), if there is one at all."""

    def __init__(self) -> None:
        self.is_inline = False
        """SO_OOBINLINE: it is read like others, but no call passes it."""
        self._taken = -1
        """RCV.UP when the octet was read."""
        self._up = -1
        self._skipped = -1
        """Where an earlier one stood, right before what the stream has, when another was announced."""

    def attend(self, rcv: ReceiveSpace) -> None:
        """Another may have been announced: then the one before is no longer of the stream if it was next there."""
        if rcv.up != self._up:
            if self._up - 1 == rcv.queue.start:
                self._skipped = rcv.queue.start
            self._up = rcv.up

    def mark(self, rcv: ReceiveSpace) -> int | None:
        """Where it stands, if nobody has read past it."""
        at = rcv.up - 1
        return at if at >= rcv.queue.start else None

    def is_here(self, rcv: ReceiveSpace) -> bool:
        """It has come, and has not been read (POLLPRI)."""
        at = self.mark(rcv)
        return at is not None and at < rcv.queue.stop and self._taken != rcv.up

    def is_next(self, rcv: ReceiveSpace) -> bool:
        """The stream stands right before it (SIOCATMARK)."""
        return self.mark(rcv) == rcv.queue.start

    def skipped(self, rcv: ReceiveSpace) -> int:
        """Octets, 1 or 0, that the stream leaves out before the next one."""
        start = rcv.queue.start
        is_left_out = start in (self.mark(rcv), self._skipped) and start < rcv.queue.stop
        return int(is_left_out and not self.is_inline)

    def readable(self, rcv: ReceiveSpace) -> int:
        """Octets of the stream without it."""
        return rcv.queue.stop - rcv.queue.start - self.skipped(rcv)

    def waiting(self, rcv: ReceiveSpace) -> int:
        """SIOCINQ."""
        return rcv.queue.stop - rcv.queue.start if self.is_inline else self.before(rcv)

    def before(self, rcv: ReceiveSpace) -> int:
        """Octets that are read without passing it."""
        at = self.mark(rcv)
        stop = rcv.queue.stop
        return (at if at is not None and at < stop else stop) - rcv.queue.start

    def take(self, rcv: ReceiveSpace, octets: int, *, peek: bool, is_over: bool) -> bytes:
        """MSG_OOB: EINVAL if there is none, or no longer; EAGAIN if it has been announced only."""
        at = self.mark(rcv)
        if at is None or self.is_inline or self._taken == rcv.up:
            raise failure(errno.EINVAL)
        if at >= rcv.queue.stop:
            if is_over:
                return b""
            raise failure(errno.EAGAIN)
        if not octets:
            return b""
        if not peek:
            self._taken = rcv.up
        return bytes(b"".join(rcv.queue.peek(at, 1)))
