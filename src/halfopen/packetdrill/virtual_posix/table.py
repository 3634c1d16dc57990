"""Descriptors by number."""

import errno

from halfopen.packetdrill.virtual_posix.descriptor import Descriptor
from halfopen.packetdrill.virtual_posix.epoll import Epoll
from halfopen.packetdrill.virtual_posix.kernel import Kernel, failure
from halfopen.packetdrill.virtual_posix.socket import SocketDescriptor

FIRST = 3
"""Standard input, output and error are there already."""


class Table:
    """Descriptors by number."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self._open: dict[int, Descriptor] = {}

    def add(self, descriptor: Descriptor) -> int:
        """The lowest number that is free."""
        number = FIRST
        while number in self._open:
            number += 1
        self._open[number] = descriptor
        return number

    def get(self, fd: int) -> Descriptor:
        """EBADF if nothing is open there."""
        if fd not in self._open:
            raise failure(errno.EBADF)
        return self._open[fd]

    def find(self, fd: int) -> Descriptor | None:
        """None if nothing is open there."""
        return self._open.get(fd)

    def socket(self, fd: int) -> SocketDescriptor:
        """EBADF, or ENOTSOCK if it is none."""
        descriptor = self.get(fd)
        if not isinstance(descriptor, SocketDescriptor):
            raise failure(errno.ENOTSOCK)
        return descriptor

    def remove(self, fd: int) -> None:
        """The number is free."""
        closed = self._open.pop(fd)
        for each in self._open.values():
            if isinstance(each, Epoll):
                each.forget(closed)

    def attend(self) -> None:
        """Every descriptor looks at what has happened; sets of descriptors come last."""
        for each in sorted(self._open.values(), key=lambda each: isinstance(each, Epoll)):
            each.attend()
