"""What moves a host's stack in virtual time: packets from cables, and the scheduler's clock."""

from abc import ABC, abstractmethod
from collections import deque

from halfopen.aio.pump import Pump
from halfopen.base.clock import Instant
from halfopen.sim.loop import SimLoop
from halfopen.stack.interface import Interface
from halfopen.stack.stack import Stack
from halfopen.wire.packet import Packet


class Plug(ABC):
    """Where the packets of an interface go."""

    __slots__ = ()

    @abstractmethod
    def send(self, packet: Packet, now: Instant) -> None:
        """Takes one packet, which may be a super-segment with its checksum still to be computed."""


class SimPump(Pump):
    """Drives the stack of the host called ``name``; each of its interfaces has at most one `Plug`."""

    def __init__(self, stack: Stack, loop: SimLoop, name: str) -> None:
        super().__init__(stack, loop)
        self.name = name
        self.is_on = True
        self._scheduler = loop.scheduler
        self._plugs: dict[Interface, Plug] = {}
        self._arrived: deque[tuple[Interface, Packet]] = deque()

    def now(self) -> Instant:
        """Virtual time."""
        return self._scheduler.now

    def plug(self, interface: Interface, plug: Plug) -> None:
        """Packets of ``interface`` go there from now on."""
        self._plugs[interface] = plug

    def free_interface(self) -> Interface | None:
        """The first interface that nothing is plugged into."""
        return next((each for each in self.stack.interfaces if each not in self._plugs), None)

    def send(self, interface: Interface, packet: Packet) -> None:
        """Into the cable, if one is plugged in."""
        plug = self._plugs.get(interface)
        if plug is None:
            self.stack.counters.add("CableMissing")
        else:
            plug.send(packet, self.now())

    def take(self, interface: Interface, packet: Packet) -> None:
        """A packet has come out of a cable; what comes at one instant is answered together."""
        if not self._arrived:
            self.loop.call_soon(self._receive, context=self._context)
        self._arrived.append((interface, packet))

    def flush(self) -> None:
        """Does nothing without power."""
        if self.is_on:
            super().flush()

    def close(self) -> None:
        """Takes the power away: from now on nothing is received, nothing sent, and no timer fires."""
        self.is_on = False
        super().close()

    def _receive(self) -> None:
        arrived, self._arrived = self._arrived, deque()
        if not self.is_on:
            self.stack.counters.add("PowerOff", len(arrived))
            return
        now, receive = self.now(), self.stack.receive
        for interface, packet in arrived:
            receive(interface, packet, now)
        self.flush()
