from dataclasses import replace
from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halfopen.base.addresses import MAC_BROADCAST
from halfopen.base.clock import SECOND
from halfopen.base.errors import ConfigError
from halfopen.base.rng import SeededRng
from halfopen.links.packet_socket import TP_STATUS_CSUM_VALID, TP_STATUS_CSUMNOTREADY
from halfopen.links.syn_gate import ACCURATE, Guarded, SynGate
from halfopen.stack.config import InterfaceConfig, StackConfig, TcpLayerConfig
from halfopen.stack.internet import default_route
from halfopen.stack.ports import Owner
from halfopen.stack.stack import Stack
from halfopen.stack.tcp_socket import TcpListener
from halfopen.tcp.config import Ecn, OptionsConfig, TcpConfig
from halfopen.wire import checksum, ethernet, ipv4
from halfopen.wire.offload import complete_checksum
from halfopen.wire.packet import CHECKSUM_NONE, CHECKSUM_PARTIAL, CHECKSUM_VERIFIED, Packet
from tests.links.blocks import MemorySlots, make_batch

OURS = bytes((192, 0, 2, 2))
PEER = bytes((198, 51, 100, 7))
OUR_MAC = bytes((2, 0, 0, 0, 0, 2))
PEER_MAC = bytes((2, 0, 0, 0, 0, 1))
PORT = 80
NOW = 1000 * SECOND
SYN, ACK, RST, FIN, ECE, CWR = 0x02, 0x10, 0x04, 0x01, 0x40, 0x80
LINUX = bytes.fromhex("020405b40402080a000030390000000001030307")
FREEBSD = bytes.fromhex("020405b4010303060402080a0000303900000000")
WINDOWS = bytes.fromhex("020405b40103030801010402")
SIPHASH = StackConfig(tcp_layer=TcpLayerConfig(syn_cookies="always", keyed_hash="siphash"))


class Scene:
    """A stack that listens, and a gate in front of it, which shares its listener."""

    def __init__(self, config: StackConfig = SIPHASH, slots: int = 16) -> None:
        self.stack = Stack(config, SeededRng(1))
        self.interface = self.stack.add_interface(
            InterfaceConfig(name="tun0", kind="ip", addresses=("192.0.2.2/24",), mtu=1500)
        )
        self.stack.routes.add(default_route(self.interface))
        self.listener: TcpListener = self.stack.tcp.listen((OURS, PORT), Owner("test"))
        self.slots = MemorySlots(slots)
        guarded = Guarded(
            listener=self.listener.listener,
            addresses=[OURS],
            strange=[OURS, bytes((192, 0, 2, 255))],
            mac=OUR_MAC,
            mtu=1500,
            clock_offsets=self.stack.tcp.paths.clock_offsets,
            counters=self.stack.counters,
        )
        self.gate = SynGate(guarded, self.slots, NOW)

    def through_gate(self, *frames: bytes, status: int = 0, now: int = NOW) -> list[bytes]:
        """What comes out at the other side."""
        packets = self.gate.answer(make_batch([(frame, status) for frame in frames]), now)
        return [packet.head for packet in packets]

    def through_stack(self, *frames: bytes, now: int = NOW) -> list[bytes]:
        """What the stack itself answers, without Ethernet."""
        for frame in frames:
            self.stack.receive(self.interface, Packet(frame[14:]), now)
        sent: list[bytes] = []
        while (item := self.stack.poll_transmit(now)) is not None:
            sent.append(complete_checksum(item[1]).joined())
        return sent


def tcp(
    options: bytes = LINUX,
    flags: int = SYN,
    *,
    numbers: tuple[int, int] = (7, 0),
    ports: tuple[int, int] = (40000, PORT),
    source: bytes = PEER,
    destination: bytes = OURS,
    data: bytes = b"",
    tos: int = 0,
) -> bytes:
    """A frame from the peer."""
    options += bytes(-len(options) % 4)
    header = pack("!HHIIBBHHH", *ports, *numbers, (20 + len(options)) << 2, flags, 65535, 0, 0) + options + data
    total = checksum.pseudo_header_sum(source, destination, 6, len(header))
    header = header[:16] + pack("!H", checksum.checksum(header, total)) + header[18:]
    network = ipv4.emit(ipv4.Ipv4(source=source, destination=destination, protocol=6, tos=tos), len(header))
    return ethernet.emit(OUR_MAC, PEER_MAC, ethernet.ETHERTYPE_IPV4) + network + header


def patched(frame: bytes, at: int, octets: bytes) -> bytes:
    return frame[:at] + octets + frame[at + len(octets) :]


def with_ip_checksum(frame: bytes) -> bytes:
    cleared = patched(frame, 24, b"\0\0")
    return patched(cleared, 24, pack("!H", checksum.checksum(cleared[14:34])))


some_options = st.one_of(
    st.sampled_from(
        [b"", LINUX, FREEBSD, WINDOWS, bytes.fromhex("02040218"), bytes.fromhex("0101080a0000000100000000")]
    ),
    st.lists(
        st.sampled_from(
            [
                *(b"\x01", b"\x02\x04\x05\x00", b"\x02\x04\x00\x00", b"\x02\x03\x05", b"\x03\x03\x0f", b"\x03\x03\x02"),
                *(
                    b"\x04\x02",
                    b"\x08\x0a\x01\x02\x03\x04\x05\x06\x07\x08",
                    b"\x08\x04\x01\x02",
                    b"\x4c\x05abc",
                    b"\x00",
                ),
            ]
        ),
        max_size=8,
    ).map(lambda pieces: b"".join(pieces)[:40]),
    st.binary(max_size=40),
)
some_syns = st.builds(
    lambda options, flags, tos, seq, end: tcp(
        options, flags, tos=tos, numbers=(seq, 0), ports=(end[0], PORT), source=PEER[:3] + bytes((end[1],))
    ),
    some_options,
    st.sampled_from([SYN, SYN | ECE, SYN | ECE | CWR, SYN | 0x08]),
    st.sampled_from([0, 0, 1, 2, 3, 0xB8]),
    st.integers(0, 2**32 - 1),
    st.tuples(st.integers(1, 65535), st.integers(1, 254)),
)


@given(st.lists(some_syns, min_size=1, max_size=40, unique=True), st.sampled_from([0, 70 * SECOND]))
def test_the_gate_says_octet_for_octet_what_the_stack_would_say(syns: list[bytes], later: int) -> None:
    scene = Scene(slots=64)
    rest = scene.through_gate(*syns, now=NOW + later)
    answered = [syn for syn in syns if syn not in rest]
    said = scene.through_stack(*answered, now=NOW + later)
    assert sorted(frame[14:] for frame in scene.slots.sent) == sorted(said)
    assert len(said) == len(answered) == scene.stack.counters["SyncookiesSent"] / 2


@given(some_options)
def test_what_the_gate_leaves_is_bad_or_says_what_a_gate_does_not_know(options: bytes) -> None:
    scene = Scene()
    if scene.through_gate(tcp(options)):
        foreign = {19, 29, 34, 254} & set(options)
        scene.through_stack(tcp(options))
        assert foreign or scene.stack.counters["TcpBadOptions"] == 1


@pytest.mark.parametrize(
    "config",
    [
        TcpConfig(options=OptionsConfig(ecn=Ecn.OFF)),
        TcpConfig(options=OptionsConfig(timestamps=False)),
        TcpConfig(options=OptionsConfig(sack=False)),
        TcpConfig(options=OptionsConfig(window_scaling=False)),
        TcpConfig(options=OptionsConfig(mss=900)),
        TcpConfig(options=OptionsConfig(layout="dense")),
    ],
    ids=["no ECN", "no timestamps", "no SACK", "no scaling", "MSS 900", "dense"],
)
def test_the_gate_goes_by_the_configuration_of_the_port(config: TcpConfig) -> None:
    scene = Scene(replace(SIPHASH, tcp=config))
    syns = [tcp(options, SYN | ECE | CWR) for options in (LINUX, FREEBSD, WINDOWS, b"")]
    assert scene.through_gate(*syns) == []
    assert sorted(frame[14:] for frame in scene.slots.sent) == sorted(scene.through_stack(*syns))


@pytest.mark.parametrize("wish", ACCURATE)
def test_accurate_ecn_is_the_stacks(wish: Ecn) -> None:
    scene = Scene(replace(SIPHASH, tcp=TcpConfig(options=OptionsConfig(ecn=wish))))
    asking = [tcp(LINUX, SYN | ECE | CWR), tcp(LINUX, SYN | CWR), patched(tcp(LINUX, SYN | ECE | CWR), 46, b"\xa1")]
    assert scene.through_gate(*asking, tcp()) == asking
    assert [frame[14:] for frame in scene.slots.sent] == scene.through_stack(tcp())


@pytest.mark.parametrize("options", [LINUX, WINDOWS, b""], ids=["Linux", "Windows", "none"])
def test_the_ack_of_a_cookie_makes_a_connection(options: bytes) -> None:
    scene = Scene()
    assert scene.through_gate(tcp(options)) == []
    reply = scene.slots.sent[0]
    assert reply[:14] == PEER_MAC + OUR_MAC + b"\x08\x00"
    echo = b"\x01\x01\x08\x0a" + pack("!I", 12346) + reply[62:66] if options is LINUX else b""
    iss = int.from_bytes(reply[38:42], "big")
    ack = tcp(echo, ACK, numbers=(8, iss + 1 & 0xFFFFFFFF))
    assert scene.through_gate(ack, now=NOW + SECOND) == [ack]
    scene.through_stack(ack, now=NOW + SECOND)
    assert scene.listener.accept() is not None
    assert scene.stack.counters["SyncookiesRecv"] == 1


OTHERS = {
    "an ACK": tcp(LINUX, ACK),
    "a SYN,ACK": tcp(LINUX, SYN | ACK),
    "a SYN with RST": tcp(LINUX, SYN | RST),
    "a SYN with FIN": tcp(LINUX, SYN | FIN),
    "another port": tcp(ports=(40000, 81)),
    "another address": tcp(destination=bytes((192, 0, 2, 3))),
    "another MAC": MAC_BROADCAST + tcp()[6:],
    "text in the SYN": tcp(data=b"early"),
    "a reserved bit": patched(tcp(), 46, b"\xa1"),
    "Fast Open": tcp(b"\x22\x02\x01\x01"),
    "a signature": tcp(b"\x13\x12" + bytes(16) + b"\x01\x01"),
    "a bad option": tcp(b"\x02\x00\x00\x00"),
    "an option over the end": tcp(b"\x01\x01\x08\x0a"),
    "a bad TCP checksum": patched(tcp(), 40, b"\x55"),
    "a bad IP checksum": patched(tcp(), 22, b"\x55"),
    "a fragment": with_ip_checksum(patched(tcp(), 20, b"\x20")),
    "IP options": with_ip_checksum(patched(tcp(), 14, b"\x46")),
    "UDP": with_ip_checksum(patched(tcp(), 23, b"\x11")),
    "IPv6": patched(tcp(), 12, b"\x86\xdd"),
    "a total length beyond the frame": with_ip_checksum(patched(tcp(), 16, pack("!H", 80))),
    "a header beyond the total length": patched(tcp(), 46, b"\xb0"),
    "a source of a group": tcp(source=bytes((224, 0, 0, 1))),
    "loopback for a source": tcp(source=bytes((127, 0, 0, 1))),
    "nobody for a source": tcp(source=bytes(4)),
    "our own source": tcp(source=OURS),
    "a broadcast for a source": tcp(source=bytes((192, 0, 2, 255))),
    "a stub": tcp()[:30],
}


@pytest.mark.parametrize("frame", OTHERS.values(), ids=OTHERS.keys())
def test_everything_else_is_the_stacks(frame: bytes) -> None:
    scene = Scene()
    other = tcp(ports=(1, PORT))
    assert scene.through_gate(other, frame, other) == [frame]
    assert len(scene.slots.sent) == 2


@pytest.mark.parametrize("status", [TP_STATUS_CSUMNOTREADY, TP_STATUS_CSUM_VALID])
def test_a_checksum_that_the_kernel_vouches_for_is_not_looked_at(status: int) -> None:
    scene = Scene()
    assert scene.through_gate(patched(tcp(), 50, b"\0\0"), status=status) == []
    assert len(scene.slots.sent) == 1


def test_frames_come_out_with_the_marks_of_the_kernel() -> None:
    scene = Scene()
    ack = tcp(flags=ACK)
    batch = make_batch([(ack, TP_STATUS_CSUMNOTREADY), (ack, TP_STATUS_CSUM_VALID), (ack, 0)])
    marks = [packet.checksum for packet in scene.gate.answer(batch, NOW)]
    assert marks == [CHECKSUM_PARTIAL, CHECKSUM_VERIFIED, CHECKSUM_NONE]


@pytest.mark.parametrize("lengths", [[0], [0, 4], [0, 0, 0, 8, 4, 0], [4] * 300 + [0] * 300])
def test_frames_of_any_length_are_found(lengths: list[int]) -> None:
    scene = Scene()
    frames = [tcp(flags=ACK, data=bytes(8 * octets), numbers=(number, 0)) for number, octets in enumerate(lengths)]
    assert scene.through_gate(*frames) == frames


def test_frames_of_ever_changing_lengths_are_found() -> None:
    scene = Scene()
    frames = [tcp(flags=ACK, data=bytes(number % 7 * 8), numbers=(number, 0)) for number in range(500)]
    assert scene.through_gate(*frames) == frames


def test_an_empty_batch_is_nothing() -> None:
    assert Scene().through_gate() == []


def test_replies_go_round_the_ring() -> None:
    scene = Scene(slots=8)
    syns = [tcp(ports=(port, PORT)) for port in range(1, 21)]
    assert scene.through_gate(*syns) == []
    assert [frame[36:38] for frame in scene.slots.sent] == [pack("!H", port) for port in range(1, 21)]


def test_what_finds_no_slot_is_dropped_and_counted() -> None:
    scene = Scene(slots=8)
    scene.slots.is_stuck = True
    assert scene.through_gate(*[tcp(ports=(port, PORT)) for port in range(1, 21)]) == []
    assert scene.stack.counters["LinkFull"] == 12
    assert scene.stack.counters["SyncookiesSent"] == 8


def test_closing_the_gate_gives_the_slots_up() -> None:
    scene = Scene()
    scene.gate.close()
    assert scene.slots.is_closed


@pytest.mark.parametrize(
    "layer", [TcpLayerConfig(), TcpLayerConfig(syn_cookies="off", keyed_hash="siphash")], ids=["BLAKE2s", "no cookies"]
)
def test_a_gate_needs_cookies_that_it_can_compute(layer: TcpLayerConfig) -> None:
    with pytest.raises(ConfigError, match="keyed_hash 'siphash'"):
        Scene(StackConfig(tcp_layer=layer))
