"""The calls on sockets as scripts write them."""

import errno
import os
from collections.abc import Callable, Mapping
from types import MappingProxyType

from halfopen.packetdrill.arguments import Answer, Arguments, Attempt, show
from halfopen.packetdrill.posix import Message, Received
from halfopen.packetdrill.script import Applied, Omitted, Structure, Vector, Word
from halfopen.packetdrill.structures import (
    CONTROL_ROOM,
    checked_length,
    compare_control,
    compare_facts,
    compare_octets,
    control_messages,
    iovec_faults,
    iovec_octets,
    message_header,
    points_nowhere,
    value_octets,
)


def _socket(arguments: Arguments) -> Attempt:
    """``socket(..., SOCK_STREAM, IPPROTO_TCP)``: ``...`` is AF_INET or AF_INET6, as the run has it."""
    kind, protocol = arguments.number(1), arguments.number(2)
    symbols = arguments.symbols
    if isinstance(arguments[0], Omitted):
        family = symbols["AF_INET6" if arguments.addressing.has_ipv6_sockets else "AF_INET"]
    else:
        family = arguments.number(0)
    return lambda: Answer(arguments.posix.socket(family, kind, protocol), descriptors=True)


def _bind(arguments: Arguments) -> Attempt:
    fd, name = arguments.fd(0), arguments.socket_name(1, is_local=True)
    if name is None:
        arguments.refuse("bind() to AF_UNSPEC")

    def attempt() -> Answer:
        arguments.posix.bind(fd, name)
        return Answer()

    return attempt


def _listen(arguments: Arguments) -> Attempt:
    fd, backlog = arguments.fd(0), arguments.number(1)

    def attempt() -> Answer:
        arguments.posix.listen(fd, backlog)
        return Answer()

    return attempt


def _accept(arguments: Arguments) -> Attempt:
    fd, flags = arguments.fd(0), arguments.optional(3)
    return lambda: Answer(arguments.posix.accept(fd, flags)[0], descriptors=True)


def _connect(arguments: Arguments) -> Attempt:
    fd, name = arguments.fd(0), arguments.socket_name(1, is_local=False)

    def attempt() -> Answer:
        arguments.posix.connect(fd, name)
        return Answer()

    return attempt


def _shutdown(arguments: Arguments) -> Attempt:
    fd, how = arguments.fd(0), arguments.number(1)

    def attempt() -> Answer:
        arguments.posix.shutdown(fd, how)
        return Answer()

    return attempt


def _send(arguments: Arguments) -> Attempt:
    """``send(fd, ..., 1000, flags)`` and ``sendto(fd, ..., 1000, flags, ..., ...)``."""
    fd, flags = arguments.fd(0), arguments.number(3)
    octets = checked_length(arguments, arguments.number(2))
    name = arguments.socket_name(4, is_local=False) if _names_peer(arguments) else None
    message = Message(bytes(octets), flags, name)
    if octets and points_nowhere(arguments[1]):
        return faulty_send(arguments, fd, Message(b"", flags, name))
    return lambda: Answer(arguments.posix.send(fd, message))


def faulty_send(arguments: Arguments, fd: int, nothing: Message) -> Attempt:
    """EFAULT, unless something else is wrong already when nothing is sent."""

    def attempt() -> Answer:
        arguments.posix.send(fd, nothing)
        raise OSError(errno.EFAULT, os.strerror(errno.EFAULT))

    return attempt


def faulty_receive(arguments: Arguments, fd: int, flags: int) -> Attempt:
    """EFAULT if there is anything to be read, which stays."""
    peek = flags | arguments.symbols["MSG_PEEK"]

    def attempt() -> Answer:
        if not arguments.posix.receive(fd, 1, peek).octets:
            return Answer()
        raise OSError(errno.EFAULT, os.strerror(errno.EFAULT))

    return attempt


def _names_peer(arguments: Arguments) -> bool:
    value = arguments.get(4)
    return arguments.call.name == "sendto" and value not in (None, 0, Word("NULL"))


def _sendmsg(arguments: Arguments) -> Attempt:
    fd, header, flags = arguments.fd(0), message_header(arguments, 1), arguments.number(2)
    control = control_messages(arguments, header.control)
    is_opening = isinstance(header.name, Omitted) and flags & arguments.symbols.get("MSG_FASTOPEN", 0)
    name = arguments.default_name(is_local=False) if is_opening else None
    message = Message(bytes(header.octets), flags, name, control=control, pieces=header.pieces)
    if header.faults:
        return faulty_send(arguments, fd, Message(b"", flags, name))
    return lambda: Answer(arguments.posix.send(fd, message))


def _recv(arguments: Arguments) -> Attempt:
    """``recv(fd, ..., 1000, flags)`` and ``recvfrom()``."""
    fd, flags = arguments.fd(0), arguments.number(3)
    octets = checked_length(arguments, arguments.number(2))
    if octets and points_nowhere(arguments[1]) and not flags & arguments.symbols["MSG_TRUNC"]:
        return faulty_receive(arguments, fd, flags)
    return lambda: Answer(arguments.posix.receive(fd, octets, flags).octets)


def _recvmsg(arguments: Arguments) -> Attempt:
    fd, header, flags = arguments.fd(0), message_header(arguments, 1), arguments.number(2)
    if header.faults:
        return faulty_receive(arguments, fd, flags)

    def attempt() -> Answer:
        received = arguments.posix.receive(fd, header.octets, flags, CONTROL_ROOM)
        return Answer(received.octets, lambda: check(received))

    def check(received: Received) -> None:
        if header.flags is not None and not isinstance(header.flags, Omitted):
            arguments.expect("msg_flags", hex(arguments.value(header.flags)), hex(received.flags))
        compare_control(arguments, header.control, received)

    return attempt


def _readv(arguments: Arguments) -> Attempt:
    fd, octets = arguments.fd(0), iovec_octets(arguments, arguments[1])
    if iovec_faults(arguments[1]):
        return faulty_receive(arguments, fd, 0)
    return lambda: Answer(len(arguments.posix.read(fd, octets)))


def _writev(arguments: Arguments) -> Attempt:
    fd, message = arguments.fd(0), Message(bytes(iovec_octets(arguments, arguments[1])))
    if iovec_faults(arguments[1]):
        return faulty_send(arguments, fd, Message(b""))
    return lambda: Answer(arguments.posix.write(fd, message))


def _setsockopt(arguments: Arguments) -> Attempt:
    """``setsockopt(fd, level, option, [1], 4)``; a string or structure stands for itself."""
    fd, level, option = arguments.fd(0), arguments.number(1), arguments.number(2)
    length = arguments.optional(4, 4)
    octets = value_octets(arguments, arguments[3], max(0, length))
    is_bad = arguments[3] == Word("NULL") and len(octets) >= 4

    def attempt() -> Answer:
        if is_bad:
            raise OSError(errno.EFAULT, os.strerror(errno.EFAULT))
        arguments.posix.setsockopt(fd, level, option, octets)
        return Answer()

    return attempt


def _getsockopt(arguments: Arguments) -> Attempt:
    """``getsockopt(fd, level, option, [0], [4])``."""
    fd, level, option = arguments.fd(0), arguments.number(1), arguments.number(2)
    value, length = arguments[3], arguments.get(4)
    if isinstance(value, Structure) and _names_members(value):
        return lambda: _info(arguments, fd, value)
    if not isinstance(value, int | str | bytes | Vector | Structure | Applied | Omitted | Word):
        arguments.refuse(f"getsockopt(): a value is expected, not {show(value)}")
    known = isinstance(length, Vector | int)
    room = arguments.value(length) if known and length is not None else 4

    def attempt() -> Answer:
        octets = arguments.posix.getsockopt(fd, level, option, max(room, 256 if isinstance(value, str) else room))
        return Answer(check=lambda: check(octets))

    def check(octets: bytes) -> None:
        compare_octets(arguments, value, octets)
        if known:
            arguments.expect("the length", room, len(octets))

    return attempt


def _info(arguments: Arguments, fd: int, expected: Structure) -> Answer:
    facts = arguments.posix.tcp_info(fd)
    return Answer(check=lambda: compare_facts(arguments, expected.fields, facts))


def _names_members(value: Structure) -> bool:
    return any(name.startswith("tcpi_") for name, _ in value.fields)


SOCKET_CALLS: Mapping[str, Callable[[Arguments], Attempt]] = MappingProxyType(
    {
        "socket": _socket,
        "bind": _bind,
        "listen": _listen,
        "accept": _accept,
        "accept4": _accept,
        "connect": _connect,
        "shutdown": _shutdown,
        "send": _send,
        "sendto": _send,
        "sendmsg": _sendmsg,
        "recv": _recv,
        "recvfrom": _recv,
        "recvmsg": _recvmsg,
        "readv": _readv,
        "writev": _writev,
        "setsockopt": _setsockopt,
        "getsockopt": _getsockopt,
    }
)
"""By name."""
