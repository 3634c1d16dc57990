"""Keeping a host from saying that it never asked: its RST would end what others have begun in its name."""

import asyncio
from collections import deque
from math import log

from halfopen.base.addresses import Address
from halfopen.lab.attacker import Attacker
from halfopen.lab.crafting import SynStencil, make_segment
from halfopen.lab.world import World
from halfopen.sim.match import Passing

ROUND_TRIP = 0.05
"""Seconds, more than from the attacker to anybody and back."""
FILLER = 1400
"""Octets in a datagram that fills a line."""


class Gag:
    """A flood that fills the half-open table of one port of the client.

    A host of today answers an unexpected SYN,ACK by RST whatever that table holds (RFC 9293 3.10.7.2). 4.xBSD took a
    place in the table for *any* segment to a listening port before it looked at the flags, so that a full table
    swallowed SYN,ACKs to this port, and to no other.
    """

    def __init__(self, world: World, port: int) -> None:
        self.syns = 0
        """Sent so far."""
        self.is_silent = False
        self._world = world
        self._port = port
        self._stencil = SynStencil(world.client.address, port)
        self._sent: list[tuple[Address, int, int]] = []
        self._due: deque[float] = deque()

    def add(self) -> None:
        """One more SYN from nobody's address."""
        source = self._world.spoofed(self.syns + 1)[-1]
        end = (source, 2000 + self.syns, self._world.rng.below(1 << 32))
        self._world.attacker.send_packet(self._stencil.make(*end), f"SYN {self.syns + 1} to silence the client")
        self._sent.append(end)
        self._due.append(self._world.elapsed)
        self.syns += 1

    async def answers(self) -> bool:
        """Whether a SYN,ACK of the attacker's own, which nobody asked for, is answered by RST."""
        attacker = self._world.attacker
        own = 30_000 + self.syns

        def is_reset(passing: Passing) -> bool:
            segment = passing.tcp
            return segment is not None and "R" in passing.flags and segment.destination_port == own

        syn_ack = make_segment((own, self._port), "S.", seq=self.syns, ack=1)
        attacker.send(syn_ack, destination=self._world.client.address, comment="is the client silent now?")
        try:
            await attacker.hear(is_reset, ROUND_TRIP)
        except TimeoutError:
            return False
        return True

    async def close_mouth(self, most: int) -> None:
        """SYN after SYN until the client answers nothing, or ``most`` have been in vain."""
        while self.syns < most and not self.is_silent:
            self.add()
            await asyncio.sleep(ROUND_TRIP / 5)
            self.is_silent = not await self.answers()

    async def keep_quiet(self, timer: float) -> None:
        """Takes each place anew as soon as it is free, ``timer`` seconds after it was taken."""
        while True:
            await asyncio.sleep(self._due.popleft() + timer + 2 * ROUND_TRIP / 10 - self._world.elapsed)
            self.add()

    async def let_go(self) -> None:
        """Resets all that the flood has opened: the number behind its SYN is the one that counts (RFC 5961 3.2)."""
        await asyncio.sleep(ROUND_TRIP / 2)
        for source, port, seq in self._sent:
            reset = make_segment((port, self._port), "R", seq=seq + 1)
            self._world.attacker.send(
                reset, source=source, destination=self._world.client.address, comment="takes a SYN back"
            )
        await asyncio.sleep(ROUND_TRIP)


class Saturation:
    """More than the client's line carries: SYN,ACKs are lost with the rest, by the share of what is too much."""

    def __init__(self, world: World, megabits: float, overload: float) -> None:
        self._attacker: Attacker = world.attacker
        self._world = world
        self._pause = FILLER * 8 / (megabits * 1e6 * overload)
        world.cables["client-side"].impair(f"delay 5ms rate {megabits:g}mbit limit 2", towards="client")

    async def fill(self) -> None:
        """Until cancelled, by a Poisson process: then the share of datagrams that are lost is that of any segments."""
        payload, rng = bytes(FILLER - 28), self._world.rng.fork("saturation")
        while True:
            self._attacker.send_udp((4000, 9), payload, destination=self._world.client.address)
            await asyncio.sleep(-self._pause * log(1 - rng.uniform()))
