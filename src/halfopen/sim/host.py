"""A host of a simulated network, the programs on it, and what can befall both."""

import asyncio
import errno
import signal
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from contextlib import suppress
from contextvars import ContextVar, Token, copy_context
from socket import AF_INET6
from typing import Any, Self, TypeVar

from halfopen.aio.host import Host
from halfopen.aio.names import Names
from halfopen.aio.resolving import has_ipv6
from halfopen.base.addresses import format_address, is_link_local
from halfopen.base.errors import SimulationError
from halfopen.sim.loop import CURRENT_HOST, SimLoop
from halfopen.sim.ping import PingResult, TraceResult, ping, traceroute
from halfopen.sim.ping_words import Target
from halfopen.sim.processes import PROGRAMS
from halfopen.sim.pump import SimPump
from halfopen.sim.signals import IGNORED, STOPPING
from halfopen.sim.socket_table import socket_table
from halfopen.sim.sysctl import Value, read, write
from halfopen.stack.ports import Owner
from halfopen.stack.stack import Stack

T = TypeVar("T")

_VISITS: ContextVar[tuple[Token[Host], ...]] = ContextVar("halfopen.visits", default=())
"""How to get back from each ``with host:`` that the running code is in."""


class Visited(Host):
    """A host that code may be on for the length of a block."""

    def __enter__(self) -> Self:
        _VISITS.set((*_VISITS.get(), CURRENT_HOST.set(self)))
        return self

    def __exit__(self, *exception: object) -> None:
        *before, token = _VISITS.get()
        _VISITS.set(tuple(before))
        CURRENT_HOST.reset(token)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(self, *exception: object) -> None:
        self.__exit__(*exception)


class Asking(Visited, ABC):
    """A host that looks around in the network."""

    @abstractmethod
    def run(self, program: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Starts a program on this host."""

    async def ping(self, name: str, count: int = 3, interval: float = 1.0, octets: int = 56) -> PingResult:
        """Echo requests to ``name``, one each ``interval`` seconds; the result prints as that of ping(8)."""
        return await self.run(ping(self, Target.of(self, name), count, interval, octets))

    async def ping6(self, name: str, count: int = 3, interval: float = 1.0, octets: int = 56) -> PingResult:
        """The same, to an IPv6 address of ``name``."""
        return await self.run(ping(self, Target.of(self, name, AF_INET6), count, interval, octets))

    async def traceroute(self, name: str, max_hops: int = 30) -> TraceResult:
        """The way to ``name``, router by router; the result prints as that of traceroute(8)."""
        return await self.run(traceroute(self, Target.of(self, name), max_hops))

    async def traceroute6(self, name: str, max_hops: int = 30) -> TraceResult:
        """The same, to an IPv6 address of ``name``."""
        return await self.run(traceroute(self, Target.of(self, name, AF_INET6), max_hops))


class SimHost(Asking):
    """A stack with a name; programs started by `run`, or within ``with host:``, see its network as theirs.

    The block's own code only visits: it uses the host's network, but is none of its programs, which `power_off`,
    `kill` and `pause` are about. Tasks that it starts are.
    """

    def __init__(self, stack: Stack, loop: SimLoop, name: str, names: Names) -> None:
        self.loop = loop
        self.sim_pump = self.make_pump(stack, name)
        super().__init__(stack, self.sim_pump, names, program=name)
        self._programs = loop.processes.start(self)
        self.on_sysctl: Callable[[str, Value], None] = lambda name, value: None
        """Told what was written, by whoever keeps the topology."""

    def make_pump(self, stack: Stack, name: str) -> SimPump:
        """What drives the stack."""
        return SimPump(stack, self.loop, name)

    @property
    def name(self) -> str:
        """What the other hosts call it."""
        return self.sim_pump.name

    @property
    def address(self) -> str:
        """The first address, as text; SimulationError if it has none (yet)."""
        if not self.stack.interfaces:
            with suppress(OSError):
                self.names.resolve(self.name)  # Who asks for a name makes sure that all hosts have addresses.
        addresses = self.addresses
        if not addresses:
            raise SimulationError(f"{self.name} has no address")
        return addresses[0]

    @property
    def addresses(self) -> list[str]:
        """All addresses, as text, but link-local ones."""
        return [
            format_address(address)
            for interface in self.stack.interfaces
            for address, _ in interface.addresses
            if not is_link_local(address)
        ]

    @property
    def is_on(self) -> bool:
        """Whether it has power."""
        return self.sim_pump.is_on

    @property
    def is_paused(self) -> bool:
        """Whether its programs stand still."""
        return self._programs.is_stopped

    def run(self, program: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Starts a program on this host, as a task that may be awaited from anywhere.

        When the host loses its power or its programs are killed, who awaits gets CancelledError.
        """
        if not self.is_on:
            program.close()
            raise SimulationError(f"{self.name} has no power: no program can be started on it")
        context = copy_context()
        context.run(CURRENT_HOST.set, self)
        return self.loop.create_task(program, context=context)

    def owner(self) -> Owner:
        """The current task and its process: those of programs, but not visitors, have a number.

        OSError if there can be no sockets: ENETDOWN without power, ESRCH for a program that was killed but still moves.
        """
        programs = PROGRAMS.get(None)
        if not self.is_on:
            raise OSError(errno.ENETDOWN, f"{self.name} has no power")
        if programs is not None and not programs.is_alive:
            raise OSError(errno.ESRCH, f"the program on {programs.host.program} was killed")
        pid = programs.pid if programs is not None and programs.host is self else None
        try:
            task = asyncio.current_task()
        except RuntimeError:
            task = None
        return Owner(task.get_name() if task is not None else "main", pid, self.program)

    def power_off(self) -> None:
        """No FIN, no RST: the host is silent from now on.

        Its programs are cancelled. What they still do reaches nobody: what they write is lost, and new sockets fail
        with ENETDOWN.
        """
        if self.is_on:
            self.sim_pump.close()
            self._end_programs()

    def power_on(self) -> None:
        """Up again, with the same addresses and routes, and remembers nothing: old connections are answered by RST.

        Nothing is started by itself; harmless while there is power.
        """
        if not self.is_on:
            self.stack = self.stack.rebooted(self.sim_pump.now())
            self.sim_pump.boot(self.stack)
            if has_ipv6(self.stack):
                self.sim_pump.kick()  # It asks for routers.
            self._programs = self.loop.processes.start(self)

    def kill(self) -> None:
        """SIGKILL to all programs. They are cancelled, and the system closes their sockets, as Linux does.

        Connections send FIN, or RST where data waits unread or the linger time is zero; listeners go, and with them
        who is half-open or was not accepted. What dying programs still do reaches nobody; new ones may be started.
        """
        if self.is_on:
            self.stack.on_exit(self._programs.pid, self.sim_pump.now())
            self.sim_pump.kick()
            self._end_programs()
            self._programs = self.loop.processes.start(self)

    def pause(self) -> None:
        """SIGSTOP to all programs: they stand still, and their timers fire when they go on.

        The system goes on: it takes connections and acknowledges what comes, until its buffers are full.
        """
        self.loop.processes.stop(self._programs)

    def resume(self) -> None:
        """SIGCONT: programs go on where they stood; harmless while nothing is paused."""
        if self.is_paused:
            self.loop.processes.resume(self._programs)
            self.sim_pump.tell_untold()

    def signal(self, signum: int) -> None:
        """As kill(1) to all programs: their handler is called; without one, what signal(7) says happens."""
        if not self.is_on:
            return
        if signum == signal.SIGCONT:
            self.resume()
        if not self.loop.signals.deliver(self, signum) and signum not in IGNORED:
            if signum in STOPPING:
                self.pause()
            else:
                self.kill()

    def sysctl(self, name: str, value: Value | None = None) -> Value:
        """What ``sysctl name`` prints, after ``value`` was written, if one is given; ConfigError for nonsense.

        ICMP and forwarding follow at once, and so do the routes of all hosts; TCP with the next connection, neighbours
        and fragments at the next boot.
        """
        if value is not None:
            self.stack.configure(write(self.stack.config, name, value))
            self.on_sysctl(name, value)
        return read(self.stack.config, name)

    def ss(self) -> str:
        """Its ports, connections and sockets, as ``ss -tunap`` shows them."""
        return socket_table(self)

    def _end_programs(self) -> None:
        self.loop.signals.forget(self)
        self.sim_pump.detach_all(self._programs)
        self.loop.processes.resume(self._programs)
        self.loop.processes.kill(self._programs)
