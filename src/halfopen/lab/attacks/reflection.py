"""SYN,ACK reflection: a server that answers SYNs is made to shout at somebody who never called (WOOT'14, Kuehrer)."""

from collections.abc import Mapping
from typing import ClassVar

from halfopen.base.clock import SECOND, Duration, Instant
from halfopen.lab import theory_floods as theory
from halfopen.lab.crafting import make_segment
from halfopen.lab.floods import PORT, ends_of
from halfopen.lab.places import SERVER
from halfopen.lab.scenario import Outcome, Parameter, Scenario, Settings
from halfopen.lab.visitors import Visitors
from halfopen.lab.world import Layout, World
from halfopen.sim.cable import Filter
from halfopen.stack.config import IpConfig, StackConfig, TcpLayerConfig
from halfopen.stack.interface import Interface
from halfopen.tcp.config import RetransmissionConfig, TcpConfig
from halfopen.wire.packet import Packet
from halfopen.wire.tcp import ACK, SYN, header_octets
from halfopen.wire.tcp_options import Options

IP_OCTETS = 20
OFFERED: Mapping[str, Options | None] = {
    "none": None,
    "mss": Options(mss=1460),
    "all": Options(mss=1460, window_scale=7, sack_permitted=True, timestamps=(1, 0)),
}


class Ear(Filter):
    """What of SYN,ACKs reaches the victim."""

    __slots__ = ("_first", "count", "longest", "octets")

    def __init__(self) -> None:
        self.count = 0
        self.octets = 0
        self.longest: Duration = 0
        """From the first to the last that answer the same SYN."""
        self._first: dict[bytes, Instant] = {}

    def on_arrival(self, interface: Interface, packet: Packet, now: Instant) -> Packet | None:
        """All go on."""
        at = interface.link_octets
        if packet.head[at + 33] & (SYN | ACK) == SYN | ACK:
            self.count += 1
            self.octets += packet.octets - at
            ports = packet.head[at + 20 : at + 24]
            self.longest = max(self.longest, now - self._first.setdefault(ports, now))
        return packet


class Reflection(Scenario):
    """SYNs in the victim's name."""

    name = "reflection"
    title = "SYN,ACK reflection: many answers for each spoofed SYN"
    text = (
        "The attacker sends SYNs in the name of a victim. The server answers the victim, and because the victim is"
        " silent (it is down, or a filter drops what it has not asked for) the server takes its SYN,ACK for lost and"
        " sends it again: six packets for one with five retransmissions. Nothing is wrong with the server; a cookie is"
        " sent once, because nobody remembers that it was. A victim that is there answers RST, and that ends it."
    )
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "syns": Parameter(50, "SYNs", "in the victim's name", least=1, most=2000),
        "rate": Parameter(20.0, "SYN/s", "one after the other", above=0, most=10_000),
        "options": Parameter("none", "", "that the spoofed SYN offers", choices=tuple(OFFERED)),
    }
    defences: ClassVar[Mapping[str, str]] = {
        "cookies-always": "a cookie is never sent again (RFC 4987 3.6)",
        "hybrid": "the library's default: no help while the table has room",
        "shorter-timer": "one retransmission instead of five (RFC 4987 3.3)",
        "victim-resets": "the victim is up, and answers what it has not asked for by RST (RFC 9293 3.10.7.1)",
        "ingress-filter": "the attacker's own router forwards no source that is not behind it (BCP 38)",
    }

    def play(self, settings: Settings) -> Outcome:
        """SYNs, and then as long as the server goes on."""
        defences = settings.defences
        retries = 1 if "shorter-timer" in defences else RetransmissionConfig().synack_retries
        cookies = "always" if "cookies-always" in defences else "overflow" if "hybrid" in defences else "off"
        server = StackConfig(
            tcp_layer=TcpLayerConfig(syn_cookies=cookies, half_open=1024 if "hybrid" in defences else 4096),
            tcp=TcpConfig(retransmission=RetransmissionConfig(synack_retries=retries)),
        )
        configs = {"server": server}
        if "ingress-filter" in defences:
            configs["edge"] = StackConfig(ip=IpConfig(forwarding=True, ingress_filter=True))
        with World(settings, Layout(configs=configs, silent=True)) as world:
            return world.run(_story(world, retries, cookies))


async def _story(world: World, retries: int, cookies: str) -> Outcome:
    settings = world.settings
    defences, count = settings.defences, settings.whole("syns")
    await Visitors(world, PORT, 1.0).open()
    ear = Ear()
    (end,) = ends_of(world, world.client)
    end.filters.append(ear)
    victim = world.client.address
    if "victim-resets" not in defences:
        world.client.power_off()
    syn = make_segment((1023, PORT), "S", options=OFFERED[settings.word("options")])
    for number in range(count):
        syn.source_port, syn.seq = 1024 + number, world.rng.below(1 << 32)
        world.attacker.send(syn, source=victim, destination=SERVER, comment="SYN in the victim's name")
        await world.at_rest(1 / settings.number("rate"))
    await world.at_rest(theory.lifetime(retries) + 1)
    sent = count * (IP_OCTETS + header_octets(syn))
    answer = IP_OCTETS + 20 + {"none": 4, "mss": 4, "all": 20}[settings.word("options")]
    if "ingress-filter" in defences:
        packets = 0.0
    elif cookies == "always" or "victim-resets" in defences:
        packets = 1.0
    else:
        packets = retries + 1.0
    return world.outcome(
        attack_succeeded=ear.count > count,
        metrics={
            "packets for each SYN": ear.count / count,
            "octets for each octet": ear.octets / sent,
            "seconds that the victim hears of one SYN": ear.longest / SECOND,
        },
        theory={
            "packets for each SYN": packets,
            "octets for each octet": packets * answer * count / sent,
            "seconds that the victim hears of one SYN": theory.synack_times(retries)[-1] if packets > 1 else 0.0,
        },
        tolerance={"seconds that the victim hears of one SYN": 0.001},  # the table's clock has ticks of 4 us
        notes=(
            f"A SYN of {IP_OCTETS + header_octets(syn)} octets, a SYN,ACK of {answer}: Linux answers six times, FreeBSD"
            " four times, cookies once.",
            "A server may count what it answers to one address; but the flood may come from many servers.",
        ),
        port=PORT,
    )
