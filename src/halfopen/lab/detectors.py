"""Who scans? Detectors of port scans as they were published, each a judge over a log of contacts.

All see the same: who tried to reach which port of which host, and whether somebody answered. A detector says at most
once of each source what it takes it for.
"""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import log

from halfopen.base.addresses import Address
from halfopen.base.clock import MINUTE, SECOND, Duration, Instant

SCANNER = "scanner"
BENIGN = "benign"


@dataclass(slots=True, frozen=True, kw_only=True)
class Contact:
    """An attempt to reach a port. ``is_validated``: the source has answered to something that only it could know.

    A handshake that was completed or a cookie that was returned validates a source; a single SYN could be anybody's.
    """

    when: Instant
    source: Address
    destination: Address
    port: int
    succeeded: bool
    is_validated: bool = True


@dataclass(slots=True, frozen=True, kw_only=True)
class Finding:
    """What a detector takes a source for, when, and after how many of its contacts."""

    when: Instant
    source: Address
    verdict: str
    contacts: int


class Detector(ABC):
    """Judges sources, one contact after the other, in the order of time."""

    name: str

    def __init__(self) -> None:
        self._judged: set[Address] = set()
        self._contacts: dict[Address, int] = {}

    def on_contact(self, contact: Contact) -> Finding | None:
        """What this contact decides about its source, which is not judged again."""
        source = contact.source
        if source in self._judged:
            return None
        self._contacts[source] = self._contacts.get(source, 0) + 1
        verdict = self._weigh(contact)
        if verdict is None:
            return None
        self._judged.add(source)
        return Finding(when=contact.when, source=source, verdict=verdict, contacts=self._contacts.pop(source))

    def run(self, contacts: Iterable[Contact]) -> list[Finding]:
        """All findings of a log."""
        return [finding for contact in contacts if (finding := self.on_contact(contact)) is not None]

    @abstractmethod
    def _weigh(self, contact: Contact) -> str | None:
        """`SCANNER` or `BENIGN`, if this contact decides."""


class ThresholdRandomWalk(Detector):
    """TRW: a sequential likelihood ratio over first contacts (Jung, Paxson, Berger, Balakrishnan 2004).

    ``benign`` and ``scanner`` are the probabilities with which either finds somebody at home. With the defaults four
    failures more than successes make a scanner, four successes more a benign source. ``validated_only`` leaves out
    contacts that may be forged, so that nobody can be accused in his absence.
    """

    name = "trw"

    def __init__(
        self,
        benign: float = 0.8,
        scanner: float = 0.2,
        false_positive: float = 0.01,
        detection: float = 0.99,
        *,
        validated_only: bool = False,
    ) -> None:
        super().__init__()
        self._success = log(scanner / benign)
        self._failure = log((1 - scanner) / (1 - benign))
        self._upper = log(detection / false_positive)
        self._lower = log((1 - detection) / (1 - false_positive))
        self._validated_only = validated_only
        self._walks: dict[Address, float] = {}
        self._known: set[tuple[Address, Address, int]] = set()

    def _weigh(self, contact: Contact) -> str | None:
        first = (contact.source, contact.destination, contact.port)
        if first in self._known or (self._validated_only and not contact.is_validated):
            return None
        self._known.add(first)
        walk = self._walks.get(contact.source, 0.0) + (self._success if contact.succeeded else self._failure)
        self._walks[contact.source] = walk
        # Four steps of log 4 are 5.545, beyond log 99 = 4.595; three are not.
        if walk >= self._upper:
            return SCANNER
        return BENIGN if walk <= self._lower else None


@dataclass(slots=True)
class _Window:
    """Failures of one source within a time: distinct ports on a host, distinct hosts for a port."""

    failures: deque[tuple[Instant, Address, int]] = field(default_factory=deque)

    def add(self, contact: Contact, span: Duration) -> None:
        """One more; those too old go."""
        self.failures.append((contact.when, contact.destination, contact.port))
        while self.failures[0][0] <= contact.when - span:
            self.failures.popleft()


class Zeek(Detector):
    """Zeek's scan policy: 15 failed ports of one host, or 25 hosts for one port, within five minutes."""

    name = "zeek"

    def __init__(self, ports: int = 15, hosts: int = 25, span: Duration = 5 * MINUTE) -> None:
        super().__init__()
        self._ports = ports
        self._hosts = hosts
        self._span = span
        self._windows: dict[Address, _Window] = {}

    def _weigh(self, contact: Contact) -> str | None:
        if contact.succeeded:
            return None
        window = self._windows.setdefault(contact.source, _Window())
        window.add(contact, self._span)
        ports = {port for _, host, port in window.failures if host == contact.destination}
        hosts = {host for _, host, port in window.failures if port == contact.port}
        return SCANNER if len(ports) >= self._ports or len(hosts) >= self._hosts else None


class Scanlogd(Detector):
    """scanlogd: 21 points, three for a privileged port and one for another, with no pause longer than three seconds."""

    name = "scanlogd"

    def __init__(self, threshold: int = 21, gap: Duration = 3 * SECOND) -> None:
        super().__init__()
        self._threshold = threshold
        self._gap = gap
        self._state: dict[Address, tuple[Instant, int, frozenset[int]]] = {}

    def _weigh(self, contact: Contact) -> str | None:
        last, points, ports = self._state.get(contact.source, (contact.when, 0, frozenset()))
        if contact.when - last > self._gap:
            points, ports = 0, frozenset()
        if contact.port not in ports:
            points += 3 if contact.port < 1024 else 1
            ports |= {contact.port}
        self._state[contact.source] = (contact.when, points, ports)
        return SCANNER if points >= self._threshold else None


class Psad(Detector):
    """psad's first danger level: five packets that found nobody."""

    name = "psad"

    def __init__(self, packets: int = 5) -> None:
        super().__init__()
        self._packets = packets
        self._counts: dict[Address, int] = {}

    def _weigh(self, contact: Contact) -> str | None:
        if contact.succeeded:
            return None
        count = self._counts[contact.source] = self._counts.get(contact.source, 0) + 1
        return SCANNER if count >= self._packets else None


class Portsentry(Detector):
    """Trap ports, which nobody has any business with: the first touch decides."""

    name = "portsentry"

    def __init__(self, traps: Iterable[int]) -> None:
        super().__init__()
        self._traps = frozenset(traps)

    def _weigh(self, contact: Contact) -> str | None:
        return SCANNER if contact.port in self._traps else None


class SynFinCusum:
    """The balance of SYNs and FINs as a non-parametric CUSUM: detects floods, not who makes them (Wang et al. 2002).

    Per interval x = (SYN - FIN) / mean FIN; y grows by what x exceeds ``upper`` and never falls below zero.
    """

    def __init__(self, upper: float = 0.35, threshold: float = 1.05, memory: float = 0.9) -> None:
        self._upper = upper
        self._threshold = threshold
        self._memory = memory
        self._mean_fins: float | None = None
        self.level = 0.0

    def on_interval(self, syns: int, fins: int) -> bool:
        """The counts of one interval, the first of which sets the mean; True while a flood goes on."""
        mean = float(fins) if self._mean_fins is None else self._memory * self._mean_fins + (1 - self._memory) * fins
        self._mean_fins = mean
        self.level = max(0.0, self.level + (syns - fins) / max(mean, 1.0) - self._upper)
        return self.level > self._threshold


@dataclass(slots=True, frozen=True, kw_only=True)
class Quality:
    """How well a detector did, in the terms of Jung et al.

    ``detection``: scanners found, of all; ``false_positive``: benign sources accused, of all; ``efficiency``: scanners
    among those flagged; ``contacts``: mean attempts that a scanner had made when it was found.
    """

    detection: float
    false_positive: float
    efficiency: float
    contacts: float


def quality(findings: Iterable[Finding], truth: Mapping[Address, bool]) -> Quality:
    """Against the truth: which source is a scanner. Shares of nothing are 0."""
    flagged = {finding.source: finding for finding in findings if finding.verdict == SCANNER}
    scanners = {source for source, is_scanner in truth.items() if is_scanner}
    found = scanners & flagged.keys()
    accused = flagged.keys() - scanners
    return Quality(
        detection=len(found) / max(1, len(scanners)),
        false_positive=len(accused) / max(1, len(truth) - len(scanners)),
        efficiency=len(found) / max(1, len(flagged)),
        contacts=sum(flagged[source].contacts for source in found) / max(1, len(found)),
    )


def expected_contacts(failure: float, steps: int = 4) -> float:
    """TRW in closed form: E[N] of a walk that ends ``steps`` up or down and goes up with probability ``failure``."""
    if failure == 1 / 2:
        return float(steps * steps)
    return steps * (2 * flag_probability(failure, steps) - 1) / (2 * failure - 1)


def flag_probability(failure: float, steps: int = 4) -> float:
    """TRW in closed form: the probability that the walk ends at the top (gambler's ruin)."""
    if failure == 0:
        return 0.0
    return 1 / (1 + ((1 - failure) / failure) ** steps)
