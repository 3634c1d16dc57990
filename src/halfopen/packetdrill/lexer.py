"""A script as tokens: words, numbers, strings, blocks, and signs of one character.

Characters that are in no token stand for themselves, since notes behind a result may hold anything; it is the parser
that refuses them elsewhere. ``#ifdef NAME``, ``#ifndef``, ``#else`` and ``#endif``, each on its line, leave parts out.
"""

import ipaddress
import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

from halfopen.packetdrill.errors import ScriptError
from halfopen.packetdrill.script import Position


class Kind(Enum):
    """What a token is."""

    OPTION = "an option"
    INTEGER = "a number"
    FLOAT = "a number with a decimal point"
    HEX = "a hexadecimal number"
    WORD = "a word"
    STRING = "a string"
    SHELL = "a command in back quotes"
    CODE = "a block of code"
    ELLIPSIS = "'...'"
    ADDRESS = "an address"
    SIGN = "a sign"
    END = "the end of the script"


@dataclass(slots=True, frozen=True)
class Token:
    """``text`` is what it stands for: of strings and blocks their inside. ``start`` and ``end`` count characters."""

    kind: Kind
    text: str
    start: int
    end: int


_RESERVED = """
ack win urg mss wscale sackOK sack nop eol TS val ecr md5 FO FOEXP ECN e0b e1b ceb tos ttl flowlabel noecn ect0 ect1
ect01 ce icmp udp raw mtu id ipv4 ipv6 gre mpls label tc encap psp spi hlim class gen exp sa_family sin_port
sin_addr msg_name msg_iov msg_flags msg_control fd events revents onoff linger cmsg_level cmsg_type cmsg_data
ee_errno ee_origin ee_type ee_code ee_info ee_data scm_sec scm_nsec ptr u32 u64 htons inet_addr inet6_addr
"""
RESERVED = frozenset(_RESERVED.split())
"""Words that no definition replaces."""

_BLANK = re.compile(r"(?:[ \t\r\n\f\v]+|//[^\n]*|/\*.*?\*/)+", re.DOTALL)
_DIRECTIVE = re.compile(r"[ \t]*#[ \t]*(ifdef|ifndef|else|endif)\b[ \t]*([A-Za-z0-9_]*)[^\n]*\n?")
_OPTION = re.compile(
    r"--(?P<name>[A-Za-z][A-Za-z0-9_-]*)"
    r"(?:[ \t]*=[ \t]*(?P<value>\"[^\"\n]*\"|(?:(?!//|/\*)[^ \t\r\n\f\v])*))?"
)
_SPACED_DEFINITION = re.compile(r"(?:--define|-D)[ \t]*(?P<value>[A-Za-z_][A-Za-z0-9_]*=(?:\"[^\"\n]*\"|[^ \t\r\n]*))")
_TOKEN = re.compile(
    r"""
      (?P<string>"(?:\\.|[^"\\])*")
    | (?P<shell>`(?:\\.|[^`\\])*`)
    | (?P<code>%\{.*?\}%)
    | (?P<address>[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+(?![0-9A-Za-z_])
      | (?:[0-9A-Fa-f]{1,4})?(?::[0-9A-Fa-f]{0,4}){2,8}(?:(?:\.[0-9]+){3})?)
    | (?P<ellipsis>\.\.\.)
    | (?P<float>-?[0-9]*\.[0-9]+)
    | (?P<hex>0[xX][0-9A-Fa-f]+(?![0-9A-Za-z_]))
    | (?P<integer>-?[0-9]+(?![0-9A-Za-z_]))
    | (?P<word>[A-Za-z0-9_]+)
    | (?P<sign>.)
    """,
    re.DOTALL | re.VERBOSE,
)
_INTEGER = re.compile(r"[+-]?(?:0[xX][0-9A-Fa-f]+|[0-9]+)")
_OCTAL = re.compile(r"^([+-]?)0([0-7]+)$")
_ESCAPE = re.compile(r"\\(x[0-9A-Fa-f]{1,2}|[0-7]{1,3}|.)", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}
_UNCLOSED = {'"': 'a string is not closed by another "', "`": "a command is not closed by another back quote"}


class Lexer:
    """The tokens of one text. ``definitions`` replace words; a ``--define`` in the text adds one if it is not there."""

    def __init__(self, text: str, definitions: Mapping[str, str]) -> None:
        self.text = text
        self.definitions = dict(definitions)
        self._lines = [0, *(match.end() for match in re.finditer("\n", text))]
        self._at = 0
        self._open: list[tuple[int, bool]] = []
        """Where each #ifdef that is open stands, and whether its #else has been seen."""

    def position(self, offset: int) -> Position:
        """The line and column of a character."""
        line = bisect_right(self._lines, offset)
        return Position(line, offset - self._lines[line - 1] + 1)

    def tokens(self) -> list[Token]:
        """All of them; the last one is of kind END."""
        return list(self._tokens())

    def _tokens(self) -> Iterator[Token]:
        options = True
        while self._skip():
            token = (self._option() if options else None) or self._next()
            options = token.kind is Kind.OPTION
            self._at = token.end
            yield token
        if self._open:
            raise ScriptError(self.position(self._open[-1][0]), "#ifdef without #endif")
        yield Token(Kind.END, "", len(self.text), len(self.text))

    def _skip(self) -> bool:
        """Goes on to the next token, over blanks, comments and parts left out; False if there is none."""
        text = self.text
        while True:
            if blank := _BLANK.match(text, self._at):
                self._at = blank.end()
            if self._at >= len(text):
                return False
            if text.startswith("/*", self._at):
                raise ScriptError(self.position(self._at), "a comment is not closed by */")
            if text[self._at] != "#" or not self._begins_line(self._at):
                return True
            self._directive()

    def _begins_line(self, offset: int) -> bool:
        return not self.text[self._lines[self.position(offset).line - 1] : offset].strip(" \t")

    def _directive(self) -> None:
        at = self._at
        match = _DIRECTIVE.match(self.text, at)
        if not match:
            raise ScriptError(self.position(at), "expected #ifdef, #ifndef, #else or #endif")
        name, symbol = match.groups()
        self._at = match.end()
        if name in ("ifdef", "ifndef"):
            if not symbol:
                raise ScriptError(self.position(at), f"expected a name behind #{name}")
            self._open.append((at, False))
            if (symbol in self.definitions) != (name == "ifdef"):
                self._leave_out(at)
            return
        if not self._open or (name == "else" and self._open[-1][1]):
            raise ScriptError(self.position(at), f"#{name} without #ifdef")
        if name == "endif":
            self._open.pop()
        else:
            self._leave_out(self._open[-1][0])

    def _leave_out(self, began: int) -> None:
        """Goes on behind the #else or #endif of the #ifdef that is open; others inside are left out with the rest."""
        depth = 1
        line = self.position(self._at).line - 1
        for start in self._lines[line:]:
            match = _DIRECTIVE.match(self.text, start)
            if start < self._at or not match:
                continue
            name = match.group(1)
            depth += name in ("ifdef", "ifndef")
            depth -= name == "endif"
            if depth == 0 or (depth == 1 and name == "else" and not self._open[-1][1]):
                self._at = match.end()
                self._end_part(name)
                return
        raise ScriptError(self.position(began), "#ifdef without #endif")

    def _end_part(self, name: str) -> None:
        began, _ = self._open.pop()
        if name == "else":
            self._open.append((began, True))

    def _option(self) -> Token | None:
        at = self._at
        if spaced := _SPACED_DEFINITION.match(self.text, at):
            name, value, end = "define", spaced["value"], spaced.end()
        elif match := _OPTION.match(self.text, at):
            name, value, end = match["name"], match["value"], match.end()
        else:
            return None
        if name == "define" and value:
            symbol, _, replacement = value.partition("=")
            self.definitions.setdefault(symbol, replacement)
        if value is None:
            return Token(Kind.OPTION, name, at, end)
        if len(value) > 1 and value[0] == value[-1] == '"':
            value = value[1:-1]
        return Token(Kind.OPTION, f"{name}={value}", at, end)

    def _next(self) -> Token:
        at = self._at
        match = _TOKEN.match(self.text, at)
        assert match and match.lastgroup
        kind, text, end = Kind[match.lastgroup.upper()], match.group(), match.end()
        match kind:
            case Kind.STRING:
                text = unescape(text[1:-1])
            case Kind.SHELL:
                text = text[1:-1]
            case Kind.CODE:
                text = text[2:-2].strip(" \t")
            case Kind.ADDRESS:
                return _address(text, at) or self._without_address(at)
            case Kind.WORD:
                kind, text = self._replaced(text)
            case Kind.SIGN:
                self._check_closed(text, at)
        return Token(kind, text, at, end)

    def _without_address(self, at: int) -> Token:
        """What stands there if it is no address, as in ``1:1001(1000)``."""
        match = _NUMBER.match(self.text, at)
        if not match:
            return Token(Kind.SIGN, self.text[at], at, at + 1)
        if match.lastgroup == "word":
            return Token(*self._replaced(match.group()), at, match.end())
        return Token(Kind[str(match.lastgroup).upper()], match.group(), at, match.end())

    def _check_closed(self, text: str, at: int) -> None:
        if text in _UNCLOSED:
            raise ScriptError(self.position(at), _UNCLOSED[text])
        if self.text.startswith("%{", at):
            raise ScriptError(self.position(at), "a block of code is not closed by }%")

    def _replaced(self, word: str) -> tuple[Kind, str]:
        """What a word stands for: an integer of any base that C has, a string, a command, another word."""
        value = None if word in RESERVED else self.definitions.get(word)
        if value is None:
            return Kind.WORD, word
        if _INTEGER.fullmatch(value):
            return (Kind.HEX, value) if "x" in value.lower() else (Kind.INTEGER, _OCTAL.sub(_decimal, value))
        if len(value) > 1 and value[0] == value[-1] == '"':
            return Kind.STRING, unescape(value[1:-1])
        if len(value) > 1 and value[0] == value[-1] == "`":
            return Kind.SHELL, value[1:-1]
        return Kind.WORD, value


def _decimal(octal: re.Match[str]) -> str:
    return f"{octal[1]}{int(octal[2], 8)}"


_NUMBER = re.compile(
    r"(?P<float>-?[0-9]*\.[0-9]+)|(?P<integer>[0-9]+(?![0-9A-Za-z_]))|(?P<word>[A-Za-z0-9_]+)",
)


def _address(text: str, at: int) -> Token | None:
    """An address at ``at``; it may be followed by a colon that is not its own, as in a header's prefix."""
    for candidate in (text, text.removesuffix(":")):
        try:
            ipaddress.ip_address(candidate)
        except ValueError:
            continue
        return Token(Kind.ADDRESS, candidate, at, at + len(candidate))
    return None


def unescape(text: str) -> str:
    r"""What a string's escapes stand for, as in C; ``\xNN`` and ``\NNN`` are one character each."""

    def character(match: re.Match[str]) -> str:
        code = match.group(1)
        if code[0] == "x" and len(code) > 1:
            return chr(int(code[1:], 16))
        if code[0] in "01234567":
            return chr(int(code, 8) & 0xFF)
        return _ESCAPED.get(code, code)

    return _ESCAPE.sub(character, text)
