"""From the segments at a host's edge to contacts: who tried which port, and whether somebody was at home.

Anybody can write any source into a single segment; a contact is validated if its source has answered to a number that
was sent to that address only. A handshake that is completed does so, and so does a cookie that is returned.
"""

from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from halfopen.base.addresses import Address
from halfopen.base.clock import SECOND, Duration, Instant
from halfopen.capture.record import Direction
from halfopen.lab.detectors import SCANNER, Contact, Detector, Finding
from halfopen.sim.cable import CableEnd, Observer
from halfopen.sim.host import SimHost
from halfopen.sim.match import Passing
from halfopen.sim.rules import DROP, PASS, Verdict
from halfopen.tcp.seqnum import wrap
from halfopen.wire.packet import Packet
from halfopen.wire.tcp import ACK, RST, SYN, Segment

Key: TypeAlias = tuple[Address, int, Address, int]
"""Address and port of the stranger, then of the host."""

PATIENCE: Duration = 1 * SECOND
"""After which an attempt that nobody has answered has failed: so long, Zeek and TRW would have to wait as well."""


@dataclass(slots=True)
class _Attempt:
    """The first segment from a stranger; ``iss`` is of the SYN,ACK that answered it."""

    when: Instant
    iss: int | None = None


class ContactLog:
    """Makes contacts of the segments of one host, shown in the order of time.

    A contact is decided when its handshake is completed or refused, at the latest after ``patience``. It has succeeded
    if a SYN,ACK was sent, and by one of ``services``, if given: what a tarpit answers is nobody. With ``by_contact``
    only a completed handshake validates, and only itself; else also what its source seems to do later.
    """

    def __init__(
        self, services: Container[int] | None = None, *, patience: Duration = PATIENCE, by_contact: bool = False
    ) -> None:
        self._services = services
        self._patience = patience
        self._by_contact = by_contact
        self._attempts: dict[Key, _Attempt] = {}
        self._connections: set[Key] = set()
        self._validated: set[Address] = set()

    def on_segment(self, when: Instant, passing: Passing, *, is_sent: bool) -> list[Contact]:
        """The contacts that this segment, or the time that has passed before it, decides."""
        decided = list(self.lapse(when))
        header, segment = passing.ip, passing.tcp
        if header is None or segment is None:
            return decided
        if is_sent:
            key = (header.destination, segment.destination_port, header.source, segment.source_port)
            contact = self._on_sent(key, segment, when)
        else:
            key = (header.source, segment.source_port, header.destination, segment.destination_port)
            contact = self._on_received(key, segment, when)
        return decided if contact is None else [*decided, contact]

    def lapse(self, now: Instant) -> Iterator[Contact]:
        """Attempts whose time is over: they have failed, unless a SYN,ACK was sent to them."""
        while self._attempts:
            key, attempt = next(iter(self._attempts.items()))
            if attempt.when + self._patience > now:
                return
            yield self._decide(key, attempt.when + self._patience, is_answered=attempt.iss is not None)

    def _on_received(self, key: Key, segment: Segment, when: Instant) -> Contact | None:
        attempt = self._attempts.get(key)
        if attempt is None:
            self._on_unexpected(key, segment, when)
        elif attempt.iss is not None and segment.flags & RST:
            return self._decide(key, when, is_answered=True)
        elif attempt.iss is not None and segment.flags & ACK and segment.ack == wrap(attempt.iss + 1):
            self._connections.add(key)
            self._validated.add(key[0])
            return self._decide(key, when, is_answered=True, is_complete=True)
        return None

    def _on_unexpected(self, key: Key, segment: Segment, when: Instant) -> None:
        """A new attempt, unless it belongs to a connection."""
        if segment.flags & RST:
            self._connections.discard(key)
        elif key not in self._connections or segment.flags & (SYN | ACK) == SYN:
            self._connections.discard(key)
            self._attempts[key] = _Attempt(when)

    def _on_sent(self, key: Key, segment: Segment, when: Instant) -> Contact | None:
        attempt = self._attempts.get(key)
        if segment.flags & SYN and not segment.flags & ACK:
            self._connections.add(key)  # the host's own attempt, which is its own business
        elif attempt is None:
            if segment.flags & RST:
                self._connections.discard(key)
        elif segment.flags & SYN:
            attempt.iss = segment.seq
        elif segment.flags & RST and attempt.iss is None:
            return self._decide(key, when, is_answered=False)
        return None

    def _decide(self, key: Key, when: Instant, *, is_answered: bool, is_complete: bool = False) -> Contact:
        del self._attempts[key]
        source, _, destination, port = key
        return Contact(
            when=when,
            source=source,
            destination=destination,
            port=port,
            succeeded=is_answered and (self._services is None or port in self._services),
            is_validated=is_complete if self._by_contact else source in self._validated,
        )


class Watcher(Observer):
    """Shows what is on the cables of ``host`` to a log, and its contacts to detectors; keeps what both say.

    ``on_finding`` is told at once, together with the detector's name: it may block whom it is about.
    """

    def __init__(
        self,
        host: SimHost,
        log: ContactLog,
        detectors: Sequence[Detector],
        on_finding: Callable[[str, Finding], object] = lambda name, finding: None,
    ) -> None:
        self._host = host
        self._log = log
        self._detectors = detectors
        self._on_finding = on_finding
        self.contacts: list[Contact] = []
        self.findings: dict[str, list[Finding]] = {detector.name: [] for detector in detectors}

    def on_packet(
        self, when: Instant, end: CableEnd, packet: Packet, direction: Direction, comment: str | None = None
    ) -> None:
        """What the host sends and what reaches it."""
        if end.pump is not self._host.sim_pump:
            return
        passing = Passing(packet, when, ("", self._host.name), end.interface.link_octets)
        self._judge(self._log.on_segment(when, passing, is_sent=direction == "outbound"))

    def finish(self, now: Instant) -> None:
        """Decides the attempts that nobody has answered."""
        self._judge(list(self._log.lapse(now)))

    def _judge(self, contacts: Sequence[Contact]) -> None:
        self.contacts += contacts
        for contact in contacts:
            for detector in self._detectors:
                finding = detector.on_contact(contact)
                if finding is not None:
                    self.findings[detector.name].append(finding)
                    self._on_finding(detector.name, finding)


class Bouncer:
    """A rule of a cable that drops all from sources that one of the detectors ``trusted`` takes for scanners."""

    def __init__(self, trusted: Container[str]) -> None:
        self.blocked: set[Address] = set()
        self._trusted = trusted

    def on_finding(self, name: str, finding: Finding) -> None:
        """What the detector of that name has found."""
        if finding.verdict == SCANNER and name in self._trusted:
            self.blocked.add(finding.source)

    def __call__(self, passing: Passing) -> Verdict:
        """Whether ``passing`` may go on."""
        header = passing.ip
        return DROP if header is not None and header.source in self.blocked else PASS
