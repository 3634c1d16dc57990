import pytest
from hypothesis import given
from hypothesis import strategies as st

from halfopen.base.addresses import MAC_BROADCAST, parse_address, parse_mac
from halfopen.base.octets import Buffer
from halfopen.wire import arp, ethernet, icmpv4, icmpv6, ipv4, ipv6, ipv6_headers, tcp, tcp_options, udp
from halfopen.wire.arp import Arp
from halfopen.wire.describe import describe, flag_names, option_words
from halfopen.wire.icmpv4 import Icmp
from halfopen.wire.ipv4 import Ipv4
from halfopen.wire.ipv6 import Ipv6
from halfopen.wire.tcp import Segment
from halfopen.wire.tcp_options import Options

OUR_MAC = parse_mac("02:00:5e:10:00:01")
OURS = parse_address("192.0.2.1")
THEIRS = parse_address("192.0.2.2")


def ip(protocol: int, payload: bytes, **fields: int | bool) -> bytes:
    header = Ipv4(OURS, THEIRS, protocol)
    for name, value in fields.items():
        setattr(header, name, value)
    return ipv4.emit(header, len(payload)) + payload


def segment(flags: int, options: Options | None = None, payload: bytes = b"", seq: int = 1, urgent: int = 0) -> bytes:
    pieces: tuple[Buffer, ...] = (payload,) if payload else ()
    made = Segment(80, 4242, seq, 2, flags, 65535, urgent, options, pieces, len(payload))
    return ip(ipv4.PROTOCOL_TCP, tcp.emit(made, 0) + payload)


def with_raw_options(options: bytes) -> bytes:
    header = bytearray(tcp.emit(Segment(80, 4242, 1, 2, tcp.ACK, 65535), 0))
    header[12] = 20 + len(options) << 2
    return ip(ipv4.PROTOCOL_TCP, bytes(header) + options)


def icmp(kind: int, code: int, rest: int = 0, payload: bytes = b"") -> bytes:
    return ip(ipv4.PROTOCOL_ICMP, icmpv4.emit(Icmp(kind, code, rest, payload)))


def test_a_segment_of_the_handshake_shows_its_options_in_the_order_of_the_wire() -> None:
    options = Options(mss=1460, window_scale=7, sack_permitted=True, timestamps=(1, 2))
    assert describe(segment(tcp.SYN | tcp.ACK, options), "ip") == (
        "192.0.2.1.80 > 192.0.2.2.4242: Flags [S.], seq 1, ack 2, win 65535, "
        "options [mss 1460,sackOK,TS val 1 ecr 2,nop,wscale 7], length 0"
    )


@pytest.mark.parametrize(
    ("octets", "line"),
    [
        (segment(tcp.ACK), "Flags [.], ack 2, win 65535, length 0"),
        (segment(0), "Flags [none], win 65535, length 0"),
        (segment(tcp.RST), "Flags [R], seq 1, win 65535, length 0"),
        (segment(tcp.FIN | tcp.ACK), "Flags [F.], seq 1, ack 2, win 65535, length 0"),
        (segment(tcp.PSH | tcp.ACK, None, b"abc"), "Flags [P.], seq 1:4, ack 2, win 65535, length 3"),
        (segment(tcp.ACK, None, b"abc", 0xFFFFFFFE), "Flags [.], seq 4294967294:1, ack 2, win 65535, length 3"),
        (segment(tcp.URG | tcp.ACK, urgent=9), "Flags [.U], ack 2, win 65535, urg 9, length 0"),
        (segment(tcp.SYN | tcp.ECE | tcp.CWR | tcp.AE), "Flags [SEWe], seq 1, win 65535, length 0"),
        (
            segment(tcp.ACK, Options(sack=((1, 2), (3, 4)))),
            "Flags [.], ack 2, win 65535, options [nop,nop,sack 2 {1:2}{3:4}], length 0",
        ),
        (
            with_raw_options(b"\xfe\x04\x12\x34\x1e\x02\x00\x07"),
            "Flags [.], ack 2, win 65535, options [unknown-254 0x1234,unknown-30,eol], length 0",
        ),
    ],
)
def test_a_segment_is_shown_as_tcpdump_shows_it(octets: bytes, line: str) -> None:
    assert describe(octets, "ip") == f"192.0.2.1.80 > 192.0.2.2.4242: {line}"


def test_a_segment_that_the_capture_cut_off_keeps_its_length() -> None:
    octets = segment(tcp.ACK, None, bytes(1000))
    assert describe(octets[:40], "ip") == describe(octets, "ip")
    assert describe(octets[:40], "ip").endswith("seq 1:1001, ack 2, win 65535, length 1000")


def test_the_ethernet_header_is_passed_over() -> None:
    frame = ethernet.emit(MAC_BROADCAST, OUR_MAC, ethernet.ETHERTYPE_IPV4) + segment(tcp.ACK) + bytes(6)
    assert describe(frame, "ethernet") == describe(segment(tcp.ACK), "ip")


@pytest.mark.parametrize(
    ("packet", "line"),
    [
        (Arp(arp.REQUEST, OUR_MAC, OURS, bytes(6), THEIRS), "ARP, Request who-has 192.0.2.2 tell 192.0.2.1, length 28"),
        (Arp(arp.REQUEST, OUR_MAC, OURS, bytes(6), OURS), "ARP, Announcement 192.0.2.1, length 28"),
        (Arp(arp.REPLY, OUR_MAC, OURS, bytes(6), THEIRS), "ARP, Reply 192.0.2.1 is-at 02:00:5e:10:00:01, length 28"),
        (Arp(9, OUR_MAC, OURS, bytes(6), THEIRS), "ARP, operation 9 from 192.0.2.1, length 28"),
    ],
)
def test_arp_says_who_asks_and_who_answers(packet: Arp, line: str) -> None:
    frame = ethernet.emit(MAC_BROADCAST, OUR_MAC, ethernet.ETHERTYPE_ARP) + arp.emit(packet)
    assert describe(frame, "ethernet") == line


def test_udp_says_its_length() -> None:
    octets = ip(ipv4.PROTOCOL_UDP, udp.emit(53, 4242, 11, 0) + b"abc")
    assert describe(octets, "ip") == "192.0.2.1.53 > 192.0.2.2.4242: UDP, length 3"


QUOTED = ip(ipv4.PROTOCOL_UDP, udp.emit(4242, 53, 8, 0))


@pytest.mark.parametrize(
    ("octets", "line"),
    [
        (icmp(8, 0, 0x00010002, bytes(56)), "echo request, id 1, seq 2, length 64"),
        (icmp(0, 0, 0x00010002, bytes(56)), "echo reply, id 1, seq 2, length 64"),
        (icmp(3, 0, 0, QUOTED), "net 192.0.2.2 unreachable, length 36"),
        (icmp(3, 1, 0, QUOTED), "host 192.0.2.2 unreachable, length 36"),
        (icmp(3, 2, 0, QUOTED), "192.0.2.2 protocol 17 unreachable, length 36"),
        (icmp(3, 3, 0, QUOTED), "192.0.2.2 port 53 unreachable, length 36"),
        (icmp(3, 4, 1400, QUOTED), "192.0.2.2 unreachable - need to frag (mtu 1400), length 36"),
        (icmp(3, 14, 0, QUOTED), "192.0.2.2 unreachable - code 14, length 36"),
        (icmp(5, 1, 0xC0000201), "redirect to 192.0.2.1, length 8"),
        (icmp(11, 0), "time exceeded in-transit, length 8"),
        (icmp(11, 1), "ip reassembly time exceeded, length 8"),
        (icmp(12, 0, 0x14000000), "parameter problem - octet 20, length 8"),
        (icmp(13, 0), "type-13, code 0, length 8"),
    ],
)
def test_icmp_says_what_it_is_about(octets: bytes, line: str) -> None:
    assert describe(octets, "ip") == f"192.0.2.1 > 192.0.2.2: ICMP {line}"


@pytest.mark.parametrize(
    ("octets", "line"),
    [
        (ip(132, bytes(12)), "192.0.2.1 > 192.0.2.2: ip-proto-132, length 12"),
        (
            ip(17, bytes(16), fragment_offset=8, more_fragments=True, identification=7),
            "192.0.2.1 > 192.0.2.2: ip-proto-17, fragment 7:16@8+",
        ),
        (ip(17, bytes(16), fragment_offset=8, identification=7), "192.0.2.1 > 192.0.2.2: ip-proto-17, fragment 7:16@8"),
        (b"\x60" + bytes(39), "malformed (Ipv6Truncated), length 40"),
        (b"", "malformed (Ipv4Truncated), length 0"),
        (bytes(20), "malformed (Ipv4BadVersion), length 20"),
        (with_raw_options(b"\x02\x00\x00\x00"), "malformed (TcpBadOptions), length 44"),
    ],
)
def test_what_is_unknown_or_malformed_is_said_to_be(octets: bytes, line: str) -> None:
    assert describe(octets, "ip") == line


def test_an_unknown_ethertype_is_named_with_its_sender() -> None:
    frame = ethernet.emit(MAC_BROADCAST, OUR_MAC, 0x88CC) + bytes(10)
    assert describe(frame, "ethernet") == "02:00:5e:10:00:01: ethertype 0x88cc, length 10"
    assert describe(b"\x02", "ethernet") == "malformed (EthernetTruncated), length 1"


@given(
    st.sampled_from([1, 6, 17]),
    st.binary(max_size=80)
    | st.builds(
        lambda code, rest, octets: icmpv4.emit(Icmp(3, code, rest, octets)),
        st.integers(0, 255),
        st.integers(0, 0xFFFFFFFF),
        st.binary(max_size=40),
    )
    | st.builds(
        lambda options: bytes(12) + bytes((20 + len(options) << 2,)) + bytes(7) + options,
        st.integers(0, 10).flatmap(lambda words: st.binary(min_size=4 * words, max_size=4 * words)),
    ),
    st.integers(0, 100),
)
def test_any_packet_has_one_line(protocol: int, payload: bytes, cut_off: int) -> None:
    octets = ip(protocol, payload)
    line = describe(octets[: max(0, len(octets) - cut_off)], "ip")
    assert line
    assert "\n" not in line


@given(st.binary(max_size=80), st.sampled_from(["ip", "ethernet"]))
def test_any_octets_have_one_line(octets: bytes, kind: str) -> None:
    assert "\n" not in describe(octets, kind)
    framed = describe(ethernet.emit(bytes(6), bytes(6), ethernet.ETHERTYPE_ARP) + octets, "ethernet")
    assert framed.startswith(("ARP, ", "malformed (Arp"))


def test_the_options_of_every_kind_fit_on_one_line() -> None:
    options = Options(mss=1, window_scale=2, timestamps=(3, 4), sack=((5, 6),), unknown=((253, b"\x07"),))
    assert tcp_options.length(options) == 36
    assert describe(segment(tcp.SYN, options), "ip").endswith(
        "options [mss 1,nop,nop,TS val 3 ecr 4,nop,wscale 2,nop,nop,sack 1 {5:6},unknown-253 0x07,eol], length 0"
    )


@pytest.mark.parametrize(
    ("octets", "words"),
    [
        ("1d1001020102030405060708090a0b0c", "tcp-ao keyid 1 rnextkeyid 2 mac 0x0102030405060708090a0b0c"),
        ("1d040102", "unknown-29 0x0102"),
        ("13040102", "md5 0x0102"),
        ("13020000", "md5,eol"),
    ],
)
def test_signatures_are_shown_as_tcpdump_shows_them(octets: str, words: str) -> None:
    line = describe(with_raw_options(bytes.fromhex(octets)), "ip")
    assert line.endswith(f"options [{words}], length 0")


def test_flags_are_named_from_fin_on() -> None:
    assert flag_names(0) == []
    assert flag_names(tcp.ACK | tcp.SYN) == ["SYN", "ACK"]
    assert ",".join(flag_names(0x1FF)) == "FIN,SYN,RST,PSH,ACK,URG,ECE,CWR,AE"


def test_options_are_told_in_the_order_of_linux_and_without_sack_blocks() -> None:
    options = Options(1460, 8, True, (5, 7), ((1, 2),), ((254, b"\xab"), (30, b"")))
    words = "mss 1460,sackOK,TS val 5 ecr 7,wscale 8,unknown-254 0xab,unknown-30"
    assert option_words(options) == words.split(",")
    assert option_words(Options()) == []


OURS6 = parse_address("2001:db8::1")
THEIRS6 = parse_address("2001:db8::2")


def ip6(next_header: int, payload: bytes) -> bytes:
    return ipv6.emit(Ipv6(OURS6, THEIRS6, next_header), len(payload)) + payload


@pytest.mark.parametrize(
    ("octets", "line"),
    [
        (
            ip6(6, tcp.emit(Segment(80, 4242, 1, 2, tcp.SYN, 65535, 0, Options(mss=1440)), 0)),
            "2001:db8::1.80 > 2001:db8::2.4242: Flags [S], seq 1, win 65535, options [mss 1440], length 0",
        ),
        (
            ip6(17, udp.emit(53, 4242, 11, 0) + b"abc") + bytes(6),
            "2001:db8::1.53 > 2001:db8::2.4242: UDP, length 3",
        ),
        (
            ip6(ipv6.DESTINATION_OPTIONS, ipv6_headers.emit_options(17, []) + udp.emit(53, 4242, 8, 0)),
            "2001:db8::1.53 > 2001:db8::2.4242: UDP, length 0",
        ),
        (
            ip6(58, icmpv6.emit(Icmp(128, 0, 0x00010002, bytes(56)), OURS6, THEIRS6)),
            "2001:db8::1 > 2001:db8::2: ICMP6, echo request, id 1, seq 2, length 64",
        ),
        (ip6(1, bytes(8)), "2001:db8::1 > 2001:db8::2: ip-proto-1, length 8"),
        (ip6(132, bytes(12)), "2001:db8::1 > 2001:db8::2: ip-proto-132, length 12"),
        (
            ip6(44, ipv6_headers.emit_fragment(ipv6_headers.Fragment(17, 0, True, 7)) + bytes(16)),
            "2001:db8::1 > 2001:db8::2: ip-proto-17, fragment 7:16@0+",
        ),
        (
            ip6(44, ipv6_headers.emit_fragment(ipv6_headers.Fragment(17, 16, False, 7)) + bytes(5)),
            "2001:db8::1 > 2001:db8::2: ip-proto-17, fragment 7:5@16",
        ),
        (ip6(58, bytes(8)), "malformed (Icmp6BadChecksum), length 48"),
    ],
)
def test_ipv6_is_shown_like_ipv4(octets: bytes, line: str) -> None:
    assert describe(octets, "ip") == line
    frame = ethernet.emit(MAC_BROADCAST, OUR_MAC, ethernet.ETHERTYPE_IPV6) + octets
    assert describe(frame, "ethernet") == line or line.startswith("malformed")


@given(st.sampled_from([0, 6, 17, 43, 44, 58, 60]), st.binary(max_size=80), st.integers(0, 100))
def test_any_ipv6_packet_has_one_line(next_header: int, payload: bytes, cut_off: int) -> None:
    octets = ip6(next_header, payload)
    line = describe(octets[: max(0, len(octets) - cut_off)], "ip")
    assert line
    assert "\n" not in line


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ((34, b""), "tfo cookiereq"),
        ((34, b"\x12\x34\x56\x78"), "tfo cookie 12345678"),
        ((254, b""), "exp-tfo cookiereq"),
        ((254, b"\x12\x34\x56\x78"), "exp-tfo cookie 12345678"),
    ],
)
def test_a_fast_open_option_says_what_it_is_for(option: tuple[int, bytes], words: str) -> None:
    assert option_words(Options(mss=1460, fast_open=option)) == ["mss 1460", words]
