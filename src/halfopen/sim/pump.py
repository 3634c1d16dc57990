"""What moves a host's stack in virtual time: packets from cables, and the scheduler's clock."""

import asyncio
from abc import ABC, abstractmethod
from asyncio import sslproto
from collections import deque

from halfopen.aio.face import Face
from halfopen.aio.pump import AnySocket, Pump
from halfopen.aio.transport import StackTransport
from halfopen.base.clock import Instant
from halfopen.base.native import mypyc_attr
from halfopen.sim.loop import SimLoop
from halfopen.sim.processes import PROGRAMS, Programs
from halfopen.stack.interface import Interface
from halfopen.stack.stack import Stack
from halfopen.wire.packet import Packet


@mypyc_attr(allow_interpreted_subclasses=True)
class Plug(ABC):
    """Where the packets of an interface go."""

    __slots__ = ()

    @abstractmethod
    def send(self, packet: Packet, now: Instant) -> None:
        """Takes one packet, which may be a super-segment with its checksum still to be computed."""


@mypyc_attr(allow_interpreted_subclasses=True)
class SimPump(Pump):
    """Drives the stack of the host called ``name``; each of its interfaces has at most one `Plug`.

    Interfaces are known by name: those of a stack that has been rebooted are others, but their plugs are the same.
    """

    def __init__(self, stack: Stack, loop: SimLoop, name: str) -> None:
        super().__init__(stack, loop)
        self.name = name
        self.is_on = True
        self._scheduler = loop.scheduler
        self._call_again = loop.call_again
        self._turn = asyncio.Handle(self._receive, (), loop, self._context)
        self._plugs: dict[str, Plug] = {}
        self._current: dict[Interface, Interface] = {}
        self._arrived: deque[tuple[Interface, Packet]] = deque()
        self._programs: dict[AnySocket, Programs] = {}
        self._untold: dict[AnySocket, None] = {}

    def now(self) -> Instant:
        """Virtual time."""
        return self._scheduler.now

    def plug(self, interface: Interface, plug: Plug) -> None:
        """Packets of ``interface`` go there from now on."""
        self._plugs[interface.name] = plug
        self._current[interface] = interface

    def free_interface(self) -> Interface | None:
        """The first interface that nothing is plugged into."""
        return next((each for each in self.stack.interfaces if each.name not in self._plugs), None)

    def send(self, interface: Interface, packet: Packet) -> None:
        """Into the cable, if one is plugged in."""
        plug = self._plugs.get(interface.name)
        if plug is None:
            self.stack.counters.add("CableMissing")
        else:
            plug.send(packet, self._scheduler.now)

    def take(self, interface: Interface, packet: Packet) -> None:
        """A packet has come out of a cable; what comes at one instant is answered together."""
        if not self._arrived:
            self._call_again(self._turn)
        self._arrived.append((interface, packet))

    def flush(self) -> None:
        """Does nothing without power."""
        if self.is_on:
            super().flush()
        else:
            self._is_kicked = False

    def attach(self, socket: AnySocket, face: Face) -> None:
        """The face belongs to the programs that attach it, and lives and stands still with them."""
        programs = PROGRAMS.get(None)
        if programs is not None:
            if not programs.is_alive:
                abandon(face)
                return
            self._programs[socket] = programs
        super().attach(socket, face)

    def detach(self, socket: AnySocket) -> None:
        """Nobody listens to ``socket`` any more."""
        super().detach(socket)
        self._programs.pop(socket, None)
        self._untold.pop(socket, None)

    def detach_all(self, programs: Programs) -> None:
        """``programs`` are dead and hear of nothing any more."""
        for socket in [socket for socket, owner in self._programs.items() if owner is programs]:
            abandon(self._faces[socket])
            self.detach(socket)

    def tell_untold(self) -> None:
        """Hands out the news that came while programs stood still, soon."""
        untold, self._untold = self._untold, {}
        for socket in untold:
            self._tell(socket, self.now())
        self.kick()

    def close(self) -> None:
        """Takes the power away: from now on nothing is received, nothing sent, and no timer fires."""
        self.is_on = False
        super().close()

    def boot(self, stack: Stack) -> None:
        """The power is back, and ``stack`` is what runs now."""
        interfaces = {each.name: each for each in stack.interfaces}
        self._current = {plugged: interfaces[plugged.name] for plugged in self._current}
        self.stack = stack
        self.is_on = True
        for socket in list(self._faces):
            self.detach(socket)
        self._echoes.clear()

    def _tell(self, socket: AnySocket, now: Instant) -> None:
        programs = self._programs.get(socket)
        if programs is not None and programs.is_stopped:
            self._untold[socket] = None
            return
        face = self._faces.get(socket)
        if face is not None:
            face.on_news(now)

    def _receive(self) -> None:
        arrived, self._arrived = self._arrived, deque()
        if not self.is_on:
            self.stack.counters.add("PowerOff", len(arrived))
            return
        now, receive = self._scheduler.now, self.stack.internet.receive
        current = self._current
        for interface, packet in arrived:
            receive(current.get(interface, interface), packet, now)
        self.flush()


def abandon(face: Face) -> None:
    """The program behind it is gone: a transport counts as closed, for finalizers too, but no protocol is told."""
    if isinstance(face, StackTransport):
        between = face.get_protocol()
        if isinstance(between, sslproto.SSLProtocol) and between._app_transport is not None:  # noqa: SLF001
            between._app_transport._closed = True  # noqa: SLF001  # as its connection_lost does before it tells
        face.set_protocol(asyncio.Protocol())
        face.close()
