import pytest

from halfopen.base.clock import SECOND
from halfopen.sim.nat_table import INWARD, LOWEST_PORT, OUTWARD, NatFlow, NatPolicy, NatTable
from halfopen.wire.ipv4 import PROTOCOL_ICMP, PROTOCOL_TCP, PROTOCOL_UDP
from halfopen.wire.tcp import ACK, FIN, RST, SYN

A, B, SERVER, OTHER = (bytes((192, 0, 2, last)) for last in (1, 2, 11, 12))


def free(port: int) -> bool:
    return True


def opened(
    table: NatTable, inside: tuple[bytes, int], remote: tuple[bytes, int], protocol: int = PROTOCOL_UDP
) -> NatFlow:
    flow = table.open(protocol, inside, remote, free, 0)
    assert flow is not None
    return flow


def handshake(table: NatTable) -> NatFlow:
    flow = opened(table, (A, 5000), (SERVER, 80), PROTOCOL_TCP)
    for direction, flags in ((OUTWARD, SYN), (INWARD, SYN | ACK), (OUTWARD, ACK)):
        table.passes(flow, direction, flags, 0)
    return flow


@pytest.mark.rfc("4787", "REQ-1")
def test_an_endpoint_has_the_same_port_towards_all_its_peers() -> None:
    table = NatTable(NatPolicy())
    first, second = opened(table, (A, 5000), (SERVER, 80)), opened(table, (A, 5000), (OTHER, 81))
    assert first.outside_port == second.outside_port == 5000
    assert table.find_outside(PROTOCOL_UDP, 5000, (OTHER, 81), 0) is second
    assert table.find_outside(PROTOCOL_UDP, 5000, (OTHER, 82), 0) is None
    assert table.find_inside(PROTOCOL_UDP, (A, 5000), (SERVER, 80), 0) is first


def test_a_port_that_is_not_free_is_exchanged_for_the_next_that_is() -> None:
    table = NatTable(NatPolicy())
    assert opened(table, (A, 65535), (SERVER, 80)).outside_port == 65535
    assert opened(table, (B, 65535), (SERVER, 80)).outside_port == LOWEST_PORT
    flow = table.open(PROTOCOL_TCP, (A, 5000), (SERVER, 80), lambda port: port > 5002, 0)
    assert flow is not None
    assert flow.outside_port == 5003


def test_without_a_free_port_there_is_no_flow() -> None:
    table = NatTable(NatPolicy())
    assert table.open(PROTOCOL_TCP, (A, 5000), (SERVER, 80), lambda port: False, 0) is None
    assert len(table) == 0


def test_what_has_expired_makes_room() -> None:
    table = NatTable(NatPolicy(udp_timeout=30))
    flow = opened(table, (A, 5000), (SERVER, 80))
    table.passes(flow, OUTWARD, 0, 0)
    assert table.find_inside(PROTOCOL_UDP, (A, 5000), (SERVER, 80), 30 * SECOND - 1) is flow
    taken = table.open(PROTOCOL_UDP, (B, 5000), (SERVER, 80), free, 30 * SECOND)
    assert taken is not None
    assert taken.outside_port == 5000
    assert list(table) == [taken]


def test_a_table_that_grows_forgets_what_has_expired() -> None:
    table = NatTable(NatPolicy(udp_timeout=1))
    for number in range(1000):
        flow = table.open(PROTOCOL_UDP, (A, 2000 + number), (SERVER, 53), free, number * SECOND)
        assert flow is not None
        table.passes(flow, OUTWARD, 0, number * SECOND)
    assert len(table) <= 64


def test_tcp_lives_as_long_as_its_state_allows() -> None:
    table = NatTable(NatPolicy(idle_timeout=600, transitory_timeout=120, close_timeout=10))
    flow = opened(table, (A, 5000), (SERVER, 80), PROTOCOL_TCP)
    steps = [
        (OUTWARD, SYN, "SYN_SENT", 120),
        (INWARD, SYN | ACK, "SYN_RECV", 120),
        (OUTWARD, ACK, "ESTABLISHED", 600),
        (INWARD, ACK, "ESTABLISHED", 600),
        (INWARD, FIN | ACK, "FIN_WAIT", 120),
        (OUTWARD, ACK, "FIN_WAIT", 120),
        (OUTWARD, FIN | ACK, "TIME_WAIT", 120),
        (OUTWARD, SYN, "SYN_SENT", 120),
        (INWARD, RST | ACK, "CLOSE", 10),
    ]
    for direction, flags, state, seconds in steps:
        table.passes(flow, direction, flags, 0)
        assert (flow.state, flow.expires) == (state, seconds * SECOND)
    table.passes(flow, OUTWARD, ACK, 5 * SECOND)
    assert flow.expires == 10 * SECOND


def test_a_short_idle_timeout_holds_for_connections_that_open_too() -> None:
    table = NatTable(NatPolicy(idle_timeout=5))
    flow = opened(table, (A, 5000), (SERVER, 80), PROTOCOL_TCP)
    table.passes(flow, OUTWARD, SYN, 0)
    assert flow.expires == 5 * SECOND


def test_flows_are_shown_as_conntrack_shows_them() -> None:
    table = NatTable(NatPolicy())
    tcp = handshake(table)
    udp = opened(table, (B, 53), (SERVER, 53))
    echo = opened(table, (A, 7), (SERVER, 0), PROTOCOL_ICMP)
    table.passes(udp, OUTWARD, 0, 0)
    table.passes(echo, OUTWARD, 0, 0)
    table.passes(echo, INWARD, 0, 0)
    assert [flow.line(OTHER, SECOND) for flow in (tcp, udp, echo)] == [
        "tcp      6 7439 ESTABLISHED src=192.0.2.1 dst=192.0.2.11 sport=5000 dport=80 "
        "src=192.0.2.11 dst=192.0.2.12 sport=80 dport=5000 [ASSURED]",
        "udp      17 29 src=192.0.2.2 dst=192.0.2.11 sport=53 dport=53 [UNREPLIED] "
        "src=192.0.2.11 dst=192.0.2.12 sport=53 dport=53",
        "icmp     1 29 src=192.0.2.1 dst=192.0.2.11 type=8 code=0 id=7 "
        "src=192.0.2.11 dst=192.0.2.12 type=0 code=0 id=7",
    ]
