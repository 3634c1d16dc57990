"""Who looks at the cables of a test's network."""

from halfopen.base.clock import Instant
from halfopen.capture.record import Direction
from halfopen.sim.cable import CableEnd, Observer
from halfopen.sim.scheduler import START
from halfopen.wire.packet import Packet


class Eyes(Observer):
    """Keeps when, at which interface and in which direction each packet was seen."""

    def __init__(self) -> None:
        self.seen: list[tuple[Instant, str, Direction, Packet]] = []

    def on_packet(
        self, when: Instant, end: CableEnd, packet: Packet, direction: Direction, comment: str | None = None
    ) -> None:
        self.seen.append((when - START, end.label, direction, packet))

    def arrivals(self) -> list[str]:
        """The hosts that packets have come to, in order."""
        return [label.partition(".")[0] for _, label, direction, _ in self.seen if direction == "inbound"]
