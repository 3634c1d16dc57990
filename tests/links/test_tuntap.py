import errno
import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import suppress

import pytest

from halfopen.base.errors import ConfigError
from halfopen.links import tuntap
from halfopen.links.device import MAX_PIECES
from halfopen.links.interfaces import LinkSettings, configure, statistics
from halfopen.links.namespaces import Namespace
from halfopen.links.tuntap import TunTap, TunTapQueue
from halfopen.wire.packet import CHECKSUM_PARTIAL, Packet
from tests.links.packets import TCP_CHECKSUM, ethernet, tcp_packet, udp_packet
from tests.links.responder import MSS, Responder, is_for_us, read_some

pytestmark = [pytest.mark.root, pytest.mark.device("/dev/net/tun")]

TUNSETPERSIST = 0x400454CB
KERNEL_END = LinkSettings(addresses=("192.0.2.1/24",), txqueuelen=1000, ipv6=False)
OFFLOADED = [("ethernet", True), ("ethernet", False), ("ip", True), ("ip", False)]


@pytest.fixture
def tap(namespace: Namespace) -> Iterator[TunTap]:
    with namespace.enter():
        link = TunTap("tap0")
        configure("tap0", KERNEL_END)
    with link:
        yield link


def kernel_socket(namespace: Namespace, kind: socket.SocketKind) -> socket.socket:
    with namespace.enter():
        return socket.socket(socket.AF_INET, kind)


def test_a_name_that_is_too_long_is_refused() -> None:
    with pytest.raises(ConfigError, match="at most 15 octets"):
        TunTap("a" * 16)


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ConfigError, match="expected 'ethernet'"):
        TunTap("tap0", "token-ring")  # type: ignore[arg-type]  # that is the mistake


def test_a_missing_device_node_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuntap, "DEVICE", "/nonexistent/tun")
    with pytest.raises(FileNotFoundError, match="modprobe tun"):
        TunTap("tap0")


def test_a_device_in_use_is_explained(namespace: Namespace, tap: TunTap) -> None:
    with namespace.enter(), pytest.raises(OSError, match="choose another name") as caught:
        TunTap("tap0")
    assert caught.value.errno == errno.EBUSY


def test_a_device_of_another_kind_is_explained(namespace: Namespace, tap: TunTap) -> None:
    with namespace.enter(), pytest.raises(OSError, match="of another kind") as caught:
        TunTap("tap0", "ip")
    assert caught.value.errno == errno.EINVAL


def test_a_failed_open_leaves_no_descriptor(namespace: Namespace, tap: TunTap) -> None:
    before = os.listdir("/proc/self/fd")
    with namespace.enter(), pytest.raises(OSError):
        TunTap("tap0")
    assert os.listdir("/proc/self/fd") == before


def test_our_mac_is_a_local_one_and_not_the_kernels(namespace: Namespace) -> None:
    with namespace.enter(), TunTap("keep0") as link:
        # Persistent, so that the device of the second opening has the MAC of the first.
        fcntl.ioctl(link.fileno(), TUNSETPERSIST, 1)
        kernel_mac = link.kernel_mac
    assert link.mac != kernel_mac
    assert link.mac[0] & 0x03 == 0x02
    with namespace.enter(), pytest.raises(ConfigError, match="ours must differ"):
        TunTap("keep0", mac=kernel_mac)


def test_the_kernel_chooses_a_name_and_takes_an_mtu(namespace: Namespace) -> None:
    with namespace.enter(), TunTap("wire%d", mtu=9000) as link:
        assert (link.name, link.mtu) == ("wire0", 9000)
        with pytest.raises(ConfigError, match="cannot have an MTU of 10"):
            TunTap("wire%d", mtu=10)


def test_all_offloads_are_accepted_and_can_be_left_out(namespace: Namespace) -> None:
    with namespace.enter(), TunTap("a") as with_offload, TunTap("b", offload=False) as without:
        assert with_offload.checksum_offload
        assert with_offload.gso_octets == 65535
        assert with_offload.offloads == tuntap.TUN_F_CSUM | tuntap.TUN_F_TSO4 | tuntap.TUN_F_TSO6 | tuntap.TUN_F_TSO_ECN
        assert (without.checksum_offload, without.gso_octets, without.offloads) == (False, 0, 0)


@pytest.mark.parametrize("refused", [tuntap.TUN_F_TSO_ECN, tuntap.TUN_F_TSO4, tuntap.TUN_F_CSUM])
def test_offloads_that_the_kernel_refuses_are_done_without(
    namespace: Namespace, monkeypatch: pytest.MonkeyPatch, refused: int
) -> None:
    real = fcntl.ioctl

    def ioctl(fd: int, request: int, argument: bytes | int) -> bytes | int:
        if request == tuntap.TUNSETOFFLOAD and isinstance(argument, int) and argument & refused:
            raise OSError(errno.EINVAL, "Invalid argument")
        return real(fd, request, argument)

    monkeypatch.setattr(fcntl, "ioctl", ioctl)
    with namespace.enter(), TunTap("tap0") as link:
        assert link.offloads & refused == 0
        assert link.gso_octets == 65535
        assert link.counters.snapshot() == {"LinkOffloadRefused": 1}


def test_a_tap_reads_the_kernels_arp_request(namespace: Namespace, tap: TunTap) -> None:
    with kernel_socket(namespace, socket.SOCK_DGRAM) as kernel:
        kernel.sendto(b"hello", ("192.0.2.2", 9))
    (request,) = read_some(tap)
    assert request.head[:12] == b"\xff" * 6 + tap.kernel_mac
    assert request.head[12:14] == b"\x08\x06"
    assert tap.read(8) == []


def test_a_tun_reads_the_kernels_datagram_with_its_marks(namespace: Namespace) -> None:
    with namespace.enter():
        link = TunTap("tun0", "ip")
        configure("tun0", KERNEL_END)
    with link, kernel_socket(namespace, socket.SOCK_DGRAM) as kernel:
        kernel.sendto(b"hello", ("192.0.2.2", 9))
        packet = next(packet for packet in read_some(link) if is_for_us(packet, link, 17))
    assert packet.checksum == CHECKSUM_PARTIAL
    assert (packet.checksum_start, packet.checksum_offset) == (20, 6)
    assert packet.head.endswith(b"hello")


def test_no_more_than_the_limit_is_read(namespace: Namespace) -> None:
    with namespace.enter():
        link = TunTap("tun0", "ip")
        configure("tun0", KERNEL_END)
    with link, kernel_socket(namespace, socket.SOCK_DGRAM) as kernel:
        for _ in range(5):
            kernel.sendto(b"hello", ("192.0.2.2", 9))
        assert len(link.read(3)) == 3
        assert len(link.read(3)) == 2


@pytest.mark.parametrize(("kind", "offload"), OFFLOADED)
def test_the_kernel_takes_a_datagram_with_an_unfinished_checksum(
    namespace: Namespace, kind: str, offload: bool
) -> None:
    with namespace.enter():
        link = TunTap("t0", kind, offload=offload)  # type: ignore[arg-type]  # parametrize knows no literals
        configure("t0", KERNEL_END)
    with link, kernel_socket(namespace, socket.SOCK_DGRAM) as kernel:
        kernel.bind(("192.0.2.1", 9))
        kernel.settimeout(5)
        header = ethernet(link.kernel_mac, link.mac) if kind == "ethernet" else b""
        assert link.write(udp_packet(b"unfinished", link=header))
        assert kernel.recv(100) == b"unfinished"


@pytest.mark.parametrize(("kind", "offload"), OFFLOADED)
def test_super_segments_cross_in_both_directions_octet_for_octet(
    namespace: Namespace, kind: str, offload: bool
) -> None:
    with namespace.enter():
        link = TunTap("t0", kind, offload=offload)  # type: ignore[arg-type]  # parametrize knows no literals
        configure("t0", KERNEL_END)
    with link, kernel_socket(namespace, socket.SOCK_STREAM) as kernel:
        responder = Responder(link, kernel)
        responder.connect()
        assert responder.first is not None
        assert (responder.first.checksum == CHECKSUM_PARTIAL) is offload
        _kernel_sends(responder)
        _we_send(responder)
    assert link.counters.snapshot() == {}


def _kernel_sends(responder: Responder) -> None:
    stream = os.urandom(2_000_000)
    sent = 0
    while len(responder.received) < len(stream):
        with suppress(BlockingIOError):
            sent += responder.kernel.send(stream[sent:])
        responder.receive(min(len(responder.received) + 1, len(stream)))
    assert bytes(responder.received) == stream
    largest = responder.largest
    assert largest is not None
    if responder.link.gso_octets:
        assert largest.gso_size == MSS
        assert largest.octets > 60_000
        assert len(largest.head) == responder.link.network_offset + 40
        assert largest.checksum_offset == TCP_CHECKSUM
    else:
        assert largest.octets == responder.link.network_offset + 1500


def _we_send(responder: Responder) -> None:
    stream = os.urandom(40 * MSS + 17)
    responder.kernel.setblocking(True)
    responder.kernel.settimeout(5)
    assert responder.send(stream, MSS)
    received = b""
    while len(received) < len(stream):
        received += responder.kernel.recv(65536)
    assert received == stream


def test_more_pieces_than_a_writev_takes_arrive(namespace: Namespace, tap: TunTap) -> None:
    with kernel_socket(namespace, socket.SOCK_DGRAM) as kernel:
        kernel.bind(("192.0.2.1", 9))
        kernel.settimeout(5)
        whole = udp_packet(bytes(range(256)) * 5, link=ethernet(tap.kernel_mac, tap.mac))
        head, rest = whole.head[:42], whole.head[42:]
        body = tuple(rest[at : at + 1] for at in range(len(rest)))
        assert len(body) > MAX_PIECES
        assert tap.write(Packet(head, body, CHECKSUM_PARTIAL, 34, 6))
        assert kernel.recv(2000) == rest


def test_marks_that_contradict_the_packet_are_dropped_and_counted(tap: TunTap) -> None:
    assert not tap.write(Packet(bytes(60), (), CHECKSUM_PARTIAL, 59, 16))
    assert not tap.write(Packet(bytes(60), (b"x" * 3000,), gso_size=1460))
    assert tap.counters.snapshot() == {"VnetBadChecksumStart": 1, "VnetGsoWithoutChecksum": 1}


def test_an_interface_that_is_down_loses_packets_and_says_so(namespace: Namespace, tap: TunTap) -> None:
    with namespace.enter():
        configure("tap0", LinkSettings(up=False))
    assert not tap.write(udp_packet(b"lost", link=bytes(14)))
    assert tap.counters.snapshot() == {"LinkDown": 1}


def test_what_overflows_txqueuelen_is_in_the_kernels_statistics(namespace: Namespace) -> None:
    with namespace.enter():
        link = TunTap("tun0", "ip")
        configure("tun0", LinkSettings(addresses=("192.0.2.1/24",), txqueuelen=4, ipv6=False))
    with link, kernel_socket(namespace, socket.SOCK_DGRAM) as kernel:
        for _ in range(10):
            kernel.sendto(b"hello", ("192.0.2.2", 9))
        assert len(link.read(64)) == 4
        with namespace.enter():
            assert statistics("tun0")["tx_dropped"] == 6


def test_closing_twice_is_harmless_and_takes_the_device_away(namespace: Namespace, tap: TunTap) -> None:
    tap.close()
    tap.close()
    assert tap.fileno() == -1
    with namespace.enter(), pytest.raises(ConfigError, match="no interface 'tap0'"):
        configure("tap0")


def test_a_large_plain_tcp_packet_on_a_link_with_a_large_mtu_is_no_super_segment(namespace: Namespace) -> None:
    with namespace.enter():
        link = TunTap("tun0", "ip", mtu=9000)
        configure("tun0", KERNEL_END)
    with link:
        assert link.write(tcp_packet(b"x" * 5000, gso_size=8000))
        assert link.counters.snapshot() == {}


@pytest.mark.parametrize("offload", [True, False])
def test_several_queues_of_one_device_share_what_the_kernel_sends(namespace: Namespace, offload: bool) -> None:
    """Each flow has one of them, and no datagram is lost or comes twice."""
    with namespace.enter():
        queues = [TunTapQueue("tun0", "ip", offload=offload) for _ in range(3)]
        configure("tun0", KERNEL_END)
    wanted = {f"flow {flow} datagram {number}".encode() for flow in range(40) for number in range(3)}
    with queues[0], queues[1], queues[2]:
        for flow in range(40):
            with kernel_socket(namespace, socket.SOCK_DGRAM) as kernel:
                for number in range(3):
                    kernel.sendto(f"flow {flow} datagram {number}".encode(), ("192.0.2.2", 1000 + flow))
        found = [[packet.joined()[28:] for packet in queue.read(1000)] for queue in queues]
    assert sorted(text for texts in found for text in texts) == sorted(wanted)
    assert all(texts for texts in found)
    flows = [{text.split()[1] for text in texts} for texts in found]
    assert not flows[0] & flows[1] | flows[1] & flows[2] | flows[0] & flows[2]


def test_a_flow_is_read_where_it_was_last_written(namespace: Namespace) -> None:
    with namespace.enter():
        queues = [TunTapQueue("tun0", "ip") for _ in range(2)]
        configure("tun0", KERNEL_END)
    with queues[0], queues[1], kernel_socket(namespace, socket.SOCK_DGRAM) as kernel:
        kernel.bind(("192.0.2.1", 9))
        kernel.settimeout(5)
        for queue in (queues[0], queues[1], queues[0]):
            assert queue.write(udp_packet(b"from here"))
            _, peer = kernel.recvfrom(100)
            kernel.sendto(b"back", peer)
            assert [packet.joined()[28:] for packet in queue.read(10)] == [b"back"]


@pytest.mark.parametrize(("first", "second"), [(TunTap, TunTapQueue), (TunTapQueue, TunTap)])
def test_a_device_has_one_queue_or_several(namespace: Namespace, first: type[TunTap], second: type[TunTap]) -> None:
    with namespace.enter(), first("tun0", "ip"), pytest.raises(OSError, match="another number of queues"):
        second("tun0", "ip")
