"""Runs a script: each event in its order and at its time, against whichever world it is handed."""

import re
from dataclasses import dataclass

from halfopen.base.clock import NEVER, SECOND, Instant
from halfopen.packetdrill.addressing import IPV4
from halfopen.packetdrill.calls import Operation
from halfopen.packetdrill.captured import Emitted, capture, unwrapped
from halfopen.packetdrill.errors import DrillError, Endless, Mismatch, Unsupported, Verdict, failure
from halfopen.packetdrill.expecting import Outbound
from halfopen.packetdrill.inbound import build
from halfopen.packetdrill.link_expecting import Frames
from halfopen.packetdrill.mapping import SequenceNumbers, Timestamps, Unmapped
from halfopen.packetdrill.notation import describe_packet
from halfopen.packetdrill.script import Call, Code, Event, PacketLine, Position, Script, Shell
from halfopen.packetdrill.settings import RunOptions, Settings, settings_of
from halfopen.packetdrill.tested import Tracker
from halfopen.packetdrill.timeline import Timeline
from halfopen.packetdrill.trace import TraceLine
from halfopen.packetdrill.world import World
from halfopen.packetdrill.worlds import open_world

GRACE = 1 * SECOND
"""How long a blocking call is waited for that is not over when it should be."""

INLINE_LIMIT = 60 * SECOND
"""After which a call that was not expected to block never returns."""


_LEADING_TIME = re.compile(r"^[+*~.\d]+(\s*\.\.\.\s*[.\d]+)?\s*")


@dataclass(slots=True, eq=False)
class _Pending:
    """A call that has not returned yet."""

    operation: Operation
    event: Event
    call: Call
    began: Instant
    returns: Instant
    """When it is to return, if it may block."""


class Runner:
    """One run of one script; raises a DrillError where it fails."""

    __slots__ = (
        "_frames",
        "_outbound",
        "_pending",
        "_script",
        "_settings",
        "_timeline",
        "_trace",
        "_tracker",
        "_world",
        "warnings",
    )

    def __init__(self, script: Script, settings: Settings, world: World, trace: list[TraceLine]) -> None:
        self._script = script
        self._settings = settings
        self._world = world
        self._tracker = Tracker(settings.addressing, Timestamps(extrapolates=settings.scales_ecr))
        self._tracker.md5_secret = settings.tcp_md5_secret
        link = settings.link
        self._frames = None if link is None else Frames(world, self._tracker, settings, link)
        self._outbound = self._frames or Outbound(world, self._tracker, settings)
        self._timeline = Timeline(world.now, settings)
        self._pending: _Pending | None = None
        self._trace = trace
        self.warnings: list[DrillError] = []
        """What ``--non_fatal`` has let pass."""
        world.watch = self._watch

    def run(self) -> None:
        """The whole script, with what comes before and after."""
        begun = False
        try:
            if self._script.init is not None:
                command, position = self._script.init
                self._world.shell(command.command, position)
            begun = True
            self._world.begin()
            self._timeline = Timeline(self._world.now, self._settings)
            for event in self._script.events:
                self._perform(event)
            self._await_pending(forgiving=False)
            self._outbound.check_end(self._script.events[-1].position)
        finally:
            self._tell_rest()
            if begun and self._script.cleanup is not None:
                command, position = self._script.cleanup
                self._world.shell(command.command, position)

    def _perform(self, event: Event) -> None:
        try:
            self._act(event)
        except Mismatch as mismatch:
            kind = "packet" if isinstance(event.action, PacketLine) else "syscall"
            if kind not in self._settings.non_fatal:
                raise
            self.warnings.append(mismatch)
        self._timeline.finish(event, self._world.now)

    def _act(self, event: Event) -> None:
        action = event.action
        if isinstance(action, PacketLine) and not action.inbound:
            self._expect(event, action)
            return
        if isinstance(action, Call) and self._pending is not None:
            self._await_pending(forgiving=event.when.until is None)
        self._world.run_until(self._timeline.due(event))
        self._timeline.check_start(event, self._world.now)
        match action:
            case PacketLine():
                self._inject(action, event.position)
            case Call():
                self._call(event, action)
            case Shell(command):
                self._world.shell(command, event.position)
            case Code(text):
                tested = self._tracker.tested
                self._world.code(text, event.position, None if tested is None else tested.descriptor)
        self._world.run_until(self._world.now)

    def _expect(self, event: Event, line: PacketLine) -> None:
        """An outbound packet: the time of its emission is what counts."""
        elapsed = self._timeline.since_start(self._timeline.due(event))
        try:
            sent = self._outbound.expect(line, event.position, self._timeline.patience(event), elapsed)
            self._timeline.check_outbound(event, sent)
        except Mismatch as mismatch:
            expected = self._line(event.position)
            mismatch.expected = mismatch.expected or expected
            raise
        finally:
            self._tell_outbound()

    def _inject(self, line: PacketLine, position: Position) -> None:
        """An inbound packet; what it is to acknowledge has been captured before."""
        if line.encapsulation:
            raise Unsupported(position, "encapsulated packets are not supported")
        if self._frames is not None:
            self._tell(self._world.now, self._frames.inject(line, position))
            return
        self._outbound.collect()
        try:
            packet = build(line, self._tracker, self._settings.mss)
        except Unmapped as error:
            raise Mismatch(position, str(error)) from None
        for captured in capture(Emitted(self._world.now, packet), whole=True):
            seen = unwrapped(captured) if line.udp_ports is not None else captured
            self._tell(self._world.now, describe_packet(seen, self._numbers, inbound=True))
        self._world.inject(packet)

    def _call(self, event: Event, call: Call) -> None:
        """Makes a call; one that may block goes on beside what follows."""
        self._tracker.on_connect(call)
        operation = self._world.calls.start(call, event.position)
        now = self._world.now
        self._pending = _Pending(operation, event, call, now, self._timeline.returns(event))
        self._tell(now, _LEADING_TIME.sub("", self._line(event.position)))
        if event.when.until is None:
            self._world.run_while(self._is_pending, now + INLINE_LIMIT)
            if self._pending is not None:
                self._pending = None
                raise Endless(event.position, f"{call.name}() blocks")

    def _is_pending(self) -> bool:
        return self._pending is not None

    def _watch(self) -> Instant:
        """Whenever something may have happened: has the pending call returned?"""
        pending = self._pending
        if pending is None:
            return NEVER
        try:
            outcome = pending.operation.poll()
        except DrillError:
            self._pending = None
            raise
        if outcome is None:
            return pending.operation.until
        self._pending = None
        self._tracker.on_call(pending.call, outcome.result)
        if pending.event.when.until is not None:
            wanted = (pending.began, pending.returns)
            self._timeline.check_return(pending.event.position, wanted, self._world.now)
        return NEVER

    def _await_pending(self, *, forgiving: bool) -> None:
        """The one call that may be pending is waited for; only a call that does not block goes on without."""
        pending = self._pending
        if pending is None:
            return
        until = self._world.now if forgiving else max(self._world.now, pending.returns)
        self._world.run_while(self._is_pending, until + GRACE)
        if self._pending is not None and not forgiving:
            raise Endless(pending.event.position, f"{pending.call.name}() has not returned")

    def _line(self, position: Position) -> str:
        lines = self._script.source.splitlines()
        return lines[position.line - 1].strip() if position.line <= len(lines) else ""

    @property
    def _numbers(self) -> SequenceNumbers:
        tested = self._tracker.tested
        return tested.numbers if tested is not None else SequenceNumbers()

    def _tell_rest(self) -> None:
        """A failure leaves packets behind that may explain it."""
        self._pending = None
        self._tell_outbound()
        for when, text in self._outbound.leftovers():
            self._tell(when, f"{text}  // not asked for")

    def _tell_outbound(self) -> None:
        for when, text in self._outbound.drain():
            self._tell(when, text)

    def _tell(self, when: Instant, text: str) -> None:
        self._trace.append(TraceLine(self._timeline.since_start(when), text))


def run(script: Script, options: RunOptions) -> Verdict:
    """One run of one script, and what came of it."""
    return run_traced(script, options)[0]


def run_traced(script: Script, options: RunOptions) -> tuple[Verdict, list[TraceLine]]:
    """The verdict, and what has happened up to it."""
    trace: list[TraceLine] = []
    ip_version = options.ip_version or IPV4
    try:
        settings = settings_of(script, options)
        ip_version = settings.addressing.ip_version
        with open_world(settings, options) as world:
            Runner(script, settings, world, trace).run()
    except DrillError as error:
        return failure(script.path, ip_version, error), trace
    return Verdict(script=script.path, ip_version=ip_version, verdict="pass"), trace
