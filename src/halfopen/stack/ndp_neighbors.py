"""The neighbour cache of IPv6: what is learnt from whom, and who is asked (RFC 4861 7.2 and 7.3)."""

from collections import deque

from halfopen.base.addresses import Address, Mac
from halfopen.base.clock import Duration, Instant
from halfopen.base.counters import Counters
from halfopen.base.rng import Rng
from halfopen.stack.config_ndp import NdpConfig
from halfopen.stack.interface import Interface
from halfopen.stack.ndp_output import make_frame, make_packet, source_towards
from halfopen.stack.neighbor import DELAY, FAILED, INCOMPLETE, PERMANENT, PROBE, REACHABLE, STALE, Neighbor
from halfopen.stack.nud import NeighborLayer, Transmissions
from halfopen.stack.router_discovery import RouterDiscovery
from halfopen.wire.ipv6 import multicast_mac, solicited_node
from halfopen.wire.ndp import NeighborAdvertisement, NeighborSolicitation
from halfopen.wire.ndp_options import Options


class NdpNeighbors(NeighborLayer):
    """IPv6 neighbours on all Ethernet interfaces of one host."""

    __slots__ = ("_config", "_lost", "_routers")

    def __init__(
        self, config: NdpConfig, routers: RouterDiscovery, output: Transmissions, rng: Rng, counters: Counters
    ) -> None:
        super().__init__(config, output, rng, counters)
        self._config = config
        self._routers = routers
        self._lost: deque[Neighbor] = deque()

    def poll_lost(self) -> Neighbor | None:
        """Somebody who does not answer any more, or never has."""
        return self._lost.popleft() if self._lost else None

    def resolve(self, interface: Interface, address: Address, now: Instant) -> Neighbor | None:
        """The entry for ``address``, which holds as long as the routers of the link say."""
        entry = super().resolve(interface, address, now)
        if entry is not None:
            entry.reachable_time = self._routers.link(interface).reachable_time
        return entry

    def on_advertisement(self, interface: Interface, message: NeighborAdvertisement, now: Instant) -> None:
        """Receipt of Neighbor Advertisements (RFC 4861 7.2.5)."""
        entry = self.table.get(interface, message.target)
        if entry is None or entry.state is FAILED:
            self.counters.add("NdpUnsolicited")
        elif entry.state is PERMANENT:
            self.counters.add("NdpClaimsRefused")
        elif entry.state is INCOMPLETE:
            self._complete(entry, message, now)
        else:
            self._update(entry, message, now)

    def learn(self, interface: Interface, address: Address, mac: Mac, now: Instant, *, create: bool) -> Neighbor | None:
        """A link address that its owner tells without having been asked: the entry is STALE if it is news."""
        entry = self.table.get(interface, address)
        if entry is None:
            entry = self.resolve(interface, address, now) if create else None
        if entry is None or entry.state is PERMANENT or entry.mac == mac:
            return entry
        if entry.mac and entry.state in (REACHABLE, STALE, DELAY, PROBE) and not self._config.trust_claims:
            self.counters.add("NdpClaimsRefused")
            self._probe(entry, now)
            return entry
        entry.bind(mac)
        entry.suspect()
        self._flush(entry, now)
        return entry

    def next_deadline(self) -> Instant:
        """When `on_deadline` may have something to do."""
        return self.table.earliest

    def on_deadline(self, now: Instant) -> None:
        """Asks again, gives up, forgets, as of ``now``; `NdpLayer` sees to it that nothing is late."""
        self._on_table_deadline(now)

    def _complete(self, entry: Neighbor, message: NeighborAdvertisement, now: Instant) -> None:
        mac = message.options.target_mac
        if not mac:
            self.counters.add("NdpWithoutLinkAddress")
            return
        entry.bind(mac)
        entry.is_router = message.router
        entry.used = now
        if message.solicited:
            entry.confirm(now)
        else:
            entry.suspect()
        self._flush(entry, now)

    def _update(self, entry: Neighbor, message: NeighborAdvertisement, now: Instant) -> None:
        mac = message.options.target_mac
        is_other = bool(mac) and mac != entry.mac
        if is_other and not message.override:
            if entry.state is REACHABLE:
                entry.suspect()
            return
        if is_other and not self._config.trust_claims:
            self.counters.add("NdpClaimsRefused")
            self._probe(entry, now)
            return
        if is_other:
            entry.bind(mac)
        if message.solicited:
            entry.confirm(now)
        elif is_other:
            entry.suspect()
        if entry.is_router and not message.router:
            self._routers.forget_router(entry.interface, entry.address)
        entry.is_router = message.router

    def _solicit(self, entry: Neighbor) -> None:
        """Asks the group that the neighbour listens to, or himself if he is only to confirm (RFC 4861 7.2.2, 7.3.3)."""
        interface = entry.interface
        waiting = entry.queue[0].head[8:24] if entry.queue else None
        source = source_towards(interface, entry.address, waiting)
        if source is None:
            self.counters.add("NdpNoSource")
            return
        is_probe = entry.state is PROBE
        mac = entry.mac if is_probe else multicast_mac(solicited_node(entry.address))
        question = NeighborSolicitation(entry.address, Options(source_mac=interface.mac))
        self.counters.add("NdpSolicitationsSent")
        packet = make_packet(source, entry.address if is_probe else solicited_node(entry.address), question)
        self.output.append((interface, make_frame(interface, mac, packet)))

    def _retransmit_time(self, interface: Interface) -> Duration:
        return self._routers.link(interface).retransmit_time

    def _forget(self, entry: Neighbor) -> None:
        self._lost.append(entry)
        super()._forget(entry)

    def _give_up(self, entry: Neighbor, when: Instant) -> None:
        self._lost.append(entry)
        super()._give_up(entry, when)
