"""Cables: what one interface puts on them comes out at all others, late, changed or not at all (netem's terms)."""

from abc import ABC, abstractmethod

from halfopen.base.clock import NEVER, Instant
from halfopen.base.counters import Counters
from halfopen.base.netem import Impairment
from halfopen.base.rng import Rng, SeededRng
from halfopen.capture.record import Direction
from halfopen.sim.pump import Plug, SimPump
from halfopen.sim.scheduler import Event, Scheduler
from halfopen.stack.interface import Interface
from halfopen.wire.channel import Channel
from halfopen.wire.offload import split
from halfopen.wire.packet import Packet

BATCH = 64
"""Packets taken off a cable at a time."""


class Observer(ABC):
    """Sees what goes into cables and what comes out: what goes in only has been lost, or is on its way."""

    @abstractmethod
    def on_packet(self, when: Instant, end: "CableEnd", packet: Packet, direction: Direction) -> None:
        """``packet`` is ``"outbound"`` or ``"inbound"`` as the host at this ``end`` sees it; no super-segment."""


class Cable:
    """Joins two interfaces or more. Each direction into it has an impairment and a fate of its own.

    Counters: ``CableLost``, ``CableDuplicated``, ``CableCorrupted``, ``CableReordered``, and ``CableOverlimit`` for
    what a full queue (drop-tail) refused.
    """

    def __init__(self, scheduler: Scheduler, rng: SeededRng, impairment: Impairment) -> None:
        self.scheduler = scheduler
        self.counters = Counters()
        self.observers: list[Observer] = []
        self.ends: list[CableEnd] = []
        self._rng = rng
        self._impairment = impairment

    def plug(self, pump: SimPump, interface: Interface) -> "CableEnd":
        """One more interface on this cable."""
        label = f"{pump.name}.{interface.name}"
        end = CableEnd(self, (pump, interface), self._impairment, self._rng.fork(label))
        self.ends.append(end)
        pump.plug(interface, end)
        return end

    def impair(self, impairment: Impairment) -> None:
        """Packets that are sent from now on meet this, in all directions; those on their way go on as they were."""
        self._impairment = impairment
        for end in self.ends:
            end.impair(impairment)


class CableEnd(Plug):
    """One plug of a cable, and the direction that begins there."""

    __slots__ = ("_cable", "_channel", "_event", "interface", "pump")

    def __init__(self, cable: Cable, plug: tuple[SimPump, Interface], impairment: Impairment, rng: Rng) -> None:
        self._cable = cable
        self.pump, self.interface = plug
        self._channel = Channel(impairment, self.interface.link_octets, rng, cable.counters, "Cable")
        self._event: Event | None = None

    @property
    def label(self) -> str:
        """``"client.eth0"``"""
        return f"{self.pump.name}.{self.interface.name}"

    def impair(self, impairment: Impairment) -> None:
        """As `Cable.impair`, for this direction only."""
        self._channel.impairment = impairment

    def send(self, packet: Packet, now: Instant) -> None:
        """Each packet of a super-segment has a fate of its own."""
        for piece in split(packet, self.interface.link_octets):
            for observer in self._cable.observers:
                observer.on_packet(now, self, piece, "outbound")
            self._channel.admit(piece, now)
        self._plan()

    def _plan(self) -> None:
        """One event waits for the first packet on its way; a packet that overtakes needs an earlier one."""
        deadline = self._channel.next_deadline()
        if self._event is not None:
            if self._event.when <= deadline:
                return
            self._event.cancel()
        self._event = self._cable.scheduler.at(deadline, self._deliver) if deadline < NEVER else None

    def _deliver(self) -> None:
        now = self._cable.scheduler.now
        self._event = None
        while packets := self._channel.due(now, BATCH):
            for packet in packets:
                self._arrive(packet, now)
        self._plan()

    def _arrive(self, packet: Packet, now: Instant) -> None:
        for end in self._cable.ends:
            if end is self:
                continue
            for observer in self._cable.observers:
                observer.on_packet(now, end, packet, "inbound")
            end.pump.take(end.interface, packet)
