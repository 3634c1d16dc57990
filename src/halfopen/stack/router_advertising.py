"""A router's advertisements of itself: unasked from time to time, and when asked (RFC 4861 6.2)."""

from dataclasses import dataclass
from typing import Final

from halfopen.base.clock import MILLISECOND, NEVER, SECOND, Duration, Instant
from halfopen.base.counters import Counters
from halfopen.base.rng import Rng
from halfopen.stack.config_ndp import AdvertiseConfig, RouterConfig
from halfopen.stack.interface import Interface
from halfopen.stack.ndp_output import link_local_of, make_group_frame
from halfopen.stack.nud import Transmissions
from halfopen.wire.ipv6 import ALL_NODES
from halfopen.wire.ndp import RouterAdvertisement
from halfopen.wire.ndp_options import Options

MAX_INITIAL_INTERVAL: Final[Duration] = 16 * SECOND
MAX_INITIAL_ADVERTISEMENTS: Final = 3
MIN_DELAY: Final[Duration] = 3 * SECOND
"""MIN_DELAY_BETWEEN_RAS: between two of them to all nodes, however many ask."""
MAX_RESPONSE_DELAY: Final[Duration] = 500 * MILLISECOND


@dataclass(slots=True, eq=False)
class Advertiser:
    """One interface that a router advertises itself on."""

    interface: Interface
    config: AdvertiseConfig
    initial: int
    deadline: Instant
    last: Instant


class RouterAdvertising:
    """All advertisements of one router."""

    __slots__ = ("_advertisers", "_configs", "_counters", "_output", "_rng", "earliest")

    def __init__(self, config: RouterConfig | None, output: Transmissions, rng: Rng, counters: Counters) -> None:
        self._configs = {each.interface: each for each in (config.advertise if config else ())}
        self._output = output
        self._rng = rng
        self._counters = counters
        self._advertisers: dict[str, Advertiser] = {}
        self.earliest: Instant = NEVER
        """When the next advertisement is due."""

    def start(self, interface: Interface, now: Instant) -> None:
        """The interface has a link-local address: from now on it advertises, if it is to (RFC 4861 6.2.4)."""
        config = self._configs.get(interface.name)
        if config is not None and interface.name not in self._advertisers:
            advertiser = Advertiser(interface, config, MAX_INITIAL_ADVERTISEMENTS, now, now - MIN_DELAY)
            self._advertisers[interface.name] = advertiser
            self._note()

    def on_solicitation(self, interface: Interface, now: Instant) -> None:
        """Somebody asks: all are answered soon, but not too often (RFC 4861 6.2.6)."""
        advertiser = self._advertisers.get(interface.name)
        if advertiser is None:
            self._counters.add("NdpSolicitationsIgnored")
            return
        due = max(now, advertiser.last + MIN_DELAY) + self._rng.below(MAX_RESPONSE_DELAY)
        advertiser.deadline = min(advertiser.deadline, due)
        self._note()

    def on_deadline(self, now: Instant) -> None:
        """Sends what is due."""
        for advertiser in self._advertisers.values():
            if advertiser.deadline <= now:
                self._advertise(advertiser)
        self._note()

    def _advertise(self, advertiser: Advertiser) -> None:
        config = advertiser.config
        advertiser.last = advertiser.deadline
        interval = config.min_interval + self._rng.below(config.max_interval - config.min_interval + 1)
        advertiser.initial = max(0, advertiser.initial - 1)
        if advertiser.initial:
            interval = min(interval, MAX_INITIAL_INTERVAL)
        advertiser.deadline += interval
        interface = advertiser.interface
        source = link_local_of(interface)
        if source is None:
            self._counters.add("NdpNoSource")
            return
        self._counters.add("NdpRouterAdvertisementsSent")
        message = make_advertisement(interface, config)
        self._output.append((interface, make_group_frame(interface, source, ALL_NODES, message)))

    def _note(self) -> None:
        self.earliest = min((advertiser.deadline for advertiser in self._advertisers.values()), default=NEVER)


def make_advertisement(interface: Interface, config: AdvertiseConfig) -> RouterAdvertisement:
    """What the router says (RFC 4861 6.2.3)."""
    options = Options(source_mac=interface.mac, mtu=config.mtu or None, prefixes=config.informations())
    return RouterAdvertisement(
        lifetime=config.lifetime // SECOND,
        hop_limit=config.hop_limit,
        reachable_time=config.reachable_time // MILLISECOND,
        retransmit_time=config.retransmit_time // MILLISECOND,
        preference=config.preference,
        options=options,
    )
