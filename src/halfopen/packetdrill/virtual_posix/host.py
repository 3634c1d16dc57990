"""A program on a stack of ours: all its calls."""

import errno
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from halfopen.base.clock import Instant
from halfopen.packetdrill.posix import Message, Posix, WouldBlock
from halfopen.packetdrill.profiles import Profile
from halfopen.packetdrill.traffic import Traffic
from halfopen.packetdrill.virtual_posix.kernel import TRAITS, Kernel, failure
from halfopen.packetdrill.virtual_posix.pipes import File, Pipe, PipeReader, PipeWriter
from halfopen.packetdrill.virtual_posix.sockets import VirtualSockets
from halfopen.packetdrill.virtual_posix.table import Table
from halfopen.packetdrill.virtual_posix.waiting import VirtualWaiting
from halfopen.stack.stack import Stack

ZEROS = 5
"""Octets in a file that nobody has written: what the scripts' own commands put there."""


class Device(Protocol):
    """What the stack sends by."""

    traffic: Traffic

    def transmit(self, all_of_it: bool) -> None:
        """What is to be sent by now leaves, or the first packet of it."""


class VirtualPosix(VirtualSockets, VirtualWaiting, Posix):
    """A program on ``stack``, whose calls happen in the time that ``clock`` tells."""

    def __init__(
        self,
        stack: Stack,
        clock: Callable[[], Instant],
        profile: Profile,
        device: Device | None = None,
    ) -> None:
        self._kernel = Kernel(stack=stack, clock=clock, traits=TRAITS[profile.dialect])
        if device is not None:
            self._kernel = replace(self._kernel, transmit=device.transmit, traffic=device.traffic.facts)
        if self._kernel.traits.refuses_unknown_md5:
            stack.tcp.add_key(None).accepts_unmatched = False
        self._table = Table(self._kernel)
        self._files: dict[str, bytearray] = {}

    def read(self, fd: int, octets: int) -> bytes:
        """Up to ``octets``; none at the end."""
        return self._table.get(fd).read(octets)

    def write(self, fd: int, message: Message) -> int:
        """How many octets have been taken."""
        return self._table.get(fd).write(message)

    def close(self, fd: int) -> None:
        """The number is free when nobody has to wait for the rest."""
        self._table.get(fd).close()
        self._table.remove(fd)

    def fcntl(self, fd: int, command: int, argument: int = 0) -> int:
        """Of F_SETFL only O_NONBLOCK, O_APPEND and the like act: how it was opened stays."""
        descriptor, number = self._table.get(fd), self._kernel.number
        if command == number("F_SETFL"):
            mode = number("O_ACCMODE")
            descriptor.status = descriptor.status & mode | argument & ~mode
            return 0
        if command == number("F_GETFL"):
            return descriptor.status
        if command in (number("F_GETFD"), number("F_SETFD")):
            return 0
        raise failure(errno.EINVAL)

    def ioctl(self, fd: int, request: int, argument: int = 0) -> int:
        """What the call stores behind its third argument."""
        descriptor = self._table.get(fd)
        if request != self._kernel.number("FIONBIO"):
            return descriptor.ioctl(request)
        nonblocking = self._kernel.number("O_NONBLOCK")
        descriptor.status = descriptor.status & ~nonblocking | nonblocking * bool(argument)
        return argument

    def pipe(self) -> tuple[int, int]:
        """Descriptors for reading and for writing."""
        pipe = Pipe()
        return self._table.add(PipeReader(self._kernel, pipe)), self._table.add(PipeWriter(self._kernel, pipe))

    def open(self, path: str, flags: int) -> int:
        """A file that exists only here."""
        octets = self._files.setdefault(path, bytearray(ZEROS))
        if self._kernel.has(flags, "O_TRUNC"):
            octets.clear()
        return self._table.add(File(self._kernel, octets, flags))

    def sendfile(self, target: int, source: int, offset: int | None, octets: int) -> int:
        """EINVAL unless ``source`` is a file, ESPIPE if it was to be one."""
        file, out = self._table.get(source), self._table.get(target)
        if not isinstance(file, File):
            raise failure(errno.EINVAL if offset is None else errno.ESPIPE)
        data = file.read_at(file.at if offset is None else offset, octets)
        taken = out.write(Message(data)) if data else 0
        if offset is None:
            file.at += taken
        return taken

    def splice(self, source: int, target: int, octets: int, flags: int) -> int:
        """EINVAL unless one of them is a pipe; no more is taken than there is room for."""
        start, end = self._table.get(source), self._table.get(target)
        if isinstance(end, PipeWriter):
            if not end.room:
                raise failure(errno.EAGAIN) if not end.is_blocking else WouldBlock()
            data = start.read(min(octets, end.room))
            return end.write(Message(data)) if data else 0
        if not isinstance(start, PipeReader):
            raise failure(errno.EINVAL)
        message = Message(start.peek(octets))
        try:
            message.flags = self._kernel.number("MSG_MORE") * self._kernel.has(flags, "SPLICE_F_MORE")
            end.write(message)
        finally:
            start.skip(message.taken)
        return message.taken

    def attend(self) -> None:
        """The host has settled at an instant: descriptors look at what has come of it."""
        self._table.attend()
