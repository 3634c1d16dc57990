"""A host's view of the routers on its links: asking for them, and believing them (RFC 4861 6.3, RFC 4191)."""

from collections import deque
from dataclasses import dataclass, field, replace
from typing import Final

from halfopen.base.addresses import IPV6_ANY, Address, Prefix, is_link_local
from halfopen.base.clock import MILLISECOND, NEVER, SECOND, Duration, Instant
from halfopen.base.counters import Counters
from halfopen.base.rng import Rng
from halfopen.stack.config_ndp import NdpConfig
from halfopen.stack.interface import Interface
from halfopen.stack.ndp_changes import Change, RouteChange
from halfopen.stack.ndp_output import link_local_of, make_group_frame
from halfopen.stack.nud import Transmissions, random_reachable_time
from halfopen.stack.routes import Route
from halfopen.stack.slaac import until
from halfopen.wire.ipv6 import ALL_ROUTERS, MINIMUM_MTU
from halfopen.wire.ndp import RouterAdvertisement, RouterSolicitation
from halfopen.wire.ndp_options import Options, RecursiveDnsServer

MAX_SOLICITATION_DELAY: Final[Duration] = 1 * SECOND
SOLICITATION_INTERVAL: Final[Duration] = 4 * SECOND

DEFAULT_HOP_LIMIT: Final = 64

DEFAULT: Final = Prefix(IPV6_ANY, 0)

METRIC: Final = 1024
"""Of routes learnt from routers (Linux); a preference shifts it, and static routes come before them all."""
PREFERENCE_STEP: Final = 16
LOST: Final = 1024
"""Added for routers that do not answer: they come after all others, and are tried if there are none."""


@dataclass(slots=True, eq=False)
class LearntRoute:
    """A route and its end; ``router`` is unspecified for a prefix that is on the link itself."""

    router: Address
    route: Route
    expires: Instant


@dataclass(slots=True, eq=False)
class Link:
    """What routers have said about one link; 0 is unspecified. ``probe``: its addresses are looked for before use."""

    interface: Interface
    reachable_time: Duration
    retransmit_time: Duration
    probe: bool = False
    base_reachable_time: Duration = 0
    mtu: int = 0
    hop_limit: int = 0
    solicitations: int = 0
    deadline: Instant = NEVER
    routes: dict[tuple[Address, Prefix], LearntRoute] = field(default_factory=dict)
    dns_servers: tuple[RecursiveDnsServer, ...] = ()


class RouterDiscovery:
    """Routers, on-link prefixes and link parameters of one host."""

    __slots__ = ("_changes", "_config", "_counters", "_links", "_output", "_rng", "earliest")

    def __init__(self, config: NdpConfig, output: Transmissions, rng: Rng, counters: Counters) -> None:
        self._config = config
        self._output = output
        self._rng = rng
        self._counters = counters
        self._links: dict[str, Link] = {}
        self._changes: deque[Change] = deque()
        self.earliest: Instant = NEVER
        """When the next solicitation is due, or a route expires."""

    def link(self, interface: Interface) -> Link:
        """What is known about an interface's link."""
        link = self._links.get(interface.name)
        if link is None:
            reachable = random_reachable_time(self._config.reachable, self._rng)
            link = Link(interface, reachable, self._config.retransmit)
            self._links[interface.name] = link
        return link

    def mtu(self, interface: Interface) -> int:
        """What fits on the link, by what a router says and by what the interface takes."""
        return self.link(interface).mtu or interface.mtu

    def hop_limit(self, interface: Interface) -> int:
        """What a router recommends, or 64."""
        return self.recommended_hop_limit(interface) or DEFAULT_HOP_LIMIT

    def recommended_hop_limit(self, interface: Interface) -> int:
        """What a router recommends, or 0."""
        link = self._links.get(interface.name)
        return 0 if link is None else link.hop_limit

    def poll_change(self) -> Change | None:
        """A route that has come or gone."""
        return self._changes.popleft() if self._changes else None

    def solicit(self, interface: Interface, now: Instant) -> None:
        """Asks for routers, a few times, until one has answered (RFC 4861 6.3.7)."""
        link = self.link(interface)
        link.solicitations = self._config.autoconf.router_solicitations
        if link.solicitations:
            link.deadline = now + self._rng.below(MAX_SOLICITATION_DELAY)
            self._note()

    def on_advertisement(
        self, interface: Interface, router: Address, message: RouterAdvertisement, now: Instant
    ) -> None:
        """A router tells of itself and of the link; its prefixes are for `Autoconfiguration` too (RFC 4861 6.3.4)."""
        link = self.link(interface)
        if message.lifetime:
            link.deadline = NEVER
        self._take_parameters(link, message)
        lifetime = now + message.lifetime * SECOND
        self._learn(link, (router, DEFAULT), lifetime, message.preference, now)
        for information in message.options.prefixes:
            if information.on_link and not is_link_local(information.prefix.network):
                self._learn(link, (IPV6_ANY, information.prefix), until(information.valid, now), 0, now)
        for route in message.options.routes:
            if route.prefix != DEFAULT:
                self._learn(link, (router, route.prefix), until(route.lifetime, now), route.preference, now)
        if message.options.dns_servers:
            link.dns_servers = message.options.dns_servers
        self._note()

    def forget_router(self, interface: Interface, router: Address) -> None:
        """Somebody who was a router says that he is none (RFC 4861 7.2.5)."""
        link = self.link(interface)
        for key in [key for key in link.routes if key[0] == router]:
            self._remove(link, key)
        self._note()

    def on_lost(self, interface: Interface, router: Address) -> None:
        """A router does not answer: others are preferred until it advertises itself again (RFC 4861 6.3.6)."""
        for learnt in self.link(interface).routes.values():
            if learnt.router == router and learnt.route.metric < METRIC + LOST - PREFERENCE_STEP:
                self._counters.add("NdpRoutersLost")
                self._replace(learnt, replace(learnt.route, metric=learnt.route.metric + LOST))

    def on_deadline(self, now: Instant) -> None:
        """Asks again, and ends what is over."""
        for link in self._links.values():
            if link.deadline <= now:
                self._ask(link)
            for key in [key for key, learnt in link.routes.items() if learnt.expires <= now]:
                self._remove(link, key)
        self._note()

    def _take_parameters(self, link: Link, message: RouterAdvertisement) -> None:
        if message.hop_limit:
            link.hop_limit = message.hop_limit
        if message.retransmit_time:
            link.retransmit_time = message.retransmit_time * MILLISECOND
        base = message.reachable_time * MILLISECOND
        if base and base != link.base_reachable_time:
            link.base_reachable_time = base
            link.reachable_time = random_reachable_time(base, self._rng)
        mtu = message.options.mtu
        if mtu is not None:
            if MINIMUM_MTU <= mtu <= link.interface.mtu:
                link.mtu = mtu
            else:
                self._counters.add("NdpBadMtu")

    def _learn(self, link: Link, key: tuple[Address, Prefix], expires: Instant, preference: int, now: Instant) -> None:
        known = link.routes.get(key)
        if expires <= now:
            if known is not None:
                self._remove(link, key)
            return
        router, prefix = key
        gateway = router if router != IPV6_ANY else None
        metric = METRIC - preference * PREFERENCE_STEP
        route = Route(prefix=prefix, interface=link.interface, gateway=gateway, metric=metric)
        if known is not None:
            known.expires = expires
            if known.route != route:
                self._replace(known, route)
        elif len(link.routes) >= self._config.autoconf.max_routes:
            self._counters.add("NdpTooManyRoutes")
        else:
            link.routes[key] = LearntRoute(router, route, expires)
            self._changes.append(RouteChange(route, True))

    def _replace(self, learnt: LearntRoute, route: Route) -> None:
        self._changes.append(RouteChange(learnt.route, False))
        self._changes.append(RouteChange(route, True))
        learnt.route = route

    def _remove(self, link: Link, key: tuple[Address, Prefix]) -> None:
        self._changes.append(RouteChange(link.routes.pop(key).route, False))

    def _ask(self, link: Link) -> None:
        link.solicitations -= 1
        link.deadline = link.deadline + SOLICITATION_INTERVAL if link.solicitations else NEVER
        source = link_local_of(link.interface)
        options = Options(source_mac=link.interface.mac) if source is not None else Options()
        self._counters.add("NdpRouterSolicitationsSent")
        question = RouterSolicitation(options)
        self._output.append(
            (link.interface, make_group_frame(link.interface, source or IPV6_ANY, ALL_ROUTERS, question))
        )

    def _note(self) -> None:
        self.earliest = min(
            (
                min(link.deadline, min((learnt.expires for learnt in link.routes.values()), default=NEVER))
                for link in self._links.values()
            ),
            default=NEVER,
        )
