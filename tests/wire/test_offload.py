import ctypes
import fcntl
import os
import select
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halfopen.base.addresses import parse_address
from halfopen.wire import ethernet, ipv4, offload, tcp, udp
from halfopen.wire.checksum import checksum, pseudo_header_sum
from halfopen.wire.ipv4 import Ipv4
from halfopen.wire.packet import CHECKSUM_NONE, CHECKSUM_PARTIAL, CHECKSUM_VERIFIED, Packet
from halfopen.wire.tcp import ACK, AE, CWR, ECE, FIN, PSH, URG, Segment
from halfopen.wire.tcp_options import Options

SOURCE = parse_address("192.0.2.2")
DESTINATION = parse_address("198.51.100.2")
SOURCE6 = parse_address("2001:db8::1")
DESTINATION6 = parse_address("2001:db8::2")
LINK = ethernet.emit(b"\x02" * 6, b"\x06" * 6, ethernet.ETHERTYPE_IPV4)
TIMESTAMPS = Options(timestamps=(1, 2))


@dataclass(frozen=True, kw_only=True)
class Super:
    """What a super-segment is made of, so that the packets it stands for can be made one by one."""

    flags: int = ACK | PSH
    seq: int = 0xFFFFF000
    identification: int = 0xFFFE
    options: Options | None = field(default_factory=lambda: TIMESTAMPS)
    urgent: int = 0
    ttl: int = 64
    gso_size: int = 1448
    link: bytes = b""
    ip_options: bytes = b""

    def packet(self, pieces: tuple[bytes, ...], in_head: int = 0) -> Packet:
        """One packet of all ``pieces``, the first ``in_head`` octets of which lie in the head."""
        payload = b"".join(pieces)
        head, start = self.headers(self.seq, self.flags, self.identification, len(payload))
        if in_head:
            head, pieces = head + payload[:in_head], (payload[in_head:],)
        return Packet(head, pieces, CHECKSUM_PARTIAL, start, tcp.CHECKSUM_OFFSET, self.gso_size)

    def headers(self, seq: int, flags: int, identification: int, payload_octets: int) -> tuple[bytes, int]:
        segment = Segment(80, 4242, seq, 2, flags, 65535, self.urgent, self.options)
        octets = tcp.header_octets(segment) + payload_octets
        header = tcp.emit(segment, pseudo_header_sum(SOURCE, DESTINATION, ipv4.PROTOCOL_TCP, octets))
        network = Ipv4(
            SOURCE,
            DESTINATION,
            ipv4.PROTOCOL_TCP,
            ttl=self.ttl,
            identification=identification,
            options=self.ip_options,
        )
        head = self.link + ipv4.emit(network, octets)
        return head + header, len(head)

    def expected(self, payload: bytes) -> list[bytes]:
        """The packets as if each had been made by itself."""
        cuts = range(0, len(payload), self.gso_size) or range(1)
        packets = []
        for index, start in enumerate(cuts):
            text = payload[start : start + self.gso_size]
            flags = self.flags & ~(CWR if index else 0)
            if start + self.gso_size < len(payload):
                flags &= ~(FIN | PSH)
            seq = self.seq + start & 0xFFFFFFFF
            head, _ = self.headers(seq, flags, self.identification + index & 0xFFFF, len(text))
            packets.append(head + text)
        return packets


SUPERS = st.builds(
    Super,
    flags=st.integers(0, 0x1FF),
    seq=st.integers(0, 0xFFFFFFFF),
    identification=st.integers(0, 0xFFFF),
    options=st.sampled_from([None, TIMESTAMPS, Options(sack=((1, 2),))]),
    urgent=st.integers(0, 0xFFFF),
    gso_size=st.integers(1, 60),
    link=st.sampled_from([b"", LINK]),
    ip_options=st.sampled_from([b"", b"\x94\x04\0\0"]),
)


def plain(packet: Packet) -> bytes:
    """The packet as on the wire, its partial sum made canonical: 0 and 0xFFFF are one value in ones' complement."""
    return offload.complete_checksum(packet).joined()


@given(SUPERS, st.lists(st.binary(max_size=100), max_size=4).map(tuple), st.integers(0, 30))
def test_a_super_segment_becomes_the_packets_it_stands_for(
    made: Super, pieces: tuple[bytes, ...], in_head: int
) -> None:
    payload = b"".join(pieces)
    packets = offload.split(made.packet(pieces, in_head), len(made.link))
    assert b"".join(b"".join(packet.body) for packet in packets) == payload
    start = len(made.link) + 20 + len(made.ip_options)
    expected = [Packet(octets, (), CHECKSUM_PARTIAL, start, tcp.CHECKSUM_OFFSET) for octets in made.expected(payload)]
    assert [packet.joined() for packet in packets] == [packet.head for packet in expected]
    assert list(map(plain, packets)) == list(map(plain, expected))
    assert all(packet.checksum == CHECKSUM_PARTIAL and not packet.gso_size for packet in packets)


def test_the_body_is_shared_and_not_copied() -> None:
    body = bytes(3000)
    packets = offload.split(Super(gso_size=1000).packet((body,)))
    assert [view.obj is body for packet in packets for view in packet.body if isinstance(view, memoryview)] == [
        True
    ] * 3


def test_sequence_numbers_and_identifications_wrap() -> None:
    packets = offload.split(Super(gso_size=0x1000).packet((bytes(0x2800),)))
    assert [packet.head[24:28].hex() for packet in packets] == ["fffff000", "00000000", "00001000"]
    assert [packet.head[4:6].hex() for packet in packets] == ["fffe", "ffff", "0000"]


def test_fin_and_push_stay_with_the_last_packet_and_cwr_with_the_first() -> None:
    flags = ACK | PSH | FIN | CWR | ECE | URG | AE
    packets = offload.split(Super(flags=flags, gso_size=10).packet((bytes(30),)))
    found = [int.from_bytes(packet.head[32:34], "big") & 0x1FF for packet in packets]
    assert found == [flags & ~(PSH | FIN), flags & ~(PSH | FIN | CWR), flags & ~CWR]


def test_a_packet_that_is_no_super_segment_stays_as_it_is() -> None:
    packet = Packet(b"anything")
    assert offload.split(packet) == [packet]


@pytest.mark.parametrize("mark", [CHECKSUM_NONE, CHECKSUM_VERIFIED])
def test_a_super_segment_that_is_not_partial_cannot_be_split(mark: int) -> None:
    packet = Super().packet((bytes(5000),))
    packet.checksum = mark
    with pytest.raises(ValueError, match="must be CHECKSUM_PARTIAL"):
        offload.split(packet)


def test_an_ipv6_super_segment_gets_payload_lengths() -> None:
    payload = bytes(range(250))
    segment = Segment(80, 4242, 1, 2, ACK | PSH, 65535)

    def head(seq: int, flags: int, octets: int) -> bytes:
        segment.seq, segment.flags = seq, flags
        partial = pseudo_header_sum(SOURCE6, DESTINATION6, 6, 20 + octets)
        network = pack("!IHBB", 0x60012345, 20 + octets, 6, 64) + SOURCE6 + DESTINATION6
        return network + tcp.emit(segment, partial)

    packet = Packet(head(1, ACK | PSH, 250), (payload,), CHECKSUM_PARTIAL, 40, 16, 100)
    assert [part.joined() for part in offload.split(packet)] == [
        head(1, ACK, 100) + payload[:100],
        head(101, ACK, 100) + payload[100:200],
        head(201, ACK | PSH, 50) + payload[200:],
    ]


@given(SUPERS, st.lists(st.binary(max_size=90), max_size=4).map(tuple))
def test_splitting_into_complete_packets_is_splitting_and_completing(made: Super, pieces: tuple[bytes, ...]) -> None:
    packet = made.packet(pieces)
    parts = [offload.complete_checksum(part) for part in offload.split(packet, len(made.link))]
    complete = offload.split(packet, len(made.link), complete=True)
    assert [part.joined() for part in complete] == [part.joined() for part in parts]
    assert {part.checksum for part in complete} == {CHECKSUM_NONE}


@pytest.mark.rfc("9293", "MUST-2")
@given(SUPERS, st.binary(max_size=200))
def test_scapy_computes_the_checksums_of_all_packets(made: Super, payload: bytes) -> None:
    from scapy.layers.inet import IP, TCP

    for packet in offload.split(made.packet((payload,)), len(made.link)):
        octets = plain(packet)[len(made.link) :]
        judge = IP(octets)
        del judge.chksum, judge.len
        del judge[TCP].chksum
        assert bytes(judge) == octets


@given(st.lists(st.binary(max_size=60), max_size=4).map(tuple), st.integers(0, 0xFFFF), st.integers(0, 0xFFFF))
def test_scapy_computes_the_checksum_of_a_completed_udp_datagram(
    pieces: tuple[bytes, ...], source_port: int, destination_port: int
) -> None:
    from scapy.layers.inet import IP, UDP

    octets = 8 + sum(map(len, pieces))
    partial = pseudo_header_sum(SOURCE, DESTINATION, 17, octets)
    head = ipv4.emit(Ipv4(SOURCE, DESTINATION, 17), octets) + udp.emit(source_port, destination_port, octets, partial)
    complete = offload.complete_checksum(Packet(head, pieces, CHECKSUM_PARTIAL, 20, udp.CHECKSUM_OFFSET))
    assert complete.checksum == CHECKSUM_NONE
    assert complete.body is pieces
    judge = IP(complete.joined())
    field = judge[UDP].chksum
    del judge[UDP].chksum
    assert IP(bytes(judge))[UDP].chksum == field


@pytest.mark.rfc("768", "udp.1")
def test_a_udp_checksum_of_zero_is_completed_to_all_ones_and_a_tcp_checksum_to_zero() -> None:
    datagram = udp.emit(1, 2, 8, 0)
    partial = checksum(datagram).to_bytes(2, "big")  # chosen so that everything sums to 0xFFFF
    packet = Packet(datagram[:6] + partial, (), CHECKSUM_PARTIAL, 0, udp.CHECKSUM_OFFSET)
    assert offload.complete_checksum(packet).head[6:8] == b"\xff\xff"
    segment = tcp.emit(Segment(1, 2, 3), 0)
    head = segment[:16] + checksum(segment).to_bytes(2, "big") + segment[18:]
    packet = Packet(head, (), CHECKSUM_PARTIAL, 0, tcp.CHECKSUM_OFFSET)
    assert offload.complete_checksum(packet).head[16:18] == b"\0\0"


@pytest.mark.parametrize("mark", [CHECKSUM_NONE, CHECKSUM_VERIFIED])
def test_a_checksum_that_is_not_partial_is_left_alone(mark: int) -> None:
    packet = Packet(bytes(40), (), mark)
    assert offload.complete_checksum(packet) is packet


KERNEL_CASES = [
    (5000, Super(flags=ACK | PSH | FIN)),
    (60000, Super(flags=ACK | PSH | CWR | ECE, identification=7)),
    (60000, Super(flags=ACK | PSH | URG, options=None, urgent=3000, gso_size=1460)),
    (4000, Super(options=Options(timestamps=(3, 4), sack=((1, 2), (5, 6))), gso_size=1428)),
    *((4000 + odd, Super(gso_size=1000 + odd, identification=5000 * odd & 0xFFFF)) for odd in range(10)),
]


@pytest.mark.root
@pytest.mark.needs("ip", "sysctl")
@pytest.mark.device("/dev/net/tun")
def test_the_kernel_segments_the_same_super_segments_into_the_same_octets() -> None:
    payloads = [os.urandom(octets) for octets, _ in KERNEL_CASES]
    supers = [(made, payload) for (_, made), payload in zip(KERNEL_CASES, payloads, strict=True)]
    with ThreadPoolExecutor(1) as thread:  # a network namespace belongs to a thread, and ends with it
        by_kernel = thread.submit(segment_in_kernel, supers).result()
    for (made, payload), found in zip(supers, by_kernel, strict=True):
        routed = replace(made, ttl=made.ttl - 1)
        assert list(map(plain, offload.split(routed.packet((payload,))))) == found


def segment_in_kernel(supers: list[tuple[Super, bytes]]) -> list[list[bytes]]:
    """Lets the kernel route from a TUN with offloads to one without, for which it has to segment and to sum."""
    if ctypes.CDLL(None, use_errno=True).unshare(0x40000000):  # CLONE_NEWNET
        raise OSError(ctypes.get_errno(), "unshare")
    upstream = open_tun("offloading", vnet_header=True)
    downstream = open_tun("plain", vnet_header=False)
    try:
        fcntl.ioctl(upstream, 0x400454D8, pack("i", 10))  # TUNSETVNETHDRSZ
        for command in (
            "ip address add 192.0.2.1/24 dev offloading",
            "ip address add 198.51.100.1/24 dev plain",
            "ip link set offloading up",
            "ip link set plain up",
            "sysctl -q -w net.ipv4.ip_forward=1",
        ):
            subprocess.run(command.split(), check=True)
        found = []
        for made, payload in supers:
            packet = made.packet((payload,))
            kind = 1 | (0x80 if made.flags & CWR else 0)  # VIRTIO_NET_HDR_GSO_TCPV4, ..._ECN
            header = pack("=BBHHHH", 1, kind, len(packet.head), made.gso_size, packet.checksum_start, 16)
            os.write(upstream, header + packet.joined())
            found.append(list(read_segments(downstream, len(payload))))
        return found
    finally:
        os.close(upstream)
        os.close(downstream)


def open_tun(name: str, vnet_header: bool) -> int:
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    flags = 0x1001 | (0x4000 if vnet_header else 0)  # IFF_TUN | IFF_NO_PI, IFF_VNET_HDR
    fcntl.ioctl(descriptor, 0x400454CA, pack("16sH22x", name.encode(), flags))  # TUNSETIFF
    return descriptor


def read_segments(descriptor: int, payload_octets: int) -> Iterator[bytes]:
    """TCP packets until their payloads sum to ``payload_octets``; none for five seconds is an end too."""
    while payload_octets > 0 and select.select([descriptor], [], [], 5)[0]:
        octets = os.read(descriptor, 65536)
        if octets[0] == 0x45 and octets[9] == ipv4.PROTOCOL_TCP:
            yield octets
            payload_octets -= len(octets) - 20 - (octets[32] >> 2 & 0x3C)
