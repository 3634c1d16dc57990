import pytest

from halfopen.base.addresses import parse_address
from halfopen.base.errors import Malformed
from halfopen.wire import icmpv4, icmpv6, ipv4, ipv6, ipv6_headers
from halfopen.wire.carried import Carried, look
from halfopen.wire.icmpv4 import Icmp
from halfopen.wire.ipv4 import PROTOCOL_ICMP, PROTOCOL_UDP, Ipv4
from halfopen.wire.ipv6 import PROTOCOL_ICMPV6, Ipv6
from halfopen.wire.ipv6_headers import Fragment

OLD = parse_address("192.0.2.1"), parse_address("192.0.2.2")
NEW = parse_address("2001:db8::1"), parse_address("2001:db8::2")


def whole(data: bytes) -> Carried:
    return look(b"link" + data, 4, len(data))


def test_the_payload_of_ipv4_is_found() -> None:
    data = ipv4.emit(Ipv4(*OLD, PROTOCOL_UDP), 9) + bytes(9)
    assert whole(data) == Carried(*OLD, PROTOCOL_UDP, 24, 9)


def test_the_payload_of_ipv6_is_found_behind_its_extension_headers() -> None:
    options = ipv6_headers.emit_options(PROTOCOL_UDP, ())
    data = ipv6.emit(Ipv6(*NEW, ipv6.DESTINATION_OPTIONS), len(options) + 9) + options + bytes(9)
    assert whole(data) == Carried(*NEW, PROTOCOL_UDP, 44 + len(options), 9)


def test_of_fragments_their_place_is_told() -> None:
    first = ipv4.emit(Ipv4(*OLD, PROTOCOL_UDP, identification=7, dont_fragment=False, more_fragments=True), 8) + bytes(
        8
    )
    assert whole(first).fragment == (0, True, 7)
    last = ipv6_headers.emit_fragment(Fragment(PROTOCOL_UDP, 1448, False, 9, 0, 0)) + bytes(5)
    found = whole(ipv6.emit(Ipv6(*NEW, ipv6.FRAGMENT), len(last)) + last)
    assert found == Carried(*NEW, PROTOCOL_UDP, 52, 5, (1448, False, 9))


def test_what_is_no_datagram_is_malformed() -> None:
    for data in (b"\x45" + bytes(3), b"\x60" + bytes(30), bytes(40)):
        with pytest.raises(Malformed):
            whole(data)


def test_a_fragment_header_that_is_cut_off_is_malformed() -> None:
    data = ipv6.emit(Ipv6(*NEW, ipv6.FRAGMENT), 12) + bytes(4)
    with pytest.raises(Malformed):
        look(data, 0, 100)


def test_each_version_has_its_own_icmp() -> None:
    request = Icmp(icmpv4.ECHO_REQUEST, 0, 1, b"text")
    octets = icmpv4.emit(request)
    old = Carried(*OLD, PROTOCOL_ICMP, 20, len(octets))
    assert old.is_icmp
    assert old.icmp(octets) == request
    request = Icmp(icmpv6.ECHO_REQUEST, 0, 1, b"text")
    octets = icmpv6.emit(request, *NEW)
    new = Carried(*NEW, PROTOCOL_ICMPV6, 40, len(octets))
    assert new.is_icmp
    assert new.icmp(octets) == request
    assert not Carried(*NEW, PROTOCOL_ICMP, 40, 8).is_icmp
