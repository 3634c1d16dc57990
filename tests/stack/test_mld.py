from collections import deque

import pytest

from halfopen.base.addresses import IPV6_ANY, Address, parse_address
from halfopen.base.clock import NEVER, SECOND, Instant
from halfopen.base.counters import Counters
from halfopen.base.errors import Malformed
from halfopen.base.rng import SeededRng
from halfopen.stack.config_ndp import AutoconfConfig, NdpConfig
from halfopen.stack.datagram import Datagram
from halfopen.stack.interface import Interface
from halfopen.stack.mld import ROUTERS, ListenerReports
from halfopen.wire import icmpv6, ipv6, ndp
from halfopen.wire.icmpv4 import Icmp
from halfopen.wire.ndp_options import Options
from halfopen.wire.packet import Packet
from tests.stack.ndp_world import OTHER_MAC, OURS, NdpWorld

GROUP = ipv6.solicited_node(OURS)
OTHER = parse_address("ff02::1:ff00:2")
ROUTER = parse_address("fe80::fe")


class Listener:
    """The reports of a host with one interface."""

    def __init__(self, *, enabled: bool = True, kind: str = "ethernet") -> None:
        self.counters = Counters()
        self.output: deque[tuple[Interface, Packet]] = deque()
        self.interface = Interface("eth0", kind, mac=b"\x02\0\0\0\0\x01")
        self.reports = ListenerReports(self.output, SeededRng("mld"), self.counters)
        self.reports.enabled = enabled

    def asks(self, group: Address = IPV6_ANY, now: Instant = 0, source: Address = ROUTER, ttl: int = 1) -> None:
        datagram = Datagram(Packet(b""), 0, 0, source, ROUTERS, 58, 0, ttl, self.interface, True, -1)
        self.reports.on_query(datagram, Icmp(130, 0, 1000 << 16, group + bytes(4)), now)

    def runs(self, until: Instant) -> list[tuple[int, bytes]]:
        """Record types and groups of the reports that are sent."""
        records = []
        while (when := self.reports.earliest) <= until and when != NEVER:
            self.reports.on_deadline(when)
        while self.output:
            _, packet = self.output.popleft()
            octets = packet.head[14 + 40 + 8 :]
            message = icmpv6.parse(octets, packet.head[22:38], packet.head[38:54])
            assert message.rest * 20 == len(message.payload)
            records += [
                (message.payload[at], message.payload[at + 4 : at + 20]) for at in range(0, len(message.payload), 20)
            ]
        return records


@pytest.mark.rfc("4862", "4862.3")
def test_a_new_group_is_told_twice_within_a_second() -> None:
    listener = Listener()
    listener.reports.join(listener.interface, GROUP, 0)
    assert listener.runs(0) == [(4, GROUP)]
    assert listener.runs(SECOND) == [(4, GROUP)]
    assert listener.reports.earliest == NEVER
    assert listener.counters["MldReportsSent"] == 2


def test_a_report_goes_to_the_routers_with_an_alert_and_no_further_than_the_link() -> None:
    listener = Listener()
    listener.reports.join(listener.interface, GROUP, 0)
    listener.reports.on_deadline(0)
    ((_, packet),) = listener.output
    header = ipv6.parse(packet.head, 14, len(packet.head) - 14)
    assert packet.head[:6] == ipv6.multicast_mac(ROUTERS)
    assert (header.source, header.destination, header.next_header, header.hop_limit) == (IPV6_ANY, ROUTERS, 0, 1)
    assert packet.head[54:62] == bytes((58, 0, 5, 2, 0, 0, 1, 0))


def test_a_second_reason_to_be_in_a_group_is_not_told_nor_that_one_of_two_has_gone() -> None:
    listener = Listener()
    for _ in range(2):
        listener.reports.join(listener.interface, GROUP, 0)
    assert len(listener.runs(SECOND)) == 2
    listener.reports.leave(listener.interface, GROUP, 2 * SECOND)
    assert listener.runs(3 * SECOND) == []
    listener.reports.leave(listener.interface, GROUP, 4 * SECOND)
    assert listener.runs(9 * SECOND) == [(3, GROUP), (3, GROUP)]


def test_who_leaves_at_no_known_time_says_nothing() -> None:
    listener = Listener()
    listener.reports.join(listener.interface, GROUP, 0)
    listener.reports.leave(listener.interface, GROUP, None)
    assert listener.runs(SECOND) == []


def test_a_group_that_was_never_joined_is_not_left() -> None:
    listener = Listener()
    listener.reports.leave(listener.interface, GROUP, 0)
    listener.reports.join(listener.interface, OTHER, 0)
    listener.runs(SECOND)
    listener.reports.leave(listener.interface, GROUP, 0)
    assert listener.reports.earliest == NEVER


@pytest.mark.rfc("4862", "4862.3")
def test_a_query_is_answered_with_all_groups_or_with_the_one_it_is_about() -> None:
    listener = Listener()
    for group in (GROUP, OTHER):
        listener.reports.join(listener.interface, group, 0)
    listener.runs(SECOND)
    listener.asks(now=2 * SECOND)
    assert listener.runs(3 * SECOND) == [(2, GROUP), (2, OTHER)]
    listener.asks(OTHER, now=4 * SECOND)
    assert listener.runs(5 * SECOND) == [(2, OTHER)]
    listener.asks(parse_address("ff02::9"), now=6 * SECOND)
    assert listener.reports.earliest == NEVER


@pytest.mark.parametrize(("source", "ttl"), [(OURS, 1), (ROUTER, 64)])
def test_only_a_router_on_the_link_asks(source: Address, ttl: int) -> None:
    with pytest.raises(Malformed, match="MldBadSource"):
        Listener().asks(source=source, ttl=ttl)


def test_who_is_in_no_group_has_no_answer() -> None:
    listener = Listener()
    listener.asks()
    assert listener.reports.earliest == NEVER


@pytest.mark.parametrize(("enabled", "kind"), [(False, "ethernet"), (True, "ip")])
def test_without_being_enabled_or_without_a_link_nothing_is_told(enabled: bool, kind: str) -> None:
    listener = Listener(enabled=enabled, kind=kind)
    listener.reports.join(listener.interface, GROUP, 0)
    assert listener.reports.earliest == NEVER


def test_a_query_to_who_does_not_report_is_counted() -> None:
    listener = Listener(enabled=False)
    listener.asks()
    assert listener.counters.snapshot() == {"Icmp6InMulticastListenersIgnored": 1}


def test_the_group_of_an_address_is_told_and_that_it_is_lost() -> None:
    world = NdpWorld(NdpConfig(autoconf=AutoconfConfig(accept_ra=False)), address=None)
    world.layer.listeners.enabled = True
    world.claims(OURS, probe=True)
    world.runs(SECOND // 100)
    world.takes(ndp.NeighborAdvertisement(OURS, options=Options(target_mac=OTHER_MAC)), OURS, ipv6.ALL_NODES)
    world.runs(9 * SECOND)
    assert world.counters["MldReportsSent"] >= 3
