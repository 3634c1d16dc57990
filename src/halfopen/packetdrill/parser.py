"""From text to `Script`: options, init, timed events, cleanup, and the rules that times have to keep to."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from halfopen.base.clock import MICROSECOND, SECOND, Duration
from halfopen.packetdrill.cursor import Cursor
from halfopen.packetdrill.errors import ScriptError
from halfopen.packetdrill.lexer import Kind, Lexer
from halfopen.packetdrill.link_lines import parse_link_packet
from halfopen.packetdrill.parse_calls import parse_call
from halfopen.packetdrill.parse_packets import parse_packet
from halfopen.packetdrill.script import (
    Action,
    Call,
    Clock,
    Code,
    Event,
    PacketLine,
    Position,
    Script,
    ScriptOption,
    Shell,
    When,
)

LONGEST: Duration = 366 * 24 * 3600 * SECOND
"""No time may lie further off."""


def parse(text: str, path: str = "", definitions: Mapping[str, str] | None = None) -> Script:
    """The script that ``text`` is; ``definitions`` are the symbols of ``-D``. `ScriptError` says where it is none."""
    lexer = Lexer(text, definitions or {})
    cursor = Cursor(lexer)
    options = []
    while cursor.token.kind is Kind.OPTION:
        position = cursor.position
        name, sign, value = cursor.take().text.partition("=")
        options.append(ScriptOption(name, value if sign else None, position))
    packets = parse_link_packet if any(option.name == "link" for option in options) else parse_packet
    init = _block(cursor)
    events: list[Event] = []
    cleanup = None
    while cursor.token.kind is not Kind.END and cleanup is None:
        cleanup = _block(cursor) if events else None
        if cleanup is None:
            events.append(_event(cursor, events[-1] if events else None, packets))
    if cursor.token.kind is not Kind.END:
        cursor.fail("the end of the script behind its cleanup: a command among the events needs a time")
    if not events:
        cursor.fail("an event")
    return Script(path, text, tuple(options), init, tuple(events), cleanup, lexer.definitions)


def load(path: Path, definitions: Mapping[str, str] | None = None) -> Script:
    """The script in a file; octets that are no UTF-8 can only stand in comments and strings."""
    return parse(path.read_text("utf-8", errors="replace"), str(path), definitions)


def _block(cursor: Cursor) -> tuple[Shell, Position] | None:
    """A command without a time."""
    if cursor.token.kind is not Kind.SHELL:
        return None
    position = cursor.position
    return Shell(cursor.take().text), position


def _event(cursor: Cursor, previous: Event | None, packets: Callable[[Cursor], PacketLine]) -> Event:
    position = cursor.position
    when = _when(cursor)
    event = Event(position, when, packets(cursor) if cursor.at("<", ">") else _action(cursor))
    _check_time(event)
    _check_order(event, previous)
    return event


def _action(cursor: Cursor) -> Action:
    if cursor.token.kind is Kind.SHELL:
        return Shell(cursor.take().text)
    if cursor.token.kind is Kind.CODE:
        return Code(cursor.take().text)
    return parse_call(cursor)


@dataclass(slots=True, frozen=True)
class _Time:
    """One number among the times of an event, with or without a plus."""

    relative: bool
    duration: Duration
    position: Position


def _when(cursor: Cursor) -> When:
    """``0.1``, ``+0.1``, ``*``, ``0.1~0.2``, ``+0.1~+0.2``, ``0.1...0.2``, ``+0.1...0.2``."""
    if cursor.accept("*"):
        return When(Clock.ANY)
    first = _time(cursor)
    clock = Clock.RELATIVE if first.relative else Clock.ABSOLUTE
    if cursor.accept("~"):
        second = _time(cursor)
        if second.relative != first.relative:
            raise ScriptError(second.position, "a range mixes a time and an offset: expected a~b or +a~+b")
        if second.duration < first.duration:
            raise ScriptError(second.position, "a range ends before it begins")
        return When(clock, first.duration, latest=second.duration)
    if cursor.accept("..."):
        second = _time(cursor)
        if second.relative and not first.relative:
            raise ScriptError(
                second.position, "a call begins at a time but ends at an offset: expected t...u or +t...u"
            )
        if second.duration < first.duration:
            raise ScriptError(second.position, "a call returns before it begins")
        return When(clock, first.duration, until=second.duration)
    return When(clock, first.duration)


def _time(cursor: Cursor) -> _Time:
    position = cursor.position
    relative = cursor.accept("+")
    token = cursor.token
    if token.kind not in (Kind.INTEGER, Kind.FLOAT):
        cursor.fail("a number of seconds" if relative else "a time: a number of seconds, '+' and a number, or '*'")
    if token.text.startswith("-"):
        cursor.refuse(f"{token.text[:40]} is a negative time")
    duration = _duration(token.text)
    if duration is None:
        cursor.refuse(f"{token.text[:40]} seconds are more than a year")
    cursor.take()
    return _Time(relative, duration, position)


_DECIMAL = re.compile(r"\+?([0-9]{0,9})(?:\.([0-9]+))?")


def _duration(text: str) -> Duration | None:
    """Seconds in decimal digits to whole microseconds; None if it is too long."""
    match = _DECIMAL.fullmatch(text)
    if not match:
        return None
    micros = int(match[1] or "0") * 1_000_000 + int((match[2] or "").ljust(6, "0")[:6])
    return micros * MICROSECOND if micros * MICROSECOND <= LONGEST else None


def _check_time(event: Event) -> None:
    """Ranges and ``*`` are for what the stack emits, and two times with an ellipsis for calls."""
    when = event.when
    outbound = isinstance(event.action, PacketLine) and not event.action.inbound
    if (when.clock is Clock.ANY or when.latest is not None) and not outbound:
        raise ScriptError(event.position, "only outbound packets may come at any time or within a range")
    if when.until is not None and not isinstance(event.action, Call):
        raise ScriptError(event.position, "only a system call may take from one time to another")


def _check_order(event: Event, previous: Event | None) -> None:
    when = event.when
    if previous is None:
        if when.at or when.clock is Clock.ANY:
            raise ScriptError(event.position, "the first event has to be at time 0")
        return
    before = previous.when
    if when.clock is before.clock is Clock.ABSOLUTE and when.at < before.at:
        raise ScriptError(event.position, f"the event before is later, at {before.at / SECOND:.6f}")
