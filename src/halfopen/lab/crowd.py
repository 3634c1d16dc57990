"""Many sources that live on one host of the network: those who mean well, and those who look for open doors."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import TypeVar

from halfopen.base.addresses import Address, format_address
from halfopen.base.errors import ConfigError
from halfopen.base.rng import Rng
from halfopen.sim.host import SimHost

T = TypeVar("T")

FIRST, LAST = 20, 250
"""Of the host's network, which last octets are theirs."""

PATIENCE = 3.0
"""Seconds after which a source takes silence for a no."""


class Crowd:
    """Addresses of ``host``, each of which can be a source: ``size`` of them, from the octet ``first`` on."""

    def __init__(self, host: SimHost, size: int, first: int = FIRST) -> None:
        if not FIRST <= first <= LAST - size:
            raise ConfigError(f"a crowd has its sources between {FIRST} and {LAST}, not from {first} on {size}")
        self._host = host
        interface = host.stack.interfaces[0]
        own, prefix = interface.addresses[0]
        self.sources: Sequence[Address] = tuple(own[:3] + bytes((first + number,)) for number in range(size))
        for source in self.sources:
            host.stack.add_address(interface, source, prefix)

    def introduce(self, router: SimHost) -> None:
        """Lets ``router`` know all of them for good, so that there is no ARP."""
        mac = self._host.stack.interfaces[0].mac
        for source in self.sources:
            for interface in router.stack.interfaces:
                if interface.address_towards(source) is not None:
                    router.stack.neighbors.add_permanent(interface, source, mac)

    async def contact(self, source: Address, target: Address, port: int) -> bool:
        """One attempt to connect, and to hang up; whether somebody answered."""
        return await self._host.run(_contact(source, target, port))


async def _contact(source: Address, target: Address, port: int) -> bool:
    opening = asyncio.open_connection(format_address(target), port, local_addr=(format_address(source), 0))
    with suppress(OSError):  # a refusal, and TimeoutError
        _, writer = await asyncio.wait_for(opening, PATIENCE)
        writer.transport.abort()
        return True
    return False


def shuffled(items: Sequence[T], rng: Rng, count: int | None = None) -> list[T]:
    """In an order that ``rng`` draws (Fisher and Yates 1938), or only the first ``count`` of them."""
    order = list(items)
    for index in range(len(order) if count is None else min(count, len(order))):
        other = index + rng.below(len(order) - index)
        order[index], order[other] = order[other], order[index]
    return order[:count]


def itinerary(services: Sequence[int], closed: Sequence[int], failure: float, count: int, rng: Rng) -> list[int]:
    """``count`` ports, no two the same, each of which nobody serves with probability ``failure``."""
    good, bad = shuffled(services, rng, count), shuffled(closed, rng, count)
    return [(bad if not good or rng.uniform() < failure else good).pop() for _ in range(count)]
