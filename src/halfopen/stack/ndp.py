"""Neighbor Discovery: who is on the link, with which address, and whether he still is (RFC 4861, RFC 4862)."""

from collections import deque
from typing import Final

from halfopen.base.addresses import (
    IPV6_ANY,
    MAC_ZERO,
    Address,
    Mac,
    Prefix,
    is_link_local,
    parse_address,
)
from halfopen.base.clock import Instant
from halfopen.base.counters import Counters
from halfopen.base.errors import Malformed
from halfopen.base.rng import Rng
from halfopen.stack.config_ndp import NdpConfig
from halfopen.stack.dad import AddressClaims, Claim
from halfopen.stack.datagram import Datagram
from halfopen.stack.interface import HostAddresses, Interface
from halfopen.stack.mld import ListenerReports
from halfopen.stack.ndp_changes import AddressChange, Change, Discovery, HopLost, Redirected
from halfopen.stack.ndp_neighbors import NdpNeighbors
from halfopen.stack.ndp_output import make_frame, make_group_frame, make_packet
from halfopen.stack.nud import Transmissions
from halfopen.stack.router_advertising import RouterAdvertising
from halfopen.stack.router_discovery import RouterDiscovery
from halfopen.stack.slaac import Autoconfiguration
from halfopen.wire import ndp
from halfopen.wire.icmpv4 import Icmp
from halfopen.wire.ipv6 import ALL_NODES, ALL_ROUTERS, solicited_node
from halfopen.wire.ndp_options import Options

INTERFACE_LOCAL_NODES: Final = parse_address("ff01::1")


class NdpLayer(Discovery):
    """Neighbor Discovery on all Ethernet interfaces of one host."""

    __slots__ = (
        "_addresses",
        "_changes",
        "_config",
        "_counters",
        "_output",
        "advertising",
        "autoconfiguration",
        "claims",
        "listeners",
        "neighbors",
        "routers",
    )

    def __init__(
        self, config: NdpConfig, addresses: HostAddresses, output: Transmissions, rng: Rng, counters: Counters
    ) -> None:
        self._config = config
        self._addresses = addresses
        self._output = output
        self._counters = counters
        self._changes: deque[Change] = deque()
        self.claims = AddressClaims(config.autoconf, addresses, output, rng, counters)
        self.autoconfiguration = Autoconfiguration(config.autoconf, rng, counters)
        self.routers = RouterDiscovery(config, output, rng, counters)
        self.neighbors = NdpNeighbors(config, self.routers, output, rng, counters)
        self.advertising = RouterAdvertising(config.router, output, rng, counters)
        self.listeners = ListenerReports(output, rng, counters)
        addresses.groups |= {ALL_NODES, INTERFACE_LOCAL_NODES}
        if config.router is not None:
            addresses.groups.add(ALL_ROUTERS)

    def attach(self, interface: Interface, now: Instant, *, probe: bool = False) -> None:
        """IPv6 on ``interface``: a link-local address, then routers are looked for; nothing on links without frames.

        With ``probe`` addresses are used once nobody has objected, on this interface those that form later too.
        """
        if interface.is_ethernet:
            self.routers.link(interface).probe = probe
            self.autoconfiguration.form_link_local(interface, now)
            self._settle(now)

    def claim(self, interface: Interface, address: Address, prefix: Prefix, now: Instant, *, probe: bool) -> None:
        """Uses ``address`` and defends it; with ``probe`` once nobody has objected."""
        self._claim(Claim(interface, address, prefix, True), now, probe and interface.is_ethernet)
        self._settle(now)

    def release(self, interface: Interface, address: Address, now: Instant | None = None) -> None:
        """Uses ``address`` no longer; routers are told of its group if it is known when that was."""
        claim = self.claims.release(interface, address)
        if claim is not None:
            self.listeners.leave(interface, solicited_node(address), now)
        if claim is not None and claim.is_used:
            self._addresses.remove(interface, address)
            self._changes.append(AddressChange(interface, address, claim.prefix, claim.on_link, False))

    def poll_change(self) -> Change | None:
        """The oldest change of addresses and routes; `ChangeFollower` takes them."""
        return self._changes.popleft() if self._changes else self.routers.poll_change()

    def receive(self, datagram: Datagram, message: Icmp, now: Instant) -> None:
        """One message of `ndp.TYPES`, whose checksum has been verified; raises Malformed."""
        parsed = ndp.parse(message)
        source, interface = datagram.source, datagram.interface
        ndp.check(parsed, source, datagram.destination, datagram.ttl)
        _check_macs(parsed.options)
        if not interface.is_ethernet:
            self._counters.add("NdpWithoutLink")
        elif parsed.options.source_mac == interface.mac:
            self._counters.add("NdpOwnEcho")
        elif isinstance(parsed, ndp.NeighborSolicitation):
            self._on_solicitation(datagram, parsed, now)
        elif isinstance(parsed, ndp.NeighborAdvertisement):
            if not self.claims.on_advertisement(interface, parsed):
                self.neighbors.on_advertisement(interface, parsed, now)
        elif isinstance(parsed, ndp.RouterAdvertisement):
            self._on_router(interface, source, parsed, now)
        elif isinstance(parsed, ndp.Redirect):
            self._on_redirect(interface, source, parsed, now)
        else:
            self._on_router_solicitation(interface, source, parsed, now)
        self._settle(now)

    def next_deadline(self) -> Instant:
        """The earliest instant at which `on_deadline` has something to do."""
        earliest = self.neighbors.next_deadline()
        if self.claims.earliest < earliest:
            earliest = self.claims.earliest
        if self.autoconfiguration.earliest < earliest:
            earliest = self.autoconfiguration.earliest
        if self.routers.earliest < earliest:
            earliest = self.routers.earliest
        if self.listeners.earliest < earliest:
            earliest = self.listeners.earliest
        return self.advertising.earliest if self.advertising.earliest < earliest else earliest

    def on_deadline(self, now: Instant) -> None:
        """Asks again, gives up, forgets, advertises; each thing at its own time."""
        while (when := self.next_deadline()) <= now:
            self.listeners.on_deadline(when)
            self.claims.on_deadline(when, self._config.retransmit)
            self.autoconfiguration.on_deadline(when)
            self.routers.on_deadline(when)
            self.advertising.on_deadline(when)
            self.neighbors.on_deadline(when)
            self._settle(when)

    def _settle(self, now: Instant) -> None:
        """What the parts have found out is told to the others, until there is no more news."""
        while True:
            if (formed := self.autoconfiguration.poll_formed()) is not None:
                on_link = is_link_local(formed.address)
                claim = Claim(formed.interface, formed.address, formed.prefix, on_link)
                self._claim(claim, now, self.routers.link(formed.interface).probe)
            elif (expired := self.autoconfiguration.poll_expired()) is not None:
                self.release(expired.interface, expired.address, now)
            elif (settled := self.claims.poll_settled()) is not None:
                self._on_settled(settled, now)
            elif (lost := self.neighbors.poll_lost()) is not None:
                self.routers.on_lost(lost.interface, lost.address)
                self._changes.append(HopLost(lost.interface, lost.address))
            else:
                return

    def _claim(self, claim: Claim, now: Instant, probe: bool) -> None:
        self.listeners.join(claim.interface, solicited_node(claim.address), now)
        if probe:
            self.claims.probe(claim, now)
        else:
            self.claims.hold(claim)

    def _on_settled(self, claim: Claim, now: Instant) -> None:
        interface, address = claim.interface, claim.address
        if claim.is_lost:
            self.listeners.leave(interface, solicited_node(address), now)
            self.autoconfiguration.on_conflict(interface, address, now)
            return
        self._addresses.add(interface, address, claim.prefix)
        self._changes.append(AddressChange(interface, address, claim.prefix, claim.on_link, True))
        if interface.is_ethernet and is_link_local(address):
            if self._config.router is not None:
                self.advertising.start(interface, now)
            elif self._config.autoconf.accept_ra:
                self.routers.solicit(interface, now)

    def _on_solicitation(self, datagram: Datagram, message: ndp.NeighborSolicitation, now: Instant) -> None:
        """Receipt of Neighbor Solicitations (RFC 4861 7.2.3)."""
        interface, source = datagram.interface, datagram.source
        if self.claims.on_solicitation(interface, message, source):
            return
        if self._addresses.owners.get(message.target) is not interface:
            self._counters.add("NdpForOthers")
            return
        if source == IPV6_ANY:
            self._advertise(interface, message.target, None, now)
            return
        if source in self._addresses.owners:
            self._counters.add("NdpBadSource")
            return
        mac = message.options.source_mac
        if mac:
            self.neighbors.learn(interface, source, mac, now, create=self._config.learn_from_requests)
        self._advertise(interface, message.target, source, now, mac)

    def _advertise(
        self, interface: Interface, target: Address, asker: Address | None, now: Instant, mac: Mac = b""
    ) -> None:
        """Tells the one who asked, or all nodes if that is nobody yet (RFC 4861 7.2.4)."""
        is_router = self._config.router is not None
        answer = ndp.NeighborAdvertisement(
            target, is_router, asker is not None, True, Options(target_mac=interface.mac)
        )
        self._counters.add("NdpAdvertisementsSent")
        if asker is None:
            self._output.append((interface, make_group_frame(interface, target, ALL_NODES, answer)))
            return
        packet = make_packet(target, asker, answer)
        if mac:
            self._output.append((interface, make_frame(interface, mac, packet)))
            return
        entry = self.neighbors.resolve(interface, asker, now)
        if entry is not None:
            self.neighbors.send(entry, packet, now)

    def _on_router_solicitation(
        self, interface: Interface, source: Address, message: ndp.RouterSolicitation, now: Instant
    ) -> None:
        """Processing Router Solicitations (RFC 4861 6.2.6)."""
        if self._config.router is None:
            self._counters.add("NdpNotARouter")
            return
        if message.options.source_mac:
            entry = self.neighbors.learn(interface, source, message.options.source_mac, now, create=True)
            if entry is not None:
                entry.is_router = False
        self.advertising.on_solicitation(interface, now)

    def _on_router(self, interface: Interface, router: Address, message: ndp.RouterAdvertisement, now: Instant) -> None:
        """Processing Received Router Advertisements (RFC 4861 6.3.4)."""
        if self._config.router is not None or not self._config.autoconf.accept_ra:
            self._counters.add("NdpAdvertisementsIgnored")
            return
        self.routers.on_advertisement(interface, router, message, now)
        if message.options.source_mac:
            entry = self.neighbors.learn(interface, router, message.options.source_mac, now, create=True)
            if entry is not None:
                entry.is_router = True
        for information in message.options.prefixes:
            self.autoconfiguration.on_prefix(interface, information, now)

    def _on_redirect(self, interface: Interface, router: Address, message: ndp.Redirect, now: Instant) -> None:
        """Receipt of Redirects (RFC 4861 8.3); whether ``router`` is the first hop, `ChangeFollower` sees."""
        if self._config.router is not None or not self._config.autoconf.accept_redirects:
            self._counters.add("NdpRedirectsIgnored")
            return
        if message.options.target_mac:
            entry = self.neighbors.learn(interface, message.target, message.options.target_mac, now, create=True)
            if entry is not None and message.target != message.destination:
                entry.is_router = True
        self._changes.append(Redirected(interface, message.destination, message.target, router))


def _check_macs(options: Options) -> None:
    """A link address is that of one station."""
    for mac in (options.source_mac, options.target_mac):
        if mac and (mac[0] & 1 or mac == MAC_ZERO):
            raise Malformed("NdpBadLinkAddress")
