"""The structures of C that calls take and give back, between how scripts write them and how they lie in memory."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from halfopen.base.clock import SECOND
from halfopen.packetdrill.arguments import Arguments, show
from halfopen.packetdrill.errors import Mismatch
from halfopen.packetdrill.posix import ControlMessage, Received
from halfopen.packetdrill.script import Applied, Omitted, Structure, Value, Vector, Word

EXTENDED_ERROR = struct.Struct("=IBBBBII")
"""``struct sock_extended_err``: errno, origin, type, code, padding, info, data."""
_EXTENDED_ERROR_FIELDS = ("ee_errno", "ee_origin", "ee_type", "ee_code", "ee_pad", "ee_info", "ee_data")

TIMESTAMPING = struct.Struct("=6q")
"""``struct scm_timestamping``: three times, as seconds and nanoseconds; the first one is software's."""

CONTROL_ROOM = 1024
"""Space for ancillary data, more than any script expects."""

_LARGEST = 1 << 30


@dataclass(slots=True, frozen=True)
class MessageHeader:
    """``struct msghdr`` as written; what is not said is None."""

    octets: int
    flags: Value | None = None
    control: Value | None = None
    name: Value | None = None
    pieces: tuple[int, ...] = ()
    """How long each part is."""
    faults: bool = False
    """There is no place for the text, or none where it is."""


def message_header(arguments: Arguments, index: int) -> MessageHeader:
    """``{msg_name(...)=..., msg_iov(1)=[{..., 1000}], msg_flags=0, msg_control=[...]}``."""
    value = arguments[index]
    if not isinstance(value, Structure):
        arguments.refuse(f"a struct msghdr is expected, not {show(value)}")
    fields = dict(value.fields)
    return MessageHeader(
        octets=iovec_octets(arguments, fields.get("msg_iov", Vector(()))),
        flags=fields.get("msg_flags"),
        control=fields.get("msg_control"),
        name=fields.get("msg_name"),
        pieces=_lengths(arguments, fields.get("msg_iov", Vector(()))),
        faults=iovec_faults(fields.get("msg_iov", Vector(()))),
    )


def iovec_octets(arguments: Arguments, value: Value) -> int:
    """The sum of the lengths in ``[{..., 1000}, {..., 40}]``."""
    if not isinstance(value, Vector):
        arguments.refuse(f"a list of struct iovec is expected, not {show(value)}")
    total = 0
    for item in value.items:
        if not isinstance(item, Structure) or not item.fields:
            arguments.refuse(f"a struct iovec is expected, not {show(item)}")
        octets = arguments.value(item.fields[-1][1])
        if octets and points_nowhere(item.fields[0][1]):
            break
        total += octets
    return checked_length(arguments, total)


def _lengths(arguments: Arguments, value: Value) -> tuple[int, ...]:
    items = value.items if isinstance(value, Vector) else ()
    return tuple(arguments.value(item.fields[-1][1]) for item in items if isinstance(item, Structure))


def iovec_faults(value: Value) -> bool:
    """Whether the first place in a list of struct iovec is none; of a later one nobody hears."""
    first = value.items[0] if isinstance(value, Vector) and value.items else None
    return isinstance(first, Structure) and points_nowhere(first.fields[0][1]) and first.fields[-1][1] != 0


def points_nowhere(value: Value | None) -> bool:
    """NULL, or a number for a place in memory."""
    return value == Word("NULL") or isinstance(value, int)


def checked_length(arguments: Arguments, octets: int) -> int:
    """A length that memory has room for."""
    if not 0 <= octets <= _LARGEST:
        arguments.refuse(f"{arguments.call.name}(): {octets} octets are more than a script can mean")
    return octets


def control_messages(arguments: Arguments, value: Value | None) -> tuple[ControlMessage, ...]:
    """Ancillary data to send: ``[{cmsg_level=L, cmsg_type=T, cmsg_data=D}]``."""
    return tuple(
        ControlMessage(
            arguments.value(fields["cmsg_level"]),
            arguments.value(fields["cmsg_type"]),
            struct.pack("=i", arguments.value(fields["cmsg_data"])),
        )
        for fields in _control_fields(arguments, value)
    )


def compare_control(arguments: Arguments, value: Value | None, received: Received) -> None:
    """Compares ancillary data in its order, if the script says anything about it."""
    if value is None or isinstance(value, Omitted):
        return
    expected = _control_fields(arguments, value)
    seen = received.control
    arguments.expect("the number of control messages", len(expected), len(seen))
    for fields, message in zip(expected, seen, strict=True):
        arguments.expect("cmsg_level", arguments.value(fields["cmsg_level"]), message.level)
        arguments.expect("cmsg_type", arguments.value(fields["cmsg_type"]), message.type)
        _compare_data(arguments, fields.get("cmsg_data", Omitted()), message.data)


def value_octets(arguments: Arguments, value: Value, length: int) -> bytes:
    """An option's value as it lies in memory, ``length`` octets of it."""
    match value:
        case str(text):
            return text.encode("latin-1")[:length]
        case Structure(fields) if any(name.startswith("tcpm_") for name, _ in fields):
            return _md5_octets(arguments, dict(fields))[:length]
        case Structure(fields):
            size = _member_octets(fields)
            return b"".join(_field_octets(arguments, each, size) for _, each in fields)[:length]
        case bytes(octets):
            return octets[:length]
        case Applied():
            return arguments.address(value)[:length]
        case Omitted():
            return bytes(length)
    number = arguments.value(value)
    size = length if 0 < length <= 8 else 4
    return (number & (1 << 8 * size) - 1).to_bytes(size, "little")[:length]


def compare_octets(arguments: Arguments, value: Value, octets: bytes) -> None:
    """Compares an option's value."""
    match value:
        case Omitted() | Word("NULL"):
            return
        case str(text):
            arguments.expect("the value", text, octets.rstrip(b"\0").decode("latin-1"))
        case Structure(fields):
            size = _member_octets(fields)
            for (name, each), start in zip(fields, range(0, size * len(fields), size), strict=True):
                seen = int.from_bytes(octets[start : start + size], "little", signed=True)
                arguments.expect(name or "the value", arguments.value(each), seen)
        case Applied() | bytes():
            arguments.expect("the value", arguments.address(value), octets)
        case _:
            expected = arguments.value(value)
            seen = int.from_bytes(octets, "little", signed=expected < 0 or len(octets) < 4)
            arguments.expect(
                "the value", expected, seen if expected > 0x7FFFFFFF or len(octets) != 4 else _signed(seen)
            )


def compare_facts(arguments: Arguments, fields: Sequence[tuple[str, Value]], facts: dict[str, int]) -> None:
    """Compares members of a large structure by name; those that are not named are not compared."""
    for name, value in fields:
        if isinstance(value, Omitted):
            continue
        if name not in facts:
            arguments.lack(f"{name}: there is no such field here")
        arguments.expect(name, arguments.value(value), facts[name])


def _signed(number: int) -> int:
    return number - (1 << 32) if number > 0x7FFFFFFF else number


def _member_octets(fields: Sequence[tuple[str, Value]]) -> int:
    """Of a number: those of a ``struct timeval`` have eight."""
    return 8 if any(name.startswith("tv_") for name, _ in fields) else 4


def _field_octets(arguments: Arguments, value: Value, size: int) -> bytes:
    """One member of a structure: octets of a string, or ``size`` of a number."""
    if isinstance(value, str):
        return value.encode("latin-1")
    return (arguments.value(value) & (1 << 8 * size) - 1).to_bytes(size, "little")


def _md5_octets(arguments: Arguments, fields: dict[str, Value]) -> bytes:
    """``struct tcp_md5sig``: ``{tcpm_addr=..., tcpm_key="secret"}``; the address is the remote one unless given."""
    written = fields.get("tcpm_addr", Omitted())
    addressing = arguments.addressing
    address = arguments.address(written) if not isinstance(written, Omitted) else addressing.remote
    address = addressing.as_socket_address(address)
    is_ipv6 = len(address) == 16
    family = arguments.symbols["AF_INET6" if is_ipv6 else "AF_INET"].to_bytes(2, "little")
    key = fields.get("tcpm_key", "")
    secret = key.encode("latin-1") if isinstance(key, str) else b""
    keylen = arguments.value(fields["tcpm_keylen"]) if "tcpm_keylen" in fields else len(secret)
    name = (family + bytes(6 if is_ipv6 else 2) + address).ljust(128, b"\0")
    head = name + bytes(
        (arguments.value(fields.get("tcpm_flags", 0)), arguments.value(fields.get("tcpm_prefixlen", 0)))
    )
    return head + keylen.to_bytes(2, "little") + bytes(4) + secret.ljust(80, b"\0")


def _control_fields(arguments: Arguments, value: Value | None) -> list[dict[str, Value]]:
    if value is None or isinstance(value, Omitted):
        return []
    items = value.items if isinstance(value, Vector) else ()
    found = [dict(item.fields) for item in items if isinstance(item, Structure)]
    if not isinstance(value, Vector) or len(found) != len(items):
        arguments.refuse("msg_control is a list of structures")
    for fields in found:
        for name in ("cmsg_level", "cmsg_type"):
            if name not in fields:
                arguments.refuse(f"a control message has {name}")
    return found


def _compare_data(arguments: Arguments, value: Value, octets: bytes) -> None:
    if isinstance(value, Omitted):
        return
    if not isinstance(value, Structure):
        arguments.expect("cmsg_data", arguments.value(value), int.from_bytes(octets[:4], "little", signed=True))
        return
    fields = dict(value.fields)
    if "scm_sec" in fields or "scm_nsec" in fields:
        _compare_time(arguments, fields, octets)
    elif any(name.startswith("ee_") for name in fields):
        seen = dict(zip(_EXTENDED_ERROR_FIELDS, EXTENDED_ERROR.unpack_from(octets), strict=True))
        compare_facts(arguments, value.fields, seen)
    else:
        compare_facts(arguments, _attributes(value), attributes_of(octets, arguments))


def _compare_time(arguments: Arguments, fields: dict[str, Value], octets: bytes) -> None:
    """A time counts from the script's start, and may be off as packets may."""
    expected = arguments.value(fields.get("scm_sec", 0)) * SECOND + arguments.value(fields.get("scm_nsec", 0))
    seconds, nanoseconds = TIMESTAMPING.unpack_from(octets)[:2]
    seen = seconds * SECOND + nanoseconds - arguments.start
    if abs(seen - expected) > max(arguments.tolerance, expected // 8):
        raise Mismatch(
            arguments.position,
            f"{arguments.call.name}(): the timestamp should have been {expected} ns, but was {seen}",
            str(expected),
            str(seen),
        )


def _attributes(value: Structure) -> list[tuple[str, Value]]:
    return [(name, each) for name, each in value.fields if name]


def attributes_of(octets: bytes, arguments: Arguments) -> dict[str, int]:
    """Netlink attributes by their names."""
    names = {number: name for name, number in arguments.symbols.items() if name.startswith("TCP_NLA_")}
    found: dict[str, int] = {}
    at = 0
    while at + 4 <= len(octets):
        length, kind = struct.unpack_from("=HH", octets, at)
        if length < 4:
            break
        found[names.get(kind, str(kind))] = int.from_bytes(octets[at + 4 : at + length], "little")
        at += (length + 3) & ~3
    return found
