"""A host that looks at whatever reaches its interfaces, for whomever it is."""

from halfopen.base.clock import Instant
from halfopen.capture.record import Direction
from halfopen.sim.cable import CableEnd, Observer
from halfopen.sim.host import SimHost
from halfopen.wire.packet import Packet


class Eavesdropper(Observer):
    """The promiscuous mode of ``host``: on a hub it hears everything, behind a switch little that is not its own.

    ``network.observe(Eavesdropper(eve))``; what it hears from then on is in ``heard``, with the time.
    """

    def __init__(self, host: SimHost) -> None:
        self.heard: list[tuple[Instant, Packet]] = []
        self._name = host.name

    def on_packet(
        self, when: Instant, end: CableEnd, packet: Packet, direction: Direction, comment: str | None = None
    ) -> None:
        """Keeps what comes in."""
        if direction == "inbound" and end.pump.name == self._name:
            self.heard.append((when, packet))
