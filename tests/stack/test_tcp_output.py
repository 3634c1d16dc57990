"""Ways to the peers, and what a connection hears of their changes."""

import pytest

from halfopen.base.addresses import parse_address
from halfopen.base.clock import MINUTE, SECOND
from halfopen.stack.demux import make_flow
from halfopen.stack.tcp_output import CACHED, headers_octets
from halfopen.wire import icmpv4
from tests.stack.tcp_world import PEER, US, Wire, received
from tests.stack.test_tcp import error_about

TEXT = bytes(range(256)) * 40


def test_the_headers_without_options_take_40_octets_of_ipv4_and_60_of_ipv6() -> None:
    assert headers_octets(make_flow(US, 1, PEER, 2)) == 40
    assert headers_octets(make_flow(parse_address("2001:db8::1"), 1, parse_address("2001:db8::2"), 2)) == 60


@pytest.mark.rfc("7323", "7323.9")
def test_each_pair_of_hosts_has_a_timestamp_clock_of_its_own_whatever_the_ports() -> None:
    paths = Wire().near.tcp.paths
    ends = [(US, 1, PEER, 2), (US, 3, PEER, 4), (US, 1, parse_address("192.0.2.9"), 2)]
    one, other_ports, other_host = [paths.limits(make_flow(*each)).timestamp_offset for each in ends]
    assert one == other_ports != other_host


def test_what_is_known_of_a_path_is_looked_up_once_and_again_when_routes_have_changed() -> None:
    wire = Wire()
    paths = wire.near.tcp.paths
    flow = make_flow(PEER, 4000, US, 80)
    known = paths.limits(flow)
    assert paths.limits(make_flow(PEER, 4001, US, 80)) is known
    paths.learn_mtu(PEER, 1000, wire.now)
    assert paths.limits(flow).mss == 960
    assert known.mss == 1460


def test_among_many_peers_the_first_is_forgotten_and_found_again() -> None:
    wire = Wire()
    paths = wire.near.tcp.paths
    first = make_flow(PEER, 4000, US, 80)
    known = paths.limits(first)
    for number in range(2 * CACHED):
        paths.limits(make_flow(b"\xc0\x00\x02" + bytes((number % 250 + 3,)), 4000, US[:3] + bytes((number >> 8,)), 80))
    again = paths.limits(first)
    assert again is not known
    assert again == known


@pytest.mark.rfc("1191", "1191.3")
def test_a_larger_path_mtu_is_tried_when_the_estimate_has_grown_old() -> None:
    wire = Wire()
    near, far, _ = wire.establish()
    near.send(TEXT, wire.now)
    wire.put_on_wire()
    large = next(packet for who, packet in wire.log if packet.octets > 1000)
    wire.near.receive(wire.near_interface, error_about(large, icmpv4.FRAGMENTATION_NEEDED, 1000), wire.now)
    wire.settle(1 * SECOND)
    assert near.connection.tcb.snd.mss == 948
    wire.run(wire.now + 9 * MINUTE)
    near.send(b"still young", wire.now)
    wire.settle()
    assert near.connection.tcb.snd.mss == 948
    wire.run(wire.now + 2 * MINUTE)
    near.send(b"old", wire.now)
    wire.settle()
    assert near.connection.tcb.snd.mss == 1448
    wire.log.clear()
    near.send(TEXT, wire.now)
    wire.settle()
    assert max(packet.octets for _, packet in wire.log) == 1500
    assert received(far, wire.now) == TEXT + b"still youngold" + TEXT


def test_segments_for_an_end_that_no_route_leads_to_are_counted() -> None:
    wire = Wire()
    near, _, _ = wire.establish()
    for route in list(wire.near.routes):
        wire.near.routes.remove(route)
    near.send(TEXT, wire.now)
    wire.log.clear()
    wire.put_on_wire()
    assert wire.log == []
    assert wire.near.counters["TcpOutNoRoutes"] > 0
