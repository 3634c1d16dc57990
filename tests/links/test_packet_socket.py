import os
import socket
from collections.abc import Iterator

import pytest

from halfopen.base.errors import ConfigError
from halfopen.links import packet_socket
from halfopen.links.interfaces import LinkSettings, configure, set_offloads
from halfopen.links.namespaces import Namespace
from halfopen.links.packet_socket import PacketSocket, open_veth
from halfopen.links.tuntap import ask_device
from halfopen.wire.packet import CHECKSUM_NONE, CHECKSUM_PARTIAL, CHECKSUM_VERIFIED, Packet
from tests.links.packets import TCP_CHECKSUM, ethernet, udp_packet
from tests.links.responder import MSS, Responder, read_some

pytestmark = pytest.mark.root

KERNEL_END = LinkSettings(addresses=("192.0.2.1/24",), ipv6=False)


@pytest.fixture
def veth(namespace: Namespace) -> Iterator[PacketSocket]:
    """Our end ``h0``; the kernel's ``k0`` has 192.0.2.1."""
    with namespace.enter():
        link = open_veth("h0", "k0")
        configure("k0", KERNEL_END)
    with link:
        yield link


@pytest.fixture
def plain(namespace: Namespace, veth: PacketSocket) -> Iterator[PacketSocket]:
    """A second socket on ``h0``, without offloads on either side."""
    with namespace.enter():
        set_offloads("k0", False, ["tso", "gso"])
        set_offloads("h0", False, ["gro"])
        link = PacketSocket("h0", offload=False)
    veth.close()
    with link:
        yield link


def kernel_socket(namespace: Namespace, kind: socket.SocketKind) -> socket.socket:
    with namespace.enter():
        return socket.socket(socket.AF_INET, kind)


def exchange(namespace: Namespace, link: PacketSocket) -> Responder:
    """200 KB from the kernel, then one super-segment to it."""
    with kernel_socket(namespace, socket.SOCK_STREAM) as kernel:
        responder = Responder(link, kernel)
        responder.connect()
        stream = os.urandom(200_000)
        kernel.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        kernel.send(stream)
        responder.receive(len(stream))
        assert bytes(responder.received) == stream
        kernel.setblocking(True)
        kernel.settimeout(5)
        assert responder.send(stream[: 30 * MSS + 5], MSS)
        received = b""
        while len(received) < 30 * MSS + 5:
            received += kernel.recv(65536)
        assert received == stream[: 30 * MSS + 5]
    return responder


def test_super_segments_cross_a_veth_pair_in_both_directions(namespace: Namespace, veth: PacketSocket) -> None:
    assert veth.gso_octets == 65535
    responder = exchange(namespace, veth)
    assert responder.first is not None
    assert (responder.first.checksum, responder.first.checksum_offset) == (CHECKSUM_PARTIAL, TCP_CHECKSUM)
    assert responder.largest is not None
    assert responder.largest.gso_size == MSS
    assert responder.largest.octets > 10_000
    assert veth.counters.snapshot() == {}


def test_without_a_virtio_header_unfinished_checksums_are_recognised(namespace: Namespace, plain: PacketSocket) -> None:
    assert (plain.gso_octets, plain.checksum_offload) == (0, False)
    responder = exchange(namespace, plain)
    assert responder.first is not None
    assert (responder.first.checksum, responder.first.checksum_start) == (CHECKSUM_PARTIAL, 34)
    assert responder.largest is not None
    assert responder.largest.octets == 1514


def test_a_kernel_without_the_virtio_header_is_got_along_with(
    namespace: Namespace, veth: PacketSocket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packet_socket, "PACKET_VNET_HDR", 9999)
    with namespace.enter(), PacketSocket("h0") as link:
        assert not link.checksum_offload


def test_the_kernel_on_our_end_stays_silent(namespace: Namespace, veth: PacketSocket) -> None:
    with kernel_socket(namespace, socket.SOCK_DGRAM) as kernel:
        kernel.sendto(b"hello", ("192.0.2.2", 9))
        (request,) = read_some(veth)
    assert request.head[12:14] == b"\x08\x06"
    assert veth.read(8) == [], "somebody answered, or we heard ourselves"


def test_a_datagrams_unfinished_checksum_is_completed_for_the_kernel(namespace: Namespace, plain: PacketSocket) -> None:
    with kernel_socket(namespace, socket.SOCK_DGRAM) as kernel:
        kernel.bind(("192.0.2.1", 9))
        kernel.settimeout(5)
        (kernel_mac,) = {packet.head[6:12] for packet in _arp_of(kernel, plain)}
        assert plain.write(udp_packet(b"completed", link=ethernet(kernel_mac, plain.mac)))
        assert kernel.recv(100) == b"completed"


def _arp_of(kernel: socket.socket, link: PacketSocket) -> list[Packet]:
    kernel.sendto(b"who are you", ("192.0.2.2", 9))
    return read_some(link)


TCP_V4 = ethernet(bytes(6), bytes(6)) + b"\x45" + bytes(8) + b"\x06" + bytes(10) + bytes(20)
UDP_V6 = ethernet(bytes(6), bytes(6), 0x86DD) + b"\x60" + bytes(5) + b"\x11\x40" + bytes(32) + bytes(8)


@pytest.mark.parametrize(
    ("frame", "place"),
    [
        (TCP_V4, (34, 16)),
        (UDP_V6, (54, 6)),
        (TCP_V4[:50], None),
        (TCP_V4[:20], None),
        (UDP_V6[:40], None),
        (TCP_V4[:23] + b"\x01" + TCP_V4[24:], None),
        (ethernet(bytes(6), bytes(6), 0x0806) + bytes(28), None),
    ],
)
def test_the_place_of_an_unfinished_checksum_is_found(frame: bytes, place: tuple[int, int] | None) -> None:
    packet = packet_socket.marked(frame, packet_socket.TP_STATUS_CSUMNOTREADY)
    if place is None:
        assert packet.checksum == CHECKSUM_NONE
    else:
        assert (packet.checksum, packet.checksum_start, packet.checksum_offset) == (CHECKSUM_PARTIAL, *place)


def test_a_checksum_that_the_kernel_vouches_for_is_verified() -> None:
    assert packet_socket.marked(TCP_V4, packet_socket.TP_STATUS_CSUM_VALID).checksum == CHECKSUM_VERIFIED
    assert packet_socket.marked(TCP_V4, 0).checksum == CHECKSUM_NONE


def test_what_overruns_the_receive_buffer_is_counted(
    namespace: Namespace, veth: PacketSocket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packet_socket, "RECEIVE_BUFFER", 4096)
    with namespace.enter(), PacketSocket("h0") as link:
        with kernel_socket(namespace, socket.SOCK_DGRAM) as kernel:
            kernel.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            for _ in range(100):
                kernel.sendto(bytes(1000), ("192.0.2.255", 9))
        arrived = len(link.read(200))
        assert 0 < arrived < 100
        assert link.counters.snapshot() == {"LinkOverrun": 100 - arrived}


@pytest.mark.parametrize("offload", [True, False])
def test_an_interface_that_goes_down_is_counted_and_can_come_back(
    namespace: Namespace, veth: PacketSocket, offload: bool
) -> None:
    with namespace.enter(), PacketSocket("h0", offload=offload) as link:
        configure("h0", LinkSettings(up=False))
        assert link.read(8) == []
        assert not link.write(udp_packet(b"lost", link=bytes(14)))
        assert link.counters.snapshot() == {"LinkDown": 2}
        configure("h0")
        assert link.write(udp_packet(b"not lost", link=bytes(14)))


def test_a_frame_longer_than_the_mtu_is_refused_and_counted(veth: PacketSocket) -> None:
    assert not veth.write(udp_packet(bytes(3000), link=bytes(14)))
    assert veth.counters.snapshot() == {"LinkTooLong": 1}


def test_an_interface_that_does_not_exist_is_named(namespace: Namespace) -> None:
    with namespace.enter(), pytest.raises(ConfigError, match="no interface 'h7'"):
        PacketSocket("h7")


def test_the_mac_of_the_interface_is_refused_as_ours(namespace: Namespace, veth: PacketSocket) -> None:
    with namespace.enter():
        mac = ask_device("h0").mac
        assert mac != veth.mac
        with pytest.raises(ConfigError, match="the kernel would answer to it as well"):
            PacketSocket("h0", mac=mac)


def test_our_end_can_be_in_a_namespace_of_its_own(namespace: Namespace) -> None:
    with Namespace() as ours:
        with ours.enter():
            link = open_veth("h0", "k0", namespace.fileno(), mtu=9000)
        with namespace.enter():
            configure("k0", KERNEL_END)
        with link, kernel_socket(namespace, socket.SOCK_DGRAM) as kernel:
            assert link.mtu == 9000
            (request,) = _arp_of(kernel, link)
            assert request.head[12:14] == b"\x08\x06"


def test_closing_twice_is_harmless(veth: PacketSocket) -> None:
    veth.close()
    veth.close()
    assert veth.fileno() == -1
