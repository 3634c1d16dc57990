"""Two clients inside, a NAT, and a server outside."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import closing, contextmanager
from typing import Any, TypeVar

from halfopen.base.addresses import parse_address
from halfopen.base.rng import SeededRng
from halfopen.sim.cable import Cable
from halfopen.sim.host import SimHost
from halfopen.sim.nat import Nat
from halfopen.sim.nat_table import NatPolicy
from halfopen.sim.network import Network
from halfopen.stack.config import InterfaceConfig, IpConfig, StackConfig
from halfopen.stack.interface import Offloads
from halfopen.stack.internet import default_route
from halfopen.stack.stack import Stack

T = TypeVar("T")

OUTSIDE = "198.51.100.254"
OFFLOADS = Offloads(checksum=True, gso_octets=65535)


class NatWorld:
    """``a`` and ``b`` (192.0.2.1, 192.0.2.2) are inside, ``server`` (198.51.100.1) outside."""

    def __init__(self, network: Network, policy: NatPolicy) -> None:
        self.network = network
        self.a: SimHost = network.host("a", "192.0.2.1/24")
        self.b: SimHost = network.host("b", "192.0.2.2/24")
        self.server: SimHost = network.host("server", "198.51.100.1/24")
        stack = Stack(StackConfig(ip=IpConfig(forwarding=True)), SeededRng("nat"))
        for number, address in enumerate(("192.0.2.254/24", f"{OUTSIDE}/24")):
            stack.add_interface(
                InterfaceConfig(name=f"eth{number}", kind="ethernet", addresses=(address,), offloads=OFFLOADS)
            )
        self.nat = Nat(stack, network.loop, "nat", self.a.names, policy)
        rng = SeededRng("cables")
        self.inner = Cable(network.loop.scheduler, rng.fork("inner"))
        self.outer = Cable(network.loop.scheduler, rng.fork("outer"))
        self.outer.impair("delay 10ms")
        for cable, hosts in ((self.inner, (self.nat, self.a, self.b)), (self.outer, (self.nat, self.server))):
            for host in hosts:
                interface = host.sim_pump.free_interface()
                assert interface is not None
                cable.plug(host.sim_pump, interface)
        gateway = parse_address("192.0.2.254")
        for host in (self.a, self.b):
            host.stack.routes.add(default_route(host.stack.interfaces[0], gateway))

    def run(self, main: Callable[[], Coroutine[Any, Any, T]]) -> T:
        return self.network.run(main())

    @property
    def elapsed(self) -> float:
        return self.network.elapsed

    def count(self, counter: str) -> int:
        return self.nat.stack.counters[counter]


@contextmanager
def natted(policy: NatPolicy | None = None) -> Iterator[NatWorld]:
    with Network(1) as network:
        yield NatWorld(network, policy or NatPolicy())


async def peer_of(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Tells each client whom it takes it for, and then echoes."""
    with closing(writer):
        writer.write("{}:{}\n".format(*writer.get_extra_info("peername")).encode())
        while octets := await reader.read(65536):
            writer.write(octets)
