"""A stack on real links, in an event loop: reads packets in batches, writes what comes of them, keeps the time."""

import asyncio
import time
from collections.abc import Mapping

from halfopen.aio.pump import Pump
from halfopen.base.clock import NEVER, SECOND, Instant
from halfopen.links.link import Link
from halfopen.stack.interface import Interface
from halfopen.stack.stack import Stack
from halfopen.wire.packet import Packet

BATCH = 64
"""Packets read from one link before the stack answers."""


class RealPump(Pump):
    """Drives a stack by its links' descriptors. ``links`` are the caller's to close, after `close`."""

    def __init__(self, stack: Stack, loop: asyncio.AbstractEventLoop, links: Mapping[Interface, Link]) -> None:
        super().__init__(stack, loop)
        self._links = dict(links)
        self._link_timer: asyncio.TimerHandle | None = None
        self._link_timer_at: Instant = NEVER
        for interface, link in self._links.items():
            loop.add_reader(link.fileno(), self._on_readable, interface, link)

    def now(self) -> Instant:
        """The system's monotonic clock."""
        return time.monotonic_ns()

    def send(self, interface: Interface, packet: Packet) -> None:
        """Writes to the interface's link, which counts what it drops."""
        link = self._links.get(interface)
        if link is None:
            self.stack.counters.add("InterfaceWithoutLink")
        else:
            link.write(packet)

    def flush(self) -> None:
        """Also sets the links' timer: what was written may be held back there."""
        super().flush()
        for link in self._links.values():
            link.flush()
        self._set_link_timer()

    def close(self) -> None:
        """Stops listening to the links."""
        for link in self._links.values():
            self.loop.remove_reader(link.fileno())
        self._links.clear()
        if self._link_timer is not None:
            self._link_timer.cancel()
            self._link_timer = None
        super().close()

    def _on_readable(self, interface: Interface, link: Link) -> None:
        try:
            packets = link.read(BATCH)
        except OSError as error:
            self._lose(interface, link, error)
            return
        self.stack.receive_batch(interface, packets, self.now())
        self.flush()

    def _lose(self, interface: Interface, link: Link, error: OSError) -> None:
        """The device is gone; the host lives on without it."""
        self.loop.remove_reader(link.fileno())
        self._links.pop(interface, None)
        self.loop.call_exception_handler({"message": f"The link {link.name} is lost", "exception": error})

    def _set_link_timer(self) -> None:
        """One timer for all links that hold packets back (delay, rate)."""
        deadline = min((link.next_deadline() for link in self._links.values()), default=NEVER)
        if deadline >= self._link_timer_at:
            return
        if self._link_timer is not None:
            self._link_timer.cancel()
        self._link_timer_at = deadline
        delay = max(0, deadline - self.now()) / SECOND
        self._link_timer = self.loop.call_at(self.loop.time() + delay, self._on_link_deadline)

    def _on_link_deadline(self) -> None:
        self._link_timer = None
        self._link_timer_at = NEVER
        now = self.now()
        for interface, link in list(self._links.items()):
            if link.next_deadline() <= now:
                link.on_deadline(now)
                self._on_readable(interface, link)
        self._set_link_timer()
