"""``epoll``: a set of descriptors, level- or edge-triggered."""

import errno
from dataclasses import dataclass

from halfopen.packetdrill.posix import EpollEvent
from halfopen.packetdrill.virtual_posix.descriptor import POLLERR, POLLHUP, READABLE, Descriptor
from halfopen.packetdrill.virtual_posix.kernel import Kernel, failure


@dataclass(slots=True)
class Member:
    """A descriptor of the set. ``activity`` is how much had happened to it when it was last looked at."""

    target: Descriptor
    wanted: int
    data: int
    is_armed: bool = True
    activity: int = -1


class Epoll(Descriptor):
    """A set of descriptors."""

    def __init__(self, kernel: Kernel) -> None:
        super().__init__(kernel)
        self._members: dict[int, Member] = {}

    def control(self, operation: int, fd: int, target: Descriptor, event: EpollEvent) -> None:
        """EPOLL_CTL_ADD, MOD or DEL: EEXIST, ENOENT."""
        number = self.kernel.number
        is_member = fd in self._members and self._members[fd].target is target
        if operation != number("EPOLL_CTL_DEL") and self.kernel.has(event.events, "EPOLLEXCLUSIVE"):
            self._check_exclusive(operation, event.events)
        if operation == number("EPOLL_CTL_ADD"):
            if is_member:
                raise failure(errno.EEXIST)
            self._members[fd] = Member(target, event.events, event.data)
        elif not is_member:
            raise failure(errno.ENOENT)
        elif operation == number("EPOLL_CTL_MOD"):
            self._members[fd] = Member(target, event.events, event.data)
        elif operation == number("EPOLL_CTL_DEL"):
            del self._members[fd]
        else:
            raise failure(errno.EINVAL)

    def _check_exclusive(self, operation: int, events: int) -> None:
        """Of several sets only one is woken: to be said at the beginning, and with few other wishes."""
        if operation == self.kernel.number("EPOLL_CTL_MOD") or self.kernel.has(events, "EPOLLONESHOT"):
            raise failure(errno.EINVAL)

    def forget(self, target: Descriptor) -> None:
        """The descriptor has been closed."""
        self._members = {fd: member for fd, member in self._members.items() if member.target is not target}

    def ready(self, most: int) -> list[EpollEvent]:
        """What has happened, and is told now."""
        found: list[EpollEvent] = []
        for member in self._members.values():
            if len(found) == most:
                break
            mask = self._news(member)
            member.activity = member.target.activity(member.wanted)
            if not mask:
                continue
            found.append(EpollEvent(mask, member.data))
            if self.kernel.has(member.wanted, "EPOLLONESHOT"):
                member.is_armed = False
        return found

    def _news(self, member: Member) -> int:
        """Level-triggered: what is so. Edge-triggered: the same, if something has happened since it was looked at."""
        is_edge = self.kernel.has(member.wanted, "EPOLLET")
        if not member.is_armed or (is_edge and member.target.activity(member.wanted) == member.activity):
            return 0
        return member.target.poll_mask() & (member.wanted | POLLERR | POLLHUP) & 0xFFFF

    def poll_mask(self) -> int:
        """Readable if something would be told."""
        return READABLE if any(map(self._news, self._members.values())) else 0

    def close(self) -> None:
        """The set is gone."""
        self._members.clear()
