"""Pipes, and the few files that scripts send from."""

import errno

from halfopen.packetdrill.posix import Message
from halfopen.packetdrill.virtual_posix.descriptor import POLLERR, POLLHUP, READABLE, WRITABLE, Descriptor
from halfopen.packetdrill.virtual_posix.kernel import Kernel, failure

PIPE_OCTETS = 65536
"""What a pipe holds (pipe(7))."""


class Pipe:
    """Octets between two ends."""

    def __init__(self) -> None:
        self.octets = bytearray()
        self.has_reader = True
        self.has_writer = True


class PipeReader(Descriptor):
    """The end to read from."""

    def __init__(self, kernel: Kernel, pipe: Pipe) -> None:
        super().__init__(kernel, status=0)
        self._pipe = pipe

    def write(self, message: Message) -> int:
        """Not at this end."""
        raise failure(errno.EBADF)

    def read(self, octets: int) -> bytes:
        """Up to ``octets``; none if nobody can write any more."""
        taken = self.peek(octets)
        self.skip(len(taken))
        return taken

    def _look(self, octets: int) -> bytes:
        if not self._pipe.octets and self._pipe.has_writer:
            raise failure(errno.EAGAIN)
        return bytes(self._pipe.octets[:octets])

    def peek(self, octets: int) -> bytes:
        """As `read`, but they stay."""
        return self.served(lambda: self._look(octets))

    def skip(self, octets: int) -> None:
        """These many need not be read any more."""
        del self._pipe.octets[:octets]

    def poll_mask(self) -> int:
        """Readable with octets, hung up without a writer."""
        return READABLE * bool(self._pipe.octets) | POLLHUP * (not self._pipe.has_writer)

    def close(self) -> None:
        """Writing fails from now on."""
        self._pipe.has_reader = False


class PipeWriter(Descriptor):
    """The end to write to."""

    def __init__(self, kernel: Kernel, pipe: Pipe) -> None:
        super().__init__(kernel, status=1)
        self._pipe = pipe

    @property
    def room(self) -> int:
        """Octets that fit."""
        return PIPE_OCTETS - len(self._pipe.octets)

    def read(self, octets: int) -> bytes:
        """Not at this end."""
        raise failure(errno.EBADF)

    def write(self, message: Message) -> int:
        """EPIPE if nobody can read any more."""
        if not self._pipe.has_reader:
            raise failure(errno.EPIPE)
        return self.served(lambda: self._write(message))

    def _write(self, message: Message) -> int:
        piece = message.data[message.taken : message.taken + self.room]
        self._pipe.octets += piece
        message.taken += len(piece)
        if message.taken < len(message.data) and (self.is_blocking or not message.taken):
            raise failure(errno.EAGAIN)
        return message.taken

    def poll_mask(self) -> int:
        """Writable with room, an error without a reader."""
        return WRITABLE * (self.room > 0) | POLLERR * (not self._pipe.has_reader)

    def close(self) -> None:
        """The reader comes to an end."""
        self._pipe.has_writer = False


class File(Descriptor):
    """Octets of a file that exists for one script."""

    def __init__(self, kernel: Kernel, octets: bytearray, status: int) -> None:
        super().__init__(kernel, status)
        self._octets = octets
        self.at = 0
        """Where it stands."""

    def read(self, octets: int) -> bytes:
        """From where it stands."""
        taken = self.read_at(self.at, octets)
        self.at += len(taken)
        return taken

    def read_at(self, offset: int, octets: int) -> bytes:
        """From ``offset``, where it stays."""
        return bytes(self._octets[offset : offset + octets])

    def write(self, message: Message) -> int:
        """Over what is there."""
        self._octets[self.at : self.at + len(message.data)] = message.data
        self.at += len(message.data)
        return len(message.data)

    def poll_mask(self) -> int:
        """Never waits."""
        return READABLE | WRITABLE

    def close(self) -> None:
        """Nothing is held."""
