"""The options of a TCP segment as a script writes them: ``<mss 1460,nop,wscale 7,sackOK,TS val 100 ecr 0>``."""

from collections.abc import Callable, Mapping

from halfopen.packetdrill.cursor import U8, U16, U24, Cursor
from halfopen.packetdrill.lexer import Kind
from halfopen.packetdrill.script import Option
from halfopen.wire.tcp_options import MAXIMUM_OCTETS

COUNTERS = ("e0b", "ceb", "e1b")
MOST_BLOCKS = 4
_HEX_DIGITS = frozenset("0123456789abcdefABCDEF")
_FREE = frozenset({"raw", "gen", "exp"})
"""What they carry is the author's affair, and may be malformed on purpose."""
_FIXED = {"mss": 4, "nop": 1, "eol": 1, "wscale": 3, "sackOK": 2, "TS": 10, "FO": 2, "FOEXP": 4, "ECN": 2}


def parse_options(cursor: Cursor) -> tuple[Option, ...] | None:
    """What stands between ``<`` and ``>``; None for ``<...>``."""
    position = cursor.position
    cursor.expect("<")
    if cursor.accept("..."):
        cursor.expect(">")
        return None
    options = cursor.listed(lambda: _option(cursor), ">")
    octets = sum(map(octets_of, options))
    if octets > MAXIMUM_OCTETS:
        cursor.refuse(f"the options take {octets} octets: a header has room for {MAXIMUM_OCTETS}", position)
    if octets % 4 and not any(option.name in _FREE for option in options):
        cursor.refuse(f"the options take {octets} octets: pad them with nop or eol to a multiple of 4", position)
    return options


def octets_of(option: Option) -> int:
    """How long an option is on the wire."""
    match option.name:
        case "sack":
            return 2 + 4 * len(option.numbers)
        case "ECN":
            return 2 + 3 * len(option.numbers)
        case "md5":
            return 2 + (16 if option.words else len(option.octets))
        case "gen":
            return 2 + len(option.octets)
        case "exp":
            return 4 + len(option.octets)
    return _FIXED.get(option.name, 0) + len(option.octets)


def _option(cursor: Cursor) -> Option:
    token = cursor.token
    parse = _OPTIONS.get(token.text) if token.kind is Kind.WORD else None
    if parse:
        cursor.take()
        return parse(cursor)
    if token.kind in (Kind.WORD, Kind.INTEGER, Kind.HEX):
        return Option("raw", octets=_octets(cursor, "a TCP option"))
    cursor.fail("a TCP option")


def _mss(cursor: Cursor) -> Option:
    return Option("mss", (cursor.number("maximum segment size", high=U16),))


def _wscale(cursor: Cursor) -> Option:
    return Option("wscale", (cursor.number("window scale", high=U8),))


def _timestamps(cursor: Cursor) -> Option:
    cursor.expect("val")
    words: list[str] = []
    value = 0
    if cursor.accept("..."):
        words.append("any val")
    else:
        value = cursor.number("timestamp")
        if cursor.accept("!"):
            words.append("absolute val")
    cursor.expect("ecr")
    echo = 0
    if cursor.accept("..."):
        words.append("any ecr")
    else:
        echo = cursor.number("timestamp")
        if cursor.accept("!"):
            words.append("absolute ecr")
    return Option("TS", (value, echo), words=tuple(words))


def _sack(cursor: Cursor) -> Option:
    edges: list[int] = []
    position = cursor.position
    while not edges or cursor.token.kind is Kind.INTEGER:
        edges.append(cursor.number("left edge of a SACK block"))
        cursor.expect(":")
        edges.append(cursor.number("right edge of a SACK block"))
    if len(edges) > 2 * MOST_BLOCKS:
        cursor.refuse(f"{len(edges) // 2} SACK blocks: an option has room for {MOST_BLOCKS}", position)
    return Option("sack", tuple(edges))


def _md5(cursor: Cursor) -> Option:
    if cursor.accept("valid"):
        return Option("md5", words=("valid",))
    return Option("md5", octets=_octets(cursor, "a digest in hexadecimal digits, or 'valid'"))


def _cookie(name: str) -> Callable[[Cursor], Option]:
    def parse(cursor: Cursor) -> Option:
        if cursor.at(",", ">"):
            return Option(name)
        return Option(name, octets=_octets(cursor, "a cookie in hexadecimal digits"))

    return parse


def _accurate_ecn(cursor: Cursor) -> Option:
    numbers: list[int] = []
    words: list[str] = []
    position = cursor.position
    while cursor.at(*COUNTERS) or (words and cursor.at(",") and cursor.ahead(1).text in COUNTERS):
        cursor.accept(",")
        words.append(cursor.word("a counter"))
        numbers.append(cursor.number("counter", high=U24))
    if tuple(words) not in (COUNTERS[: len(words)], COUNTERS[::-1][: len(words)]) or not words:
        cursor.refuse("expected the counters e0b, ceb, e1b in this order or in its reverse", position)
    return Option("ECN", tuple(numbers), words=tuple(words))


def _generic(cursor: Cursor) -> Option:
    """``gen-254 0102``: an option of that kind."""
    position = cursor.position
    text = cursor.glued(until=",>")
    if not text.startswith("-") or not text[1:].isascii() or not text[1:].isdigit() or not 0 <= int(text[1:4]) <= U8:
        cursor.refuse("expected gen- and the kind of an option, 0 to 255", position)
    if len(text) > 4:
        cursor.refuse(f"{text[1:41]} is no kind of an option: expected 0 to {U8}", position)
    return Option("gen", (int(text[1:]),), _optional_octets(cursor))


def _experimental(cursor: Cursor) -> Option:
    """``exp-F989 0102``: an option of kind 254 with that identifier (RFC 6994 3)."""
    position = cursor.position
    text = cursor.glued(until=",>")
    digits = text[1:].removeprefix("0x")
    if not text.startswith("-") or not 1 <= len(digits) <= 8 or not _HEX_DIGITS.issuperset(digits):
        cursor.refuse("expected exp- and an experiment identifier in hexadecimal digits", position)
    return Option("exp", (int(digits, 16),), _optional_octets(cursor))


def _optional_octets(cursor: Cursor) -> bytes:
    return b"" if cursor.at(",", ">") else _octets(cursor, "octets in hexadecimal digits")


def _octets(cursor: Cursor, expected: str) -> bytes:
    position = cursor.position
    digits = cursor.glued(until=",>").removeprefix("0x")
    if len(digits) % 2 or not digits or not _HEX_DIGITS.issuperset(digits):
        cursor.refuse(f"expected {expected}: {digits[:40]!r} is none", position)
    return bytes.fromhex(digits)


_OPTIONS: Mapping[str, Callable[[Cursor], Option]] = {
    "mss": _mss,
    "nop": lambda _: Option("nop"),
    "eol": lambda _: Option("eol"),
    "wscale": _wscale,
    "sackOK": lambda _: Option("sackOK"),
    "sack": _sack,
    "TS": _timestamps,
    "md5": _md5,
    "FO": _cookie("FO"),
    "FOEXP": _cookie("FOEXP"),
    "ECN": _accurate_ecn,
    "gen": _generic,
    "exp": _experimental,
}
