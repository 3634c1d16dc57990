import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from halfopen.base.addresses import parse_address
from halfopen.base.errors import Malformed
from halfopen.base.octets import SMALL
from halfopen.wire import tcp
from halfopen.wire.checksum import checksum, pseudo_header_sum
from halfopen.wire.ipv4 import Ipv4
from halfopen.wire.ipv4 import emit as emit_ipv4
from halfopen.wire.packet import CHECKSUM_PARTIAL, CHECKSUM_VERIFIED, Packet
from halfopen.wire.tcp import ACK, Segment
from halfopen.wire.tcp_options import AUTHENTICATION, Options
from tests.wire.strategies import OPTIONS

SOURCE = parse_address("192.0.2.1")
DESTINATION = parse_address("198.51.100.2")
HALF = st.integers(0, 0xFFFF)
WORD = st.integers(0, 0xFFFFFFFF)
PIECES = st.lists(st.binary(max_size=20) | st.sampled_from([bytes(SMALL - 1), bytes(SMALL), bytes(1448)]), max_size=4)
TIMESTAMPS = Options(timestamps=(1, 2))


@st.composite
def segments(draw: st.DrawFn) -> Segment:
    payload = tuple(draw(PIECES))
    return Segment(
        draw(HALF),
        draw(HALF),
        draw(WORD),
        draw(WORD),
        draw(st.integers(0, 0x1FF)),
        draw(HALF),
        draw(HALF),
        draw(st.none() | st.just(TIMESTAMPS) | OPTIONS.filter(lambda options: options != Options())),
        payload,
        sum(map(len, payload)),
    )


def pseudo_sum(octets: int) -> int:
    return pseudo_header_sum(SOURCE, DESTINATION, 6, octets)


FIELDS = (
    "source_port",
    "destination_port",
    "seq",
    "ack",
    "flags",
    "window",
    "urgent",
    "options",
    "octets",
    "gso_size",
    "ecn",
)


def values(segment: Segment) -> dict[str, object]:
    found: dict[str, object] = {name: getattr(segment, name) for name in FIELDS}
    found["payload"] = b"".join(segment.payload)
    return found


def on_the_wire(segment: Segment) -> bytes:
    """The whole segment with its checksum complete."""
    octets = tcp.header_octets(segment) + segment.octets
    header = tcp.emit(segment, pseudo_sum(octets))
    complete = checksum(b"".join((header, *segment.payload)))
    return b"".join((header[:16], complete.to_bytes(2, "big"), header[18:], *segment.payload))


@given(segments(), st.binary(max_size=40), st.binary(max_size=9), st.data())
def test_what_was_emitted_is_parsed_however_it_lies_in_the_packet(
    segment: Segment, before: bytes, padding: bytes, data: st.DataObject
) -> None:
    octets = on_the_wire(segment)
    whole = before + octets + padding
    header_stop = len(before) + tcp.header_octets(segment)
    first = data.draw(st.integers(header_stop, len(whole)))
    second = data.draw(st.integers(first, len(whole)))
    packet = Packet(whole[:first], (whole[first:second], whole[second:]) if first < len(whole) else ())
    parsed = tcp.parse(packet, len(before), len(octets))
    assert values(parsed) == values(segment)
    assert sum(map(len, parsed.payload)) == parsed.octets
    assert tcp.verify(packet, len(before), len(octets), pseudo_sum(len(octets)))


@given(segments())
def test_scapy_reads_what_was_emitted_and_computes_the_same_checksum(segment: Segment) -> None:
    from scapy.layers.inet import IP, TCP, in4_chksum

    options = segment.options.unknown if segment.options is not None else ()
    assume(AUTHENTICATION not in dict(options))  # Of which the judge reads whole ones only.
    octets = on_the_wire(segment)
    judge = IP(emit_ipv4(Ipv4(SOURCE, DESTINATION, 6), len(octets)) + octets)[TCP]
    assert (judge.sport, judge.dport) == (segment.source_port, segment.destination_port)
    assert (judge.seq, judge.ack, int(judge.flags)) == (segment.seq, segment.ack, segment.flags)
    assert (judge.window, judge.urgptr) == (segment.window, segment.urgent)
    assert bytes(judge.payload) == b"".join(segment.payload)
    network = IP(src="192.0.2.1", dst="198.51.100.2")
    assert judge.chksum == in4_chksum(6, network, octets[:16] + bytes(2) + octets[18:])


def test_scapy_reads_our_options() -> None:
    from scapy.layers.inet import TCP

    options = Options(mss=1460, window_scale=7, sack_permitted=True, timestamps=(1, 2))
    judge = TCP(on_the_wire(Segment(80, 4242, 1, options=options)))
    assert judge.options == [
        ("MSS", 1460),
        ("SAckOK", b""),
        ("Timestamp", (1, 2)),
        ("NOP", None),
        ("WScale", 7),
    ]


def test_a_segment_of_scapy_is_parsed() -> None:
    from scapy.layers.inet import IP, TCP

    options = [("MSS", 1400), ("WScale", 3), ("SAckOK", b""), ("Timestamp", (9, 8))]
    layer = TCP(sport=1, dport=2, seq=3, ack=4, flags="SAEC", window=5, urgptr=6, options=options)
    octets = bytes(IP(src="192.0.2.1", dst="198.51.100.2") / layer / b"data")
    packet = Packet(octets)
    segment = tcp.parse(packet, 20, len(octets) - 20, ecn=3)
    expected = Segment(1, 2, 3, 4, tcp.SYN | tcp.ACK | tcp.ECE | tcp.CWR, 5, 6, None, (b"data",), 4, ecn=3)
    expected.options = Options(mss=1400, window_scale=3, sack_permitted=True, timestamps=(9, 8))
    assert values(segment) == values(expected)
    assert tcp.verify(packet, 20, len(octets) - 20, pseudo_sum(len(octets) - 20))


@pytest.mark.rfc("9293", "MUST-5")
@pytest.mark.parametrize(
    "flags", [0, tcp.ACK, tcp.FIN | tcp.ACK, tcp.RST, tcp.SYN, tcp.SYN | tcp.ACK, tcp.URG | tcp.ACK]
)
def test_options_are_accepted_on_any_segment(flags: int) -> None:
    options = Options(mss=1460, window_scale=7, sack_permitted=True)
    octets = on_the_wire(Segment(1, 2, 3, 4, flags, options=options))
    assert tcp.parse(Packet(octets), 0, len(octets)).options == options


@pytest.mark.rfc("9293", "MUST-7")
@pytest.mark.parametrize("length", [0, 1, 13, 255])
def test_a_header_with_an_option_of_illegal_length_is_refused(length: int) -> None:
    octets = bytearray(on_the_wire(Segment(1, 2, 3, options=TIMESTAMPS)))
    octets[23] = length
    with pytest.raises(Malformed, match="TcpBadOptions"):
        tcp.parse(Packet(bytes(octets)), 0, len(octets))


@pytest.mark.rfc("9293", "MUST-2")
def test_the_checksum_field_holds_the_pseudo_header_sum_for_whoever_completes_it() -> None:
    for options in (None, TIMESTAMPS, Options(mss=1460)):
        assert tcp.emit(Segment(1, 2, 3, options=options), 0xABCD)[16:18] == b"\xab\xcd"


@pytest.mark.rfc("9293", "MUST-3")
@given(segments(), st.data())
def test_a_change_of_any_bit_is_noticed(segment: Segment, data: st.DataObject) -> None:
    octets = bytearray(on_the_wire(segment))
    octets[data.draw(st.integers(0, len(octets) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    assert not tcp.verify(Packet(bytes(octets)), 0, len(octets), pseudo_sum(len(octets)))


def test_reserved_bits_are_ignored() -> None:
    octets = bytearray(on_the_wire(Segment(1, 2, 3, flags=tcp.AE)))
    octets[12] |= 0x0E
    assert tcp.parse(Packet(bytes(octets)), 0, 20).flags == tcp.AE


def test_a_small_payload_is_copied_and_a_large_one_is_a_view() -> None:
    header = tcp.emit(Segment(1, 2, 3), 0)
    (small,) = tcp.parse(Packet(header + bytes(SMALL - 1)), 0, 20 + SMALL - 1).payload
    (large,) = tcp.parse(Packet(header + bytes(SMALL)), 0, 20 + SMALL).payload
    assert isinstance(small, bytes)
    assert isinstance(large, memoryview)
    assert len(large) == SMALL


def test_the_body_of_a_super_segment_is_handed_on_as_it_is() -> None:
    body = bytes(6000)
    segment = tcp.parse(Packet(tcp.emit(Segment(1, 2, 3), 0), (body,), gso_size=1448), 0, 6020)
    assert segment.payload == (body,)
    assert segment.payload[0] is body
    assert (segment.octets, segment.gso_size) == (6000, 1448)


@pytest.mark.parametrize(("present", "octets"), [(19, 20), (20, 19), (31, 32), (32, 33), (39, 40)])
def test_a_segment_that_is_not_all_there_is_refused(present: int, octets: int) -> None:
    header = tcp.emit(Segment(1, 2, 3, options=TIMESTAMPS), 0) + bytes(8)
    with pytest.raises(Malformed, match="TcpTruncated"):
        tcp.parse(Packet(header[:present]), 0, octets)


def test_a_body_shorter_than_told_is_refused() -> None:
    with pytest.raises(Malformed, match="TcpTruncated"):
        tcp.parse(Packet(tcp.emit(Segment(1, 2, 3), 0), (b"abc", b"de")), 0, 26)


@pytest.mark.parametrize(("data_offset", "octets"), [(0, 20), (4, 20), (6, 20), (15, 59)])
def test_a_data_offset_below_five_or_beyond_the_segment_is_refused(data_offset: int, octets: int) -> None:
    header = bytearray(tcp.emit(Segment(1, 2, 3), 0) + bytes(40))
    header[12] = data_offset << 4
    with pytest.raises(Malformed, match="TcpBadHeaderLength"):
        tcp.parse(Packet(bytes(header)), 0, octets)


@given(
    st.binary(max_size=80),
    st.lists(st.binary(max_size=30), max_size=3).map(tuple),
    st.integers(0, 30),
    st.integers(0, 150),
    st.none() | st.integers(5, 15),
)
def test_any_octets_are_a_segment_or_malformed(
    head: bytes, body: tuple[bytes, ...], offset: int, octets: int, data_offset: int | None
) -> None:
    if data_offset is not None and len(head) > offset + 12:
        head = head[: offset + 12] + bytes((data_offset << 4,)) + head[offset + 13 :]
    try:
        segment = tcp.parse(Packet(head, body), offset, octets)
    except Malformed as malformed:
        assert malformed.reason in ("TcpTruncated", "TcpBadHeaderLength", "TcpBadOptions")
    else:
        assert sum(map(len, segment.payload)) == segment.octets <= octets - 20


@pytest.mark.parametrize(
    ("flags", "length"), [(0, 10), (tcp.SYN, 11), (tcp.FIN | tcp.ACK, 11), (tcp.SYN | tcp.FIN, 12), (tcp.RST, 10)]
)
def test_syn_and_fin_count_as_one_octet_each_in_the_length(flags: int, length: int) -> None:
    assert Segment(1, 2, 3, flags=flags, octets=10).length == length


def test_a_segment_shows_what_it_is_and_copies_share_nothing_but_options_and_payload() -> None:
    segment = Segment(1, 2, 3, 4, ACK, 5, 6, None, (b"text",), 4, 0, 1)
    twin = segment.copy()
    twin.seq = 9
    assert repr(segment) == "Segment(1 > 2, seq=3, ack=4, flags=0x10, window=5, octets=4, options=None)"
    assert (segment.seq, twin.seq, twin.payload, twin.urgent, twin.ecn) == (3, 9, (b"text",), 6, 1)


@pytest.mark.parametrize(
    ("packet", "expected"),
    [
        (Packet(bytes(60)), True),
        (Packet(bytes(60), checksum=CHECKSUM_VERIFIED), False),
        (Packet(bytes(60), (), CHECKSUM_PARTIAL, 20, 16), False),
        (Packet(bytes(60), (), CHECKSUM_PARTIAL, 24, 16), True),
        (Packet(bytes(60), (), CHECKSUM_PARTIAL, 20, 6), True),
    ],
)
def test_a_checksum_is_vouched_for_by_who_knows_where_it_is(packet: Packet, expected: bool) -> None:
    assert tcp.is_unverified(packet, 20) is expected
