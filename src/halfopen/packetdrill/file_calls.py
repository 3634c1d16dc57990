"""The calls on descriptors of any kind as scripts write them, and those that wait for several."""

import errno
import os
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from halfopen.packetdrill.arguments import Answer, Arguments, Attempt, show
from halfopen.packetdrill.posix import EpollEvent, Message
from halfopen.packetdrill.script import Omitted, Structure, Value, Vector, Word
from halfopen.packetdrill.socket_calls import faulty_receive, faulty_send
from halfopen.packetdrill.structures import checked_length, points_nowhere

_DATA_FIELDS = ("fd", "u32", "u64", "ptr")


def _read(arguments: Arguments) -> Attempt:
    fd, octets = arguments.fd(0), checked_length(arguments, arguments.number(2))
    if octets and points_nowhere(arguments[1]):
        return faulty_receive(arguments, fd, 0)
    return lambda: Answer(len(arguments.posix.read(fd, octets)))


def _write(arguments: Arguments) -> Attempt:
    fd, message = arguments.fd(0), Message(bytes(checked_length(arguments, arguments.number(2))))
    if message.data and points_nowhere(arguments[1]):
        return faulty_send(arguments, fd, Message(b""))
    return lambda: Answer(arguments.posix.write(fd, message))


def _close(arguments: Arguments) -> Attempt:
    fd = arguments.fd(0)

    def attempt() -> Answer:
        arguments.posix.close(fd)
        return Answer()

    return attempt


def _fcntl(arguments: Arguments) -> Attempt:
    fd, command, argument = arguments.fd(0), arguments.number(1), arguments.optional(2)
    return lambda: Answer(arguments.posix.fcntl(fd, command, argument))


def _ioctl(arguments: Arguments) -> Attempt:
    """``ioctl(fd, SIOCINQ, [1000])``: what is stored is compared."""
    fd, request, value = arguments.fd(0), arguments.number(1), arguments.get(2)
    sets = request == arguments.symbols["FIONBIO"]
    argument = arguments.optional(2)

    def attempt() -> Answer:
        stored = arguments.posix.ioctl(fd, request, argument if sets else 0)
        if sets or value is None or isinstance(value, Omitted):
            return Answer()
        return Answer(check=lambda: arguments.expect("the value", arguments.value(value), stored))

    return attempt


def _poll(arguments: Arguments) -> Attempt:
    """``poll([{fd=4, events=POLLIN, revents=POLLIN}], 1, 0)``."""
    listed = arguments[0]
    if not isinstance(listed, Vector):
        arguments.refuse(f"poll(): a list of struct pollfd is expected, not {show(listed)}")
    fields = [_structure(arguments, each) for each in listed.items]
    entries = [(arguments.descriptor(each["fd"]), arguments.value(each.get("events", 0))) for each in fields]
    expected = [arguments.value(each.get("revents", 0)) for each in fields]
    deadline = arguments.deadline(2)

    def attempt() -> Answer:
        seen = arguments.posix.poll(entries, deadline)
        return Answer(sum(map(bool, seen)), lambda: check(seen))

    def check(seen: Sequence[int]) -> None:
        for wanted, revents in zip(expected, seen, strict=True):
            arguments.expect("revents", hex(wanted), hex(revents))

    return attempt


def _structure(arguments: Arguments, value: Value) -> dict[str, Value]:
    if not isinstance(value, Structure):
        arguments.refuse(f"{arguments.call.name}(): a structure is expected, not {show(value)}")
    return dict(value.fields)


def _epoll_create(arguments: Arguments) -> Attempt:
    """``epoll_create(1)``: the number means nothing, but is one."""
    if arguments.call.name == "epoll_create" and arguments.number(0) <= 0:
        return _invalid
    return lambda: Answer(arguments.posix.epoll_create(), descriptors=True)


def _invalid() -> Answer:
    raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))


def _epoll_ctl(arguments: Arguments) -> Attempt:
    """``epoll_ctl(5, EPOLL_CTL_ADD, 4, {events=EPOLLIN, fd=4})``."""
    epoll, operation, fd = arguments.fd(0), arguments.number(1), arguments.fd(2)
    event = _epoll_event(arguments, arguments.get(3))

    def attempt() -> Answer:
        arguments.posix.epoll_ctl(epoll, operation, fd, event)
        return Answer()

    return attempt


def _epoll_event(arguments: Arguments, value: Value | None) -> EpollEvent:
    """``fd`` and its like are only remembered, so they stay the script's numbers."""
    if value is None or value in (0, Word("NULL")) or isinstance(value, Omitted):
        return EpollEvent(0, 0)
    fields = _structure(arguments, value)
    data = next((fields[name] for name in _DATA_FIELDS if name in fields), 0)
    number = 0 if isinstance(data, Omitted) else arguments.value(data)
    return EpollEvent(arguments.value(fields.get("events", 0)), number)


def _epoll_wait(arguments: Arguments) -> Attempt:
    """``epoll_wait(5, {events=EPOLLIN, fd=4}, 1, 0)``; the first event is compared."""
    epoll, most, deadline = arguments.fd(0), arguments.number(2), arguments.deadline(3)
    value = arguments[1]
    first = value.items[0] if isinstance(value, Vector) and value.items else value
    known = isinstance(first, Structure)
    expected = _epoll_event(arguments, first if known else None)
    compares_data = isinstance(first, Structure) and any(
        name in _DATA_FIELDS and not isinstance(data, Omitted) for name, data in first.fields
    )

    def attempt() -> Answer:
        seen = arguments.posix.epoll_wait(epoll, most, deadline)
        return Answer(len(seen), lambda: check(seen))

    def check(seen: Sequence[EpollEvent]) -> None:
        if not known or not seen:
            return
        arguments.expect("events", hex(expected.events), hex(seen[0].events))
        if compares_data:
            arguments.expect("the event's data", expected.data, seen[0].data)

    return attempt


def _pipe(arguments: Arguments) -> Attempt:
    """``pipe([5, 6])``: the script's numbers for both ends."""
    ends = arguments[0]
    if not isinstance(ends, Vector) or len(ends.items) != 2:
        arguments.refuse("pipe() takes a list of two descriptors")
    numbers = [arguments.value(each) for each in ends.items]

    def attempt() -> Answer:
        arguments.descriptors.update(zip(numbers, arguments.posix.pipe(), strict=True))
        return Answer()

    return attempt


def _open(arguments: Arguments) -> Attempt:
    path, flags = arguments[0], arguments.number(1)
    if not isinstance(path, str):
        arguments.refuse(f"open(): a path is expected, not {show(path)}")
    return lambda: Answer(arguments.posix.open(path, flags), descriptors=True)


def _sendfile(arguments: Arguments) -> Attempt:
    """``sendfile(4, 5, [0], 1000)``."""
    target, source, octets = arguments.fd(0), arguments.fd(1), arguments.number(3)
    start = arguments[2]
    offset = arguments.value(start) if isinstance(start, Vector) else None
    return lambda: Answer(arguments.posix.sendfile(target, source, offset, octets))


def _splice(arguments: Arguments) -> Attempt:
    """``splice(4, NULL, 6, NULL, 1000, 0)``."""
    source, target = arguments.fd(0), arguments.fd(2)
    octets, flags = arguments.number(4), arguments.number(5)
    return lambda: Answer(arguments.posix.splice(source, target, octets, flags))


def _cap_set(arguments: Arguments) -> Attempt:
    """Whoever runs a script on a host of ours may do what there is to do."""
    return Answer


FILE_CALLS: Mapping[str, Callable[[Arguments], Attempt]] = MappingProxyType(
    {
        "read": _read,
        "write": _write,
        "close": _close,
        "fcntl": _fcntl,
        "ioctl": _ioctl,
        "poll": _poll,
        "epoll_create": _epoll_create,
        "epoll_create1": _epoll_create,
        "epoll_ctl": _epoll_ctl,
        "epoll_wait": _epoll_wait,
        "pipe": _pipe,
        "open": _open,
        "sendfile": _sendfile,
        "splice": _splice,
        "cap_set": _cap_set,
    }
)
"""By name."""
