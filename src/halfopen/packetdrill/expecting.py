"""What the host sends, as it is captured, and the lines of a script that expect it."""

from collections import deque
from collections.abc import Iterator

from halfopen.base.clock import Duration, Instant
from halfopen.base.errors import Malformed
from halfopen.packetdrill.captured import Captured, CapturedSegment, Emitted, capture, segment_of, unwrapped
from halfopen.packetdrill.errors import Mismatch, Unsupported
from halfopen.packetdrill.mapping import SequenceNumbers, Unmapped
from halfopen.packetdrill.matching import (
    Difference,
    TimestampRule,
    compare_icmp,
    compare_ip,
    compare_segment,
    compare_udp,
    gather,
)
from halfopen.packetdrill.notation import describe_packet, describe_segment
from halfopen.packetdrill.script import IcmpLine, PacketLine, Position, TcpLine, UdpLine
from halfopen.packetdrill.settings import Settings
from halfopen.packetdrill.tested import Tracker
from halfopen.packetdrill.world import World
from halfopen.wire.ipv4 import PROTOCOL_ICMP, PROTOCOL_TCP, PROTOCOL_UDP
from halfopen.wire.ipv6 import PROTOCOL_ICMPV6


class Outbound:
    """The queue of captured packets, of which only those of the connection under test count."""

    __slots__ = ("_queue", "_settings", "_tracker", "_world", "seen")

    def __init__(self, world: World, tracker: Tracker, settings: Settings) -> None:
        self._world = world
        self._tracker = tracker
        self._settings = settings
        self._queue: deque[Captured] = deque()
        self.seen: list[Captured] = []
        """All that was captured and belongs to the connection under test, to be told; whoever tells takes them out."""

    def collect(self) -> None:
        """Captures what has been sent so far: it may tell our port, too."""
        while (emitted := self._world.next_output(self._world.now)) is not None:
            self._capture(emitted)
        for captured in self._queue:
            if self._tracker.takes(captured):
                self._tracker.suppose(captured)

    def next(self, until: Instant) -> Captured | None:
        """The next packet of the connection under test, if need be waiting for it."""
        while True:
            while self._queue:
                captured = self._queue.popleft()
                if self._tracker.takes(captured):
                    self.seen.append(captured)
                    return captured
            emitted = self._world.next_output(until)
            if emitted is None:
                return None
            self._capture(emitted)

    def _capture(self, emitted: Emitted) -> None:
        captured = capture(emitted)
        self._queue.extend(map(unwrapped, captured) if self._settings.is_tcp_in_udp else captured)

    def expect(self, line: PacketLine, position: Position, until: Instant, elapsed: Duration) -> Instant:
        """Compares what comes next with ``line``; when it was sent. ``elapsed`` since the start of the script."""
        if line.encapsulation:
            raise Unsupported(position, "encapsulated packets are not supported")
        try:
            first = self.next(until)
            if first is None:
                raise Mismatch(position, "no packet is sent")
            return self._compare(line, first, position, (until, elapsed))
        except (Difference, Unmapped, Malformed) as error:
            raise Mismatch(position, str(error), seen=self._describe_last()) from None

    def _compare(
        self, line: PacketLine, first: Captured, position: Position, limits: tuple[Instant, Duration]
    ) -> Instant:
        until, elapsed = limits
        transport = line.transport
        differences: list[str] = list(compare_ip(line.ip, first, self._tracker))
        if line.udp_ports != first.udp_ports:
            differences.append(f"UDP ports: expected {line.udp_ports}, saw {first.udp_ports}")
        seen, sent = "", first.when
        match transport:
            case TcpLine() if first.protocol == PROTOCOL_TCP:
                segment = self._gathered(transport, segment_of(first), until)
                rule = TimestampRule(tick=self._settings.timestamp_tick, tolerance=self._settings.allowance(elapsed))
                differences += compare_segment(transport, segment, self._tracker, rule)
                seen, sent = f"> {describe_segment(segment, self._numbers)}", segment.when
            case UdpLine() if first.protocol == PROTOCOL_UDP:
                differences += compare_udp(transport, first)
            case IcmpLine() if first.protocol in (PROTOCOL_ICMP, PROTOCOL_ICMPV6):
                differences += compare_icmp(transport, first)
            case _:
                differences.insert(0, "a packet of another protocol")
        if differences:
            raise Mismatch(position, "; ".join(differences), seen=seen or self._describe_last())
        return sent

    def _gathered(self, line: TcpLine, first: CapturedSegment, until: Instant) -> CapturedSegment:
        if self._settings.strict_segments:
            return first
        return gather(line, first, lambda: self._following(until))

    def _following(self, until: Instant) -> CapturedSegment | None:
        captured = self.next(until)
        return None if captured is None else segment_of(captured)

    @property
    def _numbers(self) -> SequenceNumbers:
        tested = self._tracker.tested
        return tested.numbers if tested is not None else SequenceNumbers()

    def _describe_last(self) -> str:
        return describe_packet(self.seen[-1], self._numbers) if self.seen else ""

    def drain(self) -> Iterator[tuple[Instant, str]]:
        """What lines have been compared with, each once."""
        while self.seen:
            captured = self.seen.pop(0)
            yield captured.when, describe_packet(captured, self._numbers)

    def leftovers(self) -> Iterator[tuple[Instant, str]]:
        """What no line has asked for."""
        self.collect()
        for captured in self._queue:
            if self._tracker.takes(captured):
                yield captured.when, describe_packet(captured, self._numbers)

    def check_end(self, position: Position) -> None:
        """Packets that no line has asked for are no mistake (as in the public tool)."""
