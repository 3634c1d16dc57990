"""Duplicate Address Detection: finding out whether an address is somebody else's (RFC 4862 5.4, RFC 7527)."""

from collections import deque
from dataclasses import dataclass
from typing import Final

from halfopen.base.addresses import IPV6_ANY, Address, Mac, Prefix
from halfopen.base.clock import NEVER, SECOND, Duration, Instant
from halfopen.base.counters import Counters
from halfopen.base.rng import Rng
from halfopen.stack.config_ndp import AutoconfConfig
from halfopen.stack.conflicts import AddressConflict
from halfopen.stack.interface import HostAddresses, Interface
from halfopen.stack.ndp_output import make_group_frame
from halfopen.stack.nud import Transmissions
from halfopen.wire.ipv6 import solicited_node
from halfopen.wire.ndp import NeighborAdvertisement, NeighborSolicitation
from halfopen.wire.ndp_options import NONCE_OCTETS, Options

MAX_DELAY: Final[Duration] = 1 * SECOND
"""MAX_RTR_SOLICITATION_DELAY: hosts that have been started by the same event do not all speak at once."""


@dataclass(slots=True, eq=False)
class Claim:
    """An address that we want (it is tentative), or have, with the ``solicitations`` that are still to be sent."""

    interface: Interface
    address: Address
    prefix: Prefix
    on_link: bool
    is_used: bool = False
    is_lost: bool = False
    solicitations: int = 0
    deadline: Instant = NEVER
    nonce: bytes = b""


class AddressClaims:
    """The IPv6 addresses of one host on its Ethernet interfaces, tentative or in use."""

    __slots__ = (
        "_addresses",
        "_claims",
        "_config",
        "_counters",
        "_news",
        "_output",
        "_rng",
        "_settled",
        "earliest",
    )

    def __init__(
        self, config: AutoconfConfig, addresses: HostAddresses, output: Transmissions, rng: Rng, counters: Counters
    ) -> None:
        self._config = config
        self._addresses = addresses
        self._output = output
        self._rng = rng
        self._counters = counters
        self._claims: dict[tuple[str, Address], Claim] = {}
        self._settled: deque[Claim] = deque()
        self._news: deque[AddressConflict] = deque(maxlen=64)
        self.earliest: Instant = NEVER
        """When the next solicitation, or verdict, is due."""

    def probe(self, claim: Claim, now: Instant) -> None:
        """Wants to use an address: first finds out whether somebody else does."""
        if not self._config.dad_transmits:
            self.hold(claim)
            return
        claim.solicitations = self._config.dad_transmits
        claim.nonce = self._rng.octets(NONCE_OCTETS)
        claim.deadline = now + self._rng.below(MAX_DELAY)
        self._add(claim)

    def hold(self, claim: Claim) -> None:
        """Uses an address without having asked."""
        claim.is_used = True
        self._add(claim)
        self._settled.append(claim)

    def release(self, interface: Interface, address: Address) -> Claim | None:
        """Claims an address no longer."""
        claim = self._claims.pop((interface.name, address), None)
        group = solicited_node(address)
        if all(solicited_node(other) != group for _, other in self._claims):
            self._addresses.groups.discard(group)
        self._note()
        return claim

    def is_tentative(self, interface: Interface, address: Address) -> bool:
        """Whether it is not known yet that nobody else has ``address``."""
        claim = self._claims.get((interface.name, address))
        return claim is not None and not claim.is_used

    def poll_settled(self) -> Claim | None:
        """A claim that has come to its end: `Claim.is_used`, or `Claim.is_lost`."""
        return self._settled.popleft() if self._settled else None

    def poll_conflict(self) -> AddressConflict | None:
        """The oldest conflict that has not been looked at; the latest 64 are kept."""
        return self._news.popleft() if self._news else None

    def on_solicitation(self, interface: Interface, message: NeighborSolicitation, source: Address) -> bool:
        """Somebody asks for an address; True if it is a tentative one, for which nobody answers (RFC 4862 5.4.3)."""
        claim = self._claims.get((interface.name, message.target))
        if claim is None or claim.is_used:
            return False
        if source != IPV6_ANY:
            self._counters.add("NdpTentativeIgnored")
        elif message.options.nonce == claim.nonce:
            self._counters.add("NdpDadLooped")  # our own, which the link has returned (RFC 7527 4.2)
        else:
            self._lose(claim, message.options.source_mac)
        return True

    def on_advertisement(self, interface: Interface, message: NeighborAdvertisement) -> bool:
        """Somebody says that an address is his; True if we claim it (RFC 4862 5.4.4)."""
        claim = self._claims.get((interface.name, message.target))
        if claim is None:
            return False
        mac = message.options.target_mac
        if not claim.is_used:
            self._lose(claim, mac)
        elif mac == interface.mac:
            self._counters.add("NdpOwnEcho")
        else:
            self._counters.add("NdpAddressConflicts")
            self._news.append(AddressConflict(interface, claim.address, mac, False))
        return True

    def on_deadline(self, now: Instant, retransmit: Duration) -> None:
        """Sends the solicitations that are due; whoever has heard nothing for ``retransmit`` has the address."""
        for claim in list(self._claims.values()):
            if claim.deadline <= now:
                self._step(claim, retransmit)
        self._note()

    def _add(self, claim: Claim) -> None:
        self._claims[claim.interface.name, claim.address] = claim
        self._addresses.groups.add(solicited_node(claim.address))
        self._note()

    def _note(self) -> None:
        self.earliest = min((claim.deadline for claim in self._claims.values()), default=NEVER)

    def _step(self, claim: Claim, retransmit: Duration) -> None:
        if not claim.solicitations:
            claim.is_used = True
            claim.deadline = NEVER
            self._settled.append(claim)
            return
        claim.solicitations -= 1
        claim.deadline += retransmit
        self._counters.add("NdpDadSolicitationsSent")
        question = NeighborSolicitation(claim.address, Options(nonce=claim.nonce))
        group = solicited_node(claim.address)
        self._output.append((claim.interface, make_group_frame(claim.interface, IPV6_ANY, group, question)))

    def _lose(self, claim: Claim, claimant: Mac) -> None:
        self._counters.add("NdpAddressesLost")
        self.release(claim.interface, claim.address)
        claim.is_lost = True
        self._settled.append(claim)
        self._news.append(AddressConflict(claim.interface, claim.address, claimant, True))
