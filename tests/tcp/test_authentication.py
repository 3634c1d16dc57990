from dataclasses import replace

import pytest

from halfopen.tcp.authentication import (
    Association,
    extension,
    header_at,
    is_authentic,
    message,
    next_key_id,
    reverse,
    traffic_key,
)
from halfopen.tcp.master_keys import ALGORITHMS, MasterKey
from halfopen.wire import tcp
from halfopen.wire.checksum import checksum, pseudo_header_sum
from halfopen.wire.ipv4 import PROTOCOL_TCP
from halfopen.wire.packet import Packet
from halfopen.wire.tcp import ACK, HEADER_OCTETS, PSH, SYN, Segment
from halfopen.wire.tcp_options import AUTHENTICATION, TIMESTAMPS, Options, find
from tests.tcp.ao_vectors import CLIENT_ID, SECRET, SERVER_ID, VECTORS, Vector

FLOW = bytes((192, 0, 2, 2, 192, 0, 2, 1)) + (4242).to_bytes(2, "big") + (7).to_bytes(2, "big")
KEY = MasterKey(secret=b"between us", send_id=1, receive_id=2)
PEERS = MasterKey(secret=b"between us", send_id=2, receive_id=1)

every_vector = pytest.mark.parametrize("vector", VECTORS, ids=str)


def key_of(vector: Vector) -> MasterKey:
    """The client's key, which is the reader of the RFC."""
    return MasterKey(
        secret=SECRET,
        send_id=CLIENT_ID,
        receive_id=SERVER_ID,
        algorithm=vector.algorithm,
        covers_options=vector.covers_options,
    )


def parts(vector: Vector) -> tuple[bytes, bytes, bytes]:
    """Flow as the receiver sees it, header and text."""
    datagram = vector.datagram
    start, addresses = (20, datagram[12:20]) if datagram[0] >> 4 == 4 else (40, datagram[8:40])
    header = header_at(datagram, start)
    return addresses + header[:4], header, datagram[start + len(header) :]


def context(vector: Vector, header: bytes) -> tuple[int, int]:
    client, server = vector.isns
    if header[13] & (SYN | ACK) == SYN:
        return client, 0
    return (client, server) if vector.is_from_client else (server, client)


@pytest.mark.rfc("9235", "9235.keys")
@every_vector
def test_traffic_keys_are_those_of_rfc_9235(vector: Vector) -> None:
    flow, header, _ = parts(vector)
    assert traffic_key(key_of(vector), flow, *context(vector, header)) == vector.traffic_key


@pytest.mark.rfc("9235", "9235.macs")
@every_vector
def test_macs_are_those_of_rfc_9235(vector: Vector) -> None:
    flow, header, text = parts(vector)
    key = key_of(vector)
    at = find(header, HEADER_OCTETS, len(header), AUTHENTICATION)
    covered = message(key, flow, context(vector, header)[0], header, (text,))
    assert ALGORITHMS[key.algorithm].authenticate(vector.traffic_key, covered) == header[at + 4 : at + 16]
    assert is_authentic(key, vector.traffic_key, covered, header)


@every_vector
def test_vectors_are_whole_datagrams(vector: Vector) -> None:
    flow, header, text = parts(vector)
    ends = flow[:-4]
    octets = len(header) + len(text)
    if len(ends) == 8:
        assert checksum(vector.datagram[:20]) == 0
        assert int.from_bytes(vector.datagram[2:4], "big") == len(vector.datagram)
    else:
        pseudo = pseudo_header_sum(ends[:16], ends[16:], PROTOCOL_TCP, octets)
        assert tcp.verify(Packet(header + text), 0, octets, pseudo)


@every_vector
def test_a_vector_with_one_octet_changed_is_not_authentic(vector: Vector) -> None:
    flow, header, text = parts(vector)
    key = key_of(vector)
    for at in (0, 4, 13, 15, 19):
        forged = bytearray(header)
        forged[at] ^= 1
        covered = message(key, flow, context(vector, header)[0], bytes(forged), (text,))
        assert not is_authentic(key, vector.traffic_key, covered, bytes(forged))


@every_vector
def test_other_options_may_be_changed_only_where_they_are_not_covered(vector: Vector) -> None:
    flow, header, text = parts(vector)
    key = key_of(vector)
    changed = bytearray(header)
    changed[find(header, HEADER_OCTETS, len(header), TIMESTAMPS) + 2] ^= 1
    covered = message(key, flow, context(vector, header)[0], bytes(changed), (text,))
    assert is_authentic(key, vector.traffic_key, covered, bytes(changed)) == (not vector.covers_options)


@every_vector
def test_an_association_finds_the_servers_segments_authentic(vector: Vector) -> None:
    flow, header, text = parts(vector)
    if vector.is_from_client:
        return
    client, server = vector.isns
    key = key_of(vector)
    association = Association(flow, client, key, key)
    association.learn(server)
    segment = tcp.parse(Packet(header + text), 0, len(header) + len(text))
    assert next_key_id(header) == CLIENT_ID
    assert association.is_authentic(key, segment, header)


def two_ends(iss: int, irs: int) -> tuple[Association, Association]:
    near = Association(FLOW, iss, KEY, KEY)
    near.learn(irs)
    far = Association(reverse(FLOW), irs, PEERS, PEERS)
    far.learn(iss)
    return near, far


def sent(association: Association, seq: int, text: bytes = b"text") -> tuple[Segment, bytes]:
    segment = Segment(7, 4242, seq & 0xFFFFFFFF, 1, ACK | PSH, 100, 0, Options(timestamps=(1, 2)), (text,), len(text))
    association.sign(segment)
    return segment, tcp.emit(segment, 0xBEEF)


def test_what_one_end_signs_is_authentic_at_the_other_whatever_its_checksum() -> None:
    near, far = two_ends(1000, 2000)
    segment, header = sent(near, 1001)
    assert len(header) == 20 + 12 + 16
    assert far.is_authentic(PEERS, segment, header)
    segment.payload = (b"tExt",)
    assert not far.is_authentic(PEERS, segment, header)


def test_a_sequence_number_extension_counts_the_laps_of_both_ends() -> None:
    near, far = two_ends(0xFFFF0000, 5)
    for seq in (0xFFFF0001, 0xFFFFFFF0, 0x100000010, 0x170000000, 0x1E0000000, 0x200000001, 0x1FFFFFFF0):
        segment, header = sent(near, seq)
        assert far.is_authentic(PEERS, segment, header), hex(seq)
    assert near.sent == far.received == 0x200000001


def test_a_segment_of_the_lap_before_is_not_authentic_though_its_number_fits() -> None:
    near, far = two_ends(0xFFFF0000, 5)
    old, old_header = sent(near, 0xFFFFFFF0)
    assert far.is_authentic(PEERS, old, old_header)
    for seq in (0x160000000, 0x1C0000000, 0x1FFFFFFF0 - 100):
        assert far.is_authentic(PEERS, *sent(near, seq))
    assert not far.is_authentic(PEERS, old, old_header)


def test_numbers_before_the_first_have_the_last_extension() -> None:
    assert [extension(number) for number in (-1, 0, 0xFFFFFFFF, 0x100000000)] == [0xFFFFFFFF, 0, 0, 1]


def test_a_syn_is_signed_before_the_peers_number_is_known_and_nothing_else_is() -> None:
    association = Association(FLOW, 1000, KEY, replace(KEY, send_id=3, receive_id=4))
    syn = Segment(7, 4242, 1000, flags=SYN, options=Options(mss=1460))
    association.sign(syn)
    header = tcp.emit(syn, 0)
    assert syn.options is not None
    assert syn.options.unknown[0][1][:2] == bytes((1, 4))
    secret = traffic_key(PEERS, reverse(FLOW), 1000, 0)
    assert is_authentic(PEERS, secret, message(PEERS, reverse(FLOW), 1000, header, ()), header)
    reset = Segment(7, 4242, 1001, flags=tcp.RST)
    association.sign(reset)
    assert reset.options is None


def test_ipv6_flows_have_a_pseudo_header_of_their_own() -> None:
    flow = bytes(15) + b"\1" + bytes(15) + b"\2" + bytes(4)
    near, far = Association(flow, 1, KEY, KEY), Association(reverse(flow), 2, PEERS, PEERS)
    near.learn(2)
    far.learn(1)
    segment, header = sent(near, 2)
    assert far.is_authentic(PEERS, segment, header)


def test_sack_blocks_that_leave_no_room_for_the_option_go() -> None:
    near, _ = two_ends(1000, 2000)
    blocks = tuple((2010 + 10 * number, 2015 + 10 * number) for number in range(3))
    segment = Segment(7, 4242, 1001, 2001, ACK, options=Options(timestamps=(1, 2), sack=blocks))
    near.sign(segment)
    assert segment.options is not None
    assert segment.options.sack == blocks[:1]
    assert len(tcp.emit(segment, 0)) == 60
