import pytest

from halfopen.base.errors import ConfigError
from halfopen.sim.match import Match, Passing
from halfopen.wire import arp, ethernet, icmpv4, ipv4, tcp, udp
from halfopen.wire.arp import Arp
from halfopen.wire.icmpv4 import Icmp
from halfopen.wire.ipv4 import Ipv4
from halfopen.wire.packet import Packet
from halfopen.wire.tcp import ACK, FIN, PSH, RST, SYN, Segment

A, B = b"\xc0\0\2\1", b"\xc0\0\2\2"


def passing(packet: Packet, offset: int = 0) -> Passing:
    return Passing(packet, 7, ("a", "b"), offset)


def datagram(protocol: int, content: bytes, link: bytes = b"", fragment_offset: int = 0) -> Packet:
    header = Ipv4(A, B, protocol, fragment_offset=fragment_offset)
    return Packet(link + ipv4.emit(header, len(content)) + content)


def segment(flags: int, text: bytes = b"") -> Passing:
    return passing(datagram(6, tcp.emit(Segment(49152, 80, 1, 2, flags, 100), 0) + text))


def test_headers_are_read_when_they_are_asked_for() -> None:
    seen = segment(ACK | PSH, b"hello")
    assert seen.ip is not None and seen.ip.source == A
    assert seen.tcp is not None and seen.tcp.destination_port == 80
    assert (seen.flags, seen.payload_octets, seen.ports) == ("P.", 5, (49152, 80))
    assert (seen.udp, seen.arp, seen.icmp, seen.when, seen.source, seen.destination) == (None, None, None, 7, "a", "b")


def test_datagrams_of_udp_and_icmp_and_frames_of_arp_are_read_too() -> None:
    dns = passing(datagram(17, udp.emit(5000, 53, 12, 0) + b"what"))
    assert (dns.ports, dns.payload_octets, dns.flags, dns.tcp) == ((5000, 53), 4, "", None)
    ping = passing(datagram(1, icmpv4.emit(Icmp(8, 0, 1, b"x"))))
    assert ping.icmp == Icmp(8, 0, 1, b"x")
    assert (ping.ports, ping.payload_octets) == (None, 0)
    question = Arp(arp.REQUEST, bytes(6), A, bytes(6), B)
    link = ethernet.emit(bytes(6), bytes(6), ethernet.ETHERTYPE_ARP)
    assert passing(Packet(link + arp.emit(question)), 14).arp == question
    link = ethernet.emit(bytes(6), bytes(6), ethernet.ETHERTYPE_IPV4)
    assert passing(datagram(17, udp.emit(1, 2, 8, 0), link), 14).ports == (1, 2)


@pytest.mark.parametrize(
    ("packet", "offset"),
    [
        (Packet(b"nothing"), 0),
        (Packet(ethernet.emit(bytes(6), bytes(6), ethernet.ETHERTYPE_ARP) + b"short"), 14),
        (datagram(6, b"short"), 0),
        (datagram(17, b"short"), 0),
        (datagram(1, b"short"), 0),
        (datagram(6, bytes(40), fragment_offset=80), 0),
    ],
)
def test_what_cannot_be_read_has_no_such_header(packet: Packet, offset: int) -> None:
    seen = passing(packet, offset)
    assert (seen.tcp, seen.udp, seen.icmp, seen.arp, seen.flags, seen.payload_octets) == (None, None, None, None, "", 0)


def test_flags_are_asked_for_one_by_one_or_all_together() -> None:
    assert Match(syn=True, ack=True)(segment(SYN | ACK))
    assert not Match(syn=True, ack=False)(segment(SYN | ACK))
    assert not Match(syn=True)(segment(ACK))
    assert Match(fin=True)(segment(FIN | ACK))
    assert Match(rst=True, psh=False)(segment(RST))
    assert Match(flags=".")(segment(ACK))
    assert not Match(flags=".")(segment(ACK | PSH))
    assert Match(flags=".P")(segment(ACK | PSH))
    assert not Match(flags="")(passing(Packet(b"nothing")))
    assert not Match(syn=False)(passing(Packet(b"nothing")))


def test_all_that_is_asked_for_must_hold() -> None:
    text = segment(ACK, b"hello")
    assert Match()(text)
    assert Match(port=80, min_octets=5, source="a", destination="b", protocol="tcp", ack=True)(text)
    assert Match(port=49152)(text)
    for other in (
        Match(port=81),
        Match(min_octets=6),
        Match(source="b"),
        Match(destination="a"),
        Match(protocol="udp"),
    ):
        assert not other(text)
    assert not Match(port=80)(passing(Packet(b"nothing")))


def test_turns_count_what_matches_otherwise() -> None:
    def taken(match: Match) -> list[int]:
        taken = []
        for number in range(1, 10):
            match(segment(SYN))
            if match(segment(ACK)):
                taken.append(number)
        return taken

    assert taken(Match(flags=".", nth=3)) == [3]
    assert taken(Match(flags=".", first=2)) == [1, 2]
    assert taken(Match(flags=".", every=4)) == [4, 8]


def test_it_is_written_as_it_was_asked_for() -> None:
    assert str(Match(syn=True, port=80)) == "syn=True, port=80"


def test_what_cannot_be_meant_is_refused() -> None:
    with pytest.raises(ConfigError, match="'colour' is nothing that a packet is matched by: expected one of syn, ack"):
        Match(colour=1)  # type: ignore[call-arg]  # what is tested
    with pytest.raises(ConfigError, match="nth counts packets from 1 on, so it cannot be 0"):
        Match(nth=0)
    with pytest.raises(ConfigError, match="nth, first and every exclude each other"):
        Match(nth=1, every=2)
    with pytest.raises(ConfigError, match="flags 'X' are not understood: expected letters of"):
        Match(flags="X")
    with pytest.raises(ConfigError, match="protocol 'sctp' is not known: expected one of tcp, udp, arp, icmp"):
        Match(protocol="sctp")  # type: ignore[arg-type]  # what is tested
