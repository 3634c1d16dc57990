import pytest

from halfopen.packetdrill.errors import ScriptError
from halfopen.packetdrill.script import IcmpLine, IpInfo, TcpLine, UdpLine
from halfopen.wire.tcp import ACK, AE, CWR, ECE, FIN, PSH, RST, SYN, URG
from tests.packetdrill.parsing import action, icmp, packet, tcp, udp


def test_a_segment_tells_flags_sequence_numbers_acknowledgment_window_and_urgent_pointer() -> None:
    line = packet("< P. 1:1001(1000) ack 1 win 257 urg 3")
    assert line.inbound
    assert line.transport == TcpLine(PSH | ACK, None, 1, 1001, 1000, ack=1, window=257, urgent=3)


def test_what_is_not_written_is_unsaid() -> None:
    line = packet("> R 1:1(0)")
    assert not line.inbound
    assert line.transport == TcpLine(RST, None, 1, 1, 0, ack=None, window=None, urgent=None, options=())
    assert line.ip == IpInfo()


@pytest.mark.parametrize(
    ("text", "flags", "ace"),
    [
        ("S", SYN, None),
        ("S.", SYN | ACK, None),
        ("F.", FIN | ACK, None),
        ("R.", RST | ACK, None),
        ("FP.U", FIN | PSH | ACK | URG, None),
        ("SEWA", SYN | ECE | CWR | AE, None),
        ("SEW.", SYN | ACK | ECE | CWR, None),
        (".E", ACK | ECE, None),
        ("P.W", PSH | ACK | CWR, None),
        ("-", 0, None),
        (".5", ACK, 5),
        ("P.5", PSH | ACK, 5),
        ("S.0", SYN | ACK, 0),
        ("5.", ACK, 5),
        ("SA.", SYN | ACK | AE, None),
        ("FP.7", FIN | PSH | ACK, 7),
    ],
)
def test_flags_are_letters_and_a_number_is_the_ace_field(text: str, flags: int, ace: int | None) -> None:
    line = tcp(f"> {text} 1:1(0)")
    assert (line.flags, line.ace) == (flags, ace)


@pytest.mark.parametrize("text", ["X", "SS", "P.8", ".55", "E.5", "S-", "..", "A3"])
def test_other_flags_are_refused(text: str) -> None:
    with pytest.raises(ScriptError, match="line 1, column 5"):
        tcp(f"> {text} 1:1(0)")


def test_ports_may_be_written() -> None:
    assert tcp("> 8080 > 40000 S. 0:0(0) ack 1").ports == (8080, 40000)
    assert udp("> udp 53 > 1024 (8)").ports == (53, 1024)


def test_the_sequence_space_wraps_around() -> None:
    assert tcp("> . 4294967295:99(100) ack 1").end == 99


def test_sequence_numbers_have_to_agree_with_the_length() -> None:
    with pytest.raises(ScriptError, match="1:1001 is not 999 octets"):
        tcp("> . 1:1001(999) ack 1")


def test_absolute_sequence_and_acknowledgment_numbers_have_an_exclamation_mark() -> None:
    line = tcp("> . 1:11(10)! ack 5!")
    assert (line.absolute_seq, line.absolute_ack, line.any_seq) == (True, True, False)
    assert tcp("> . 1!:11!(10) ack 5!") == line
    plain = tcp("> . 1:11(10) ack 5")
    assert (plain.absolute_seq, plain.absolute_ack) == (False, False)


def test_three_dots_stand_for_any_sequence_number() -> None:
    line = tcp("> R. ...(0) ack 1")
    assert line.any_seq
    assert tcp("> . ...(100)").octets == 100


def test_the_fields_behind_the_numbers_come_in_any_order_but_once() -> None:
    assert tcp("< . 1:1(0) win 5 ack 3") == tcp("< . 1:1(0) ack 3 win 5")
    with pytest.raises(ScriptError, match="only one 'ack'"):
        tcp("> . 1:1(0) ack 3 ack 3")


def test_three_dots_stand_for_any_window() -> None:
    assert tcp("> . 1:1(0) ack 3 win ... <...>") == tcp("> . 1:1(0) ack 3 <...>")


def test_an_event_goes_over_several_lines() -> None:
    assert tcp("<\n  .\n  1:1(0) // here\n ack 1\n win 9").window == 9


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("< . 1:1(0) ack 1", "an inbound segment needs 'win'"),
        ("< . 1:1(0) ack 1 win 5 <...>", "only for outbound"),
        ("> . 1:1(0) win 65536", "expected 0 to 65535"),
        ("> . 1:1(0) ack 4294967296", "expected 0 to 4294967295"),
        ("> . 1:1(0) ack -1", "expected 0 to"),
        ("> . 1:65536(65535)", "do not fit in a datagram"),
        ("> . 1:65537(65536)", "expected 0 to 65535"),
        ("> udp (65535)", "do not fit in a datagram"),
        ("> .", "expected sequence number"),
        ("> . 1(0)", "expected ':'"),
        ("> [foo] . 1:1(0)", "expected noecn, ect0"),
        ("> (tos 256) . 1:1(0)", "expected 0 to 255"),
        ("> gre . 1", "expected ':' behind the header gre"),
        ("> . 1:1(0) / tcp", "expected 'udp'"),
        ("> . 1:1(0) / udp (3)", "two ports"),
        ("> icmp 3", "the type of an ICMP message"),
        ("> [1:1(0)] udp (8)", "expected 'icmp'"),
        (">", "expected TCP flags"),
    ],
)
def test_a_packet_that_cannot_be_is_refused(text: str, message: str) -> None:
    with pytest.raises(ScriptError, match=message):
        action(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("(ect0)", IpInfo(ecn="ect0")),
        ("[ect01]", IpInfo(ecn="ect01")),
        ("[noecn]", IpInfo(ecn="noecn")),
        ("(ce, ttl 64)", IpInfo(ecn="ce", ttl=64)),
        ("[tos 0x10, flowlabel 0x1234]", IpInfo(tos=16, flow_label=0x1234)),
        ("(ect1, flowlabel 0x1)", IpInfo(ecn="ect1", flow_label=1)),
        ("(tos 2 ttl 3)", IpInfo(tos=2, ttl=3)),
        ("(hlim 64, class 0x02)", IpInfo(tos=2, ttl=64)),
    ],
)
def test_the_ip_header_is_told_in_brackets_of_either_kind(text: str, expected: IpInfo) -> None:
    assert packet(f"> {text} . 1:1(0) ack 1").ip == expected
    assert packet(f"> {text} udp (4)").ip == expected


def test_a_segment_may_travel_in_udp() -> None:
    line = packet("< . 1:1(0) ack 1 win 5 <nop,nop,sackOK>/udp(9899 > 1234)")
    assert line.udp_ports == (9899, 1234)


def test_headers_around_a_packet_are_named() -> None:
    text = "> ipv4 (ect0) 192.0.2.1 > 192.0.2.2: gre flags 0x2000, key 0x5: mpls (label 1, tc 0, [S], ttl 64): . 1:1(0)"
    assert packet(text).encapsulation == ("ipv4", "gre", "mpls")
    assert packet("> ipv6 2001:db8::1 > 2001:db8::2: (ttl 3) udp (8)").ip.ttl == 3


def test_a_udp_datagram_has_a_length() -> None:
    assert udp("> udp (100)") == UdpLine(100)


def test_an_icmp_message_quotes_a_segment() -> None:
    assert icmp("< icmp unreachable frag_needed mtu 1200 [1:1461(1460)]") == IcmpLine(
        "unreachable", "frag_needed", mtu=1200, quoted=TcpLine(0, None, 1, 1461, 1460)
    )


def test_a_quotation_may_stand_before_the_message() -> None:
    old = icmp("< [1:1461(1460)] icmp unreachable frag_needed mtu 1200")
    assert old == icmp("< icmp unreachable frag_needed mtu 1200 [1:1461(1460)]")
    assert packet("< (ttl 4) [1:1(0)] icmp time_exceeded").ip.ttl == 4


def test_a_quotation_may_be_a_datagram_or_bare_octets() -> None:
    assert icmp("< icmp unreachable port_unreachable [udp (8)]").quoted == UdpLine(8)
    raw = icmp("< icmp echo_request [raw (16)]")
    assert (raw.quoted, raw.raw_octets) == (None, 16)
    assert icmp("< icmp unreachable [10 > 20 ...(3)]").quoted == TcpLine(
        0, None, 0, 3, 3, ports=(10, 20), words=("any seq",)
    )


def test_an_icmp_message_without_a_quotation_quotes_the_syn() -> None:
    assert icmp("< icmp source_quench").quoted == TcpLine(0, None, 0, 0, 0)


def test_the_code_of_an_icmp_message_may_be_left_out_or_be_a_symbol() -> None:
    assert icmp("< icmp packet_too_big mtu 1280").code is None
    assert icmp("< icmp unreachable CODE", CODE="host_unreachable").code == "host_unreachable"
    assert icmp("< icmp type_13 code_7 id 9").code == "code_7"
    assert icmp("< icmp echo_reply id 9").id == 9
