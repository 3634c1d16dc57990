"""A simulated network: hosts, the cables between them, and the time they share."""

import asyncio
from collections.abc import Callable, Collection, Coroutine, Mapping
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import replace
from typing import Any, BinaryIO, TypedDict, TypeVar, Unpack

from halfopen.base.clock import SECOND, seconds
from halfopen.base.errors import ConfigError
from halfopen.base.rng import SeededRng
from halfopen.sim.cable import Cable, Observer
from halfopen.sim.fabric import Fabric, impairment
from halfopen.sim.host import SimHost
from halfopen.sim.isolation import Isolation
from halfopen.sim.loop import SimLoop
from halfopen.sim.partition import Partition
from halfopen.sim.scheduler import START
from halfopen.sim.socket_table import socket_tables
from halfopen.sim.sysctl import Value
from halfopen.sim.topology import Topology
from halfopen.sim.topology_parts import FAMILIES, HOST, HUB, LINK, NAT, ROUTER, SWITCH, Member, Node, Segment
from halfopen.stack.config import StackConfig

T = TypeVar("T")


class HostOptions(TypedDict, total=False):
    """``sysctl`` is the configuration by Linux's names, on top of ``config``; without that it is Linux's own."""

    sysctl: Mapping[str, Value]
    config: StackConfig


class NetworkOptions(TypedDict, total=False):
    """``families`` are the versions of IP; without, the topology's. ``allow`` is for a network that is isolated.

    ``offloads``: cables with a rate carry super-segments as they are.
    """

    families: str | None
    allow: Collection[str]
    offloads: bool


class LinkOptions(TypedDict, total=False):
    """``network`` is the prefix (``"192.0.2.0/24"``, also one of each version); without, the hosts' addresses tell."""

    network: str | None
    mtu: int


class Network:
    """Hosts and cables in virtual time. The same ``seed`` and the same programs give the same history::

        with Network(seed=1) as network:
            client, server = network.host("client"), network.host("server")
            network.link(client, server, "delay 20ms loss 1%")
            network.run(main())

    ``words`` are netem's, or a profile's name, for all links that are given none. Hosts that no link mentions are on
    one switch, ``lan``. Every host has routes to all networks, by hop count. With ``families`` ``"ipv6"`` or
    ``"both"`` networks get prefixes out of 2001:db8::/32, instead of IPv4's or beside them; a name means all addresses.

    If ``isolated``, programs see virtual time on every clock, and cannot get out of the simulation
    (`halfopen.sim.isolation`), but for the kinds of escapes that ``allow`` names: ``"socket"``, ``"names"``,
    ``"process"``, ``"thread"``, ``"sleep"``.

    With ``offloads`` up to 64 KB cross a cable with a rate as one event, as a device with segmentation offload takes
    them, wherever no rule, chance or active queue looks at single packets. The rate and the queue are the same, but
    what arrives, arrives in bursts, and is acknowledged so: for what happens to streams, not to packets.
    """

    def __init__(
        self,
        seed: int | str = 0,
        *,
        topology: Topology | None = None,
        words: str = "",
        isolated: bool = False,
        **options: Unpack[NetworkOptions],
    ) -> None:
        impairment("words", words)
        topology = topology or Topology()
        families = options.get("families") or topology.families
        if families not in FAMILIES:
            raise ConfigError(f"families: expected {', '.join(FAMILIES)}, not {families!r}")
        rng = SeededRng(seed)
        self.seed = seed
        self.loop = SimLoop()
        self._fabric = Fabric(self.loop, rng, words, families)
        self._fabric.offloads = options.get("offloads", False)
        self.hosts = self._fabric.hosts
        self.cables = self._fabric.cables
        self.isolation: Callable[[], AbstractContextManager[object]] = nullcontext
        """While its block runs, the process is the simulation's. `run` sees to it; others who run the loop need it."""
        self._partitions: dict[tuple[str, str], Partition] = {}
        self.loop.on_close = self._end
        self._runner = asyncio.Runner(loop_factory=lambda: self.loop)
        self.loop.set_exception_handler(report_error)
        try:
            if isolated:
                self.isolation = Isolation(self.loop, rng.fork("isolation"), options.get("allow", ())).entered
            self._fabric.build(topology)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "Network":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def elapsed(self) -> float:
        """Seconds of virtual time since the beginning."""
        return self.loop.elapsed

    @property
    def topology(self) -> Topology:
        """What is there, as a description that can be printed, drawn, and built again."""
        return self._fabric.topology

    def host(self, name: str, *addresses: str, **options: Unpack[HostOptions]) -> SimHost:
        """A host with an interface for each address (``"192.0.2.1/24"``); without, it gets one with each link.

        An interface with both versions has two, separated by a space.
        All other hosts know it by ``name``. ConfigError if a name or an address is taken or cannot be meant.
        """
        config = options.get("config")
        kind = ROUTER if config is not None and config.ip.forwarding else HOST
        return self._fabric.add(_node(name, kind, addresses, options), config)

    def router(self, name: str, *addresses: str, **options: Unpack[HostOptions]) -> SimHost:
        """A host that forwards."""
        return self._fabric.add(_node(name, ROUTER, addresses, options), options.get("config"))

    def nat(
        self, name: str, *addresses: str, idle_timeout: float | None = None, on_expire: str | None = None
    ) -> SimHost:
        """A router that hides the first network linked to it, its inside, from the second, its outside.

        It forgets a connection after ``idle_timeout`` seconds; ``on_expire`` is what it does with its segments then:
        ``"drop"``, or ``"rst"``.
        """
        timeout = None if idle_timeout is None else seconds(idle_timeout)
        node = Node(name=name, kind=NAT, addresses=addresses, idle_timeout=timeout, on_expire=on_expire)
        return self._fabric.add(node)

    def link(
        self,
        first: SimHost,
        second: SimHost,
        words: str = "",
        *,
        back: str | None = None,
        **options: Unpack[LinkOptions],
    ) -> Cable:
        """A cable between two hosts; ``words`` are netem's: ``"delay 20ms loss 1% rate 10mbit"``, each way.

        ``back`` is what it does from the second to the first, if not the same.
        """
        name = self._fabric.free_name((first, second))
        segment = _segment(LINK, name, self._fabric.members((first, second)), words, options)
        return self._fabric.lay(replace(segment, back=back))

    def switch(self, name: str, *hosts: SimHost, words: str = "", **options: Unpack[LinkOptions]) -> Cable:
        """A switch with a port for each of ``hosts``; ``words`` are what each port does to what comes in."""
        return self._fabric.lay(_segment(SWITCH, name, self._fabric.members(hosts), words, options))

    def hub(self, name: str, *hosts: SimHost, words: str = "", **options: Unpack[LinkOptions]) -> Cable:
        """A cable that all of ``hosts`` are on: what one sends all others see."""
        return self._fabric.lay(_segment(HUB, name, self._fabric.members(hosts), words, options))

    def partition(self, first: SimHost, second: SimHost, oneway: bool = False) -> None:
        """Nothing that either sends reaches the other, whatever lies between; ``oneway``: nothing of the first's."""
        self._fabric.members((first, second))
        self._fabric.settle()
        for pair in [(first, second)] if oneway else [(first, second), (second, first)]:
            key = pair[0].name, pair[1].name
            if key not in self._partitions:
                self._partitions[key] = Partition(*pair)
                self._partitions[key].begin(self.cables)

    def heal(self, first: SimHost, second: SimHost) -> None:
        """Ends what `partition` began, both ways; harmless when repeated."""
        for key in ((first.name, second.name), (second.name, first.name)):
            if key in self._partitions:
                self._partitions.pop(key).end()

    def at(self, elapsed: float, action: Callable[[], object]) -> asyncio.TimerHandle:
        """Calls ``action``, on no host, when so many seconds have passed since the beginning."""
        return self.loop.call_at(START / SECOND + elapsed, action)

    def ss(self) -> str:
        """The sockets of every host, as ``ss -tunap`` prints them."""
        return socket_tables(self.hosts.values())

    def observe(self, observer: Observer) -> None:
        """From now on ``observer`` sees what is on any cable."""
        self._fabric.observers.append(observer)

    def capture(self, file: BinaryIO) -> None:
        """Writes what is on any cable to ``file`` as pcapng, from now on or from the next `run` on."""
        self._fabric.capture(file)

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Runs ``main`` to its end, on no host; time goes on from where it stood.

        SimulationError if nobody can go on, or time cannot; KeyboardInterrupt says where it has struck.
        """
        with ExitStack() as inside:
            try:
                self._fabric.settle()
                inside.enter_context(self.isolation())
            except BaseException:
                main.close()
                raise
            try:
                return self._runner.run(main)
            except KeyboardInterrupt as interrupt:
                raise KeyboardInterrupt(f"at {self.elapsed:.9f} s of virtual time\n{self.loop.report()}") from interrupt

    def close(self) -> None:
        """Cancels what still runs, and ends virtual time; harmless when repeated."""
        if not self.loop.is_closed():
            with self.isolation() if asyncio.all_tasks(self.loop) else nullcontext():
                self._end()  # Before tasks are cancelled, which happens in no order: it must not show on the cables.
                self._runner.get_loop()  # A runner that has never run does not know its loop yet.
                self._runner.close()
        for partition in self._partitions.values():
            partition.end()
        for cable in self.cables:
            cable.close()

    def _end(self) -> None:
        """The history is over: nobody observes, and no host has power."""
        self._fabric.observers.clear()
        for host in self.hosts.values():
            host.power_off()


def report_error(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """As asyncio does, but not of cancelled tasks of `asyncio.start_server`, all of which Python 3.11 reports."""
    if not isinstance(context.get("exception"), asyncio.CancelledError):
        loop.default_exception_handler(context)


def _node(name: str, kind: str, addresses: tuple[str, ...], options: HostOptions) -> Node:
    return Node(name=name, kind=kind, addresses=addresses, sysctl=dict(options.get("sysctl") or {}))


def _segment(kind: str, name: str, members: tuple[Member, ...], words: str, options: LinkOptions) -> Segment:
    prefix, mtu = options.get("network"), options.get("mtu", 1500)
    return Segment(name=name, kind=kind, members=members, words=words, prefix=prefix, mtu=mtu)
