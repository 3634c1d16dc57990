"""Address conflicts: probing an address before its use, announcing it, defending it (RFC 5227)."""

from collections import deque
from dataclasses import dataclass
from typing import Final

from halfopen.base.addresses import IPV4_ANY, MAC_BROADCAST, MAC_ZERO, Address, Mac, Prefix, is_unspecified
from halfopen.base.clock import NEVER, SECOND, Instant
from halfopen.base.counters import Counters
from halfopen.base.rng import Rng
from halfopen.stack.config import ArpConfig
from halfopen.stack.interface import Interface
from halfopen.wire import arp, ethernet
from halfopen.wire.arp import Arp
from halfopen.wire.packet import Packet

PROBE_WAIT: Final = 1 * SECOND
PROBE_NUM: Final = 3
PROBE_MIN: Final = 1 * SECOND
PROBE_MAX: Final = 2 * SECOND
ANNOUNCE_WAIT: Final = 2 * SECOND
ANNOUNCE_NUM: Final = 2
ANNOUNCE_INTERVAL: Final = 2 * SECOND
DEFEND_INTERVAL: Final = 10 * SECOND


@dataclass(slots=True, frozen=True)
class AddressConflict:
    """Two hosts have one address: ``lost`` says whether we have stopped using it."""

    interface: Interface
    address: Address
    claimant: Mac
    lost: bool


@dataclass(slots=True, eq=False)
class Claim:
    """An address that we want or have, with the ``probes`` and ``announcements`` that are still to be sent."""

    interface: Interface
    address: Address
    prefix: Prefix
    probes: int
    announcements: int
    deadline: Instant
    is_used: bool
    defended: Instant | None = None


class Conflicts:
    """What we claim on the Ethernet interfaces of one host, and who contradicts."""

    __slots__ = ("_changes", "_claims", "_config", "_counters", "_news", "_output", "_rng", "earliest")

    def __init__(
        self, config: ArpConfig, output: deque[tuple[Interface, Packet]], rng: Rng, counters: Counters
    ) -> None:
        self._config = config
        self._output = output
        self._rng = rng
        self._counters = counters
        self._claims: dict[tuple[str, Address], Claim] = {}
        self._news: deque[AddressConflict] = deque(maxlen=64)
        self._changes: deque[Claim] = deque()
        self.earliest: Instant = NEVER
        """When the next probe or announcement is due."""

    def probe(self, interface: Interface, address: Address, prefix: Prefix, now: Instant) -> None:
        """Wants to use ``address``: first finds out whether somebody else does (RFC 5227 2.1.1)."""
        wait = now + self._rng.below(PROBE_WAIT)
        claim = Claim(interface, address, prefix, PROBE_NUM, ANNOUNCE_NUM, wait, False)
        self._claims[interface.name, address] = claim
        self.earliest = min(self.earliest, wait)

    def hold(self, interface: Interface, address: Address, prefix: Prefix) -> None:
        """Uses ``address`` without having asked, and defends it from now on."""
        self._claims[interface.name, address] = Claim(interface, address, prefix, 0, 0, NEVER, True)

    def release(self, interface: Interface, address: Address) -> None:
        """Claims ``address`` no longer."""
        self._claims.pop((interface.name, address), None)

    def poll_conflict(self) -> AddressConflict | None:
        """The oldest conflict that has not been looked at; the latest 64 are kept."""
        return self._news.popleft() if self._news else None

    def poll_change(self) -> Claim | None:
        """An address that may be used from now on, or not any more: `Claim.is_used` says which."""
        return self._changes.popleft() if self._changes else None

    def on_message(self, interface: Interface, message: Arp, now: Instant) -> bool:
        """Looks for contradiction in any ARP packet of somebody else's; True if it has been dealt with."""
        claim = self._claims.get((interface.name, message.sender_address))
        if claim is None and is_unspecified(message.sender_address) and message.operation == arp.REQUEST:
            rival = self._claims.get((interface.name, message.target_address))
            claim = rival if rival is not None and not rival.is_used else None
        if claim is None:
            return False
        self._counters.add("ArpAddressConflicts")
        if claim.is_used:
            self._defend(claim, message.sender_mac, now)
        else:
            self._lose(claim, message.sender_mac)
        return True

    def on_deadline(self, now: Instant) -> None:
        """Sends the probes and announcements that are due."""
        for claim in list(self._claims.values()):
            if claim.deadline <= now:
                self._step(claim)
        self.earliest = min((claim.deadline for claim in self._claims.values()), default=NEVER)

    def _step(self, claim: Claim) -> None:
        if claim.probes:
            claim.probes -= 1
            self._counters.add("ArpProbesSent")
            self._say(claim, IPV4_ANY)
            spacing = PROBE_MIN + self._rng.below(PROBE_MAX - PROBE_MIN)
            claim.deadline += spacing if claim.probes else ANNOUNCE_WAIT
            return
        if not claim.is_used:
            claim.is_used = True
            self._changes.append(claim)
        claim.announcements -= 1
        self._announce(claim)
        claim.deadline = claim.deadline + ANNOUNCE_INTERVAL if claim.announcements else NEVER

    def _defend(self, claim: Claim, claimant: Mac, now: Instant) -> None:
        """One announcement for each DEFEND_INTERVAL, or none and the address is given up (RFC 5227 2.4)."""
        is_repeated = claim.defended is not None and now - claim.defended < DEFEND_INTERVAL
        if is_repeated and not self._config.defend:
            self._lose(claim, claimant)
            return
        if not is_repeated:
            claim.defended = now
            self._announce(claim)
            self._news.append(AddressConflict(claim.interface, claim.address, claimant, False))

    def _lose(self, claim: Claim, claimant: Mac) -> None:
        self._counters.add("ArpAddressesLost")
        self.release(claim.interface, claim.address)
        self._news.append(AddressConflict(claim.interface, claim.address, claimant, True))
        if claim.is_used:
            claim.is_used = False
            self._changes.append(claim)

    def _announce(self, claim: Claim) -> None:
        self._counters.add("ArpAnnouncementsSent")
        self._say(claim, claim.address)

    def _say(self, claim: Claim, sender: Address) -> None:
        """A request for our own address: from nobody it is a probe, from ourselves an announcement."""
        mac = claim.interface.mac
        message = Arp(arp.REQUEST, mac, sender, MAC_ZERO, claim.address)
        header = ethernet.emit(MAC_BROADCAST, mac, ethernet.ETHERTYPE_ARP)
        self._output.append((claim.interface, Packet(header + arp.emit(message))))
