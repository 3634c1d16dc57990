"""A simulated network: hosts, the cables between them, and the time they share."""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, BinaryIO, TypeVar

from halfopen.aio.names import Names
from halfopen.base.addresses import Address, format_address, parse_interface
from halfopen.base.errors import ConfigError
from halfopen.base.netem import Impairment, parse
from halfopen.base.rng import SeededRng
from halfopen.sim.cable import Cable, Observer
from halfopen.sim.host import SimHost
from halfopen.sim.loop import SimLoop
from halfopen.sim.sniffer import Sniffer
from halfopen.stack.config import InterfaceConfig, StackConfig
from halfopen.stack.interface import Interface, Offloads
from halfopen.stack.stack import Stack

T = TypeVar("T")

OFFLOADS = Offloads(checksum=True, gso_octets=65535)
"""Cables cut super-segments, and compute a checksum only where somebody looks."""


class Network:
    """Hosts and cables in virtual time. The same ``seed`` and the same programs give the same history::

    with Network(seed=1) as network:
        client, server = network.host("client"), network.host("server")
        network.link(client, server, "delay 20ms loss 1%")
        network.run(main())
    """

    def __init__(self, seed: int | str = 0) -> None:
        self.loop = SimLoop()
        self.hosts: dict[str, SimHost] = {}
        self.cables: list[Cable] = []
        self._rng = SeededRng(seed)
        self._names = Names()
        self._addresses: dict[Address, str] = {}
        self._observers: list[Observer] = []
        self._runner = asyncio.Runner(loop_factory=lambda: self.loop)

    def __enter__(self) -> "Network":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def host(self, name: str, *addresses: str, config: StackConfig | None = None) -> SimHost:
        """A host with an interface for each address (``"192.0.2.1/24"``); without, the next of 192.0.2.0/24.

        All other hosts know it by ``name``. ConfigError if a name or an address is taken or cannot be meant.
        """
        if name.lower() in ("localhost", *(taken.lower() for taken in self.hosts)):
            raise ConfigError(f"there is a host called {name!r} already")
        given = addresses or (self._next_address(),)
        parsed = [self._checked(name, text) for text in given]
        stack = Stack(config or StackConfig(), self._rng.fork(f"host {name}"))
        for number, text in enumerate(given):
            interface = InterfaceConfig(name=f"eth{number}", kind="ethernet", addresses=(text,), offloads=OFFLOADS)
            stack.add_interface(interface, self.loop.scheduler.now)
        for address in parsed:
            self._addresses[address] = name
            self._names.add(name, address)
        self.hosts[name] = host = SimHost(stack, self.loop, name, self._names)
        return host

    def link(self, first: SimHost, second: SimHost, words: str = "") -> Cable:
        """A cable between two hosts; ``words`` are netem's: ``"delay 20ms loss 1% rate 10mbit"``, each way."""
        return self.segment((first, second), words)

    def segment(self, hosts: Sequence[SimHost], words: str = "") -> Cable:
        """A cable that all of ``hosts`` are on; each gives the first interface that is free."""
        title = "-".join(host.name for host in hosts)
        cable = Cable(self.loop.scheduler, self._rng.fork(f"cable {len(self.cables)}"), impairment(title, words))
        plugs = [(host.sim_pump, free_interface(title, host)) for host in hosts]
        if len({host.name for host in hosts}) < max(2, len(hosts)):
            raise ConfigError(f"link {title}: a cable joins two hosts or more, each of them once")
        for pump, interface in plugs:
            cable.plug(pump, interface)
        cable.observers = self._observers
        self.cables.append(cable)
        return cable

    def capture(self, file: BinaryIO) -> None:
        """From now on writes what is on any cable to ``file``, as pcapng; names are those of the hosts so far."""
        self._observers.append(Sniffer(file, self._addresses))

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Runs ``main`` to its end, on no host; time goes on from where it stood.

        SimulationError if nobody can go on, or time cannot.
        """
        return self._runner.run(main)

    def close(self) -> None:
        """Cancels what still runs, and ends virtual time; harmless when repeated."""
        if not self.loop.is_closed():
            self._runner.get_loop()  # A runner that has never run does not know its loop yet.
            self._runner.close()

    def _next_address(self) -> str:
        for last in range(1, 255):
            if bytes((192, 0, 2, last)) not in self._addresses:
                return f"192.0.2.{last}/24"
        raise ConfigError("192.0.2.0/24 is full: give the host an address of another network")

    def _checked(self, name: str, text: str) -> Address:
        try:
            address = parse_interface(text)[0]
        except ValueError as error:
            raise ConfigError(f"host {name!r}: {error}") from None
        if address in self._addresses:
            raise ConfigError(
                f"host {name!r}: {format_address(address)} belongs to {self._addresses[address]!r} already"
            )
        return address


def free_interface(title: str, host: SimHost) -> Interface:
    """The interface that ``host`` gives for a link; ConfigError if it has none left."""
    interface = host.sim_pump.free_interface()
    if interface is None:
        raise ConfigError(f"link {title}: {host.name} has no interface left; each address gives it one")
    return interface


def impairment(title: str, words: str) -> Impairment:
    """What netem's ``words`` ask for; ConfigError names the link and the word that is not understood."""
    try:
        return parse(words)
    except ValueError as error:
        raise ConfigError(f"link {title}: {error}") from None
