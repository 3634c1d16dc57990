"""Our stack on a device of its own, and a clock that stands still unless it is told to go on."""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace

from halfopen.base.addresses import IPV4_ANY, IPV6_ANY, Prefix, format_address
from halfopen.base.clock import NEVER, SECOND, Instant
from halfopen.base.errors import SimulationError
from halfopen.base.rng import SeededRng
from halfopen.packetdrill.bursts import in_bursts
from halfopen.packetdrill.captured import Emitted
from halfopen.packetdrill.profiles import Profile
from halfopen.packetdrill.settings import Settings
from halfopen.packetdrill.traffic import Traffic
from halfopen.stack.config import InterfaceConfig, StackConfig
from halfopen.stack.interface import IP, Interface, Offloads
from halfopen.stack.routes import Route
from halfopen.stack.stack import Stack
from halfopen.tcp.config import TcpConfig
from halfopen.wire.packet import Packet

EPOCH: Instant = 1_000 * SECOND
"""When scripts start: a host that was just switched on would have timestamps of zero."""

DEVICE = "tun0"

PATIENCE = 10_000
"""Rounds of work at one instant, after which it is taken for a loop without an end."""


def _paced(config: TcpConfig, enabled: bool) -> TcpConfig:
    pace = replace(config.congestion.pace, enabled=enabled)
    return replace(config, congestion=replace(config.congestion, pace=pace))


class VirtualHost:
    """A stack, its device and its clock.

    ``attend`` is called when the host has said all it has to say at an instant; it may make calls that give it more to
    say, and tells when it wants to be called again at the latest.
    """

    __slots__ = (
        "_attend_at",
        "_drops",
        "_gso_octets",
        "_interface",
        "_paces",
        "_pushes_bursts",
        "attend",
        "now",
        "output",
        "stack",
        "traffic",
    )

    def __init__(self, settings: Settings, profile: Profile) -> None:
        self.now = EPOCH
        self._drops = self._paces = False
        self._gso_octets = profile.gso_octets
        self._pushes_bursts = profile.pushes_bursts
        self.stack = Stack(self._configured(profile.stack), SeededRng("packetdrill"))
        self._interface = self._add_device(settings, profile)
        self.output: deque[Emitted] = deque()
        self.traffic = Traffic(self.clock)
        self.attend: Callable[[], Instant] = self._never
        self._attend_at = self.now

    def _configured(self, config: StackConfig) -> StackConfig:
        """The profile's configuration, as it is."""
        return config

    def _add_device(self, settings: Settings, profile: Profile) -> Interface:
        """The TUN, behind which everything is."""
        addressing = settings.addressing
        config = InterfaceConfig(
            name=DEVICE,
            kind=IP,
            addresses=(f"{format_address(addressing.local)}/{addressing.prefix_length}",),
            mtu=settings.mtu,
            offloads=Offloads(checksum=True, gso_octets=profile.gso_octets),
        )
        interface = self.stack.add_interface(config, self.now)
        everywhere = Prefix(IPV6_ANY if addressing.is_ipv6 else IPV4_ANY, 0)
        self.stack.routes.add(Route(prefix=everywhere, interface=interface))
        return interface

    @staticmethod
    def _never() -> Instant:
        return NEVER

    def set_device(self, *, drops: bool, offloads: bool) -> None:
        """Whether the device throws away what is sent, and whether it takes super-segments."""
        self._drops = drops
        chosen = Offloads(checksum=True, gso_octets=self._gso_octets if offloads else 0)
        if chosen != self._interface.offloads:
            self._interface.offloads = chosen
            self.stack.routes.advance()

    def set_pace(self, *, enabled: bool) -> None:
        """Whether the queue spaces out what is sent (``fq``): connections do that themselves."""
        if enabled == self._paces:
            return
        self._paces = enabled
        self.stack.configure(replace(self.stack.config, tcp=_paced(self.stack.config.tcp, enabled)))
        for socket in self.stack.tcp.sockets():
            socket.configure(_paced(socket.config, enabled))

    def clock(self) -> Instant:
        """The time."""
        return self.now

    def receive(self, packet: Packet, device: int = 0) -> None:
        """A datagram arrives."""
        self.traffic.on_received(packet)
        self.stack.receive(self._interface, packet, self.now)

    def settle(self) -> None:
        """All work that takes no time: what the stack has to say, and what programs do about it, until all is quiet."""
        self._transmit()
        for _ in range(PATIENCE):
            self._attend_at = self.attend()
            if not self._transmit() and self._attend_at > self.now:
                return
        raise SimulationError(f"the host does not come to rest: {PATIENCE} rounds of work at one instant")

    def transmit(self, all_of_it: bool) -> None:
        """What is to be sent by now leaves, or the first packet of it."""
        self._transmit(limit=PATIENCE if all_of_it else 1)

    def _transmit(self, limit: int = 1 << 30) -> bool:
        """Polls the stack until it has nothing more to send, or ``limit`` packets; whether it had anything."""
        any_sent = False
        while limit > 0 and (item := self.stack.poll_transmit(self.now)) is not None:
            any_sent = True
            limit -= 1
            emitted = self._emitted(*item)
            if not self._drops:
                self.output.extend(emitted)
        return any_sent

    def _emitted(self, interface: Interface, packet: Packet) -> Iterable[Emitted]:
        """What the device is handed for one packet of the stack."""
        self.traffic.on_sent(packet)
        packets = in_bursts(packet) if packet.gso_size and self._pushes_bursts else (packet,)
        return (Emitted(self.now, each) for each in packets)

    def step(self, until: Instant) -> bool:
        """On to the next instant at which something is due; False if that is not before or at ``until``."""
        due = min(self.stack.next_deadline(), self._attend_at)
        if due > until or due >= NEVER:
            return False
        self.now = max(self.now, due)
        self.stack.on_deadline(self.now)
        self.settle()
        return True
