"""Frames in the link dialect: nothing is passed over, and every octet that a line tells is compared."""

from collections import deque
from collections.abc import Iterator

from halfopen.base.clock import Duration, Instant
from halfopen.base.errors import Malformed
from halfopen.packetdrill.captured import Captured, Emitted, capture
from halfopen.packetdrill.errors import Mismatch
from halfopen.packetdrill.expecting import Outbound
from halfopen.packetdrill.inbound import build
from halfopen.packetdrill.link_layout import DEVICES, LinkLayout
from halfopen.packetdrill.link_octets import FrameBuilder, Memory
from halfopen.packetdrill.link_script import LinkLine
from halfopen.packetdrill.mapping import Unmapped
from halfopen.packetdrill.matching import Difference
from halfopen.packetdrill.script import PacketLine, Position
from halfopen.packetdrill.settings import Settings
from halfopen.packetdrill.tested import Tracker
from halfopen.packetdrill.world import World
from halfopen.stack.interface import ETHERNET
from halfopen.wire import ethernet, icmpv6, ipv6
from halfopen.wire.describe import describe
from halfopen.wire.offload import complete_checksum
from halfopen.wire.packet import Packet

_LINK = ethernet.HEADER_OCTETS
_MLD = frozenset({icmpv6.MULTICAST_LISTENER_REPORT_V2, icmpv6.MULTICAST_LISTENER_REPORT})


class Frames(Outbound):
    """What comes out of the devices, frame by frame; a line always meets the next one."""

    __slots__ = ("_builder", "_layout", "_memory", "_mss", "_told")

    def __init__(self, world: World, tracker: Tracker, settings: Settings, layout: LinkLayout) -> None:
        super().__init__(world, tracker, settings)
        self._layout = layout
        self._memory = Memory()
        self._builder = FrameBuilder(layout, self._memory)
        self._mss = settings.mss
        self._told: deque[tuple[Instant, str]] = deque()

    def inject(self, line: PacketLine, position: Position) -> str:
        """A frame arrives; it is returned in words."""
        transport = line.transport
        try:
            if isinstance(transport, LinkLine):
                device, frame = transport.device, self._builder.build(line, transport)
            else:
                octets = complete_checksum(build(line, self._tracker, self._mss)).joined()
                device, frame = 0, self._builder.header_of_segment(octets[0] >> 4 == 6) + octets
        except Unmapped as error:
            raise Mismatch(position, str(error)) from None
        self._memory.received.append(frame[_LINK:])
        self._world.inject(Packet(frame), device)
        return _words("<", device, frame)

    def expect(self, line: PacketLine, position: Position, until: Instant, elapsed: Duration) -> Instant:
        """Compares the next frame with ``line``; when it was sent."""
        transport = line.transport
        if not isinstance(transport, LinkLine):
            return super().expect(line, position, until, elapsed)
        emitted = self._next_frame(until)
        if emitted is None:
            raise Mismatch(position, "no packet is sent")
        seen = emitted.packet.joined()
        try:
            expected = self._builder.build(line, transport, seen)
        except (Malformed, Unmapped) as error:
            raise Mismatch(position, str(error), seen=_words(">", emitted.device, seen)) from None
        if (emitted.device, seen) != (transport.device, expected):
            words = [_words(">", *each) for each in ((transport.device, expected), (emitted.device, seen))]
            if words[0] == words[1]:
                words = [f"{text} {detail}" for text, detail in zip(words, _differing(expected, seen), strict=True)]
            raise Mismatch(position, f"expected {words[0]}, saw {words[1]}", words[0], words[1])
        return emitted.when

    def collect(self) -> None:
        """Frames stay where they are until a line asks for them."""

    def next(self, until: Instant) -> Captured | None:
        """The segment in the next frame, which has to be one of the connection under test."""
        emitted = self._next_frame(until)
        if emitted is None:
            return None
        frame = emitted.packet.joined()
        if frame[12:14] != ethernet.ETHERTYPE_ARP.to_bytes(2, "big"):
            for captured in capture(Emitted(emitted.when, Packet(frame[_LINK:]))):
                if self._tracker.takes(captured):
                    return captured
        raise Difference(f"another frame: {_words('>', emitted.device, frame)}")

    def check_end(self, position: Position) -> None:
        """After the last event nothing is left that no line has asked for."""
        emitted = self._next_frame(self._world.now)
        if emitted is not None:
            frame = _words(">", emitted.device, emitted.packet.joined())
            raise Mismatch(position, f"another frame comes out: {frame}", "no other frame", frame)

    def _next_frame(self, until: Instant) -> Emitted | None:
        """In its order; reports of groups only if the script is about them."""
        while (emitted := self._world.next_output(until)) is not None:
            frame = emitted.packet.joined()
            if self._layout.mld or not _is_report(frame):
                self._told.append((emitted.when, _words(">", emitted.device, frame)))
                self._memory.last_sent = frame[_LINK:]
                return emitted
        return None

    def drain(self) -> Iterator[tuple[Instant, str]]:
        """What has been taken, each once."""
        while self._told:
            yield self._told.popleft()

    def leftovers(self) -> Iterator[tuple[Instant, str]]:
        """What no line has asked for."""
        while self._next_frame(self._world.now) is not None:
            yield self._told.pop()


def _words(direction: str, device: int, frame: bytes) -> str:
    where = f"{DEVICES[device]} " if device else ""
    return f"{direction} {where}{describe(frame, ETHERNET)}"


def _differing(expected: bytes, seen: bytes) -> tuple[str, str]:
    """Two frames in the same words differ in an octet, or in length."""
    for at, (one, other) in enumerate(zip(expected, seen, strict=False)):
        if one != other:
            return f"[octet {at}: {one:#04x}]", f"[octet {at}: {other:#04x}]"
    return f"[{len(expected)} octets]", f"[{len(seen)} octets]"


def _is_report(frame: bytes) -> bool:
    """Whether it tells of multicast groups (RFC 3810 5.2), behind a header of hop-by-hop options."""
    at = _LINK + ipv6.HEADER_OCTETS
    return (
        frame[12:14] == ethernet.ETHERTYPE_IPV6.to_bytes(2, "big")
        and frame[_LINK + 6] == ipv6.HOP_BY_HOP_OPTIONS
        and len(frame) > at + 8
        and frame[at + 8] in _MLD
    )
