"""The calls on sockets as scripts write them."""

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
    iovec_octets,
    message_header,
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
    return lambda: Answer(arguments.posix.send(fd, message))


def _names_peer(arguments: Arguments) -> bool:
    value = arguments.get(4)
    return arguments.call.name == "sendto" and value not in (None, 0, Word("NULL"))


def _sendmsg(arguments: Arguments) -> Attempt:
    fd, header, flags = arguments.fd(0), message_header(arguments, 1), arguments.number(2)
    control = control_messages(arguments, header.control)
    message = Message(bytes(header.octets), flags, control=control)
    return lambda: Answer(arguments.posix.send(fd, message))


def _recv(arguments: Arguments) -> Attempt:
    """``recv(fd, ..., 1000, flags)`` and ``recvfrom()``."""
    fd, flags = arguments.fd(0), arguments.number(3)
    octets = checked_length(arguments, arguments.number(2))
    return lambda: Answer(arguments.posix.receive(fd, octets, flags).octets)


def _recvmsg(arguments: Arguments) -> Attempt:
    fd, header, flags = arguments.fd(0), message_header(arguments, 1), arguments.number(2)

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
    return lambda: Answer(len(arguments.posix.read(fd, octets)))


def _writev(arguments: Arguments) -> Attempt:
    fd, message = arguments.fd(0), Message(bytes(iovec_octets(arguments, arguments[1])))
    return lambda: Answer(arguments.posix.write(fd, message))


def _setsockopt(arguments: Arguments) -> Attempt:
    """``setsockopt(fd, level, option, [1], 4)``; a string or structure stands for itself."""
    fd, level, option = arguments.fd(0), arguments.number(1), arguments.number(2)
    length = arguments.optional(4, 4)
    octets = value_octets(arguments, arguments[3], max(0, length))

    def attempt() -> Answer:
        arguments.posix.setsockopt(fd, level, option, octets)
        return Answer()

    return attempt


def _getsockopt(arguments: Arguments) -> Attempt:
    """``getsockopt(fd, level, option, [0], [4])``."""
    fd, level, option = arguments.fd(0), arguments.number(1), arguments.number(2)
    value, length = arguments[3], arguments.get(4)
    if isinstance(value, Structure) and _names_members(value):
        return lambda: Answer(check=lambda: compare_facts(arguments, value.fields, arguments.posix.tcp_info(fd)))
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
