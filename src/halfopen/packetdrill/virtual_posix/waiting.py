"""The calls that wait for several descriptors."""

import errno
from collections.abc import Sequence

from halfopen.base.clock import Instant
from halfopen.packetdrill.posix import EpollEvent, Waiting, WouldBlock
from halfopen.packetdrill.virtual_posix.descriptor import POLLERR, POLLHUP, POLLNVAL
from halfopen.packetdrill.virtual_posix.epoll import Epoll
from halfopen.packetdrill.virtual_posix.kernel import Kernel, failure
from halfopen.packetdrill.virtual_posix.table import Table


class VirtualWaiting(Waiting):
    """poll and epoll."""

    _kernel: Kernel
    _table: Table

    def poll(self, entries: Sequence[tuple[int, int]], deadline: Instant) -> list[int]:
        """The ``revents`` of pairs of descriptor and ``events``."""
        seen = [self._revents(fd, events) for fd, events in entries]
        if not any(seen) and self._kernel.now < deadline:
            raise WouldBlock(deadline)
        return seen

    def _revents(self, fd: int, events: int) -> int:
        descriptor = self._table.find(fd)
        return POLLNVAL if descriptor is None else descriptor.poll_mask() & (events | POLLERR | POLLHUP)

    def epoll_create(self) -> int:
        """A descriptor for a set of descriptors."""
        return self._table.add(Epoll(self._kernel))

    def epoll_ctl(self, epoll: int, operation: int, fd: int, event: EpollEvent) -> None:
        """EPOLL_CTL_ADD, MOD or DEL."""
        members, target = self._set(epoll), self._table.get(fd)
        if target is members:
            raise failure(errno.EINVAL)
        members.control(operation, fd, target, event)

    def epoll_wait(self, epoll: int, most: int, deadline: Instant) -> list[EpollEvent]:
        """What has happened to descriptors of the set."""
        if most <= 0:
            raise failure(errno.EINVAL)
        found = self._set(epoll).ready(most)
        if not found and self._kernel.now < deadline:
            raise WouldBlock(deadline)
        return found

    def _set(self, fd: int) -> Epoll:
        found = self._table.get(fd)
        if not isinstance(found, Epoll):
            raise failure(errno.EINVAL)
        return found
