"""ACK flood against SYN cookies: any stranger's ACK might bring one back, and to know costs a hash (RFC 4987 3.6)."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import blake2s
from types import FrameType
from typing import ClassVar

from halfopen.base.addresses import Address
from halfopen.lab.crafting import make_segment, make_tcp
from halfopen.lab.floods import PORT, SAMPLE, Aim, Drain, Flood, Gauge, ends_of
from halfopen.lab.places import SPOOFED, is_spoofed
from halfopen.lab.scenario import Outcome, Parameter, Scenario, Settings
from halfopen.lab.syn_proxy import SynProxy
from halfopen.lab.visitors import Served, Visitors
from halfopen.lab.world import Layout, World, packed
from halfopen.sim.cable import CableEnd
from halfopen.stack.config import IpConfig, StackConfig, TcpLayerConfig
from halfopen.stack.tcp_socket import TcpListener
from halfopen.wire.packet import Packet
from halfopen.wire.tcp_options import Options

INSPECTED = 1000
"""ACKs of which every hash is counted."""
MAC_BITS = 29
"""Of a cookie without timestamps; the other three say which hash it is."""


class AckFlood(Flood):
    """ACKs with random numbers; ``stamped`` with timestamps, as if there had been a SYN with them."""

    def __init__(self, world: World, aim: Aim, *, stamped: bool) -> None:
        super().__init__(world, aim)
        self._server = packed(world.server)
        self._stamped = stamped

    def make(self, source: Address, port: int) -> Packet:
        """Nothing in it is right but its place in the world."""
        draw = self._random.getrandbits
        options = Options(timestamps=(draw(32), draw(32))) if self._stamped else None
        segment = make_segment((port, PORT), ".", seq=draw(32), ack=draw(32), options=options)
        return make_tcp(source, self._server, segment)


@contextmanager
def hashes_counted() -> Iterator[Callable[[], int]]:
    """How many keyed hashes have been computed since, whoever computed them: the interpreter itself is asked."""
    count = 0

    def on_event(frame: FrameType, event: str, argument: object) -> None:
        nonlocal count
        if event == "c_call" and isinstance(getattr(argument, "__self__", None), blake2s):
            count += getattr(argument, "__name__", "") == "digest"

    known = sys.getprofile()
    sys.setprofile(on_event)
    try:
        yield lambda: count
    finally:
        sys.setprofile(known)


class AckFloodScenario(Scenario):
    """ACKs of nobody, at a listener that has sent cookies."""

    name = "ack-flood"
    title = "ACK flood: what it costs to refuse a forged cookie"
    text = (
        "A server that sends cookies must look at every ACK of a stranger: it may bring a cookie back. The attacker"
        " sends ACKs with random numbers, so that the server computes keyed hashes for nothing. It gets no state out of"
        " it, and one guess in 2^29 (2^40 with timestamps) would be a connection; what it costs the server is a hash of"
        " half a microsecond. Linux and we look at such ACKs only if a cookie may be out, so that a flood cannot even"
        " have that without a SYN flood beside it."
    )
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "rate": Parameter(5000.0, "ACK/s", "a Poisson process", above=0, most=200_000),
        "seconds": Parameter(1.0, "s", "of flood", above=0, most=20),
        "clients": Parameter(100, "clients", "real ones beside it", least=1, most=5000),
        "timestamps": Parameter("no", "", "whether the forged ACKs have them", choices=("yes", "no")),
    }
    defences: ClassVar[Mapping[str, str]] = {
        "cookies-on-overflow": "all who were answered have a record, so no cookie can come back: no hash (the default)",
        "syn-proxy": "the router has the cookies, and the hashes; the server hears of nothing",
        "ingress-filter": "the attacker's own router forwards no source that is not behind it (BCP 38)",
    }

    def play(self, settings: Settings) -> Outcome:
        """Clients and flood, then some ACKs under the magnifying glass."""
        has_choice = settings.defences & {"cookies-on-overflow", "syn-proxy"}
        layer = TcpLayerConfig(syn_cookies="overflow" if has_choice else "always")
        configs = {"server": StackConfig(tcp_layer=layer)}
        if "ingress-filter" in settings.defences:
            configs["edge"] = StackConfig(ip=IpConfig(forwarding=True, ingress_filter=True))
        with World(settings, Layout(configs=configs, silent=True)) as world:
            return world.run(_Story(world).tell())


class _Story:
    def __init__(self, world: World) -> None:
        self.world = world
        self.gauge = Gauge()
        self.door = ends_of(world, world.server)[0]
        self.entry: CableEnd | None = self.door

    async def tell(self) -> Outcome:
        world, settings = self.world, self.world.settings
        defences, seconds = settings.defences, settings.number("seconds")
        world.tape.shorten(SPOOFED, SAMPLE)
        self.door.filters.append(self.gauge)
        if "syn-proxy" in defences:
            SynProxy(world.router, packed(world.server), [PORT], world.rng.fork("proxy")).install(
                ends_of(world, world.router)
            )
            self.entry = world.cables["uplink"].end(world.router)
        answers = Drain(self.door, most=SAMPLE)
        if "ingress-filter" in defences:
            self.entry = None
        visitors = Visitors(world, PORT, 3.0)
        await visitors.open()
        await world.client.run(visitors.visit())
        alone, visitors.result = visitors.result.median, Served()
        aim = Aim(rate=settings.number("rate"), entry=self.entry, comment="ACK of nobody")
        flood = AckFlood(world, aim, stamped=settings.word("timestamps") == "yes")
        flood.start()
        await visitors.come(settings.whole("clients"), seconds)
        await flood.stop()
        await world.at_rest(1.0)
        waits = (alone, visitors.result.median)
        return self._outcome(visitors.result, flood, waits, answers.others)

    def _outcome(self, served: Served, flood: AckFlood, waits: tuple[float, float], resets: int) -> Outcome:
        count, reached = flood.count, self.gauge.count
        is_checked = reached and "cookies-on-overflow" not in self.world.settings.defences
        hashes = self._inspect(flood) if reached else 0.0
        return self.world.outcome(
            attack_succeeded=hashes >= 0.25,
            metrics={
                "hashes for each forged cookie": hashes,
                "connections forged": float(self._forged()),
                "RSTs for each forged ACK": resets / count,
                "forged ACKs": float(count),
                "clients served": served.share,
                "their wait, compared to before": waits[1] / waits[0] if waits[0] else 0.0,
            },
            theory={
                "hashes for each forged cookie": float(bool(is_checked)),
                "connections forged": 0.0,
                "RSTs for each forged ACK": 1.0 if reached else 0.0,
                "clients served": 1.0,
                "their wait, compared to before": 1.0,
            },
            counts={"clients served": (served.served, served.asked)},
            tolerance={
                "hashes for each forged cookie": 0.15,
                "RSTs for each forged ACK": 0.01,
                "their wait, compared to before": 0.01,
            },
            notes=(
                f"Of {count:,} guesses {count / 2**MAC_BITS:.2g} should be right, without timestamps.",
                "Besides these hashes each ACK of a stranger costs one that looks for its half-open record, while there"
                " is any.",
                "Virtual time knows no processor: the wait stays the same as long as the hashes are few; what counts is"
                " how many there are. Each ACK is answered by RST, so that a flood is also one for its sources.",
            ),
            port=PORT,
        )

    def _forged(self) -> int:
        """Connections that nobody's ACKs have opened."""
        return sum(is_spoofed(row.remote) for row in self.world.server.stack.tcp.rows())

    def _inspect(self, flood: AckFlood) -> float:
        """Keyed hashes for each forged ACK, but for the one that looks for a half-open record, if there are any."""
        stack, now = self.world.server.stack, self.world.server.pump.now()
        interface = self.door.interface
        packets = [flood.make(source, 2000 + number) for number, source in enumerate(self.world.spoofed(INSPECTED))]
        link = interface.mac + bytes(6) + b"\x08\x00"
        for packet in packets:
            packet.head = link + packet.head
        listeners = [each for each in stack.tcp.sockets() if isinstance(each, TcpListener)]
        is_sought = any(len(each.listener.half_open) for each in listeners)
        with hashes_counted() as count:
            for packet in packets:
                stack.receive(interface, packet, now)
            return count() / INSPECTED - is_sought
