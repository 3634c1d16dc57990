"""The same calls on the kernel's own sockets, wherever they are made: the network namespace is the caller's.

A call on a descriptor that may block is made in a thread of its own, so that nothing else stands still.
"""

import ctypes
import errno
import fcntl
import os
import select
import socket as kernel
import struct
import termios
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from ipaddress import ip_address
from typing import TypeVar

from halfopen.base.clock import SECOND, Instant
from halfopen.packetdrill.blocking import Waiters
from halfopen.packetdrill.posix import (
    ControlMessage,
    EpollEvent,
    Message,
    Posix,
    Received,
    SocketName,
    Sockets,
    Waiting,
    WouldBlock,
)
from halfopen.packetdrill.tcp_info_layout import unpack_memory_info, unpack_tcp_info

Result = TypeVar("Result")

_AF_UNSPEC = struct.pack("=H14x", kernel.AF_UNSPEC)
_MSG_DONTWAIT = 0x40
_SCM_TIMESTAMPING = 37
_INT = struct.Struct("=i")
_KINDS = 0xF
"""Of what ``socket()`` is given for a kind; the rest are flags."""
_CONGESTION = b"cubic"
"""What scripts count on; a machine's own choice may pace, as BBR does."""
_SO_MEMINFO = 55
_INFO_OCTETS = 512
_ZEROS = 5
"""Octets in a file of the script's."""


class Connected:
    """``connect()`` has returned."""

    def __init__(self, one: kernel.socket, name: tuple[str, int]) -> None:
        one.connect(name)


class Closed:
    """``close()`` has returned; it waits for a linger time."""

    def __init__(self, one: kernel.socket) -> None:
        one.close()


class _Opened:
    """What is open, and what may wait."""

    def __init__(self) -> None:
        self.sockets: dict[int, kernel.socket] = {}
        self.blocking: dict[int, bool] = {}
        self.waiters = Waiters()
        self.lent: list[Sequence[bytes | bytearray]] = []
        """What the kernel may still read from (MSG_ZEROCOPY)."""
        self.epolls: dict[int, tuple[select.epoll, dict[int, int]]] = {}

    def find(self, fd: int) -> kernel.socket:
        """EBADF or ENOTSOCK if it is none."""
        if fd not in self.sockets:
            raise _failure(errno.ENOTSOCK if fd in self.blocking else errno.EBADF)
        return self.sockets[fd]

    def add(self, made: kernel.socket, *, is_blocking: bool) -> int:
        """A socket from now on."""
        os.set_blocking(made.fileno(), is_blocking)
        self.sockets[made.fileno()] = made
        self.blocking[made.fileno()] = is_blocking
        return made.fileno()

    def served(self, fd: int, kind: type[Result], call: Callable[[], Result], flags: int = 0) -> Result:
        """The result of ``call``, which is of that ``kind``; WouldBlock while a blocking descriptor waits."""
        if not self.blocking.get(fd) or flags & _MSG_DONTWAIT:
            return call()
        return self.waiters.served(fd, kind, call)


class RealSockets(Sockets):
    """The kernel's sockets."""

    _opened: _Opened

    def socket(self, family: int, kind: int, protocol: int) -> int:
        """A fresh socket."""
        made = kernel.socket(family, kind, protocol)
        if kind & _KINDS == kernel.SOCK_STREAM:
            with suppress(OSError):  # A kernel without it shows what it has.
                made.setsockopt(kernel.IPPROTO_TCP, kernel.TCP_CONGESTION, _CONGESTION)
        return self._opened.add(made, is_blocking=not kind & kernel.SOCK_NONBLOCK)

    def bind(self, fd: int, name: SocketName) -> None:
        """Takes a local address and port."""
        self._opened.find(fd).bind(_python_name(name))

    def listen(self, fd: int, backlog: int) -> None:
        """Passive OPEN."""
        self._opened.find(fd).listen(backlog)

    def accept(self, fd: int, flags: int = 0) -> tuple[int, SocketName]:
        """A descriptor for the oldest connection that nobody has taken, and who it is with."""
        listener = self._opened.find(fd)
        accepted = self._opened.served(fd, kernel.socket, lambda: listener.accept()[0])
        number = self._opened.add(accepted, is_blocking=not flags & kernel.SOCK_NONBLOCK)
        with suppress(OSError):  # It may be over already.
            name = accepted.getpeername()
            return number, SocketName(accepted.family, ip_address(name[0]).packed, name[1])
        return number, SocketName(accepted.family, b"", 0)

    def connect(self, fd: int, name: SocketName | None) -> None:
        """Active OPEN, or how far it is."""
        if name is None:
            _disconnect(fd)
            return
        one = self._opened.find(fd)
        self._opened.served(fd, Connected, lambda: Connected(one, _python_name(name)))

    def receive(self, fd: int, octets: int, flags: int = 0, room: int = 0) -> Received:
        """``recvmsg()``."""
        one = self._opened.find(fd)
        waits = flags | _MSG_DONTWAIT * bool(flags & kernel.MSG_ERRQUEUE)

        def receive() -> Received:
            if octets and not room:  # Only this one tells of octets that there was no place for.
                place = bytearray(octets)
                size = one.recv_into(place, octets, flags)
                return Received(size, bytes(place[:size]))
            data, control, seen, _ = one.recvmsg(octets, room, flags)
            seen &= ~getattr(kernel, "MSG_CMSG_CLOEXEC", 0)
            return Received(len(data), data, seen, tuple(_control(*each) for each in control))

        return self._opened.served(fd, Received, receive, waits)

    def send(self, fd: int, message: Message) -> int:
        """``sendmsg()``."""
        one = self._opened.find(fd)
        control = [(each.level, each.type, each.data) for each in message.control]
        where = () if message.name is None else (_python_name(message.name),)

        parts: Sequence[bytes | bytearray] = (
            [bytearray(each) for each in message.pieces] if len(message.pieces) > 1 else [message.data]
        )

        self._opened.lent.append(parts)

        def send() -> int:
            return one.sendmsg(parts, control, message.flags, *where)

        return self._opened.served(fd, int, send, message.flags)

    def shutdown(self, fd: int, how: int) -> None:
        """Ends one direction or both."""
        self._opened.find(fd).shutdown(how)

    def setsockopt(self, fd: int, level: int, option: int, value: bytes) -> None:
        """Sets an option."""
        self._opened.find(fd).setsockopt(level, option, value)

    def getsockopt(self, fd: int, level: int, option: int, octets: int) -> bytes:
        """An option's value."""
        return self._opened.find(fd).getsockopt(level, option, max(1, octets))

    def tcp_info(self, fd: int) -> dict[str, int]:
        """TCP_INFO, by the names of its members."""
        one = self._opened.find(fd)
        facts = unpack_tcp_info(one.getsockopt(kernel.IPPROTO_TCP, kernel.TCP_INFO, _INFO_OCTETS))
        return facts | unpack_memory_info(one.getsockopt(kernel.SOL_SOCKET, _SO_MEMINFO, _INFO_OCTETS))


class RealWaiting(Waiting):
    """The kernel's poll and epoll, asked without waiting."""

    _opened: _Opened

    def poll(self, entries: Sequence[tuple[int, int]], deadline: Instant) -> list[int]:
        """The ``revents`` of pairs of descriptor and ``events``."""
        poller = select.poll()
        for fd, events in entries:
            poller.register(fd, events)
        seen = dict(poller.poll(0))
        if not seen and time.monotonic_ns() < deadline:
            raise WouldBlock(deadline)
        return [seen.get(fd, 0) for fd, _ in entries]

    def epoll_create(self) -> int:
        """A descriptor for a set of descriptors."""
        made = select.epoll()
        self._opened.epolls[made.fileno()] = (made, {})
        self._opened.blocking[made.fileno()] = True
        return made.fileno()

    def epoll_ctl(self, epoll: int, operation: int, fd: int, event: EpollEvent) -> None:
        """EPOLL_CTL_ADD (1), DEL (2) or MOD (3)."""
        made, data = self._set(epoll)
        if fd not in self._opened.blocking:
            raise _failure(errno.EBADF)
        data[fd] = event.data
        if operation == 1:
            made.register(fd, event.events)
        elif operation == 3:
            made.modify(fd, event.events)
        else:
            made.unregister(fd)

    def epoll_wait(self, epoll: int, most: int, deadline: Instant) -> list[EpollEvent]:
        """What has happened to descriptors of the set."""
        made, data = self._set(epoll)
        if most <= 0:
            raise _failure(errno.EINVAL)
        found = made.poll(0, most)
        if not found and time.monotonic_ns() < deadline:
            raise WouldBlock(deadline)
        return [EpollEvent(events, data.get(fd, fd)) for fd, events in found]

    def _set(self, fd: int) -> tuple[select.epoll, dict[int, int]]:
        if fd not in self._opened.epolls:
            raise _failure(errno.EINVAL if fd in self._opened.blocking else errno.EBADF)
        return self._opened.epolls[fd]


class RealPosix(RealSockets, RealWaiting, Posix):
    """A program on the kernel."""

    def __init__(self) -> None:
        self._opened = _Opened()
        self._closing = Waiters()

    def read(self, fd: int, octets: int) -> bytes:
        """Up to ``octets``; none at the end."""
        known = self._known(fd)
        return self._opened.served(fd, bytes, lambda: os.read(known, octets))

    def write(self, fd: int, message: Message) -> int:
        """How many octets have been taken."""
        known = self._known(fd)
        return self._opened.served(fd, int, lambda: os.write(known, message.data))

    def close(self, fd: int) -> None:
        """The descriptor is gone; the kernel itself waits for a linger time, which a thread has to spend there."""
        known = self._known(fd)
        one = self._opened.sockets.get(known)
        if one is not None:
            self._opened.waiters.end(known, lambda: one.shutdown(kernel.SHUT_RDWR))
            self._closing.served(fd, Closed, lambda: Closed(one))
            del self._opened.sockets[known]
        elif fd in self._opened.epolls:
            self._opened.epolls.pop(fd)[0].close()
        else:
            os.close(fd)
        del self._opened.blocking[known]

    def fcntl(self, fd: int, command: int, argument: int = 0) -> int:
        """What it says of O_NONBLOCK is remembered."""
        known = self._known(fd)
        if command == fcntl.F_SETFL:
            self._opened.blocking[fd] = not argument & os.O_NONBLOCK
        return fcntl.fcntl(known, command, argument)

    def ioctl(self, fd: int, request: int, argument: int = 0) -> int:
        """What the call stores behind its third argument."""
        if request == termios.FIONBIO:
            self._opened.blocking[self._known(fd)] = not argument
            os.set_blocking(fd, not argument)
            return argument
        stored: bytes = fcntl.ioctl(self._known(fd), request, _INT.pack(argument))
        return int(_INT.unpack(stored)[0])

    def pipe(self) -> tuple[int, int]:
        """Descriptors for reading and for writing."""
        ends = os.pipe()
        self._opened.blocking.update(dict.fromkeys(ends, True))
        return ends

    def open(self, path: str, flags: int) -> int:
        """A file in memory: ``path`` only names it."""
        fd = os.memfd_create(os.path.basename(path) or "file")
        os.write(fd, bytes(_ZEROS))
        os.lseek(fd, 0, os.SEEK_SET)
        self._opened.blocking[fd] = True
        return fd

    def sendfile(self, target: int, source: int, offset: int | None, octets: int) -> int:
        """Octets of a file into a socket."""
        self._known(target)
        known = self._known(source)
        return self._opened.served(target, int, lambda: os.sendfile(target, known, offset, octets))

    def splice(self, source: int, target: int, octets: int, flags: int) -> int:
        """Octets from or into a pipe."""
        self._known(target)
        known = self._known(source)
        return self._opened.served(source, int, lambda: os.splice(known, target, octets, flags=flags))

    def attend(self) -> None:
        """The kernel needs nobody to look at it."""

    def _known(self, fd: int) -> int:
        """Only what was opened here: nothing of the interpreter's own."""
        if fd not in self._opened.blocking:
            raise _failure(errno.EBADF)
        return fd


def _failure(number: int) -> OSError:
    return OSError(number, os.strerror(number))


def _control(level: int, kind: int, octets: bytes) -> ControlMessage:
    """Timestamps of the kernel's count from 1970; those of scripts by the clock that they run by."""
    if (level, kind) == (kernel.SOL_SOCKET, _SCM_TIMESTAMPING):
        seconds, nanoseconds = struct.unpack_from("=2q", octets)
        when = seconds * SECOND + nanoseconds - time.time_ns() + time.monotonic_ns()
        octets = struct.pack("=2q", *divmod(when, SECOND)) + octets[16:]
    return ControlMessage(level, kind, bytes(octets))


def _python_name(name: SocketName) -> tuple[str, int]:
    return str(ip_address(name.address)), name.port


def _disconnect(fd: int) -> None:
    """``connect()`` with AF_UNSPEC, which Python has no name for."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.connect(fd, _AF_UNSPEC, len(_AF_UNSPEC)):
        raise _failure(ctypes.get_errno())
