import pytest

from halfopen.base.addresses import IPV4_BROADCAST, MAC_BROADCAST, parse_address
from halfopen.base.clock import SECOND
from halfopen.stack.config import StackConfig
from halfopen.wire import arp, icmpv4, ipv4
from halfopen.wire.packet import Packet
from tests.stack.world import FAR, OTHER, OURS, PEER, World, arp_frame, datagram, frame, icmp_of, tap, tun


def make() -> World:
    return World(None, tun())


def test_a_plain_datagram_reaches_its_transport_with_all_its_marks() -> None:
    world = make().takes(datagram(b"transport", tos=0xB9, ttl=7))
    (got,) = world.udp.datagrams
    assert (got.source, got.destination, got.protocol) == (PEER, OURS, 17)
    assert (got.tos, got.ttl, got.interface, got.link_broadcast) == (0xB9, 7, world.interface, False)
    assert got.payload() == b"transport"
    assert got.packet.head[got.flow_offset : got.flow_offset + 8] == PEER + OURS


@pytest.mark.rfc("1122", "1122.2")
@pytest.mark.parametrize("ttl", [0, 1])
def test_what_is_for_us_need_not_live_any_longer(ttl: int) -> None:
    world = make().takes(datagram(b"transport", ttl=ttl))
    assert [got.ttl for got in world.udp.datagrams] == [ttl]
    assert world.sent() == []


@pytest.mark.rfc("1122", "1122.1")
def test_padding_behind_the_total_length_is_cut_off() -> None:
    world = World(None, tap()).takes(frame(datagram(b"12345678") + bytes(18)))
    assert world.udp.datagrams[0].payload() == b"12345678"


def test_padding_in_the_pieces_of_a_packet_is_cut_off() -> None:
    whole = datagram(b"abcdefgh" * 4)
    world = make().takes(Packet(whole[:30], (whole[30:40], whole[40:] + b"padding")))
    assert world.udp.datagrams[0].payload() == b"abcdefgh" * 4


def test_a_datagram_in_pieces_is_taken_as_it_is() -> None:
    whole = datagram(b"abcdefgh" * 4)
    world = make().takes(Packet(whole[:30], (whole[30:],)))
    assert world.udp.datagrams[0].payload() == b"abcdefgh" * 4


@pytest.mark.rfc("1122", "1122.1")
@pytest.mark.parametrize(
    ("damage", "counter"),
    [
        (lambda data: data[:19], "Ipv4Truncated"),
        (lambda data: b"\x55" + data[1:], "Ipv4BadVersion"),
        (lambda data: b"\x44" + data[1:], "Ipv4BadHeaderLength"),
        (lambda data: data[:10] + b"\xff\xff" + data[12:], "Ipv4BadChecksum"),
        (lambda data: data[:-1], "Ipv4BadLength"),
        (lambda data: b"", "Ipv4Truncated"),
    ],
)
def test_a_damaged_header_is_counted_by_name(damage, counter) -> None:  # type: ignore[no-untyped-def]  # parametrized
    world = make().takes(damage(datagram()))
    assert world.counters.snapshot() == {counter: 1}
    assert world.udp.datagrams == []


@pytest.mark.rfc("1122", "1122.3")
@pytest.mark.parametrize("source", ["224.0.0.1", "255.255.255.255", "127.0.0.1", "0.0.0.0", "240.0.0.1", "192.0.2.255"])
def test_a_source_that_no_host_can_have_is_a_martian(source: str) -> None:
    world = make().takes(datagram(source=parse_address(source)))
    assert world.counters.snapshot() == {"IpInMartianSource": 1}


def test_a_datagram_from_our_own_address_on_the_wire_is_a_martian() -> None:
    world = World(None, tun(), tun("tun1", "198.51.100.1/24"))
    world.takes(datagram(source=parse_address("198.51.100.1")))
    assert world.counters.snapshot() == {"IpInMartianSource": 1}


def test_land_is_dropped_without_a_word() -> None:
    world = make().takes(datagram(source=OURS))
    assert world.counters.snapshot() == {"IpInLand": 1}
    assert world.sent() == []


@pytest.mark.rfc("1122", "1122.11")
@pytest.mark.parametrize("destination", ["127.0.0.1", "0.0.0.0", "240.0.0.1", "0.1.2.3"])
def test_a_destination_that_never_stands_on_a_wire_is_a_martian(destination: str) -> None:
    world = make().takes(datagram(destination=parse_address(destination)))
    assert world.counters.snapshot() == {"IpInMartianDestination": 1}


@pytest.mark.rfc("1122", "1122.13")
@pytest.mark.parametrize("destination", ["255.255.255.255", "192.0.2.255", "192.0.2.0", "224.0.0.1"])
def test_broadcasts_are_recognised_and_marked(destination: str) -> None:
    world = make().takes(datagram(destination=parse_address(destination)))
    assert [got.link_broadcast for got in world.udp.datagrams] == [True]


def test_a_broadcast_of_a_network_on_another_interface_is_not_for_us() -> None:
    world = World(None, tun(), tun("tun1", "198.51.100.1/24"))
    world.takes(datagram(destination=parse_address("198.51.100.255")))
    assert world.counters.snapshot() == {"IpInAddrErrors": 1}


def test_a_group_that_nobody_joined_is_not_for_us() -> None:
    world = make().takes(datagram(destination=parse_address("224.0.0.251")))
    assert world.counters.snapshot() == {"IpInAddrErrors": 1}


def test_a_datagram_for_another_host_is_not_for_us() -> None:
    world = make().takes(datagram(destination=FAR))
    assert world.counters.snapshot() == {"IpInAddrErrors": 1}


def test_a_unicast_datagram_in_a_broadcast_frame_is_dropped() -> None:
    world = World(None, tap()).takes(frame(datagram(), destination=MAC_BROADCAST))
    assert world.counters.snapshot() == {"IpInUnicastInBroadcast": 1}


def test_a_broadcast_datagram_in_a_broadcast_frame_is_taken() -> None:
    world = World(None, tap()).takes(frame(datagram(destination=IPV4_BROADCAST), destination=MAC_BROADCAST))
    assert world.udp.datagrams[0].link_broadcast


@pytest.mark.rfc("9293", "MUST-50")
@pytest.mark.rfc("1122", "1122.5")
def test_options_are_skipped() -> None:
    world = make().takes(datagram(b"transport", options=b"\x94\x04\x00\x00" + b"\x07\x07\x04\0\0\0\0\0"))
    (got,) = world.udp.datagrams
    assert got.payload() == b"transport"
    assert got.flow_offset == -1
    assert got.network_offset == 0


@pytest.mark.rfc("1122", "1122.5")
@pytest.mark.parametrize(
    "options", [b"\x94\x00\x00\x00", b"\x94\x01\x00\x00", b"\x94\x28\x00\x00", b"\x01\x01\x01\x94"]
)
def test_options_of_illegal_length_are_counted(options: bytes) -> None:
    world = make().takes(datagram(options=options))
    assert world.counters.snapshot() == {"Ipv4BadOptions": 1}


@pytest.mark.rfc("1812", "1812.8")
@pytest.mark.parametrize("kind", [131, 137])
def test_source_routes_are_refused(kind: int) -> None:
    world = make().takes(datagram(options=bytes([kind, 7, 8]) + FAR + b"\0"))
    assert world.counters.snapshot() == {"IpInSourceRoute": 1}


@pytest.mark.rfc("792", "792.4")
def test_an_unknown_protocol_is_answered_with_protocol_unreachable() -> None:
    world = make().takes(datagram(protocol=99))
    (answer,) = world.sent()
    message = icmp_of(answer)
    assert (message.type, message.code) == (icmpv4.DESTINATION_UNREACHABLE, icmpv4.PROTOCOL_UNREACHABLE)
    assert world.counters["IpInUnknownProtos"] == 1


@pytest.mark.rfc("1122", "1122.9")
def test_any_own_address_is_answered_on_any_interface() -> None:
    world = World(None, tun(), tun("tun1", "198.51.100.1/24"))
    world.takes(datagram(destination=parse_address("198.51.100.1")))
    assert len(world.udp.datagrams) == 1


def fragments(*spans: tuple[int, int], text: bytes = bytes(range(64)), last: int = 64) -> list[bytes]:
    return [
        datagram(
            text[low:high],
            identification=77,
            dont_fragment=False,
            fragment_offset=low,
            more_fragments=high < last,
        )
        for low, high in spans
    ]


@pytest.mark.rfc("1122", "1122.6")
@pytest.mark.parametrize("interface", ["ip", "ethernet"])
def test_fragments_in_any_order_come_together(interface: str) -> None:
    world = World(None, tun() if interface == "ip" else tap())
    for piece in fragments((48, 64), (0, 16), (16, 48)):
        world.takes(piece if interface == "ip" else frame(piece))
    (got,) = world.udp.datagrams
    assert got.payload() == bytes(range(64))
    assert got.packet.head[got.flow_offset : got.flow_offset + 8] == PEER + OURS
    assert got.network_offset == (0 if interface == "ip" else 14)


@pytest.mark.rfc("1122", "1122.6")
def test_time_exceeded_is_sent_only_if_the_first_fragment_came() -> None:
    world = make().takes(fragments((0, 16))[0])
    assert world.host.next_deadline() == 60 * SECOND
    world.host.on_deadline(60 * SECOND)
    (answer,) = world.sent(60 * SECOND)
    message = icmp_of(answer)
    assert (message.type, message.code) == (icmpv4.TIME_EXCEEDED, icmpv4.REASSEMBLY_EXCEEDED)
    assert message.payload == fragments((0, 16))[0]

    world = make().takes(fragments((16, 32))[0])
    world.host.on_deadline(60 * SECOND)
    assert world.sent(60 * SECOND) == []
    assert world.counters["IpReasmTimeout"] == 1


def test_a_reassembled_datagram_with_options_knows_where_its_header_is() -> None:
    world = World(None, tap())
    for piece in (
        datagram(bytes(16), protocol=99, options=b"\x94\x04\0\0", dont_fragment=False, more_fragments=True),
        datagram(bytes(8), protocol=99, dont_fragment=False, fragment_offset=16),
    ):
        world.takes(frame(piece))
    world.takes(arp_frame(arp.REPLY))
    answer = world.sent()[-1]
    quoted = ipv4.parse(icmp_of(answer, 14).payload, 0, 48)
    assert (quoted.protocol, quoted.options, quoted.total_octets) == (99, b"\x94\x04\0\0", 48)


def test_loopback_delivers_without_a_wire() -> None:
    world = make()
    world.sends(parse_address("127.0.0.1"), 100)
    world.sends(OURS, 200)
    world.sends(parse_address("127.9.9.9"), 300)
    assert world.sent() == []
    assert [got.octets for got in world.udp.datagrams] == [100, 200, 300]
    assert [got.source for got in world.udp.datagrams] == [got.destination for got in world.udp.datagrams]


def test_a_frame_for_another_station_is_counted() -> None:
    world = World(None, tap()).takes(frame(datagram(), destination=b"\x02\0\0\0\0\x09"))
    assert world.counters.snapshot() == {"EthernetForOthers": 1}


def test_frames_that_are_no_ip_are_counted() -> None:
    world = World(StackConfig(), tap())
    world.takes(b"short").takes(frame(b"", ethertype=0x88CC)).takes(frame(b"", ethertype=0x8100))
    world.takes(frame(datagram(), source=b"\x03\0\0\0\0\x09"))
    assert world.counters.snapshot() == {
        "EthernetTruncated": 1,
        "EthernetUnknownType": 1,
        "EthernetVlanTagged": 1,
        "EthernetBadSource": 1,
    }


def test_interfaces_count_packets_and_octets() -> None:
    world = make().takes(datagram(bytes(80)))
    world.sends(OTHER, 30)
    world.sent()
    counts = world.interface.statistics
    assert (counts.received_packets, counts.received_octets) == (1, 100)
    assert (counts.sent_packets, counts.sent_octets) == (1, 50)
