"""All scenarios, in the order in which a course would take them."""

from collections.abc import Mapping

from halfopen.base.errors import ConfigError
from halfopen.lab.attacks.ack_flood import AckFloodScenario
from halfopen.lab.attacks.arp_poison import ArpPoison
from halfopen.lab.attacks.blind import Blind
from halfopen.lab.attacks.cheating import Cheating
from halfopen.lab.attacks.desync import Desynchronisation
from halfopen.lab.attacks.handshake import Handshake
from halfopen.lab.attacks.hijack import Hijack
from halfopen.lab.attacks.hoarding import Hoarding
from halfopen.lab.attacks.icmp import ForgedIcmp
from halfopen.lab.attacks.idle_scan import IdleScan
from halfopen.lab.attacks.isn import Isn
from halfopen.lab.attacks.lost_ack import LostAck
from halfopen.lab.attacks.odd import OddSegments
from halfopen.lab.attacks.overlap import Overlap
from halfopen.lab.attacks.port_probe import PortProbe
from halfopen.lab.attacks.real_connects import RealConnects
from halfopen.lab.attacks.reflection import Reflection
from halfopen.lab.attacks.sack_abuse import SackAbuse
from halfopen.lab.attacks.scan_detection import ScanDetection
from halfopen.lab.attacks.side_channel import SideChannel
from halfopen.lab.attacks.syn_flood import SynFloodScenario
from halfopen.lab.attacks.time_wait import TimeWaitAssassination
from halfopen.lab.attacks.wrap import Wrap
from halfopen.lab.scenario import Scenario, nearest

_ALL: tuple[Scenario, ...] = (
    Handshake(),
    Wrap(),
    PortProbe(),
    IdleScan(),
    ScanDetection(),
    SynFloodScenario(),
    RealConnects(),
    AckFloodScenario(),
    LostAck(),
    Reflection(),
    Isn(),
    Hijack(),
    Blind(),
    SideChannel(),
    ForgedIcmp(),
    TimeWaitAssassination(),
    Desynchronisation(),
    ArpPoison(),
    Overlap(),
    Cheating(),
    Hoarding(),
    SackAbuse(),
    OddSegments(),
)

SCENARIOS: Mapping[str, Scenario] = {scenario.name: scenario for scenario in _ALL}


def find(name: str) -> Scenario:
    """The scenario called ``name``; ConfigError names the nearest."""
    try:
        return SCENARIOS[name]
    except KeyError:
        raise ConfigError(f"there is no scenario {name!r}: {nearest(name, SCENARIOS)}") from None
