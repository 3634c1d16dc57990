"""The arguments of a call as numbers, names, descriptors and octets."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NoReturn

from halfopen.base.addresses import Address, parse_address
from halfopen.base.clock import MILLISECOND, NEVER, Duration, Instant
from halfopen.packetdrill.addressing import Addressing
from halfopen.packetdrill.errors import Mismatch, ScriptError, Unsupported
from halfopen.packetdrill.posix import Posix, SocketName
from halfopen.packetdrill.script import AnyOf, Applied, Call, Omitted, Position, Structure, Value, Vector, Word

NO_DESCRIPTOR = -1
"""What a number of the script's stands for that no call has returned."""

_BYTE_ORDER = frozenset({"htons", "htonl", "ntohs", "ntohl"})
_ADDRESSES = frozenset({"inet_addr", "inet6_addr", "inet_pton"})


def nothing() -> None:
    """For calls that return a number and nothing else."""


@dataclass(slots=True, frozen=True)
class Answer:
    """What a call has returned. ``check`` compares what it has stored, and raises Mismatch.

    ``descriptors``: the result is one, and the script may call it what it likes.
    """

    result: int = 0
    check: Callable[[], None] = nothing
    descriptors: bool = False


Attempt = Callable[[], Answer]
"""A call whose arguments are understood: makes it, however often it has to be made until it need not wait."""


@dataclass(slots=True, frozen=True, kw_only=True)
class Arguments:
    """A call, and what is needed to understand it."""

    call: Call
    position: Position
    posix: Posix
    clock: Callable[[], Instant]
    symbols: Mapping[str, int]
    addressing: Addressing
    descriptors: dict[int, int] = field(default_factory=dict)
    start: Instant = 0
    tolerance: Duration = 0

    def __getitem__(self, index: int) -> Value:
        """An argument as written."""
        if index >= len(self.call.arguments):
            self.refuse(f"{self.call.name}() takes more than {len(self.call.arguments)} arguments")
        return self.call.arguments[index]

    def get(self, index: int) -> Value | None:
        """An argument that may be missing."""
        return self.call.arguments[index] if index < len(self.call.arguments) else None

    def number(self, index: int) -> int:
        """A number."""
        return self.value(self[index])

    def optional(self, index: int, default: int = 0) -> int:
        """A number that may be missing, or ``...``."""
        value = self.get(index)
        return default if value is None or isinstance(value, Omitted) else self.value(value)

    def fd(self, index: int) -> int:
        """The host's descriptor for the script's."""
        return self.descriptor(self[index])

    def descriptor(self, value: Value) -> int:
        """As `fd`, of a value inside a structure."""
        return self.descriptors.get(self.value(value), NO_DESCRIPTOR)

    def value(self, value: Value) -> int:
        """The number that ``value`` stands for."""
        match value:
            case int():
                return value
            case Word(name):
                return self._symbol(name)
            case AnyOf(parts):
                joined = 0
                for part in parts:
                    joined |= self.value(part)
                return joined
            case Applied(name, (inner,)) if name in _BYTE_ORDER:
                return self.value(inner)
            case Vector((inner,)):
                return self.value(inner)
        self.refuse(f"{self.call.name}(): a number is expected, not {show(value)}")

    def deadline(self, index: int) -> Instant:
        """Milliseconds from now; negative ones never end."""
        milliseconds = self.number(index)
        return self.clock() + milliseconds * MILLISECOND if milliseconds >= 0 else NEVER

    def socket_name(self, index: int, *, is_local: bool) -> SocketName | None:
        """A socket address; ``...`` is the local or the remote end's, AF_UNSPEC none."""
        value = self.get(index)
        match value:
            case None | Omitted():
                return self.default_name(is_local=is_local)
            case Structure():
                return self._written_name(dict(value.fields), is_local=is_local)
            case Word("AF_UNSPEC"):
                return None
        self.refuse(f"{self.call.name}(): a socket address is expected, not {show(value)}")

    def address(self, value: Value) -> Address:
        """An IP address."""
        match value:
            case bytes():
                return value
            case Applied(name, (*_, str(text))) if name in _ADDRESSES:
                try:
                    return parse_address(text)
                except ValueError as error:
                    raise ScriptError(self.position, f"{text!r} is no address: {error}") from None
            case Word("INADDR_ANY"):
                return bytes(4)
        number = self.value(value)
        return number.to_bytes(4, "big")

    def refuse(self, message: str) -> NoReturn:
        """The call cannot be meant."""
        raise ScriptError(self.position, message)

    def lack(self, message: str) -> NoReturn:
        """The call may be meant, but cannot be made here."""
        raise Unsupported(self.position, message)

    def expect(self, what: str, expected: object, seen: object) -> None:
        """Mismatch unless both are the same."""
        if expected != seen:
            message = f"{self.call.name}(): {what} should have been {expected}, but was {seen}"
            raise Mismatch(self.position, message, str(expected), str(seen))

    def _symbol(self, name: str) -> int:
        if name == "NULL":
            return 0
        if name not in self.symbols:
            self.lack(f"{name}: there is no such symbol here")
        return self.symbols[name]

    def default_name(self, *, is_local: bool) -> SocketName:
        """The socket address of the local or the remote end."""
        addressing = self.addressing
        address = addressing.as_socket_address(addressing.local if is_local else addressing.remote)
        family = self.symbols["AF_INET" if len(address) == 4 else "AF_INET6"]
        return SocketName(family, address, addressing.bind_port if is_local else addressing.connect_port)

    def _written_name(self, fields: Mapping[str, Value], *, is_local: bool) -> SocketName | None:
        family = self.value(fields.get("sa_family", fields.get("sin6_family", fields.get("sin_family", 0))))
        if family == self.symbols["AF_UNSPEC"]:
            return None
        default = self.default_name(is_local=is_local)
        port = fields.get("sin_port", fields.get("sin6_port", default.port))
        written = fields.get("sin_addr", fields.get("sin6_addr", Omitted()))
        address = default.address if isinstance(written, Omitted) else self.address(written)
        return SocketName(family, address, default.port if isinstance(port, Omitted) else self.value(port))


def show(value: Value | None) -> str:
    """A value in a message."""
    match value:
        case Omitted():
            return "'...'"
        case Word(name):
            return name
        case str() | int():
            return repr(value)
        case None:
            return "nothing"
    return f"a {type(value).__name__.lower()}"
