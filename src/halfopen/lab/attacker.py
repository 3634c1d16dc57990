"""The attacker: a host of the simulated network whose packets are not its stack's alone.

What it crafts leaves by its interface towards the next hop, by its stack's routes and ARP like any datagram, whatever
source it claims. Its stack goes on as any stack would: it answers a SYN,ACK that it never asked for by RST, unless it
is told to be silent.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from typing import Unpack

from halfopen.base.addresses import MAC_BROADCAST, MAC_ZERO, Address, Mac, parse_address
from halfopen.base.clock import MILLISECOND, SECOND, Duration, Instant
from halfopen.base.counters import Counters
from halfopen.base.errors import ConfigError
from halfopen.capture.record import Direction
from halfopen.lab.crafting import IpFields, address_of, make_icmp, make_tcp, make_udp
from halfopen.lab.places import ends_in
from halfopen.lab.tape import Tape
from halfopen.sim.cable import CableEnd, Observer
from halfopen.sim.host import SimHost
from halfopen.sim.match import Passing
from halfopen.sim.network import Network
from halfopen.sim.pump import Plug
from halfopen.stack.path import Path
from halfopen.wire import arp, ethernet, ndp
from halfopen.wire.arp import Arp
from halfopen.wire.icmpv4 import Icmp
from halfopen.wire.ipv6 import HEADER_OCTETS, NEXT_HEADER_OFFSET, PROTOCOL_ICMPV6
from halfopen.wire.packet import Packet
from halfopen.wire.tcp import Segment

HEARD = 100_000
"""Packets that an attacker remembers; the oldest go first."""

_ARP = ethernet.ETHERTYPE_ARP.to_bytes(2, "big")
_IPV6 = ethernet.ETHERTYPE_IPV6.to_bytes(2, "big")


class Outlet(Plug):
    """Between the attacker's stack and its cable: tells what was crafted from what the stack itself has to say."""

    __slots__ = ("_attacker", "end")

    def __init__(self, attacker: "Attacker", end: CableEnd) -> None:
        self._attacker = attacker
        self.end = end

    def send(self, packet: Packet, now: Instant) -> None:
        """A packet of the stack: crafted ones that had to wait for ARP, ARP itself, and all that a host says."""
        attacker = self._attacker
        if not _is_about_neighbors(packet.head):
            comment = attacker.waiting.pop(packet.head[self.end.interface.link_octets :], None)
            if comment is not None:
                self.put(packet, now, comment)
                return
            if attacker.is_silent:
                attacker.counters.add("AttackerSilent")
                return
        self.end.send(packet, now)

    def put(self, packet: Packet, now: Instant, comment: str) -> None:
        """Onto the cable, with ``comment`` in the capture."""
        tape = self._attacker.tape
        if tape is None:
            self.end.send(packet, now)
            return
        tape.remark = comment or None
        try:
            self.end.send(packet, now)
        finally:
            tape.remark = None


class Attacker(Observer):
    """Crafts and, once told to `sniff`, listens; ``count`` says how many packets it has crafted.

    With ``silent``, its stack sends nothing but ARP: no RST gives it away, and ordinary programs on it do not work.
    Counter: ``AttackerSilent`` for what the stack was kept from sending.
    """

    def __init__(self, network: Network, host: SimHost, tape: Tape | None = None, *, silent: bool = False) -> None:
        self.host = host
        self.tape = tape
        self.is_silent = silent
        self.count = 0
        self.counters = Counters()
        self.heard: deque[Passing] = deque(maxlen=HEARD)
        self.waiting: dict[bytes, str] = {}
        """Crafted datagrams that wait for their next hop's link address, and what is said of them."""
        self._network = network
        self._paths: dict[Address, Path] = {}
        self._ears: list[tuple[Callable[[Passing], object], asyncio.Future[Passing]]] = []
        self._outlets: dict[str, Outlet] = {}
        for cable in network.cables:
            for end in cable.ends:
                if end.pump is host.sim_pump:
                    self._outlets[end.interface.name] = outlet = Outlet(self, end)
                    host.sim_pump.plug(end.interface, outlet)

    @property
    def address(self) -> Address:
        """Its own, by which it can be answered."""
        return parse_address(self.host.address)

    @property
    def mac(self) -> Mac:
        """Of its first interface."""
        return self.host.stack.interfaces[0].mac

    def send(
        self,
        segment: Segment,
        *,
        destination: str | Address,
        source: str | Address | None = None,
        comment: str = "",
        **fields: Unpack[IpFields],
    ) -> None:
        """A TCP segment that claims to come from ``source``; without, it is honest."""
        claimed = self.address if source is None else address_of(source)
        self.send_packet(make_tcp(claimed, address_of(destination), segment, **fields), comment)

    def send_udp(
        self,
        ports: tuple[int, int],
        payload: bytes,
        *,
        destination: str | Address,
        source: str | Address | None = None,
        comment: str = "",
    ) -> None:
        """A UDP datagram from port to port."""
        claimed = self.address if source is None else address_of(source)
        self.send_packet(make_udp((claimed, address_of(destination)), ports, payload), comment)

    def send_icmp(
        self, message: Icmp, *, destination: str | Address, source: str | Address | None = None, comment: str = ""
    ) -> None:
        """An ICMP message; `halfopen.lab.crafting.make_icmp_error` makes errors."""
        claimed = self.address if source is None else address_of(source)
        self.send_packet(make_icmp(claimed, address_of(destination), message), comment)

    def send_arp(self, message: Arp, *, destination: Mac = MAC_BROADCAST, comment: str = "") -> None:
        """An ARP packet in a frame of its own, to all stations unless told; the frame's source is its own."""
        self.send_frame(
            ethernet.emit(destination, self.mac, ethernet.ETHERTYPE_ARP) + arp.emit(message), comment=comment
        )

    def send_frame(self, octets: bytes, interface: str | None = None, comment: str = "") -> None:
        """A whole Ethernet frame, as it is, by the first interface unless told."""
        self.count += 1
        outlet = self._outlets[interface or next(iter(self._outlets))]
        outlet.put(Packet(octets), self._now(), comment)

    def send_packet(self, packet: Packet, comment: str = "") -> None:
        """A whole datagram, as `halfopen.lab.crafting` makes them; NetworkUnreachable if there is no way for it."""
        self.count += 1
        now = self._now()
        path = self._path(ends_in(packet.head, 0)[1], now)
        neighbor = path.neighbor
        if neighbor is not None and now < neighbor.fast_until:
            whole = Packet(neighbor.header + packet.head, packet.body)
            self._outlets[path.interface.name].put(whole, now, comment)
            return
        self.waiting[packet.joined()] = comment
        self.host.stack.ip.transmit(path, packet, now)
        self.host.sim_pump.flush()

    async def resolve(self, destination: str | Address) -> None:
        """Asks for the link address of the next hop, and waits a second at most until it is known."""
        now = self._now()
        path = self._path(address_of(destination), now)
        if len(path.destination) == 16:
            return  # Neighbor discovery asks with the first packet, which waits for the answer.
        path.neighbor = neighbor = self.host.stack.arp.resolve(path.interface, path.next_hop, now)
        if neighbor is None or neighbor.header:
            return
        interface = path.interface
        request = Arp(arp.REQUEST, interface.mac, path.source, MAC_ZERO, path.next_hop)
        header = ethernet.emit(MAC_BROADCAST, interface.mac, ethernet.ETHERTYPE_ARP)
        self.send_frame(header + arp.emit(request), interface.name)
        self.count -= 1  # What any host would have sent is not counted as crafted.
        for _ in range(1000):
            if neighbor.header:
                return
            await asyncio.sleep(0.001)

    async def flood(
        self, packets: Iterable[Packet], rate: float, *, comment: str = "", spread: Duration = MILLISECOND
    ) -> int:
        """Sends all of ``packets``, ``rate`` a second; how many there were.

        One by one up to a thousand a second; faster, those of each ``spread`` at one instant, as a network card's queue
        would let them go. The next hop is asked for first.
        """
        if rate <= 0:
            raise ConfigError(f"a flood has a rate above 0 packets a second, not {rate:g}")
        burst = max(1, round(rate * spread / SECOND))
        pause = burst / rate
        before = self.count
        for number, packet in enumerate(packets):
            if not number:
                await self.resolve(ends_in(packet.head, 0)[1])
            elif number % burst == 0:
                await asyncio.sleep(pause)
            self.send_packet(packet, comment)
        return self.count - before

    def sniff(self) -> None:
        """From now on all that its interfaces see is in ``heard``: on a hub everything, behind a switch its own."""
        self._network.observe(self)

    async def hear(self, wanted: Callable[[Passing], object], seconds: float | None = None) -> Passing:
        """The next packet that is ``wanted``; TimeoutError if none comes so soon. `sniff` first."""
        future: asyncio.Future[Passing] = asyncio.get_running_loop().create_future()
        ear = (wanted, future)
        self._ears.append(ear)
        try:
            return await asyncio.wait_for(future, seconds)
        finally:
            if ear in self._ears:
                self._ears.remove(ear)

    def on_packet(
        self, when: Instant, end: CableEnd, packet: Packet, direction: Direction, comment: str | None = None
    ) -> None:
        """Keeps what comes in, and tells who waits for it."""
        if direction != "inbound" or end.pump is not self.host.sim_pump:
            return
        passing = Passing(packet, when, ("", self.host.name), end.interface.link_octets)
        self.heard.append(passing)
        for ear in list(self._ears):
            wanted, future = ear
            if not future.done() and wanted(passing):
                self._ears.remove(ear)
                future.set_result(passing)

    def _now(self) -> Instant:
        return self.host.sim_pump.now()

    def _path(self, destination: Address, now: Instant) -> Path:
        path = self._paths.get(destination)
        if path is None or path.is_stale or path.neighbor is None:
            path = self._paths[destination] = self.host.stack.ip.find_path(destination, None, now)
        return path


def _is_about_neighbors(frame: bytes) -> bool:
    """Whether it is ARP, or neighbor discovery."""
    if frame[12:14] != _IPV6:
        return frame[12:14] == _ARP
    at = ethernet.HEADER_OCTETS
    return frame[at + NEXT_HEADER_OFFSET] == PROTOCOL_ICMPV6 and frame[at + HEADER_OCTETS] in ndp.TYPES
