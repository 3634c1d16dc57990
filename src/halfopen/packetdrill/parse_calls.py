"""Lines that are system calls: arguments, the structures among them, and the result that is expected."""

from halfopen.base.addresses import parse_address
from halfopen.packetdrill.cursor import Cursor
from halfopen.packetdrill.lexer import Kind
from halfopen.packetdrill.script import AnyOf, Applied, Call, Omitted, Structure, Value, Vector, Word

DEEPEST = 16
"""How far structures may stand inside each other."""
_LOWEST, _HIGHEST = -(1 << 63), (1 << 64) - 1


def parse_call(cursor: Cursor) -> Call:
    """``name(arguments) = result ERRNO (note)``."""
    name = cursor.word("a system call, a packet, a command or a block of code")
    cursor.expect("(")
    arguments = cursor.listed(lambda: parse_value(cursor), ")")
    cursor.expect("=")
    result = Omitted() if cursor.accept("?") else parse_value(cursor)
    if not isinstance(result, int | Word | AnyOf | Omitted):
        cursor.refuse("the result of a call is a number, a symbol or '...'")
    errno = cursor.take().text if cursor.token.kind is Kind.WORD else None
    notes: list[str] = []
    while cursor.at("("):
        notes.append(cursor.skip_balanced().strip())
    return Call(name, arguments, result, errno, "; ".join(notes) if notes else None)


def parse_value(cursor: Cursor, depth: int = 0) -> Value:
    """One argument, or what stands behind a ``=`` in a structure."""
    parts = [_single(cursor, depth)]
    while cursor.accept("|"):
        parts.append(_single(cursor, depth))
    return parts[0] if len(parts) == 1 else AnyOf(tuple(parts))


def _single(cursor: Cursor, depth: int) -> Value:
    if depth > DEEPEST:
        cursor.refuse(f"more than {DEEPEST} structures inside each other")
    token = cursor.token
    match token.kind:
        case Kind.INTEGER | Kind.HEX:
            return cursor.number("64-bit integer", _LOWEST, _HIGHEST)
        case Kind.STRING:
            return _string(cursor)
        case Kind.WORD:
            return _word(cursor, depth)
        case Kind.ADDRESS:
            return parse_address(cursor.take().text)
        case Kind.ELLIPSIS:
            cursor.take()
            return Omitted()
    if cursor.accept("["):
        return Vector(cursor.listed(lambda: parse_value(cursor, depth + 1), "]"))
    if cursor.accept("{"):
        return Structure(cursor.listed(lambda: _field(cursor, depth + 1), "}"))
    cursor.fail("a value")


def _string(cursor: Cursor) -> str:
    """Strings next to each other are one."""
    parts = []
    while cursor.token.kind is Kind.STRING:
        parts.append(cursor.take().text)
    return "".join(parts)


def _word(cursor: Cursor, depth: int) -> Word | Applied:
    name = cursor.word("a symbol")
    if not cursor.accept("("):
        return Word(name)
    return Applied(name, cursor.listed(lambda: parse_value(cursor, depth + 1), ")"))


def _field(cursor: Cursor, depth: int) -> tuple[str, Value]:
    """``name=value``, ``msg_iov(2)=value``, or a value alone."""
    value = parse_value(cursor, depth)
    if not cursor.at("="):
        return "", value
    if not isinstance(value, Word | Applied):
        cursor.fail("',' or '}'")
    cursor.take()
    return value.name, parse_value(cursor, depth)
