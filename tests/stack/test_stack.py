"""The whole host: IP, UDP and TCP together, between two of them over a perfect wire."""

import pytest

from halfopen.base.addresses import Prefix, parse_address
from halfopen.base.clock import NEVER, SECOND
from halfopen.base.rng import SeededRng
from halfopen.stack.config import IcmpConfig, InterfaceConfig, StackConfig
from halfopen.stack.internet import default_route
from halfopen.stack.ports import Owner
from halfopen.stack.routes import Route
from halfopen.stack.stack import Stack
from halfopen.tcp.config import RetransmissionConfig, TcpConfig
from halfopen.wire.packet import Packet
from tests.stack.world import OTHER, OURS, PEER, PEER_MAC, datagram, is_arp, tap, tun

OWNER = Owner("test")


def make(address: str = "192.0.2.1/24") -> Stack:
    stack = Stack(StackConfig(), SeededRng(address))
    stack.add_interface(tun(address=address))
    return stack


def exchange(first: Stack, second: Stack, now: int) -> int:
    """Carries packets between two hosts until both are silent; how many there were."""
    carried = 0
    while True:
        before = carried
        for sender, receiver in ((first, second), (second, first)):
            while (transmission := sender.poll_transmit(now)) is not None:
                receiver.receive(receiver.interfaces[0], transmission[1], now)
                carried += 1
        if carried == before:
            return carried


def test_a_host_shows_its_parts() -> None:
    stack = Stack(StackConfig(), SeededRng("parts"))
    interface = stack.add_interface(tap())
    assert stack.interfaces == (interface,)
    assert stack.arp.table is stack.neighbors
    stack.neighbors.add_permanent(interface, PEER, PEER_MAC)
    assert [entry.address for entry in stack.neighbors] == [PEER]
    stack.add_address(interface, OTHER, Prefix.of(OTHER, 24))
    assert stack.ip.owns(OTHER)
    assert stack.routes.lookup(PEER) is not None
    assert stack.next_deadline() == NEVER


def test_datagrams_cross_from_socket_to_socket() -> None:
    first, second = make(), make("192.0.2.2/24")
    server = second.udp.bind(bytes(4), 53, OWNER)
    client = first.udp.bind(bytes(4), 0, OWNER)
    client.send_to(b"question", PEER, 53, 0)
    assert exchange(first, second, 0) == 1
    message = server.receive()
    assert message is not None and (message.data, message.address) == (b"question", OURS)
    server.send_to(b"answer", message.address, message.port, 0)
    exchange(first, second, 0)
    answer = client.receive()
    assert answer is not None and answer.data == b"answer"


def test_a_datagram_for_nobody_comes_back_as_an_error() -> None:
    first, second = make(), make("192.0.2.2/24")
    client = first.udp.bind(bytes(4), 0, OWNER)
    client.send_to(b"question", PEER, 53, 0)
    assert exchange(first, second, 0) == 2
    assert client.poll_error() is not None


def test_datagrams_to_ourselves_arrive_while_the_host_is_polled() -> None:
    stack = make()
    server = stack.udp.bind(bytes(4), 53, OWNER)
    stack.udp.bind(bytes(4), 0, OWNER).send_to(b"question", parse_address("127.0.0.1"), 53, 0)
    assert server.receive() is None
    assert stack.poll_transmit(0) is None
    assert server.receive() is not None


def test_echo_between_hosts() -> None:
    first, second = make(), make("192.0.2.2/24")
    first.icmp.send_echo(PEER, 1, 1, bytes(5000), 0)
    exchange(first, second, 0)
    reply = first.icmp.poll_reply()
    assert reply is not None and reply.payload == bytes(5000)


def test_time_passes_for_all_parts() -> None:
    stack = make()
    stack.receive(stack.interfaces[0], Packet(datagram(bytes(16), dont_fragment=False, more_fragments=True)), 0)
    assert stack.next_deadline() == 60 * SECOND
    stack.on_deadline(60 * SECOND)
    assert stack.counters["IpReasmTimeout"] == 1
    assert stack.poll_transmit(60 * SECOND) is not None
    assert stack.next_deadline() == NEVER


def test_a_connection_to_a_silent_neighbour_gets_no_further_than_arp() -> None:
    stack = Stack(StackConfig(), SeededRng("alone"))
    stack.add_interface(tap())
    stack.tcp.connect((PEER, 80), OWNER, 0)
    sent = []
    now = 0
    while now < 3 * SECOND:
        while (transmission := stack.poll_transmit(now)) is not None:
            sent.append(transmission[1])
        now = stack.next_deadline()
        stack.on_deadline(now)
    assert [is_arp(packet) for packet in sent] == [True, True, True]
    assert stack.counters["NeighResolutionFailed"] == 1


def test_a_connection_opens_between_two_hosts() -> None:
    first, second = make(), make("192.0.2.2/24")
    second.tcp.listen((bytes(4), 80), OWNER)
    first.tcp.connect((PEER, 80), OWNER, 0)
    assert exchange(first, second, 0) >= 3
    assert [row.state for row in first.ports.listing()] == ["ESTAB"]
    assert sorted(row.state for row in second.ports.listing()) == ["ESTAB", "LISTEN"]


def test_a_batch_of_acks_is_taken_as_its_last_and_the_stream_arrives_all_the_same() -> None:
    octets = bytes(range(256)) * 400
    first, second = make(), make("192.0.2.2/24")
    listener = second.tcp.listen((bytes(4), 80), OWNER)
    client = first.tcp.connect((PEER, 80), OWNER, 0)
    exchange(first, second, 0)
    server = listener.accept()
    assert server is not None
    client.send(octets, 0)
    received = b""
    for now in range(SECOND, 3 * SECOND, SECOND // 100):
        acks: list[Packet] = []
        while (transmission := first.poll_transmit(now)) is not None:
            second.receive(second.interfaces[0], transmission[1], now)
            while (answer := second.poll_transmit(now)) is not None:
                acks.append(answer[1])
        received += b"".join(server.receive(1 << 20, now))
        first.receive_batch(first.interfaces[0], acks, now)
    second.on_deadline(3 * SECOND)  # The ACK of the last segment was delayed.
    exchange(first, second, 3 * SECOND)
    assert received == octets
    assert first.counters["TcpAcksCovered"] > 10
    assert client.connection.queued_octets == 0


def test_a_rebooted_host_has_its_interfaces_and_routes_and_knows_no_connection() -> None:
    first, second = make(), make("192.0.2.2/24")
    tap_interface = second.add_interface(InterfaceConfig(name="tap1", kind="ethernet", addresses=("198.51.100.1/24",)))
    second.routes.add(default_route(tap_interface, parse_address("198.51.100.9")))
    second.routes.add(Route(prefix=Prefix.parse("203.0.113.0/24")))
    second.tcp.listen((bytes(4), 80), OWNER)
    client = first.tcp.connect((PEER, 80), OWNER, 0)
    exchange(first, second, 0)
    again = second.rebooted(0)
    assert [(each.name, each.mac, each.addresses) for each in again.interfaces] == [
        (each.name, each.mac, each.addresses) for each in second.interfaces
    ]
    assert [(route.prefix, route.gateway) for route in again.routes] == [
        (route.prefix, route.gateway) for route in second.routes
    ]
    assert all(route.interface is None or route.interface in again.interfaces for route in again.routes)
    assert again.ports.listing() == []
    client.send(b"do you remember?", 0)
    exchange(first, again, 0)
    assert again.counters["OutRsts"] == 1
    assert client.row.state == "CLOSED"


def test_the_sockets_of_a_process_that_has_ended_are_closed_and_no_others() -> None:
    first, second = make(), make("192.0.2.2/24")
    gone, stays = Owner("task", pid=1), Owner("task", pid=2)
    second.tcp.listen((bytes(4), 80), gone)
    second.tcp.listen((bytes(4), 81), stays)
    for owner in (gone, stays):
        second.udp.bind(bytes(4), 0, owner)
    clients = [first.tcp.connect((PEER, port), OWNER, 0) for port in (80, 81)]
    exchange(first, second, 0)
    second.on_exit(1, 0)
    exchange(first, second, 0)
    assert [row.owner.pid for row in second.ports.listing()] == [2, 2, 2]
    assert [client.row.state for client in clients] == ["CLOSED", "ESTAB"]
    assert [socket.owner.pid for socket in second.udp.sockets()] == [2]


def test_a_host_follows_another_configuration() -> None:
    first, second = make(), make("192.0.2.2/24")
    second.configure(
        StackConfig(icmp=IcmpConfig(echo=False), tcp=TcpConfig(retransmission=RetransmissionConfig(syn_retries=1)))
    )
    first.icmp.send_echo(PEER, 1, 1, b"", 0)
    exchange(first, second, 0)
    assert not first.icmp.has_replies
    assert second.counters["IcmpInEchoIgnored"] == 1
    assert second.tcp.connect((OURS, 80), OWNER, 0).config.retransmission.syn_retries == 1
    assert second.rebooted(0).config is second.config


@pytest.mark.rfc("6528", "6528.2")
def test_each_host_has_a_secret_of_its_own_for_its_sequence_numbers() -> None:
    hosts = [Stack(StackConfig(), SeededRng(seed)) for seed in ("one", "one", "another")]
    for host in hosts:
        host.add_interface(tun(address="192.0.2.1/24"))
    sockets = [host.tcp.connect((PEER, 80), OWNER, 0, local=(OURS, 5000)) for host in hosts]
    first, again, another = [socket.connection.tcb.snd.iss for socket in sockets]
    assert first == again != another
