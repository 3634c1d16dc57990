import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from halfopen.links.device import READ_OCTETS, Device, DeviceLink, our_mac
from halfopen.links.offload import VNET_OCTETS
from halfopen.wire.packet import CHECKSUM_NONE, CHECKSUM_VERIFIED, Packet
from tests.links.packets import tcp_packet, transport_checksum_is_right


@dataclass
class Cable:
    """A link, and in the kernel's place a socket that keeps the bounds of what is written."""

    link: DeviceLink
    far: socket.socket


def make_cable(vnet: bool) -> Cable:
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    near.setblocking(False)
    far.setblocking(False)
    far.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    return Cable(DeviceLink(Device("cable", bytes(6), 1500), "ip", bytes(6), near.detach(), vnet), far)


@pytest.fixture
def plain() -> Iterator[Cable]:
    cable = make_cable(vnet=False)
    with cable.link, cable.far:
        yield cable


@pytest.fixture
def offloaded() -> Iterator[Cable]:
    cable = make_cable(vnet=True)
    with cable.link, cable.far:
        yield cable


def test_frames_are_read_in_order_up_to_the_limit(plain: Cable) -> None:
    for number in range(5):
        plain.far.send(bytes((number,)))
    assert [packet.head for packet in plain.link.read(3)] == [b"\0", b"\1", b"\2"]
    assert [packet.head for packet in plain.link.read(3)] == [b"\3", b"\4"]
    assert plain.link.read(3) == []


def test_a_frame_longer_than_any_is_dropped_and_counted(plain: Cable) -> None:
    plain.far.send(bytes(READ_OCTETS + 100))
    plain.far.send(b"good")
    assert [packet.head for packet in plain.link.read(8)] == [b"good"]
    assert plain.link.counters.snapshot() == {"LinkTruncated": 1}


def test_a_bad_virtio_header_is_counted_and_its_frame_left_to_be_verified(offloaded: Cable) -> None:
    offloaded.far.send(b"short")
    offloaded.far.send(b"\0\1" + bytes(8) + b"doubted")
    offloaded.far.send(b"\2" + bytes(9) + b"frame")
    doubted, packet = offloaded.link.read(8)
    assert (doubted.head, doubted.checksum) == (b"doubted", CHECKSUM_NONE)
    assert (packet.head, packet.checksum) == (b"frame", CHECKSUM_VERIFIED)
    assert offloaded.link.counters.snapshot() == {"VnetTooShort": 1, "VnetGsoWithoutChecksum": 1}


def test_with_offloads_a_super_segment_is_one_write(offloaded: Cable) -> None:
    packet = tcp_packet(bytes(5000), gso_size=1460)
    assert offloaded.link.write(packet)
    assert offloaded.far.recv(READ_OCTETS)[VNET_OCTETS:] == packet.joined()


def test_without_offloads_the_link_does_the_work_itself(plain: Cable) -> None:
    assert plain.link.write(tcp_packet(bytes(range(250)) * 20, gso_size=1460))
    frames = [plain.far.recv(READ_OCTETS) for _ in range(4)]
    assert [len(frame) for frame in frames] == [1500, 1500, 1500, 660]
    assert all(transport_checksum_is_right(Packet(frame), 0) for frame in frames)
    assert b"".join(frame[40:] for frame in frames) == bytes(range(250)) * 20


def test_without_offloads_marks_that_contradict_the_packet_are_counted_too(plain: Cable) -> None:
    assert not plain.link.write(Packet(bytes(40), (bytes(3000),), gso_size=1460))
    assert plain.link.counters.snapshot() == {"VnetGsoWithoutChecksum": 1}


def test_a_device_that_is_full_drops_and_counts(plain: Cable) -> None:
    written = 0
    while plain.link.write(Packet(bytes(1000))):
        written += 1
    assert written > 10
    assert plain.link.counters.snapshot() == {"LinkFull": 1}


def test_one_lost_piece_is_told_though_the_others_are_still_tried(plain: Cable) -> None:
    while plain.link.write(Packet(bytes(1000))):
        pass
    assert not plain.link.write(tcp_packet(bytes(5000), gso_size=1460))
    assert plain.link.counters.snapshot() == {"LinkFull": 5}


def test_a_device_that_is_gone_raises(plain: Cable) -> None:
    plain.link.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        plain.link.write(Packet(b"frame"))
    with pytest.raises(OSError, match="Bad file descriptor"):
        plain.link.read(1)


def test_closing_twice_closes_nobody_elses_descriptor(plain: Cable) -> None:
    fd = plain.link.fileno()
    plain.link.close()
    other = os.open("/dev/null", os.O_RDONLY)
    assert other == fd
    plain.link.close()
    os.close(other)


def test_our_mac_differs_from_the_devices_and_is_local_and_unicast() -> None:
    device = bytes.fromhex("525400123456")
    assert our_mac(device) == bytes.fromhex("5254001234d6")
    assert our_mac(bytes.fromhex("01005e000001"))[0] & 3 == 2
