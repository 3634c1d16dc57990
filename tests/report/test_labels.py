import pytest

from halfopen.report.labels import Text, of_arp, of_fragment, of_icmp, of_segment
from halfopen.report.streams import StreamView
from halfopen.wire import arp, icmpv4, ipv4, tcp
from halfopen.wire.arp import Arp
from halfopen.wire.carried import Carried
from halfopen.wire.icmpv4 import Icmp
from halfopen.wire.tcp import Segment
from halfopen.wire.tcp_options import Options
from tests.report.frames import ALICE, ALICE_MAC, BOB, datagram, segment

NOBODY, NO_MAC = bytes(4), bytes(6)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (Arp(arp.REQUEST, ALICE_MAC, ALICE, NO_MAC, BOB), "ARP who-has 192.0.2.2 tell 192.0.2.1"),
        (Arp(arp.REQUEST, ALICE_MAC, NOBODY, NO_MAC, BOB), "ARP probe: who-has 192.0.2.2"),
        (Arp(arp.REQUEST, ALICE_MAC, ALICE, NO_MAC, ALICE), "ARP announcement: 192.0.2.1 is-at 02:00:5e:00:53:01"),
        (Arp(arp.REPLY, ALICE_MAC, ALICE, NO_MAC, BOB), "ARP 192.0.2.1 is-at 02:00:5e:00:53:01"),
        (Arp(9, ALICE_MAC, ALICE, NO_MAC, BOB), "ARP operation 9"),
    ],
)
def test_arp_is_told_as_tcpdump_tells_it(message: Arp, expected: str) -> None:
    assert of_arp(message) == Text(expected)


def test_a_fragment_tells_its_place() -> None:
    first = Carried(ALICE, BOB, ipv4.PROTOCOL_UDP, 20, 1480, (0, True, 7))
    last = Carried(bytes(16), bytes(16), ipv4.PROTOCOL_UDP, 48, 20, (1480, False, 7))
    assert of_fragment(first).label == "IPv4 fragment id=7 octets 0:1480, more follow"
    assert of_fragment(last).label == "IPv6 fragment id=7 octets 1480:1500"


def test_an_echo_tells_identifier_number_and_length() -> None:
    request = Icmp(icmpv4.ECHO_REQUEST, 0, 0x0001_0002, bytes(56))
    assert of_icmp(request) == Text("ICMP echo request id=1 seq=2 len=56")
    assert of_icmp(Icmp(icmpv4.ECHO_REPLY, 0, 0, b"")).label == "ICMP echo reply id=0 seq=0 len=0"


def test_an_icmp_error_names_the_datagram_it_is_about() -> None:
    quote = segment(tcp.SYN, 5)[:28]
    needed = Icmp(icmpv4.DESTINATION_UNREACHABLE, icmpv4.FRAGMENTATION_NEEDED, 1400, quote)
    assert of_icmp(needed) == Text("ICMP fragmentation needed mtu=1400", "about 192.0.2.1:40000 > 192.0.2.2:80 tcp")
    echo = datagram(ALICE, BOB, ipv4.PROTOCOL_ICMP, bytes(8))
    exceeded = Icmp(icmpv4.TIME_EXCEEDED, icmpv4.TTL_EXCEEDED, 0, echo)
    assert of_icmp(exceeded) == Text("ICMP TTL exceeded", "about 192.0.2.1 > 192.0.2.2 icmp")
    other = datagram(ALICE, BOB, 47, bytes(8))
    unreachable = Icmp(icmpv4.DESTINATION_UNREACHABLE, icmpv4.PROTOCOL_UNREACHABLE, 0, other)
    assert of_icmp(unreachable).details == "about 192.0.2.1 > 192.0.2.2 protocol 47"


def test_an_icmp_error_with_a_broken_quote_is_told_without_it() -> None:
    assert of_icmp(Icmp(icmpv4.PARAMETER_PROBLEM, 0, 0, b"?")) == Text("ICMP parameter problem")


def test_icmp_without_a_name_is_told_by_its_numbers() -> None:
    assert of_icmp(Icmp(42, 7, 0, b"")).label == "ICMP type 42 code 7"
    assert of_icmp(Icmp(icmpv4.DESTINATION_UNREACHABLE, 99, 0, b"")).label == "ICMP type 3 code 99"


def test_a_syn_tells_its_real_sequence_number_and_its_options() -> None:
    options = Options(mss=1460, window_scale=8, sack_permitted=True, timestamps=(1, 0))
    syn = Segment(40000, 80, 3134554921, flags=tcp.SYN, window=64240, options=options)
    assert of_segment(syn) == Text("SYN seq=3134554921 win=64240", "<mss 1460,sackOK,TS val 1 ecr 0,wscale 8>")


def test_flags_urgent_pointer_length_and_unknown_options_are_told() -> None:
    odd = Segment(1, 2, 3, 4, tcp.FIN | tcp.PSH | tcp.ACK | tcp.URG, 5, 6, Options(unknown=((254, b"\xab"),)))
    odd.octets = 9
    assert of_segment(odd, note="odd") == Text(
        "FIN,PSH,ACK,URG seq=3 ack=4 win=5 urg=6 len=9", "<unknown-254 0xab>", "odd"
    )
    assert of_segment(Segment(1, 2, 3)).label == "no flags seq=3 win=0"
    assert of_segment(Segment(1, 2, 3, 4, tcp.SYN | tcp.ECE | tcp.CWR | tcp.AE)).label.startswith("SYN,ECE,CWR,AE ")


def test_relative_numbers_count_acknowledgment_and_sack_from_the_other_side() -> None:
    ours, theirs = StreamView(), StreamView()
    ours.begin(1000)
    theirs.begin(0xFFFFFF00)
    ack = Segment(1, 2, 1001, 0xFFFFFF01, tcp.ACK, 5, 0, Options(sack=((0xFFFFFFF0, 0x10),)))
    assert of_segment(ack, (ours, theirs)) == Text("ACK seq=1 ack=1 win=5 sack 240:272")
    assert of_segment(ack) == Text("ACK seq=1001 ack=4294967041 win=5 sack 4294967280:16")
