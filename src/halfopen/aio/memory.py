"""Hosts in one event loop, joined by cables of memory: real time, no delay, no loss, no device."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import TypeAlias

from halfopen.aio.pump import Pump
from halfopen.base.clock import Instant
from halfopen.stack.interface import Interface
from halfopen.stack.stack import Stack
from halfopen.wire.packet import Packet

BATCH = 64
"""Packets that a host takes in before it answers."""

PacketObserver: TypeAlias = Callable[[Instant, Interface, Packet], None]
"""Sees each packet that is put on a cable: when, by which interface, what."""


class MemoryPump(Pump):
    """Drives a stack whose interfaces are plugged into `MemoryCable`."""

    def __init__(self, stack: Stack, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(stack, loop)
        self._ends: dict[Interface, CableEnd] = {}
        self._arrived: deque[tuple[Interface, Packet]] = deque()
        self._is_receiving = False

    def now(self) -> Instant:
        """The system's monotonic clock."""
        return time.monotonic_ns()

    def plug(self, interface: Interface, end: "CableEnd") -> None:
        """Packets of ``interface`` go into this end from now on."""
        self._ends[interface] = end

    def send(self, interface: Interface, packet: Packet) -> None:
        """Into the cable, if one is plugged in."""
        end = self._ends.get(interface)
        if end is None:
            self.stack.counters.add("MemoryNoCable")
        else:
            end.send(packet, self.now())

    def take(self, interface: Interface, packet: Packet) -> None:
        """A packet has come out of a cable."""
        self._arrived.append((interface, packet))
        if not self._is_receiving:
            self._is_receiving = True
            self.loop.call_soon(self._receive, context=self._context)

    def _receive(self) -> None:
        now = self.now()
        arrived, receive = self._arrived, self.stack.receive
        for _ in range(min(BATCH, len(arrived))):
            interface, packet = arrived.popleft()
            receive(interface, packet, now)
        self._is_receiving = bool(arrived)
        if arrived:
            self.loop.call_soon(self._receive, context=self._context)
        self.flush()


class CableEnd:
    """One plug of a cable: where its packets come out."""

    __slots__ = ("_interface", "_observer", "_peer_interface", "_peer_pump")

    def __init__(
        self, interface: Interface, peer_pump: MemoryPump, peer: Interface, observer: PacketObserver | None
    ) -> None:
        self._interface = interface
        self._peer_pump = peer_pump
        self._peer_interface = peer
        self._observer = observer

    def send(self, packet: Packet, now: Instant) -> None:
        """Hands the packet over as it is, with its marks: a super-segment stays one, and no checksum is computed."""
        if self._observer is not None:
            self._observer(now, self._interface, packet)
        self._peer_pump.take(self._peer_interface, packet)


Plug: TypeAlias = tuple[MemoryPump, Interface]


class MemoryCable:
    """Joins two interfaces; whatever one sends, the other receives."""

    def __init__(self, first: Plug, second: Plug, observer: PacketObserver | None = None) -> None:
        for (pump, interface), (peer_pump, peer) in ((first, second), (second, first)):
            pump.plug(interface, CableEnd(interface, peer_pump, peer, observer))
