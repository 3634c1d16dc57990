"""Our stack on a device of its own, and a clock that stands still unless it is told to go on."""

from collections import deque
from collections.abc import Callable, Iterable

from halfopen.base.addresses import IPV4_ANY, IPV6_ANY, Prefix, format_address
from halfopen.base.clock import NEVER, SECOND, Instant
from halfopen.base.errors import SimulationError
from halfopen.base.rng import SeededRng
from halfopen.packetdrill.bursts import BurstRules, in_bursts, ports_of, ports_of_socket
from halfopen.packetdrill.captured import Emitted
from halfopen.packetdrill.profiles import Profile
from halfopen.packetdrill.settings import Settings
from halfopen.stack.config import InterfaceConfig
from halfopen.stack.interface import IP, Offloads
from halfopen.stack.routes import Route
from halfopen.stack.stack import Stack
from halfopen.stack.tcp_socket import TcpSocket
from halfopen.wire.packet import Packet

EPOCH: Instant = 1_000 * SECOND
"""When scripts start: a host that was just switched on would have timestamps of zero."""

DEVICE = "tun0"

PATIENCE = 10_000
"""Rounds of work at one instant, after which it is taken for a loop without an end."""


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
        "_pushes_bursts",
        "attend",
        "bursts",
        "now",
        "output",
        "stack",
    )

    def __init__(self, settings: Settings, profile: Profile) -> None:
        self.now = EPOCH
        self.stack = Stack(profile.stack, SeededRng("packetdrill"))
        addressing = settings.addressing
        interface = InterfaceConfig(
            name=DEVICE,
            kind=IP,
            addresses=(f"{format_address(addressing.local)}/{addressing.prefix_length}",),
            mtu=settings.mtu,
            offloads=Offloads(checksum=True, gso_octets=profile.gso_octets),
        )
        self._drops = False
        self._gso_octets = profile.gso_octets
        self._pushes_bursts = profile.pushes_bursts
        self.bursts = BurstRules()
        self._interface = self.stack.add_interface(interface, self.now)
        everywhere = Prefix(IPV6_ANY if addressing.is_ipv6 else IPV4_ANY, 0)
        self.stack.routes.add(Route(prefix=everywhere, interface=self._interface))
        self.output: deque[Emitted] = deque()
        self.attend: Callable[[], Instant] = self._never
        self._attend_at = self.now

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

    def clock(self) -> Instant:
        """The time."""
        return self.now

    def receive(self, packet: Packet) -> None:
        """A datagram arrives."""
        self.stack.receive(self._interface, packet, self.now)

    def settle(self) -> None:
        """All work that takes no time: what the stack has to say, and what programs do about it, until all is quiet."""
        self._transmit()
        for _ in range(PATIENCE):
            self._attend_at = self.attend()
            if not self._transmit() and self._attend_at > self.now:
                return
        raise SimulationError(f"the host does not come to rest: {PATIENCE} rounds of work at one instant")

    def _transmit(self) -> bool:
        """Polls the stack until it has nothing more to send; whether it had anything."""
        any_sent = False
        while (item := self.stack.poll_transmit(self.now)) is not None:
            any_sent = True
            if not self._drops:
                self.output.extend(Emitted(self.now, packet) for packet in self._sent(item[1]))
        return any_sent

    def _sent(self, packet: Packet) -> Iterable[Packet]:
        """What the device is handed for one packet of the stack."""
        if packet.gso_size and self._pushes_bursts:
            ports = ports_of(packet)
            for socket in self.stack.tcp.sockets():
                if isinstance(socket, TcpSocket) and ports_of_socket(socket) == ports:
                    return in_bursts(packet, self.bursts.segments(socket.connection.tcb, packet.gso_size))
        return (packet,)

    def step(self, until: Instant) -> bool:
        """On to the next instant at which something is due; False if that is not before or at ``until``."""
        due = min(self.stack.next_deadline(), self._attend_at)
        if due > until or due >= NEVER:
            return False
        self.now = max(self.now, due)
        self.stack.on_deadline(self.now)
        self.settle()
        return True
