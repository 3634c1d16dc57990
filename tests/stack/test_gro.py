import pytest
from hypothesis import given
from hypothesis import strategies as st

from halfopen.base.addresses import parse_address
from halfopen.stack.gro import merged
from halfopen.stack.interface import ETHERNET, IP, Interface
from halfopen.wire import ipv4, ipv6, tcp
from halfopen.wire.checksum import pseudo_header_sum
from halfopen.wire.ipv4 import Ipv4
from halfopen.wire.ipv6 import Ipv6
from halfopen.wire.offload import complete_checksum
from halfopen.wire.packet import CHECKSUM_NONE, CHECKSUM_PARTIAL, CHECKSUM_VERIFIED, Packet
from halfopen.wire.tcp import ACK, CWR, ECE, FIN, PSH, RST, SYN, URG, Segment
from halfopen.wire.tcp_options import Options

KERNEL = parse_address("192.0.2.1")
OURS = parse_address("192.0.2.2")
KERNEL6 = parse_address("2001:db8::1")
OURS6 = parse_address("2001:db8::2")
OWNED = {OURS, OURS6}
STAMPS = Options(timestamps=(7, 9))
TEXT = bytes(range(200)) * 5
TUN = Interface("tun0", IP)
MAC = bytes.fromhex("020000000001")
FRAME = MAC + bytes.fromhex("020000000002") + b"\x08\x00"


def frame(segment: Segment, ip: Ipv4 | Ipv6 | None = None, *, link: bytes = b"", payload: bytes = TEXT) -> Packet:
    """With all checksums, in one string of octets, as a device without offloads gives it."""
    ip = ip or Ipv4(KERNEL, OURS, 6)
    octets = tcp.header_octets(segment) + len(payload)
    transport = tcp.emit(segment, pseudo_header_sum(ip.source, ip.destination, 6, octets))
    network = ipv4.emit(ip, octets) if isinstance(ip, Ipv4) else ipv6.emit(ip, octets)
    start = len(link) + len(network)
    partial = Packet(link + network + transport + payload, (), CHECKSUM_PARTIAL, start, tcp.CHECKSUM_OFFSET)
    return complete_checksum(partial)


def segment(seq: int, flags: int = ACK, ack: int = 77, window: int = 500, port: int = 4242, urgent: int = 0) -> Segment:
    return Segment(port, 80, seq & 0xFFFFFFFF, ack, flags, window, urgent, STAMPS)


def merge(*packets: Packet, interface: Interface = TUN) -> list[Packet]:
    return merged(list(packets), interface, OWNED)


FIRST = frame(segment(1000))
SECOND = frame(segment(2000))


def fresh(packet: Packet) -> Packet:
    """Merging marks what it has verified."""
    return Packet(packet.head, packet.body, packet.checksum, packet.checksum_start, packet.checksum_offset)


def test_segments_that_follow_each_other_are_one_super_segment() -> None:
    (whole,) = merge(*(frame(segment(1000 + 1000 * n)) for n in range(5)))
    assert (whole.gso_size, whole.checksum) == (1000, CHECKSUM_VERIFIED)
    header = ipv4.parse(whole.head, 0, whole.octets)
    assert (header.total_octets, header.source, header.destination) == (len(whole.head) + 5000, KERNEL, OURS)
    found = tcp.parse(whole, 20, header.total_octets - 20)
    assert (found.seq, found.ack, found.flags, found.window, found.gso_size) == (1000, 77, ACK, 500, 1000)
    assert found.options == STAMPS
    assert b"".join(found.payload) == TEXT * 5


def test_numbers_go_on_across_the_wrap() -> None:
    assert len(merge(frame(segment(-1000)), frame(segment(0)), frame(segment(1000)))) == 1


def test_ipv6_is_merged_alike() -> None:
    ip = Ipv6(KERNEL6, OURS6, 6)
    (whole,) = merge(*(frame(segment(1000 + 1000 * n), ip) for n in range(3)))
    assert ipv6.parse(whole.head, 0, whole.octets).payload_octets == whole.octets - 40
    assert b"".join(tcp.parse(whole, 40, whole.octets - 40).payload) == TEXT * 3


def test_frames_are_merged_behind_their_link_header() -> None:
    tap = Interface("tap0", ETHERNET, mac=MAC)
    frames = [frame(segment(1000 + 1000 * n), link=FRAME) for n in range(3)]
    (whole,) = merge(*frames, interface=tap)
    assert whole.head[:14] == FRAME
    assert ipv4.parse(whole.head, 14, whole.octets - 14).total_octets == whole.octets - 14
    foreign = [frame(segment(1000 + 1000 * n), link=b"\x02" * 12 + b"\x08\x00") for n in range(3)]
    assert merge(*foreign, interface=tap) == foreign


def test_what_was_merged_is_counted_as_it_came() -> None:
    interface = Interface("tun0", IP)
    frames = [frame(segment(1000 + 1000 * n)) for n in range(3)]
    (whole,) = merge(*frames, interface=interface)
    assert interface.statistics.received_packets + 1 == 3
    assert interface.statistics.received_octets + whole.octets == sum(each.octets for each in frames)


@pytest.mark.parametrize("last", [frame(segment(2000, ACK | PSH)), frame(segment(2000, ACK | FIN))])
def test_push_and_fin_are_the_end_and_are_not_lost(last: Packet) -> None:
    whole, third = merge(fresh(FIRST), fresh(last), frame(segment(3000)))
    assert whole.head[33] == last.head[33]
    assert third.head[24:28] == (3000).to_bytes(4, "big")


def test_a_shorter_segment_is_the_last() -> None:
    whole, other = merge(fresh(FIRST), frame(segment(2000), payload=b"short"), frame(segment(2005)))
    assert whole.octets == 52 + 1005
    assert not other.body


def test_no_super_segment_is_longer_than_a_datagram() -> None:
    frames = [frame(segment(1000 + 1000 * n)) for n in range(70)]
    first, second = merge(*frames)
    assert 64535 < first.octets <= 65535
    assert first.octets + second.octets == 70_000 + 2 * 52


def test_flows_are_merged_beside_each_other_each_in_its_order() -> None:
    frames = [frame(segment(1000 + 1000 * n, port=port)) for n in range(3) for port in (1, 2)]
    assert [each.octets for each in merge(*frames)] == [3052, 3052]


@pytest.mark.parametrize(
    "other",
    [
        frame(segment(1000)),
        frame(segment(2001)),
        frame(segment(3000)),
        frame(segment(2000, ack=78)),
        frame(segment(2000, window=501)),
        frame(segment(2000, port=4243)),
        frame(segment(2000, urgent=5)),
        frame(segment(2000), payload=b""),
        frame(segment(2000), payload=TEXT + b"longer"),
        frame(segment(2000), Ipv4(KERNEL, OURS, 6, tos=3)),
        frame(segment(2000), Ipv4(KERNEL, OURS, 6, ttl=63)),
        frame(segment(2000), Ipv4(KERNEL, OURS, 17)),
        frame(segment(2000), Ipv4(KERNEL, KERNEL, 6)),
        frame(segment(2000), Ipv4(KERNEL, OURS, 6, dont_fragment=False)),
        frame(segment(2000), Ipv4(KERNEL, OURS, 6, dont_fragment=False, more_fragments=True)),
        frame(segment(2000), Ipv6(KERNEL6, OURS6, 6)),
        frame(Segment(4242, 80, 2000, 77, ACK, 500, 0, Options(timestamps=(8, 9)))),
        frame(Segment(4242, 80, 2000, 77, ACK, 500, 0, Options(timestamps=(7, 9), sack=((1, 2),)))),
        frame(Segment(4242, 80, 2000, 77, ACK, 500)),
        *(frame(segment(2000, ACK | flag)) for flag in (SYN, RST, URG, ECE, CWR)),
        frame(segment(2000, 0)),
        Packet(SECOND.head + b"padding"),
        Packet(SECOND.head[:52], (SECOND.head[52:],)),
        Packet(SECOND.head[:32] + b"\x00" + SECOND.head[33:], (), CHECKSUM_VERIFIED),
        Packet(b""),
        Packet(bytes(40)),
        Packet(b"\x60" + bytes(50)),
        Packet(b"\x60" + bytes(60)),
    ],
)
def test_what_differs_is_not_merged(other: Packet) -> None:
    first, second = fresh(FIRST), fresh(other)
    assert merge(first, second) == [first, second]
    assert merge(second, first) == [second, first]


def test_nothing_overtakes_what_ends_a_run() -> None:
    """An ACK without text parts what would be one."""
    packets = [fresh(FIRST), frame(segment(2000), payload=b""), fresh(SECOND)]
    assert merge(*packets) == packets


@pytest.mark.parametrize("flags", [ACK | PSH, ACK | FIN, ACK | CWR, ACK | URG, 0])
def test_such_flags_begin_no_run(flags: int) -> None:
    packets = [frame(segment(1000, flags)), frame(segment(2000, flags))]
    assert merge(*packets) == packets


def _spoilt(packet: Packet, at: int, checksum: int = CHECKSUM_NONE) -> Packet:
    head = packet.head
    return Packet(head[:at] + bytes((head[at] ^ 0xFF,)) + head[at + 1 :], (), checksum)


@pytest.mark.parametrize("at", [10, 60], ids=["ip", "tcp"])
def test_a_corrupt_segment_is_neither_merged_nor_vouched_for(at: int) -> None:
    first, bad, third = fresh(FIRST), _spoilt(SECOND, at), frame(segment(3000))
    assert merge(first, bad, third) == [first, bad, third]
    assert bad.checksum == CHECKSUM_NONE
    bad, second, third = _spoilt(FIRST, at), fresh(SECOND), frame(segment(3000))
    assert [each.octets for each in merge(bad, second, third)] == [1052, 2052]


def test_what_a_device_vouches_for_is_not_verified_again() -> None:
    frames = [_spoilt(each, 60, CHECKSUM_VERIFIED) for each in (FIRST, SECOND)]
    assert len(merge(*frames)) == 1


def test_what_never_had_a_checksum_is_merged_too() -> None:
    frames = [Packet(each.head, (), CHECKSUM_PARTIAL, 20, 16) for each in (FIRST, SECOND)]
    assert [each.checksum for each in merge(*frames)] == [CHECKSUM_VERIFIED]


@given(st.lists(st.tuples(st.integers(0, 9), st.sampled_from((0, PSH, ECE)), st.integers(1, 3)), max_size=40))
def test_each_octet_stays_where_it_was(pieces: list[tuple[int, int, int]]) -> None:
    """Whatever is merged: the numbers and flags of all segments, in the order of each flow, are those that came."""
    frames = [
        frame(segment(1000 + 100 * at, ACK | flags), payload=TEXT[at * 100 : at * 100 + 100 * octets])
        for at, flags, octets in pieces
    ]
    wanted = [_octets_of(each) for each in frames]
    found = [_octets_of(each) for each in merge(*frames)]
    assert [octet for each in found for octet in each] == [octet for each in wanted for octet in each]


def _octets_of(packet: Packet) -> list[tuple[int, int]]:
    """Number and value of each octet."""
    found = tcp.parse(packet, 20, packet.octets - 20)
    return [(found.seq + at, octet) for at, octet in enumerate(b"".join(found.payload))]


def test_networks_of_others_are_left_alone() -> None:
    """Only what ends here is merged: a router sends on what came."""
    packets = [fresh(FIRST), fresh(SECOND)]
    assert merged(packets, TUN, {KERNEL6}) == packets
