"""Scripts with one expectation changed: who passes the original must fail each of these.

An interpreter that compares too little lets everything pass; this is how it is found out. Only what the language wants
compared is changed: not the sequence number of a SYN, for one, from which the script's own numbering is learnt.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from halfopen.base.clock import MICROSECOND, MILLISECOND, Duration
from halfopen.packetdrill.cursor import U16, U32
from halfopen.packetdrill.link_mutate import link_mutations
from halfopen.packetdrill.link_script import LinkLine
from halfopen.packetdrill.parse_options import octets_of
from halfopen.packetdrill.script import (
    Call,
    Clock,
    Event,
    IcmpLine,
    Option,
    PacketLine,
    Script,
    TcpLine,
    UdpLine,
    When,
)
from halfopen.wire.tcp import ACK, PSH, SYN
from halfopen.wire.tcp_options import MAXIMUM_OCTETS

SHIFT: Duration = 20 * MILLISECOND
ANY_NUMBER = frozenset({"socket", "accept", "open", "epoll_create"})
"""Calls of which any number will do that is not negative."""


@dataclass(slots=True, frozen=True)
class Mutation:
    """``script`` differs from the one that was given in ``what``, at the event on ``line``."""

    what: str
    line: int
    script: Script


def mutations(script: Script) -> Iterator[Mutation]:
    """Every single change of one expectation; none of a script that wants mistakes to be forgiven."""
    if any(option.name == "non_fatal" for option in script.options):
        return
    tolerance = _Tolerance.of(script)
    before = 0
    for index, event in enumerate(script.events):
        for what, changed in _changed(event, before, tolerance):
            events = (*script.events[:index], changed, *script.events[index + 1 :])
            yield Mutation(what, event.position.line, replace(script, events=events))
        if event.when.clock is Clock.ABSOLUTE:
            before = event.when.until or event.when.at


@dataclass(slots=True, frozen=True)
class _Tolerance:
    """How far off a time may be: so much, or so much of a delay."""

    fixed: Duration = 4000 * MICROSECOND
    part: float = 0.125

    @classmethod
    def of(cls, script: Script) -> "_Tolerance":
        """As the script's options have it; those that are no numbers fail it anyhow."""
        told = cls()
        for option in script.options:
            value = option.value or ""
            if option.name == "tolerance_usecs" and value.isdecimal():
                told = replace(told, fixed=int(value) * MICROSECOND)
            elif option.name == "tolerance_percent" and value.replace(".", "", 1).isdecimal():
                told = replace(told, part=float(value) / 100)
        return told


def _changed(event: Event, before: Duration, tolerance: _Tolerance) -> Iterator[tuple[str, Event]]:
    action = event.action
    if isinstance(action, Call):
        for what, call in _calls(action):
            yield what, replace(event, action=call)
    elif isinstance(action, PacketLine) and not action.inbound:
        if event.when.clock is not Clock.ANY:
            yield "time", replace(event, when=_later(event.when, before, tolerance))
        for what, line in _lines(action):
            yield what, replace(event, action=line)


def _later(when: When, before: Duration, tolerance: _Tolerance) -> When:
    """Further off than is tolerated; a range goes as a whole, so far that it does not overlap with what it was."""
    elapsed = when.at - before if when.clock is Clock.ABSOLUTE else when.at
    width = 0 if when.latest is None else when.latest - when.at
    # What is tolerated grows with the delay, and so with the shift.
    shift = SHIFT + width + 2 * tolerance.fixed + int(2 * tolerance.part * (max(elapsed, 0) + width + SHIFT))
    return replace(when, at=when.at + shift, latest=None if when.latest is None else when.latest + shift)


def _calls(call: Call) -> Iterator[tuple[str, Call]]:
    if not isinstance(call.result, int):
        return
    if call.result >= 0:
        result = -1 if call.name in ANY_NUMBER else call.result + 1
        yield "result", replace(call, result=result)
    elif call.errno is not None:
        yield "errno", replace(call, errno="EXDEV")  # Which no call on a socket returns.
        yield "result", replace(call, result=0, errno=None)


def _lines(line: PacketLine) -> Iterator[tuple[str, PacketLine]]:
    transport = line.transport
    match transport:
        case TcpLine():
            for what, changed in _segments(transport):
                yield what, replace(line, transport=changed)
        case UdpLine():
            yield "length", replace(line, transport=replace(transport, octets=transport.octets + 1))
        case IcmpLine():
            yield "type", replace(line, transport=replace(transport, type="type_199", code="code_0"))
        case LinkLine():
            yield from link_mutations(line, transport)
    if line.ip.ecn is not None:
        yield "ECN", replace(line, ip=replace(line.ip, ecn="noecn" if line.ip.ecn != "noecn" else "ect0"))


def _segments(line: TcpLine) -> Iterator[tuple[str, TcpLine]]:
    if not line.any_seq and not line.flags & SYN:
        yield "sequence number", replace(line, start=line.start + 1 & U32, end=line.end + 1 & U32)
    if line.octets > 1:
        yield "length", replace(line, octets=line.octets - 1, end=line.end - 1 & U32)
    if line.flags & ACK and line.ack is not None:
        yield "acknowledgment number", replace(line, ack=line.ack + 1 & U32)
    if line.window is not None:
        yield "window", replace(line, window=line.window ^ 1)
    yield "PSH", replace(line, flags=line.flags ^ PSH)
    yield "urgent pointer", replace(line, urgent=((line.urgent or 0) + 1) & U16)
    if line.ace is not None:
        yield "ACE", replace(line, ace=line.ace ^ 1)
    if line.options is not None:
        for what, options in _options(line.options):
            yield what, replace(line, options=options)


def _options(options: tuple[Option, ...]) -> Iterator[tuple[str, tuple[Option, ...]]]:
    for index, option in enumerate(options):
        if option.name in ("mss", "wscale", "sack", "ECN"):
            numbers = (option.numbers[0] ^ 1, *option.numbers[1:])
            changed = replace(option, numbers=numbers)
            yield f"option {option.name}", (*options[:index], changed, *options[index + 1 :])
    nop = Option("nop")
    if sum(map(octets_of, options)) + 4 <= MAXIMUM_OCTETS:
        yield "another option", (*options, nop, nop, nop, nop)
    if len(options) > 1 and options[0] != options[-1]:
        yield "order of options", options[::-1]


def survivors(script: Script, passes: Callable[[Script], bool]) -> list[Mutation]:
    """The changes that ``passes`` did not notice, though every one of them should be."""
    return [each for each in mutations(script) if passes(each.script)]
