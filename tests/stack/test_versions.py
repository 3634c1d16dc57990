"""TCP, UDP and ping over both versions of IP, between two whole hosts."""

from collections.abc import Callable

import pytest

from halfopen.base.addresses import IPV4_ANY, IPV6_ANY, Address, is_link_local, parse_address, parse_interface
from halfopen.base.clock import MILLISECOND, NEVER, SECOND, Instant
from halfopen.base.errors import AddressInUse, ConfigError, ConnectionRefused, NetworkUnreachable
from halfopen.base.rng import SeededRng
from halfopen.stack.config import InterfaceConfig, StackConfig
from halfopen.stack.interface import Interface
from halfopen.stack.ports import Owner
from halfopen.stack.stack import Stack
from halfopen.stack.tcp_socket import TcpListener, TcpSocket
from halfopen.stack.udp import MessageTooLong, UdpSocket
from halfopen.tcp.state import State
from halfopen.wire import icmpv6, ipv6
from halfopen.wire.icmpv4 import Icmp
from halfopen.wire.ipv6 import Ipv6
from halfopen.wire.packet import Packet

NEAR, FAR = parse_address("2001:db8::1"), parse_address("2001:db8::2")
NEAR_V4, FAR_V4 = parse_address("192.0.2.1"), parse_address("192.0.2.2")
ROUTER = parse_address("2001:db8::fe")
SOMEBODY = Owner("somebody")
PORT = 8000


class Cable:
    """Two hosts with addresses of both versions; what is sent arrives after a millisecond."""

    def __init__(self, kind: str = "ethernet") -> None:
        self.now: Instant = 0
        self.near, self._near_end = host("near", kind, "192.0.2.1/24", "2001:db8::1/64")
        self.far, self._far_end = host("far", kind, "192.0.2.2/24", "2001:db8::2/64")
        self.sizes: list[int] = []
        self.lose: Callable[[Packet], bool] = lambda packet: False

    def run(self, span: int = 100 * MILLISECOND) -> "Cable":
        until = self.now + span
        while self.now < until:
            for stack, peer, end in ((self.near, self.far, self._far_end), (self.far, self.near, self._near_end)):
                if stack.next_deadline() <= self.now:
                    stack.on_deadline(self.now)
                while (item := stack.poll_transmit(self.now)) is not None:
                    self.sizes.append(item[1].octets)
                    if not self.lose(item[1]):
                        peer.receive(end, item[1], self.now)
            self.now += MILLISECOND
        return self

    def connects(self, listener: TcpListener, remote: Address) -> tuple[TcpSocket, TcpSocket]:
        client = self.near.tcp.connect((remote, listener.port), SOMEBODY, self.now)
        self.run()
        server = listener.accept()
        assert server is not None
        return client, server

    def tells_near(self, packet: bytes) -> None:
        self.near.receive(self._near_end, Packet(packet), self.now)


def host(name: str, kind: str, *addresses: str) -> tuple[Stack, Interface]:
    stack = Stack(StackConfig(), SeededRng(name))
    return stack, stack.add_interface(InterfaceConfig(name="if0", kind=kind, addresses=addresses))


both_kinds = pytest.mark.parametrize("kind", ["ethernet", "ip"])


@both_kinds
@pytest.mark.parametrize("remote", [FAR, FAR_V4], ids=["v6", "v4"])
def test_a_ping_is_answered(kind: str, remote: Address) -> None:
    cable = Cable(kind)
    cable.near.icmp.send_echo(remote, 1, 2, bytes(3000), 0)
    cable.run()
    reply = cable.near.icmp.poll_reply()
    assert reply is not None
    assert (reply.kind, reply.source, len(reply.payload)) == ("reply", remote, 3000)


@both_kinds
def test_a_stream_crosses(kind: str) -> None:
    cable = Cable(kind)
    client, server = cable.connects(cable.far.tcp.listen((FAR, PORT), SOMEBODY), FAR)
    client.send(bytes(50_000), cable.now)
    cable.run()
    assert sum(map(len, server.receive(99_999, cable.now))) == 50_000
    assert (client.local_address, client.remote_address) == (NEAR, FAR)
    assert max(cable.sizes) == (1514 if kind == "ethernet" else 1500)


def test_a_stream_crosses_in_spite_of_losses() -> None:
    cable = Cable("ip")
    client, server = cable.connects(cable.far.tcp.listen((FAR, PORT), SOMEBODY), FAR)
    count = 0

    def every_seventh(packet: Packet) -> bool:
        nonlocal count
        count += 1
        return count % 7 == 0

    cable.lose = every_seventh
    client.send(bytes(100_000), cable.now)
    cable.run(20 * SECOND)
    assert sum(map(len, server.receive(199_999, cable.now))) == 100_000


def test_a_closed_port_refuses() -> None:
    cable = Cable()
    client = cable.near.tcp.connect((FAR, PORT), SOMEBODY, 0)
    cable.run()
    assert client.connection.state is State.CLOSED


@pytest.mark.parametrize(("remote", "local"), [(FAR, NEAR), (FAR_V4, NEAR_V4)], ids=["v6", "v4"])
def test_a_listener_on_all_addresses_takes_both_versions(remote: Address, local: Address) -> None:
    cable = Cable()
    listener = cable.far.tcp.listen((IPV6_ANY, PORT), SOMEBODY)
    client, server = cable.connects(listener, remote)
    assert (server.local_address, server.remote_address) == (remote, local)
    client.send(b"text", cable.now)
    cable.run()
    assert b"".join(server.receive(99, cable.now)) == b"text"
    assert [row.state for row in cable.far.ports.listing()] == ["LISTEN", "ESTAB"]
    assert len(cable.far.tcp.sockets()) == 2
    listener.close(cable.now)
    cable.far.tcp.listen((IPV4_ANY, PORT), SOMEBODY)


def test_a_listener_can_be_for_ipv6_only() -> None:
    cable = Cable()
    cable.far.tcp.listen((IPV6_ANY, PORT), SOMEBODY, v6_only=True)
    four = cable.far.tcp.listen((IPV4_ANY, PORT), SOMEBODY)
    cable.connects(four, FAR_V4)


def test_an_address_of_its_own_goes_before_all_of_both_versions() -> None:
    cable = Cable()
    own = cable.far.tcp.listen((FAR_V4, PORT), SOMEBODY)
    with pytest.raises(AddressInUse):
        cable.far.tcp.listen((IPV6_ANY, PORT), SOMEBODY)
    cable.far.tcp.listen((IPV6_ANY, PORT), SOMEBODY, v6_only=True)
    cable.connects(own, FAR_V4)


def test_what_listens_on_both_versions_leaves_no_port_to_others() -> None:
    cable = Cable()
    cable.far.tcp.listen((IPV6_ANY, PORT), SOMEBODY)
    for address in (FAR_V4, IPV4_ANY, FAR, IPV6_ANY):
        with pytest.raises(AddressInUse):
            cable.far.tcp.listen((address, PORT), SOMEBODY)


def too_big(quote: bytes, mtu: int) -> bytes:
    message = icmpv6.emit(Icmp(icmpv6.PACKET_TOO_BIG, 0, mtu, quote[:1232]), ROUTER, NEAR)
    return ipv6.emit(Ipv6(ROUTER, NEAR, ipv6.PROTOCOL_ICMPV6), len(message)) + message


@pytest.mark.rfc("8201", "8201.2")
def test_a_packet_that_is_too_big_makes_segments_smaller() -> None:
    cable = Cable("ip")
    client, server = cable.connects(cable.far.tcp.listen((FAR, PORT), SOMEBODY), FAR)
    told: list[Packet] = []

    def narrow(packet: Packet) -> bool:
        if packet.octets > 1300:
            told.append(packet)
        return packet.octets > 1300

    cable.lose = narrow
    client.send(bytes(20_000), cable.now)
    cable.run(2 * MILLISECOND)
    cable.tells_near(too_big(told[0].joined(), 1300))
    cable.run(3 * SECOND)
    assert sum(map(len, server.receive(99_999, cable.now))) == 20_000
    assert max(cable.sizes[-10:]) <= 1300
    assert cable.near.ip.find_path(FAR, None, cable.now).mtu == 1300


def test_a_segment_that_was_never_sent_teaches_nothing() -> None:
    cable = Cable("ip")
    client, _ = cable.connects(cable.far.tcp.listen((FAR, PORT), SOMEBODY), FAR)
    ports = client.local_port.to_bytes(2, "big") + PORT.to_bytes(2, "big")
    forged = ipv6.emit(Ipv6(NEAR, FAR, 6), 1440) + ports + bytes(1436)
    cable.tells_near(too_big(forged, 1280))
    assert cable.near.ip.find_path(FAR, None, cable.now).mtu == 1500


def bound(stack: Stack, address: Address, *, v6_only: bool = False) -> UdpSocket:
    return stack.udp.bind(address, PORT, SOMEBODY, v6_only=v6_only)


@both_kinds
@pytest.mark.parametrize("octets", [0, 1452, 1453, 65_527])
def test_a_datagram_crosses(kind: str, octets: int) -> None:
    cable = Cable(kind)
    sender, receiver = bound(cable.near, NEAR), bound(cable.far, FAR)
    sender.send_to(bytes(octets), FAR, PORT, 0)
    cable.run()
    message = receiver.receive()
    assert message is not None
    assert (len(message.data), message.address, message.port) == (octets, NEAR, PORT)


def test_a_datagram_has_its_limit() -> None:
    with pytest.raises(MessageTooLong, match="65527"):
        bound(Cable().near, NEAR).send_to(bytes(65_528), FAR, PORT, 0)


def test_a_socket_on_all_addresses_speaks_both_versions() -> None:
    cable = Cable()
    near, far = bound(cable.near, IPV6_ANY), bound(cable.far, IPV6_ANY)
    for remote in (FAR, FAR_V4):
        near.send_to(b"hello", remote, PORT, cable.now)
    cable.run()
    heard = [far.receive(), far.receive()]
    assert [message.address for message in heard if message is not None] == [NEAR, NEAR_V4]
    assert cable.far.udp.sockets() == [far]
    assert len(cable.far.ports.listing()) == 1
    far.close()
    assert cable.far.udp.sockets() == []
    bound(cable.far, IPV4_ANY)


def test_a_socket_for_ipv6_hears_nothing_of_ipv4() -> None:
    cable = Cable()
    far = bound(cable.far, IPV6_ANY, v6_only=True)
    near = bound(cable.near, IPV4_ANY)
    near.send_to(b"hello", FAR_V4, PORT, 0)
    cable.run()
    assert far.receive() is None
    assert isinstance(near.poll_error(), ConnectionRefused)


def test_a_connected_socket_is_of_one_version() -> None:
    cable = Cable()
    near = bound(cable.near, IPV6_ANY)
    near.connect(FAR_V4, PORT, 0)
    assert near.address == NEAR_V4
    with pytest.raises(NetworkUnreachable):
        near.send_to(b"hello", FAR, PORT, 0)
    bound(cable.near, IPV6_ANY, v6_only=True)


def test_a_port_that_nobody_has_is_told_of() -> None:
    cable = Cable()
    near = bound(cable.near, NEAR)
    near.send_to(b"hello", FAR, PORT, 0)
    cable.run()
    assert isinstance(near.poll_error(), ConnectionRefused)


@pytest.mark.rfc("8200", "8200.8")
def test_a_datagram_without_checksum_is_dropped() -> None:
    cable = Cable("ip")
    far = bound(cable.near, NEAR)
    datagram = PORT.to_bytes(2, "big") * 2 + b"\0\x08\0\0"
    cable.tells_near(ipv6.emit(Ipv6(FAR, NEAR, 17), 8) + datagram)
    assert far.receive() is None
    assert cable.near.counters["UdpInCsumErrors"] == 1


def test_after_a_reboot_a_host_has_the_addresses_that_it_was_given() -> None:
    cable = Cable()
    stack = cable.near.rebooted(SECOND)
    (before,), (after,) = cable.near.interfaces, stack.interfaces
    assert len(after.addresses) == len(before.addresses) == 3
    assert stack.ip.owns(NEAR)
    assert stack.ip.owns(NEAR_V4)
    assert stack.next_deadline() < NEVER


def test_an_interface_that_gets_its_first_address_later_has_ipv6_from_then_on() -> None:
    stack, interface = host("late", "ethernet", "192.0.2.7/24")
    assert not interface.has_ipv6
    stack.add_address(interface, *parse_interface("2001:db8::7/64"))
    assert [is_link_local(address) for address, _ in interface.addresses] == [False, True, False]
    narrow = stack.add_interface(InterfaceConfig(name="if1", kind="ip", addresses=("198.51.100.7/24",), mtu=576))
    with pytest.raises(ConfigError, match="1280"):
        stack.add_address(narrow, *parse_interface("2001:db8:1::7/64"))


def test_an_interface_may_have_ipv6_and_no_address_of_ours() -> None:
    stack = Stack(StackConfig(), SeededRng("bare"))
    interface = stack.add_interface(InterfaceConfig(name="if0", kind="ethernet", ipv6=True))
    assert [is_link_local(address) for address, _ in interface.addresses] == [True]


def test_a_socket_chooses_the_link_that_an_address_is_meant_on() -> None:
    stack, first = host("two", "ethernet", "2001:db8::7/64")
    second = stack.add_interface(InterfaceConfig(name="if1", kind="ethernet", addresses=("2001:db8:1::7/64",)))
    while stack.poll_transmit(0) is not None:
        pass
    socket = bound(stack, IPV6_ANY)
    group = parse_address("ff02::77")
    socket.send_to(b"one", group, PORT, 0)
    socket.options.interface = second
    socket.send_to(b"two", parse_address("ff02::78"), PORT, 0)
    left = [stack.poll_transmit(0), stack.poll_transmit(0)]
    assert [item[0] for item in left if item is not None] == [first, second]
