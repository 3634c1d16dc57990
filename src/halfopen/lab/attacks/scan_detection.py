"""Who scans? The published detectors, fed with the segments at a host's edge, and how each is led by the nose."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from halfopen.base.addresses import Address
from halfopen.lab.contacts import Bouncer, ContactLog, Watcher
from halfopen.lab.crafting import make_segment
from halfopen.lab.crowd import Crowd, itinerary, shuffled
from halfopen.lab.detection_theory import Expectation, of_count, of_walk
from halfopen.lab.detectors import (
    SCANNER,
    Detector,
    Finding,
    Portsentry,
    Psad,
    Quality,
    Scanlogd,
    ThresholdRandomWalk,
    Zeek,
    quality,
)
from halfopen.lab.scans import OPEN, SCANS, Scanner, Timing
from halfopen.lab.scenario import Outcome, Parameter, Scenario, Settings
from halfopen.lab.world import Layout, World, packed
from halfopen.stack.config import IpConfig, StackConfig, TcpLayerConfig

KNOWN = tuple(range(11, 51))
"""Services that everybody knows of."""
HIDDEN = (104, 222, 389, 465, 631, 873)
"""Services that the attacker looks for."""
CLOSED = tuple(port for port in range(1, 1024) if port not in KNOWN and port not in HIDDEN)
HAYSTACK = 34
"""Closed ports that he tries together with the hidden ones."""

SCANNERS, BENIGN_SOURCES, FRAMED = 14, 24, 4
SCANNER_CONTACTS, BENIGN_CONTACTS = 20, 10
SCANNER_GAP, BENIGN_GAP = 0.1, 5.0
"""Seconds between the contacts of one source: the benign pause longer than scanlogd remembers."""
FORGED = 15
"""SYNs in the name of each whom the attacker wants accused: enough for any of the detectors."""

BY_SOURCE, BY_CONTACT = "trw-validated-sources", "trw-validated-contacts"


def make_detectors() -> list[Detector]:
    """Those that judge all contacts, and TRW once more, which counts validated sources only."""
    careful = ThresholdRandomWalk(validated_only=True)
    careful.name = BY_SOURCE
    return [ThresholdRandomWalk(), careful, Zeek(), Scanlogd(), Psad(), Portsentry(CLOSED)]


def make_strict() -> list[Detector]:
    """TRW for a log in which a contact can validate itself only."""
    strict = ThresholdRandomWalk(validated_only=True)
    strict.name = BY_CONTACT
    return [strict]


DETECTORS = tuple(detector.name for detector in (*make_detectors(), *make_strict()))


class ScanDetection(Scenario):
    """A crowd, a scanner, and forged scans in other people's names."""

    name = "scan-detection"
    title = "Who scans? Six detectors, and how to deceive them"
    text = (
        "In front of a server, detectors look at who tries which port and whether somebody answers. First comes a"
        " crowd: scanners, nine in ten of whose contacts fail, and people who mean well, of whose contacts one in ten"
        " does. Then the attacker looks for six hidden services among forty ports, at his own pace, mixing in contacts"
        " that he knows to be good if he likes. At last he forges SYNs of others: of strangers, and of customers of the"
        " server. A detector among the defences has the server's router drop whom it takes for a scanner, so one that"
        " believes in forged sources is a weapon; one that only believes in answered numbers does not see half-open"
        " scans. TRW never forgets, and is deceived by good contacts; those with time windows are deceived by patience."
    )
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "scan": Parameter("syn", "", "how the attacker scans", choices=tuple(SCANS)),
        "pace": Parameter(10.0, "ports/s", "of the attacker's scan", above=0, most=1000),
        "good": Parameter(0, "contacts", "known to be good, before each port that he tries", least=0, most=4),
        "scanner-failure": Parameter(0.9, "", "probability that a scanner's contact fails", above=0.5, most=1),
        "benign-failure": Parameter(0.1, "", "probability that a good man's contact fails", least=0, most=0.5),
    }
    defences: ClassVar[Mapping[str, str]] = {
        "trw": "drop whom the threshold random walk takes for a scanner: 4 net failures (Jung et al. 2004)",
        BY_SOURCE: "the same, of sources that have ever completed a handshake",
        BY_CONTACT: "the same, of contacts that were completed handshakes themselves (a tarpit completes failures)",
        "zeek": "drop after 15 failed ports within five minutes",
        "scanlogd": "drop after 7 privileged ports or 21 others, without a pause of 3 s",
        "psad": "drop after 5 packets that found nobody",
        "portsentry": "drop at the first touch of a port without a service",
        "tarpit": "closed ports of the server answer SYN,ACK, and hold who comes back",
        "ingress-filter": "the attacker's provider lets no forged sources out (BCP 38)",
    }

    def play(self, settings: Settings) -> Outcome:
        """The crowd, the scan, the forgeries."""
        is_filtered = "ingress-filter" in settings.defences
        edge = StackConfig(ip=IpConfig(forwarding=True, ingress_filter=is_filtered))
        closed_ports = "tarpit" if "tarpit" in settings.defences else "reset"
        server = StackConfig(tcp_layer=TcpLayerConfig(closed_ports=closed_ports))
        with World(settings, Layout(configs={"edge": edge, "server": server})) as world:
            return world.run(Story(world).tell())


@dataclass(slots=True)
class Hunt:
    """What ports the attacker has found to be open, and how long it took."""

    found: set[int] = field(default_factory=set)
    seconds: float = 0.0


class Story:
    """One run."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.rng = world.rng
        self.bouncer = Bouncer(world.settings.defences)
        self.crowd = Crowd(world.client, SCANNERS + BENIGN_SOURCES, first=64)
        self.victims = Crowd(world.client, 2 * FRAMED, first=128)
        for crowd in (self.crowd, self.victims):
            crowd.introduce(world.router)
        world.tape.shorten("192.0.2.64/26", 0)
        world.tape.shorten("192.0.2.128/25", 24)
        services = frozenset((*KNOWN, *HIDDEN))
        self.watchers = [
            Watcher(world.server, ContactLog(services), make_detectors(), self.bouncer.on_finding),
            Watcher(world.server, ContactLog(services, by_contact=True), make_strict(), self.bouncer.on_finding),
        ]

    async def tell(self) -> Outcome:
        """All three parts."""
        world, sources = self.world, self.crowd.sources
        for watcher in self.watchers:
            world.network.observe(watcher)
        for port in (*KNOWN, *HIDDEN):
            await world.server.start_server(lambda reader, writer: writer.close(), None, port)
        world.cables["server-side"].rule(self.bouncer, towards="server")
        bad, good = sources[:SCANNERS], sources[SCANNERS:]
        await self._mingle(bad, good)
        hunt = await self._hunt()
        strangers, customers = self.victims.sources[:FRAMED], self.victims.sources[FRAMED:]
        served = await self._frame(strangers, customers)
        await world.at_rest()
        for watcher in self.watchers:
            watcher.finish(world.server.pump.now())
        figures = Figures(self.world.settings, self.findings)
        figures.judge_crowd(bad, good)
        figures.judge_hunt(hunt, world.attacker.address)
        figures.judge_frames(strangers, customers, served)
        return world.outcome(
            attack_succeeded=hunt.found == set(HIDDEN),
            metrics=figures.metrics,
            theory=figures.theory,
            counts=figures.counts,
            tolerance=figures.tolerance,
            notes=figures.notes,
            lifelines=("attacker", "router", "server"),
        )

    @property
    def findings(self) -> dict[str, list[Finding]]:
        """Of all detectors, by name."""
        return {name: found for watcher in self.watchers for name, found in watcher.findings.items()}

    async def _mingle(self, bad: Sequence[Address], good: Sequence[Address]) -> None:
        """The crowd, all at the same time; who is blocked gives up."""
        number = self.world.settings.number
        tours = [
            *((each, number("scanner-failure"), SCANNER_CONTACTS, SCANNER_GAP) for each in bad),
            *((each, number("benign-failure"), BENIGN_CONTACTS, BENIGN_GAP) for each in good),
        ]
        await asyncio.gather(*(self._tour(*tour) for tour in tours))

    async def _tour(self, source: Address, failure: float, count: int, gap: float) -> None:
        await asyncio.sleep(self.rng.uniform() * gap)
        for port in itinerary(KNOWN, CLOSED, failure, count, self.rng):
            if source in self.bouncer.blocked:
                return
            await self.crowd.contact(source, packed(self.world.server), port)
            await asyncio.sleep(gap)

    async def _hunt(self) -> Hunt:
        """The attacker tries forty ports in an order of his own."""
        world, settings, hunt = self.world, self.world.settings, Hunt()
        scanner = Scanner(world.attacker, packed(world.server), self.rng, Timing(parallel=1))
        kind, pause, good = SCANS[settings.word("scan")], 1 / settings.number("pace"), settings.whole("good")
        known = shuffled(KNOWN, self.rng)
        start = world.elapsed
        world.attacker.sniff()
        await world.attacker.resolve(packed(world.server))
        for port in shuffled((*HIDDEN, *shuffled(CLOSED, self.rng, HAYSTACK)), self.rng):
            for _ in range(good):
                known.append(known.pop(0))
                await scanner.scan(SCANS["connect"], known[-1:])
            reports = await scanner.scan(kind, (port,))
            if reports[port].state == OPEN:
                hunt.found.add(port)
            await asyncio.sleep(pause)
        hunt.seconds = world.elapsed - start
        return hunt

    async def _frame(self, strangers: Sequence[Address], customers: Sequence[Address]) -> int:
        """SYNs in the name of others; then these want to be served: how many are."""
        world, crowd, server = self.world, self.victims, packed(self.world.server)
        for customer in customers:
            await crowd.contact(customer, server, KNOWN[0])
        for victim in (*strangers, *customers):
            for port in shuffled(CLOSED, self.rng, FORGED):
                segment = make_segment((1024 + self.rng.below(60000), port), "S", seq=self.rng.below(1 << 32))
                world.attacker.send(segment, source=victim, destination=server, comment="forged scan")
                await asyncio.sleep(0.1)
        return sum([await crowd.contact(victim, server, KNOWN[1]) for victim in (*strangers, *customers)])


class Figures:
    """Metrics beside theory."""

    def __init__(self, settings: Settings, findings: Mapping[str, list[Finding]]) -> None:
        self.settings = settings
        self.metrics: dict[str, float] = {}
        self.theory: dict[str, float] = {}
        self.counts: dict[str, tuple[int, int]] = {}
        self.tolerance: dict[str, float] = {}
        self.notes: tuple[str, ...] = ()
        self._findings = findings

    def judge_crowd(self, bad: Sequence[Address], good: Sequence[Address]) -> None:
        """Who was found, and who accused; closed forms hold as long as nobody is dropped."""
        truth = dict.fromkeys(bad, True) | dict.fromkeys(good, False)
        failure = self.settings.number("scanner-failure")
        expected = expectations(failure, SCANNER_CONTACTS)
        feared = expectations(self.settings.number("benign-failure"), BENIGN_CONTACTS)
        feared["scanlogd"] = Expectation(found=0.0, contacts=0.0, deviation=0.0)  # they pause for too long
        for name in ("trw", "zeek", "scanlogd", "psad", "portsentry"):
            result = quality([each for each in self._findings[name] if each.source in truth], truth)
            self._add_quality(name, result, expected[name], feared[name])

    def _add_quality(self, name: str, result: Quality, expected: Expectation, feared: Expectation) -> None:
        found, accused, contacts = (
            f"{name}: scanners found",
            f"{name}: benign accused",
            f"{name}: contacts until found",
        )
        self.count(found, round(result.detection * SCANNERS), SCANNERS)
        self.count(accused, round(result.false_positive * BENIGN_SOURCES), BENIGN_SOURCES)
        self.metrics[contacts] = result.contacts
        if not self.settings.defences - {"ingress-filter"}:
            self.theory |= {found: expected.found, accused: feared.found, contacts: expected.contacts}
            self.tolerance[contacts] = expected.tolerance(SCANNERS)

    def judge_hunt(self, hunt: Hunt, attacker: Address) -> None:
        """What the attacker knows, and who knows of him."""
        self.metrics["hidden services found"] = len(hunt.found.intersection(HIDDEN)) / len(HIDDEN)
        self.metrics["closed ports taken for open"] = len(hunt.found.difference(HIDDEN)) / HAYSTACK
        self.metrics["hunt, s"] = hunt.seconds
        for name in DETECTORS:
            flags = [each for each in self._findings[name] if each.source == attacker and each.verdict == SCANNER]
            self.metrics[f"{name}: hunter found"] = float(bool(flags))

    def judge_frames(self, strangers: Sequence[Address], customers: Sequence[Address], served: int) -> None:
        """Who was accused of what others had forged."""
        for name in DETECTORS:
            flagged = {each.source for each in self._findings[name] if each.verdict == SCANNER}
            self.count(f"{name}: strangers framed", len(flagged.intersection(strangers)), FRAMED)
            self.count(f"{name}: customers framed", len(flagged.intersection(customers)), FRAMED)
        self.count("framed and still served", served, 2 * FRAMED)
        self.notes = (
            "TRW as published accuses whoever is named in forged SYNs; if he is dropped, customers are locked out.",
            "To count sources that have ever completed a handshake saves strangers only: customers have completed one.",
            "TRW's verdict is for good: a few good contacts first, and it never looks at the source again.",
            "To count only contacts that are handshakes themselves frames nobody, and finds no half-open scan at all.",
            "With a tarpit, who connects to a closed port completes a handshake with nobody: a failure, and validated.",
        )

    def count(self, name: str, hits: int, trials: int) -> None:
        """A metric that is a proportion."""
        self.metrics[name] = hits / trials
        self.counts[name] = hits, trials


def expectations(failure: float, most: int) -> dict[str, Expectation]:
    """In closed form, for sources that make ``most`` contacts with privileged ports without a pause."""
    return {
        "trw": of_walk(failure, most),
        "zeek": of_count(15, failure, most),
        "scanlogd": Expectation(found=1.0, contacts=7.0, deviation=0.0),
        "psad": of_count(5, failure, most),
        "portsentry": of_count(1, failure, most),
    }
