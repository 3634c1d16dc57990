import pytest
from hypothesis import given
from hypothesis import strategies as st

from halfopen.base.addresses import parse_address
from halfopen.base.errors import ConfigError
from halfopen.lab.crafting import (
    SynStencil,
    address_of,
    make_icmp,
    make_icmp_error,
    make_segment,
    make_tcp,
    make_udp,
)
from halfopen.sim.match import Passing
from halfopen.wire import icmpv4, tcp, udp
from halfopen.wire.checksum import pseudo_header_sum
from halfopen.wire.icmpv4 import Icmp
from halfopen.wire.packet import Packet
from halfopen.wire.tcp_options import Options

HERE, THERE = parse_address("203.0.113.1"), parse_address("198.51.100.2")


def parsed(packet: Packet) -> Passing:
    return Passing(packet, 0, ("", ""), 0)


def has_right_checksum(packet: Packet, protocol: int) -> bool:
    octets = packet.octets - 20
    pseudo = pseudo_header_sum(packet.head[12:16], packet.head[16:20], protocol, octets)
    return (tcp if protocol == 6 else udp).verify(packet, 20, octets, pseudo)


@given(
    seq=st.integers(0, 1 << 33),
    ack=st.integers(0, 1 << 32),
    flags=st.text("FSRP.UEWe", max_size=9),
    payload=st.binary(max_size=99),
    mss=st.none() | st.integers(0, 65535),
)
def test_a_segment_arrives_as_it_was_crafted(seq: int, ack: int, flags: str, payload: bytes, mss: int | None) -> None:
    options = None if mss is None else Options(mss=mss)
    packet = make_tcp(HERE, THERE, make_segment((7, 80), flags, seq=seq, ack=ack, payload=payload, options=options))
    frame = parsed(packet)
    assert frame.tcp is not None and frame.ip is not None
    assert (frame.tcp.seq, frame.tcp.ack, frame.tcp.octets) == (seq % (1 << 32), ack % (1 << 32), len(payload))
    assert set(frame.flags) == set(flags)
    assert frame.tcp.options == options
    assert (frame.ip.source, frame.ip.destination) == (HERE, THERE)
    assert has_right_checksum(packet, 6)


def test_a_checksum_can_be_spoilt() -> None:
    assert not has_right_checksum(make_tcp(HERE, THERE, make_segment((7, 80), "S"), bad_checksum=True), 6)


def test_the_ip_header_can_be_chosen() -> None:
    packet = make_tcp(HERE, THERE, make_segment((7, 80), "S"), ttl=3, identification=99, dont_fragment=False, tos=4)
    header = parsed(packet).ip
    assert header is not None
    assert (header.ttl, header.identification, header.dont_fragment, header.tos) == (3, 99, False, 4)


def test_unknown_flags_are_named() -> None:
    with pytest.raises(ConfigError, match=r"flags 'SX' are not understood: expected letters of 'FSRP\.UEWe'"):
        make_segment((7, 80), "SX")


def test_a_datagram_of_udp_has_the_right_checksum() -> None:
    packet = make_udp((HERE, THERE), (53, 9), b"odd")
    assert parsed(packet).udp is not None
    assert has_right_checksum(packet, 17)


def test_an_icmp_error_quotes_what_it_is_about() -> None:
    about = make_tcp(THERE, HERE, make_segment((80, 7), ".", seq=5))
    packet = make_icmp(HERE, THERE, make_icmp_error((3, 4), about, rest=576))
    message = parsed(packet).icmp
    assert message is not None
    quoted = icmpv4.parse_quoted(message.payload)
    assert (message.type, message.code, message.rest) == (3, 4, 576)
    assert (quoted.source, quoted.destination) == (THERE, HERE)
    assert quoted.transport == about.head[20:28]


def test_an_echo_request_can_be_crafted() -> None:
    message = parsed(make_icmp(HERE, THERE, Icmp(8, 0, 1, b"x"))).icmp
    assert message == Icmp(8, 0, 1, b"x")


@given(
    source=st.binary(min_size=4, max_size=4),
    port=st.integers(0, 65535),
    seq=st.integers(0, (1 << 32) - 1),
    options=st.sampled_from([None, Options(mss=1460), Options(mss=536, sack_permitted=True, window_scale=7)]),
)
def test_a_stencil_makes_what_the_maker_makes(source: bytes, port: int, seq: int, options: Options | None) -> None:
    made = SynStencil("198.51.100.2", 80, options).make(source, port, seq)
    other = make_tcp(source, THERE, make_segment((port, 80), "S", seq=seq, options=options))
    assert made.joined() == other.joined()


def test_an_address_is_text_or_octets() -> None:
    assert address_of("203.0.113.1") == address_of(HERE) == HERE
    with pytest.raises(ConfigError, match="'nobody' is not an IPv4 or IPv6 address"):
        address_of("nobody")
