"""What descriptors of every kind can do; most refuse most of it, as the kernel's do."""

import errno
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TypeVar

from halfopen.base.clock import NEVER, Instant
from halfopen.packetdrill.posix import Message, WouldBlock
from halfopen.packetdrill.virtual_posix.kernel import Kernel, failure

Result = TypeVar("Result")

POLLIN, POLLPRI, POLLOUT, POLLERR, POLLHUP, POLLNVAL = 1, 2, 4, 8, 16, 32
READABLE = POLLIN | 0x40
WRITABLE = POLLOUT | 0x100
"""With POLLRDNORM and POLLWRNORM, which mean the same."""

O_RDWR = 2


class Descriptor(ABC):
    """Something open. ``status`` are its flags as F_GETFL tells them."""

    def __init__(self, kernel: Kernel, status: int = O_RDWR) -> None:
        self.kernel = kernel
        self.status = status

    @property
    def is_blocking(self) -> bool:
        """Whether calls wait (no O_NONBLOCK)."""
        return not self.kernel.has(self.status, "O_NONBLOCK")

    def read(self, octets: int) -> bytes:
        """Up to ``octets``; none at the end."""
        raise failure(errno.EINVAL)

    def write(self, message: Message) -> int:
        """How many octets have been taken."""
        raise failure(errno.EINVAL)

    @abstractmethod
    def poll_mask(self) -> int:
        """What ``poll()`` would tell now."""

    def activity(self, wanted: int) -> int:
        """Changes whenever something happens that wakes who wants to hear of ``wanted``, events of ``poll()``."""
        return self.poll_mask() & wanted

    def ioctl(self, request: int) -> int:
        """What is stored for ``request``."""
        raise failure(errno.ENOTTY)

    @abstractmethod
    def close(self) -> None:
        """Nobody has the descriptor any more."""

    def attend(self) -> None:
        """Looks at what has come of the host's latest doings, if that matters to it."""
        return None

    def served(self, call: Callable[[], Result], *, waits: bool = True, until: Instant = NEVER) -> Result:
        """The result of ``call``; a blocking descriptor waits where another one fails with EAGAIN."""
        try:
            return call()
        except BlockingIOError:
            if not waits or not self.is_blocking:
                raise
            raise WouldBlock(until) from None
