"""A place among the tokens of a script, and what a parser asks of it."""

from collections.abc import Callable, Sequence
from typing import NoReturn, TypeVar

from halfopen.packetdrill.errors import ScriptError
from halfopen.packetdrill.lexer import Kind, Lexer, Token
from halfopen.packetdrill.script import Position

Item = TypeVar("Item")

U8 = 0xFF
U16 = 0xFFFF
U24 = 0xFFFFFF
U32 = 0xFFFFFFFF
MOST_DIGITS = 40
"""More than any number that fits in 64 bits has."""


class Cursor:
    """Reads tokens from the first to the last. What does not fit raises a `ScriptError` that says what was expected."""

    def __init__(self, lexer: Lexer) -> None:
        self._lexer = lexer
        self._tokens: Sequence[Token] = lexer.tokens()
        self._at = 0

    @property
    def token(self) -> Token:
        """The token to come."""
        return self._tokens[self._at]

    @property
    def position(self) -> Position:
        """Where the token to come stands."""
        return self._lexer.position(self.token.start)

    def ahead(self, tokens: int) -> Token:
        """The token that many behind the one to come, or the last one."""
        return self._tokens[min(self._at + tokens, len(self._tokens) - 1)]

    def take(self) -> Token:
        """The token to come, which is passed; nothing gets past the last."""
        token = self.token
        if token.kind is not Kind.END:
            self._at += 1
        return token

    def fail(self, expected: str) -> NoReturn:
        """What is here is not what it should be."""
        token = self.token
        found = token.kind.value if token.kind is Kind.END else repr(self._lexer.text[token.start : token.end][:40])
        raise ScriptError(self.position, f"expected {expected}, found {found}")

    def refuse(self, message: str, position: Position | None = None) -> NoReturn:
        """What is here, or was at ``position``, reads well but cannot be meant."""
        raise ScriptError(position or self.position, message)

    def at(self, *texts: str) -> bool:
        """Whether the token to come is one of these signs or words."""
        token = self.token
        return token.text in texts and token.kind in (Kind.SIGN, Kind.WORD, Kind.ELLIPSIS)

    def accept(self, text: str) -> bool:
        """Passes this sign or word if it is to come."""
        found = self.at(text)
        if found:
            self._at += 1
        return found

    def expect(self, text: str) -> None:
        """Passes this sign or word."""
        if not self.accept(text):
            self.fail(repr(text))

    def word(self, what: str) -> str:
        """A word."""
        if self.token.kind is not Kind.WORD:
            self.fail(what)
        return self.take().text

    def number(self, what: str, low: int = 0, high: int = U32) -> int:
        """An integer, decimal or hexadecimal, between two bounds."""
        if self.token.kind not in (Kind.INTEGER, Kind.HEX):
            self.fail(what)
        value = integer(self.token)
        if value is None or not low <= value <= high:
            self.refuse(f"{self.token.text[:MOST_DIGITS]} is no {what}: expected {low} to {high}")
        self._at += 1
        return value

    def listed(self, item: Callable[[], Item], end: str) -> tuple[Item, ...]:
        """Items with commas between them, up to and past ``end``; a comma may stand behind the last one."""
        items: list[Item] = []
        while not self.accept(end):
            items.append(item())
            if not self.accept(",") and not self.at(end):
                self.fail(f"',' or {end!r}")
        return tuple(items)

    def glued(self, *, until: str = "") -> str:
        """The tokens to come as one text, as long as no blank and none of the signs ``until`` is between them."""
        parts: list[str] = []
        previous = self.token
        while self.token.kind is not Kind.END and not (self.token.kind is Kind.SIGN and self.token.text in until):
            if parts and self.token.start != previous.end:
                break
            previous = self.take()
            parts.append(previous.text)
        return "".join(parts)

    def skip_balanced(self) -> str:
        """The text from the parenthesis to come to the one that closes it, without the two; it may hold anything."""
        self.expect("(")
        start, depth = self.token.start, 1
        while depth:
            if self.token.kind is Kind.END:
                self.fail("')'")
            depth += self.at("(") - self.at(")")
            end = self.take().start
        return self._lexer.text[start:end]


def integer(token: Token) -> int | None:
    """The value of an integer token; None if it is far beyond 64 bits."""
    if len(token.text) > MOST_DIGITS:
        return None
    return int(token.text, 16 if token.kind is Kind.HEX else 10)
