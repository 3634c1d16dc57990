import pytest

from halfopen.base.addresses import IPV4_ANY, IPV4_BROADCAST, parse_address
from halfopen.base.errors import AddressInUse, ConfigError, ConnectionRefused, NetworkUnreachable, NotConnected
from halfopen.base.rng import SeededRng
from halfopen.stack.config import InterfaceConfig, StackConfig
from halfopen.stack.ports import Owner
from halfopen.stack.stack import Stack
from halfopen.stack.udp import OVERHEAD, BroadcastForbidden, Message, MessageTooLong, UdpSocket
from halfopen.wire import icmpv4, ipv4, udp
from halfopen.wire.checksum import checksum, pseudo_header_sum
from halfopen.wire.icmpv4 import Icmp
from halfopen.wire.ipv4 import PROTOCOL_ICMP, PROTOCOL_UDP, Ipv4
from halfopen.wire.packet import Packet

US = parse_address("192.0.2.1")
PEER = parse_address("192.0.2.2")
OTHER = parse_address("192.0.2.3")
OWNER = Owner("test")
PORT = 5300
PEER_PORT = 4000


class Host:
    """A stack on a TUN, with its raw output."""

    def __init__(self) -> None:
        self.stack = Stack(StackConfig(), SeededRng("udp"))
        self.interface = self.stack.add_interface(InterfaceConfig(name="tun0", kind="ip", addresses=("192.0.2.1/24",)))

    def bind(self, address: bytes = IPV4_ANY, port: int = PORT) -> UdpSocket:
        return self.stack.udp.bind(address, port, OWNER)

    def takes(self, data: bytes) -> None:
        self.stack.receive(self.interface, Packet(data), 0)

    def sent(self) -> list[bytes]:
        packets = []
        while (item := self.stack.poll_transmit(0)) is not None:
            packets.append(item[1].joined())
        return packets


def datagram(
    data: bytes,
    *,
    source: bytes = PEER,
    port: int = PORT,
    field: int | None = None,
    length: int | None = None,
    to: bytes = US,
) -> bytes:
    octets = 8 + len(data) if length is None else length
    bare = udp.emit(PEER_PORT, port, octets, 0) + data
    if field is None:
        field = checksum(bare, pseudo_header_sum(source, to, PROTOCOL_UDP, 8 + len(data))) or 0xFFFF
    header = Ipv4(source, to, PROTOCOL_UDP, ttl=33, tos=0x28)
    return ipv4.emit(header, 8 + len(data)) + bare[:6] + field.to_bytes(2, "big") + data


def test_a_datagram_reaches_the_socket_of_its_port_with_its_marks() -> None:
    host = Host()
    sock = host.bind()
    host.takes(datagram(b"hello"))
    assert host.stack.udp.news
    assert host.stack.udp.poll_event() is sock
    assert host.stack.udp.poll_event() is None
    assert sock.receive() == Message(b"hello", PEER, PEER_PORT, 0x28, 33)
    assert sock.receive() is None
    assert host.stack.counters["UdpInDatagrams"] == 1


@pytest.mark.rfc("768", "udp.7")
def test_a_datagram_without_octets_is_delivered_and_sent() -> None:
    host = Host()
    sock = host.bind()
    host.takes(datagram(b""))
    received = sock.receive()
    assert received is not None and received.data == b""
    sock.send_to(b"", PEER, PEER_PORT, 0)
    (packet,) = host.sent()
    assert len(packet) == 28


@pytest.mark.rfc("768", "udp.1")
def test_the_checksum_of_what_we_send_is_right_and_never_zero() -> None:
    host = Host()
    sock = host.bind()
    for number in range(0x10000 // 64):
        sock.send_to(number.to_bytes(2, "big"), PEER, PEER_PORT, 0)
    for packet in host.sent():
        assert checksum(packet[20:], pseudo_header_sum(US, PEER, PROTOCOL_UDP, len(packet) - 20)) == 0
        assert packet[26:28] != b"\0\0"


@pytest.mark.rfc("768", "udp.1")
def test_a_computed_zero_is_sent_as_all_ones() -> None:
    host = Host()
    sock = host.bind()
    bare = udp.emit(PORT, PEER_PORT, 10, 0)
    filler = checksum(bare + b"\0\0", pseudo_header_sum(US, PEER, PROTOCOL_UDP, 10)).to_bytes(2, "big")
    sock.send_to(filler, PEER, PEER_PORT, 0)
    assert host.sent()[0][26:28] == b"\xff\xff"


@pytest.mark.rfc("768", "udp.1")
def test_no_checksum_is_accepted_and_a_wrong_one_is_not() -> None:
    host = Host()
    sock = host.bind()
    host.takes(datagram(b"unsummed", field=0))
    host.takes(datagram(b"wrong", field=0x1234))
    received = sock.receive()
    assert received is not None and received.data == b"unsummed"
    assert sock.receive() is None
    assert host.stack.counters["UdpInCsumErrors"] == 1


@pytest.mark.rfc("768", "udp.2")
@pytest.mark.parametrize(("length", "counter"), [(7, "UdpBadLength"), (14, "UdpBadLength")])
def test_a_length_that_cannot_be_is_dropped(length: int, counter: str) -> None:
    host = Host()
    sock = host.bind()
    host.takes(datagram(b"hello", length=length))
    assert sock.receive() is None
    assert host.stack.counters[counter] == 1


@pytest.mark.rfc("792", "792.4")
@pytest.mark.rfc("768", "udp.4")
def test_a_port_without_a_socket_is_unreachable() -> None:
    host = Host()
    host.takes(datagram(b"anybody?"))
    (packet,) = host.sent()
    message = icmpv4.parse(packet[20:])
    assert (message.type, message.code) == (icmpv4.DESTINATION_UNREACHABLE, icmpv4.PORT_UNREACHABLE)
    assert host.stack.counters["UdpNoPorts"] == 1


@pytest.mark.rfc("768", "udp.5")
def test_a_broadcast_without_a_socket_is_not_answered() -> None:
    host = Host()
    host.takes(datagram(b"anybody?", to=IPV4_BROADCAST))
    assert host.sent() == []


def unreachable(quoted: bytes, code: int) -> bytes:
    message = icmpv4.emit(Icmp(icmpv4.DESTINATION_UNREACHABLE, code, 0, quoted))
    return ipv4.emit(Ipv4(PEER, US, PROTOCOL_ICMP), len(message)) + message


@pytest.mark.rfc("768", "udp.3")
def test_an_icmp_error_reaches_the_socket_that_it_is_about() -> None:
    host = Host()
    sock = host.bind()
    sock.connect(PEER, PEER_PORT, 0)
    sock.send(b"question", 0)
    (packet,) = host.sent()
    host.takes(unreachable(packet, icmpv4.PORT_UNREACHABLE))
    host.takes(unreachable(packet, icmpv4.HOST_UNREACHABLE))
    host.takes(unreachable(packet, icmpv4.NET_UNREACHABLE))
    assert host.stack.udp.poll_event() is sock
    assert isinstance(sock.poll_error(), ConnectionRefused)
    assert isinstance(sock.poll_error(), NetworkUnreachable)
    error = sock.poll_icmp_error()
    assert error is not None
    assert (error.kind, error.source, error.quoted.transport[:4]) == ("net-unreachable", PEER, packet[20:24])
    assert sock.poll_error() is None


@pytest.mark.rfc("768", "udp.3")
def test_an_icmp_error_about_nothing_of_ours_is_counted_only() -> None:
    host = Host()
    sock = host.bind()
    sock.connect(PEER, PEER_PORT, 0)
    forged = ipv4.emit(Ipv4(US, OTHER, PROTOCOL_UDP), 8) + udp.emit(PORT, PEER_PORT, 8, 0)
    host.takes(unreachable(forged, icmpv4.PORT_UNREACHABLE))
    assert sock.poll_error() is None
    assert host.stack.counters["UdpErrorsForNobody"] == 1


def test_a_connected_socket_hears_its_peer_only() -> None:
    host = Host()
    sock = host.bind()
    sock.connect(PEER, PEER_PORT, 0)
    host.takes(datagram(b"stranger", source=OTHER))
    host.takes(datagram(b"peer"))
    received = sock.receive()
    assert received is not None and received.data == b"peer"
    assert host.stack.counters["UdpNoPorts"] == 1
    assert sock.address == US


def test_a_full_queue_drops_and_counts_and_empty_datagrams_fill_it_too() -> None:
    host = Host()
    sock = host.bind()
    sock.options.receive_limit = 3 * OVERHEAD
    for _ in range(5):
        host.takes(datagram(b""))
    assert sock.queued_octets == 3 * OVERHEAD
    assert host.stack.counters["UdpRcvbufErrors"] == 2
    sock.receive()
    host.takes(datagram(b""))
    assert sock.queued_octets == 3 * OVERHEAD


def test_broadcasting_takes_permission() -> None:
    host = Host()
    sock = host.bind()
    for address in (IPV4_BROADCAST, parse_address("192.0.2.255")):
        with pytest.raises(BroadcastForbidden):
            sock.send_to(b"all", address, 9, 0)
    sock.options.broadcast = True
    sock.send_to(b"all", IPV4_BROADCAST, 9, 0)
    assert host.sent()[0][16:20] == IPV4_BROADCAST


def test_bad_calls_are_refused() -> None:
    host = Host()
    sock = host.bind()
    with pytest.raises(AddressInUse):
        host.bind(US)
    with pytest.raises(NotConnected):
        sock.send(b"whom?", 0)
    with pytest.raises(ConfigError):
        sock.send_to(b"where?", PEER, 0, 0)
    with pytest.raises(MessageTooLong):
        sock.send_to(bytes(65_508), PEER, 9, 0)
    with pytest.raises(NetworkUnreachable):
        sock.send_to(b"far", parse_address("203.0.113.1"), 9, 0)
    sock.close()
    sock.close()
    with pytest.raises(NotConnected):
        sock.send_to(b"closed", PEER, 9, 0)


def test_a_closed_socket_gives_its_port_back() -> None:
    host = Host()
    sock = host.bind()
    (row,) = host.stack.ports.listing()
    assert (row.netid, row.state, row.local_port, row.owner) == ("udp", "UNCONN", PORT, OWNER)
    sock.close()
    assert host.stack.ports.listing() == []
    host.bind(US)


@pytest.mark.rfc("1122", "1122.2", "1122.12")
@pytest.mark.rfc("768", "udp.6")
def test_dscp_and_ttl_can_be_chosen() -> None:
    host = Host()
    sock = host.bind(US)
    sock.options.tos, sock.options.ttl = 0xB8, 3
    sock.send_to(b"marked", PEER, 9, 0)
    (packet,) = host.sent()
    assert (packet[1], packet[8], packet[12:16]) == (0xB8, 3, US)
