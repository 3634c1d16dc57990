import asyncio
import select
import socket
from collections.abc import Iterator

import pytest

from halfopen.aio.host import Host
from halfopen.base.clock import Instant
from halfopen.base.errors import ConfigError
from halfopen.base.rng import SeededRng
from halfopen.links import packet_ring, rings
from halfopen.links.interfaces import LinkSettings, add_veth, configure, set_offloads
from halfopen.links.link import LEFT_TO_LINK
from halfopen.links.namespaces import Namespace
from halfopen.links.packet_ring import Gate, PacketRing
from halfopen.links.real_pump import RealPump
from halfopen.links.rings import Batch
from halfopen.links.syn_gate import guard
from halfopen.links.tuntap import ask_device
from halfopen.stack.config import InterfaceConfig, StackConfig, TcpLayerConfig
from halfopen.stack.stack import Stack
from halfopen.stack.tcp_socket import TcpListener
from halfopen.wire.packet import CHECKSUM_PARTIAL, Packet
from tests.links.packets import ethernet, tcp_packet, udp_packet

pytestmark = pytest.mark.root

KERNEL_END = LinkSettings(addresses=("192.0.2.1/24",), ipv6=False)
SIPHASH = StackConfig(tcp_layer=TcpLayerConfig(syn_cookies="always", keyed_hash="siphash"))


@pytest.fixture
def cable(namespace: Namespace) -> Namespace:
    """``h0`` for us and ``k0`` with 192.0.2.1 for the kernel, both without offloads."""
    with namespace.enter():
        add_veth("h0", "k0")
        configure("h0", LinkSettings(ipv6=False))
        configure("k0", KERNEL_END)
        for name in ("h0", "k0"):
            set_offloads(name, False, ["tso", "gso", "gro"])
    return namespace


@pytest.fixture
def ring(cable: Namespace) -> Iterator[PacketRing]:
    with cable.enter():
        link = PacketRing("h0")
    with link:
        yield link


def kernel_socket(namespace: Namespace, port: int = 0) -> socket.socket:
    with namespace.enter():
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    made.bind(("192.0.2.1", port))
    made.settimeout(5)
    return made


def read(link: PacketRing, count: int, patience: int = 5000) -> list[Packet]:
    packets: list[Packet] = []
    poll = select.poll()
    poll.register(link.fileno(), select.POLLIN)
    while len(packets) < count and poll.poll(patience):
        packets += link.read(64)
    return packets


def test_frames_come_out_of_the_ring_in_order(cable: Namespace, ring: PacketRing) -> None:
    with kernel_socket(cable) as kernel:
        for number in range(500):
            kernel.sendto(b"%03d" % number + bytes(number), ("192.0.2.255", 9))
        packets = read(ring, 500)
    assert [packet.head[42:45] for packet in packets] == [b"%03d" % number for number in range(500)]
    assert packets[0].checksum == CHECKSUM_PARTIAL
    assert ring.read(8) == []
    assert ring.counters.snapshot() == {}


def test_a_block_is_kept_until_its_last_frame_is_read(cable: Namespace, ring: PacketRing) -> None:
    with kernel_socket(cable) as kernel:
        for number in range(10):
            kernel.sendto(bytes((number,)), ("192.0.2.255", 9))
        assert len(read(ring, 10)) == 10
        for number in range(10):
            kernel.sendto(bytes((number,)), ("192.0.2.255", 9))
        poll = select.poll()
        poll.register(ring.fileno(), select.POLLIN)
        found = 0
        while found < 10:
            assert poll.poll(5000), "frames wait, but nothing says so"
            found += len(ring.read(3))
    assert ring.read(3) == []
    assert poll.poll(0) == []


def test_the_blocks_go_round(cable: Namespace, ring: PacketRing, monkeypatch: pytest.MonkeyPatch) -> None:
    with kernel_socket(cable) as kernel:
        for turn in range(3 * rings.BLOCKS):
            kernel.sendto(bytes((turn,)), ("192.0.2.255", 9))
            (packet,) = read(ring, 1)
            assert packet.head[42] == turn


def test_what_is_written_leaves_when_flushed(cable: Namespace, ring: PacketRing) -> None:
    with kernel_socket(cable, 9) as kernel, cable.enter():
        link = ethernet(ask_device("k0").mac, ring.mac)
        for number in range(3 * rings.SLOTS):
            assert ring.write(udp_packet(b"%d" % number, link=link))
            if number % 100 == 99:
                ring.flush()
                arrived = [kernel.recv(100) for _ in range(100)]
                assert arrived == [b"%d" % each for each in range(number - 99, number + 1)]
        ring.flush()
    assert ring.counters.snapshot() == {}


def test_a_super_segment_is_cut(cable: Namespace, ring: PacketRing) -> None:
    with cable.enter():
        receiver = PacketRing("k0")
        link = ethernet(ask_device("k0").mac, ring.mac)
    with receiver:
        assert ring.write(tcp_packet(bytes(4000), gso_size=1448, link=link))
        ring.flush()
        sizes = [packet.octets for packet in read(receiver, 3)]
    assert sizes == [54 + 1448, 54 + 1448, 54 + 1104]


def test_a_full_ring_is_flushed_by_itself(cable: Namespace, ring: PacketRing) -> None:
    with cable.enter():
        link = ethernet(ask_device("k0").mac, ring.mac)
    assert all(ring.write(udp_packet(b"", link=link)) for _ in range(rings.SLOTS + 1))


def test_what_does_not_fit_or_contradicts_itself_is_refused_and_counted(ring: PacketRing) -> None:
    assert not ring.write(udp_packet(bytes(3000), link=bytes(14)))
    assert not ring.write(Packet(bytes(60), (), CHECKSUM_PARTIAL, 70, 6, 100))
    assert ring.counters.snapshot() == {"LinkTooLong": 1, "VnetBadChecksumStart": 1}


def test_slots_fit_the_mtu(cable: Namespace) -> None:
    with cable.enter():
        for name in ("h0", "k0"):
            configure(name, LinkSettings(mtu=9000))
        link = ethernet(ask_device("k0").mac, bytes(6))
        with PacketRing("h0") as ring, kernel_socket(cable, 9) as kernel:
            assert ring.write(udp_packet(bytes(8000), link=link))
            ring.flush()
            assert len(kernel.recv(9000)) == 8000


def test_an_interface_that_goes_down_is_counted_and_can_come_back(cable: Namespace, ring: PacketRing) -> None:
    with cable.enter():
        link = ethernet(ask_device("k0").mac, ring.mac)
        configure("h0", LinkSettings(up=False))
        assert ring.read(8) == []
        assert ring.write(udp_packet(b"late", link=link))
        ring.flush()
        assert ring.counters.snapshot() == {"LinkDown": 2}
        configure("h0")
        with kernel_socket(cable, 9) as kernel:
            ring.write(udp_packet(b"again", link=link))
            ring.flush()
            assert {kernel.recv(100), kernel.recv(100)} == {b"late", b"again"}


def test_what_overruns_the_ring_is_counted(cable: Namespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packet_ring, "ReceiveRing", lambda name: rings.ReceiveRing(name, blocks=2, block_octets=4096))
    with cable.enter(), PacketRing("h0") as link, kernel_socket(cable) as kernel:
        for _ in range(100):
            kernel.sendto(bytes(1000), ("192.0.2.255", 9))
        arrived = 0
        while packets := read(link, 1, patience=100):
            arrived += len(packets)
        assert 0 < arrived < 100
        assert link.counters.snapshot() == {"LinkOverrun": 100 - arrived}


def test_the_mac_of_the_interface_is_refused_as_ours(cable: Namespace, ring: PacketRing) -> None:
    with cable.enter(), pytest.raises(ConfigError, match="the kernel would answer to it as well"):
        PacketRing("h0", mac=ask_device("h0").mac)


class Turnstile(Gate):
    """Lets nobody in, and counts."""

    def __init__(self) -> None:
        self.seen = 0
        self.is_closed = False

    def answer(self, batch: Batch, now: Instant) -> list[Packet]:
        self.seen += batch.count
        return []

    def close(self) -> None:
        self.is_closed = True


def test_a_gate_sees_the_frames_first(cable: Namespace, ring: PacketRing) -> None:
    gate = ring.gate = Turnstile()
    with kernel_socket(cable) as kernel:
        kernel.sendto(b"", ("192.0.2.255", 9))
        poll = select.poll()
        poll.register(ring.fileno(), select.POLLIN)
        assert poll.poll(5000)
        assert ring.read(8) == []
    ring.close()
    assert (gate.seen, gate.is_closed) == (1, True)


class Echo(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


def host_on(link: PacketRing, config: StackConfig) -> tuple[Host, RealPump]:
    stack = Stack(config, SeededRng(1))
    settings = InterfaceConfig(
        name=link.name, kind="ethernet", mac=link.mac.hex(":"), addresses=("192.0.2.2/24",), offloads=LEFT_TO_LINK
    )
    pump = RealPump(stack, asyncio.get_running_loop(), {stack.add_interface(settings): link})
    return Host(stack, pump), pump


def echo_from_kernel(namespace: Namespace, octets: int) -> int:
    """A client of the kernel's; how much came back."""
    with namespace.enter():
        client = socket.create_connection(("192.0.2.2", 7), 5)
    with client:
        client.sendall(bytes(octets))
        received = 0
        while received < octets:
            received += len(client.recv(1 << 16))
    return received


@pytest.mark.asyncio
@pytest.mark.parametrize("is_gated", [False, True])
async def test_the_kernel_talks_to_a_host_on_rings(cable: Namespace, ring: PacketRing, is_gated: bool) -> None:
    host, pump = host_on(ring, SIPHASH)
    server = await host.create_server(Echo, "192.0.2.2", 7)
    if is_gated:
        (listener,) = host.stack.tcp.sockets()
        assert isinstance(listener, TcpListener)
        with cable.enter():
            guard(ring, host.stack, listener, pump.now())
    assert await asyncio.to_thread(echo_from_kernel, cable, 1_000_000) == 1_000_000
    counters = host.stack.counters
    assert (counters["SyncookiesSent"], counters["SyncookiesRecv"], counters["PassiveOpens"]) == (1, 1, 1)
    server.close()
    pump.close()


@pytest.mark.asyncio
async def test_a_gate_is_for_ipv4(ring: PacketRing) -> None:
    host, pump = host_on(ring, SIPHASH)
    server = await host.create_server(Echo, "::", 7)
    (listener,) = host.stack.tcp.sockets()
    assert isinstance(listener, TcpListener)
    listener.addresses = (bytes(16),)
    with pytest.raises(ConfigError, match="for IPv4"):
        guard(ring, host.stack, listener, pump.now())
    server.close()
    pump.close()
