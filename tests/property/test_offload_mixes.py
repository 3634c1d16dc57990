"""However segments come, alone, merged by the device, merged here or marked by a device that computes no checksums:
the user reads the same octets, and the peer is told the same."""

import socket
from dataclasses import dataclass
from struct import Struct

from hypothesis import given
from hypothesis import strategies as st

from halfopen.base.addresses import parse_address
from halfopen.base.rng import SeededRng
from halfopen.links.device import Device, DeviceLink
from halfopen.stack.config import InterfaceConfig, StackConfig
from halfopen.stack.interface import Interface, Offloads
from halfopen.stack.ports import NOBODY
from halfopen.stack.stack import Stack
from halfopen.wire import ipv4, tcp
from halfopen.wire.checksum import pseudo_header_sum
from halfopen.wire.ipv4 import Ipv4
from halfopen.wire.offload import complete_checksum
from halfopen.wire.packet import CHECKSUM_NONE, CHECKSUM_PARTIAL, CHECKSUM_VERIFIED, Packet
from halfopen.wire.tcp import ACK, PSH, SYN, Segment
from halfopen.wire.tcp_options import Options

PEER, OURS = parse_address("192.0.2.1"), parse_address("192.0.2.2")
SIZE = 600
STREAM = bytes((7 * at + at // 251) & 0xFF for at in range(40 * SIZE))
ISS = 0xFFFFFF00
NOW = 10**9

ALONE, VOUCHED_FOR, UNCOMPUTED, MERGED, CORRUPT = range(5)


@dataclass(frozen=True)
class Arrival:
    """Text from the segment ``first`` on, ``count`` segments if the device merges, else one; ``flags`` of the last."""

    first: int
    count: int
    form: int
    flags: int = 0


ARRIVALS = st.builds(
    Arrival, st.integers(0, 35), st.integers(1, 4), st.integers(ALONE, CORRUPT), st.sampled_from((0, 0, 0, PSH))
)
IN_ORDER = st.integers(0, 20).flatmap(
    lambda first: st.integers(1, 15).map(lambda count: [Arrival(first + at, 1, ALONE) for at in range(count)])
)
BATCHES = st.lists(st.lists(st.one_of(ARRIVALS.map(lambda one: [one]), IN_ORDER), max_size=5), max_size=8)


class Receiver:
    """A stack, and what one connection to it has been sent and has answered."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self.stack = Stack(StackConfig(), SeededRng("receiver"))
        settings = InterfaceConfig(
            name="tun0", kind="ip", addresses=("192.0.2.2/24",), offloads=Offloads(checksum=True)
        )
        self.interface: Interface = self.stack.add_interface(settings)
        listener = self.stack.tcp.listen((OURS, 80), NOBODY)
        syn = Options(mss=SIZE + 12, sack_permitted=options.sack_permitted, timestamps=options.timestamps)
        self._take([self.frame(Segment(4242, 80, ISS, 0, SYN, 60000, options=syn), b"", ALONE)])
        self._ack = (self.answers[-1].seq + 1) & 0xFFFFFFFF
        self._take([self.frame(self._segment(0, 0), b"", ALONE)])
        accepted = listener.accept()
        assert accepted is not None
        self.socket = accepted
        self._early = accepted.connection.tcb.rcv.early
        self.received = bytearray()

    def _take(self, packets: list[Packet]) -> None:
        self.stack.receive_batch(self.interface, packets, NOW)
        self._collect()

    def _collect(self) -> None:
        self.answers: list[Segment] = []
        while (item := self.stack.poll_transmit(NOW)) is not None:
            self.answers.append(tcp.parse(item[1], 20, item[1].octets - 20))

    def blocks(self) -> list[tuple[int, int]]:
        """What there is behind a hole, of which SACK tells."""
        return [(block.start, block.end) for block in self._early.blocks]

    def take(self, batch: list[Arrival], *, singly: bool) -> None:
        """As the device gives it, or each segment by itself with a checksum of its own."""
        if not singly:
            self._take([self.packet(each) for each in batch])
        else:
            for each in batch:
                self._take_singly(each)
            self._collect()
        self.received += b"".join(self.socket.receive(1 << 20, NOW))

    def take_raw(self, data: bytes) -> None:
        """What is read of a device that has a virtio_net_hdr."""
        near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        near.setblocking(False)
        with far, DeviceLink(Device("tun0", bytes(6), 1500), "ip", bytes(6), near.detach(), vnet=True) as link:
            far.send(data)
            self._take(link.read(8))
        self.received += b"".join(self.socket.receive(1 << 20, NOW))

    def _take_singly(self, arrival: Arrival) -> None:
        count = arrival.count if arrival.form == MERGED else 1
        for at in range(arrival.first, arrival.first + count):
            flags = arrival.flags if at == arrival.first + count - 1 else 0
            form = CORRUPT if arrival.form == CORRUPT else ALONE
            packet = self.packet(Arrival(at, 1, form, flags))
            self.stack.receive(self.interface, packet, NOW)

    def packet(self, arrival: Arrival) -> Packet:
        """As a device gives it."""
        count = arrival.count if arrival.form == MERGED else 1
        start = arrival.first * SIZE
        segment = self._segment(start + 1, arrival.flags)
        return self.frame(segment, STREAM[start : start + count * SIZE], arrival.form)

    def _segment(self, offset: int, flags: int) -> Segment:
        options = Options(timestamps=self._options.timestamps) if self._options.timestamps else None
        seq = (ISS + max(offset, 1)) & 0xFFFFFFFF
        return Segment(4242, 80, seq, getattr(self, "_ack", 0), ACK | flags, 500, options=options)

    def frame(self, segment: Segment, payload: bytes, form: int) -> Packet:
        """In one of the forms that devices have for it."""
        octets = tcp.header_octets(segment) + len(payload)
        header = tcp.emit(segment, pseudo_header_sum(PEER, OURS, 6, octets))
        head = ipv4.emit(Ipv4(PEER, OURS, 6), octets) + header
        if form == MERGED:
            size = SIZE if len(payload) > SIZE else 0
            return Packet(head, (memoryview(payload),), CHECKSUM_PARTIAL, 20, 16, size)
        packet = Packet(head + payload, (), CHECKSUM_PARTIAL, 20, 16)
        if form == UNCOMPUTED:
            return packet
        packet = complete_checksum(packet)
        if form == VOUCHED_FOR:
            packet.checksum = CHECKSUM_VERIFIED
        if form == CORRUPT:
            packet = Packet(packet.head[:-1] + bytes((packet.head[-1] ^ 1,)), (), CHECKSUM_NONE)
        return packet


@given(BATCHES, st.booleans(), st.sampled_from((None, (7, 9))))
def test_any_mix_of_offloads_and_merges_delivers_the_same_octets_and_acknowledges_them_alike(
    batches: list[list[list[Arrival]]], sack: bool, stamps: tuple[int, int] | None
) -> None:
    options = Options(sack_permitted=sack, timestamps=stamps)
    merging, plain = Receiver(options), Receiver(options)
    for groups in batches:
        batch = [each for group in groups for each in group]
        merging.take(batch, singly=False)
        plain.take(batch, singly=True)
        assert merging.received == plain.received
        assert bytes(merging.received) == STREAM[: len(merging.received)]
        assert [each.ack for each in merging.answers[-1:]] == [each.ack for each in plain.answers[-1:]]
        assert merging.blocks() == plain.blocks()
        assert merging.stack.counters["InCsumErrors"] == plain.stack.counters["InCsumErrors"]


@given(st.integers(1, 20), st.sampled_from((None, (7, 9))))
def test_without_sack_each_segment_behind_a_hole_is_a_duplicate_of_its_own(
    count: int, stamps: tuple[int, int] | None
) -> None:
    receiver = Receiver(Options(timestamps=stamps))
    receiver.take([Arrival(1 + at, 1, ALONE) for at in range(count)], singly=False)
    assert receiver.stack.counters["TcpSegmentsMerged"] == count - 1
    assert len(receiver.answers) == count
    assert len({each.ack for each in receiver.answers}) == 1


HEADERS = st.tuples(
    st.sampled_from((0, 1, 2, 3)),
    st.sampled_from((0, 0, 1, 4, 0x81, 3, 5)),
    st.integers(0, 0xFFFF),
    st.sampled_from((0, 1, SIZE, SIZE, 2 * SIZE, 9000, 0xFFFF)),
    st.one_of(st.just(20), st.integers(0, 80), st.just(0xFFFF)),
    st.sampled_from((16, 16, 6, 0, 0xFFFF)),
)
"""Flags, type, header length, size, start and offset of a virtio_net_hdr that may be true or not."""


@given(st.lists(st.tuples(ARRIVALS, HEADERS), max_size=30))
def test_no_word_of_a_device_about_its_frames_corrupts_a_stream(
    arrivals: list[tuple[Arrival, tuple[int, ...]]],
) -> None:
    """Only `CORRUPT` frames with a header that vouches for them could, and there is nothing to tell those by."""
    receiver = Receiver(Options(timestamps=(7, 9)))
    for arrival, words in arrivals:
        frame = receiver.packet(arrival).joined()
        flags = words[0] if arrival.form != CORRUPT else 0
        receiver.take_raw(Struct("=BBHHHH").pack(flags, *words[1:]) + frame)
        assert bytes(receiver.received) == STREAM[: len(receiver.received)]
    assert receiver.stack.counters["InErrs"] == 0


@given(st.integers(0, 30), HEADERS.filter(lambda words: not words[0] & 1))
def test_a_complete_frame_is_taken_whatever_its_header_says_unless_that_is_that_it_is_not(
    first: int, words: tuple[int, ...]
) -> None:
    receiver = Receiver(Options(timestamps=(7, 9)))
    for at in range(first + 1):
        receiver.take_raw(Struct("=BBHHHH").pack(*words) + receiver.packet(Arrival(at, 1, ALONE)).joined())
    assert bytes(receiver.received) == STREAM[: (first + 1) * SIZE]
