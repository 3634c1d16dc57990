import pytest

from halfopen.base.addresses import parse_address
from halfopen.base.clock import SECOND
from halfopen.stack.config import IpConfig, StackConfig
from halfopen.stack.interface import Offloads
from halfopen.wire import icmpv6, ipv6_headers
from halfopen.wire.ipv6 import ALL_NODES, DESTINATION_OPTIONS, HOP_BY_HOP_OPTIONS
from halfopen.wire.packet import CHECKSUM_NONE, CHECKSUM_PARTIAL, Packet
from tests.stack.world import World
from tests.stack.world6 import ALONE, FAR, OURS, PEER, header_of, icmp6_of, packet6, tap6, tun6

BEYOND = parse_address("2001:db8:1::9")
UDP = b"\x04\xd2\x00\x35\x00\x08\0\0"


def make(*, mtu: int = 1500, far: str = "tun", **ip: object) -> World:
    second = tun6 if far == "tun" else tap6
    config = StackConfig(ndp=ALONE, ip=IpConfig(forwarding=True, **ip))  # type: ignore[arg-type]  # fields by name
    return World(config, tun6(), second("far0", "2001:db8:1::1/64", mtu=mtu))


def through(world: World, packet: bytes | Packet) -> list[tuple[str, Packet]]:
    return [(interface.name, sent) for interface, sent in world.takes(packet).sent_by()]


def test_a_packet_for_another_network_goes_one_hop_further() -> None:
    ((name, packet),) = through(make(), packet6(UDP, destination=BEYOND, hop_limit=9, flow_label=77))
    assert name == "far0"
    assert packet.joined() == packet6(UDP, destination=BEYOND, hop_limit=8, flow_label=77)


def test_a_link_s_padding_stays_behind() -> None:
    ((_, packet),) = through(make(), packet6(UDP, destination=BEYOND) + b"padding")
    assert packet.octets == 48


def test_a_packet_in_pieces_stays_in_pieces() -> None:
    whole = packet6(UDP + bytes(100), destination=BEYOND)
    ((_, packet),) = through(make(), Packet(whole[:48], (whole[48:],)))
    assert packet.octets == len(whole)


@pytest.mark.rfc("8200", "8200.7")
@pytest.mark.parametrize("hop_limit", [0, 1])
def test_the_last_hop_is_told(hop_limit: int) -> None:
    ((name, packet),) = through(make(), packet6(UDP, destination=BEYOND, hop_limit=hop_limit))
    message = icmp6_of(packet)
    assert (name, message.type, message.code) == ("tun0", icmpv6.TIME_EXCEEDED, 0)
    assert header_of(packet).source == OURS


def test_no_way_is_told() -> None:
    ((_, packet),) = through(make(), packet6(UDP, destination=FAR))
    message = icmp6_of(packet)
    assert (message.type, message.code) == (icmpv6.DESTINATION_UNREACHABLE, icmpv6.NO_ROUTE)


@pytest.mark.rfc("8200", "8200.5")
@pytest.mark.rfc("4443", "4443.1")
def test_what_does_not_fit_is_told_with_the_mtu() -> None:
    world = make(mtu=1280)
    ((name, packet),) = through(world, packet6(bytes(1241), destination=BEYOND))
    message = icmp6_of(packet)
    assert (name, message.type, message.code, message.rest) == ("tun0", icmpv6.PACKET_TOO_BIG, 0, 1280)
    assert world.counters["Ip6InTooBigErrors"] == 1
    assert len(through(world, packet6(bytes(1240), destination=BEYOND))) == 1


def test_a_host_forwards_nothing() -> None:
    world = World(StackConfig(ndp=ALONE), tun6(), tun6("far0", "2001:db8:1::1/64"))
    assert through(world, packet6(UDP, destination=BEYOND)) == []
    assert world.counters.snapshot() == {"Ip6InAddrErrors": 1}


@pytest.mark.parametrize(
    ("fields", "counter"),
    [
        ({"destination": parse_address("fe80::9")}, "Ip6ForwLinkLocal"),
        ({"destination": BEYOND, "source": bytes(16)}, "Ip6InMartianSource"),
        ({"destination": parse_address("ff05::9")}, "Ip6InOtherGroups"),
    ],
)
def test_what_stays_on_its_link_is_counted(fields: dict[str, object], counter: str) -> None:
    world = make()
    assert through(world, packet6(UDP, **fields)) == []
    assert world.counters.snapshot() == {counter: 1}


def test_a_link_local_source_is_told_that_it_does_not_reach_there() -> None:
    ((_, packet),) = through(make(), packet6(UDP, destination=BEYOND, source=parse_address("fe80::9")))
    message = icmp6_of(packet)
    assert (message.type, message.code) == (icmpv6.DESTINATION_UNREACHABLE, icmpv6.BEYOND_SCOPE)


def test_what_comes_by_the_wrong_way_can_be_refused() -> None:
    world = make(ingress_filter=True)
    assert through(world, packet6(UDP, destination=BEYOND, source=parse_address("2001:db8:1::7"))) == []
    assert through(world, packet6(UDP, destination=BEYOND, source=FAR)) == []
    assert world.counters["Ip6ForwReversePathFilter"] == 2
    assert len(through(world, packet6(UDP, destination=BEYOND))) == 1


def test_a_router_looks_at_hop_by_hop_options_only() -> None:
    unknown = ipv6_headers.emit_options(17, [(0x9E, b"1234")])
    ((name, packet),) = through(make(), packet6(unknown + UDP, next_header=HOP_BY_HOP_OPTIONS, destination=BEYOND))
    assert (name, icmp6_of(packet).type, icmp6_of(packet).rest) == ("tun0", icmpv6.PARAMETER_PROBLEM, 42)
    ((name, _),) = through(make(), packet6(unknown + UDP, next_header=DESTINATION_OPTIONS, destination=BEYOND))
    assert name == "far0"


@pytest.mark.rfc("4861", "4861.7")
def test_a_neighbour_that_does_not_answer_is_told_of() -> None:
    world = make(far="tap")
    world.takes(packet6(UDP, destination=BEYOND))
    told = [packet for _, packet in world.runs(10 * SECOND) if packet.head[0] >> 4 == 6]
    message = icmp6_of(told[-1])
    assert (message.type, message.code) == (icmpv6.DESTINATION_UNREACHABLE, icmpv6.ADDRESS_UNREACHABLE)
    assert header_of(told[-1]).destination == PEER


def test_a_frame_for_many_is_not_sent_on() -> None:
    config = StackConfig(ndp=ALONE, ip=IpConfig(forwarding=True))
    world = World(config, tap6(), tun6("far0", "2001:db8:1::1/64"))
    frame = b"\x33\x33\0\0\0\1" + b"\x02\0\0\0\0\x02" + b"\x86\xdd" + packet6(UDP, destination=BEYOND)
    world.sent()
    world.takes(frame)
    assert [interface.name for interface, _ in world.sent_by() if interface.name == "far0"] == []
    assert world.counters["Ip6ForwLinkBroadcast"] == 1


def super_segment(octets: int) -> Packet:
    tcp = bytes.fromhex("04d20050 00000001 00000001 50180000 00000000")
    head = packet6(tcp + bytes(octets), next_header=6, destination=BEYOND)[:60]
    return Packet(head, (bytes(octets),), CHECKSUM_PARTIAL, 40, 16, 1200)


def test_a_super_segment_is_cut_where_the_next_link_takes_none() -> None:
    packets = through(make(), super_segment(3000))
    assert [packet.octets for _, packet in packets] == [1260, 1260, 660]


def test_a_super_segment_whose_pieces_do_not_fit_is_told_of() -> None:
    config = StackConfig(ndp=ALONE, ip=IpConfig(forwarding=True))
    offloads = Offloads(checksum=True, gso_octets=65535)
    world = World(config, tun6(), tun6("far0", "2001:db8:1::1/64", offloads=offloads))
    ((_, whole),) = through(world, super_segment(3000))
    assert whole.gso_size == 1200
    packet = super_segment(3000)
    packet.gso_size = 1480
    ((name, told),) = through(world, packet)
    assert (name, icmp6_of(told).type) == ("tun0", icmpv6.PACKET_TOO_BIG)


def test_marks_that_are_wrong_are_counted() -> None:
    world = make()
    packet = super_segment(3000)
    packet.checksum_start = 39
    assert through(world, packet) == []
    assert world.counters["Ip6ForwBadOffload"] == 1


def test_a_partial_checksum_behind_extension_headers_is_completed() -> None:
    world = make()
    options = ipv6_headers.emit_options(17, [])
    whole = packet6(options + UDP, next_header=DESTINATION_OPTIONS, destination=BEYOND)
    ((_, packet),) = through(world, Packet(whole, (), CHECKSUM_PARTIAL, 48, 6))
    assert packet.checksum == CHECKSUM_NONE
    assert packet.head[54:56] != b"\0\0"


def test_forwarding_can_be_switched_off() -> None:
    world = make()
    world.host.configure(StackConfig(ndp=ALONE))
    assert through(world, packet6(UDP, destination=BEYOND)) == []


def test_a_router_listens_to_its_own_group() -> None:
    world = make()
    world.takes(packet6(UDP, destination=parse_address("ff02::2")))
    world.takes(packet6(UDP, destination=ALL_NODES))
    assert len(world.udp.datagrams) == 2
