"""The guard between two stacks on one wire, and whoever else gets at it."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halfopen.base.clock import MILLISECOND, SECOND, Instant
from halfopen.base.counters import Counters
from halfopen.base.errors import ConfigError
from halfopen.stack.config import TcpLayerConfig
from halfopen.stack.demux import make_flow
from halfopen.stack.interface import Offloads
from halfopen.stack.stack import Stack
from halfopen.stack.tcp_socket import TcpSocket
from halfopen.tcp.events import Closed
from halfopen.tcp.guard import HANDSHAKES, Guard
from halfopen.tcp.isn import IsnGenerator
from halfopen.tcp.master_keys import MasterKey, Md5Key
from halfopen.tcp.state import State
from halfopen.wire import icmpv4, ipv4, tcp
from halfopen.wire.checksum import pseudo_header_sum
from halfopen.wire.icmpv4 import Icmp
from halfopen.wire.ipv4 import PROTOCOL_ICMP, PROTOCOL_TCP, Ipv4
from halfopen.wire.offload import complete_checksum
from halfopen.wire.packet import CHECKSUM_PARTIAL, Packet
from halfopen.wire.tcp import ACK, CHECKSUM_OFFSET, FIN, PSH, RST, SYN, Segment
from halfopen.wire.tcp_options import AUTHENTICATION, MD5_SIGNATURE, Options
from tests.stack.tcp_world import CLIENT, PEER, PORT, SERVER, US, Wire, received

KEY = MasterKey(secret=b"between us", send_id=1, receive_id=2)
SECOND_KEY = MasterKey(secret=b"the next one", send_id=11, receive_id=12, algorithm="AES-128-CMAC-96")
MD5_KEY = Md5Key(secret=b"older still")
TEXT = bytes(range(256)) * 400


def mirrored(key: MasterKey) -> MasterKey:
    """The same tuple at the other end."""
    return replace(key, send_id=key.receive_id, receive_id=key.send_id)


def guard_of(stack: Stack) -> Guard:
    """Who keeps its keys: one more, for nobody, tells."""
    return stack.tcp.add_key(Md5Key(secret=b"nobody's", peer="203.0.113.255"))


def keyed(*keys: MasterKey | Md5Key, layer: TcpLayerConfig | None = None, offloads: Offloads | None = None) -> Wire:
    wire = Wire(layer=layer, offloads=offloads)
    for key in keys:
        wire.near.tcp.add_key(key)
        wire.far.tcp.add_key(mirrored(key) if isinstance(key, MasterKey) else key)
    return wire


def segments(wire: Wire, name: str) -> list[Segment]:
    return [tcp.parse(packet, 20, packet.octets - 20) for who, packet in wire.log if who == name]


def signatures(wire: Wire, name: str) -> list[tuple[int, bytes]]:
    """The one option that signs, of each segment."""
    found = []
    for segment in segments(wire, name):
        assert segment.options is not None
        (option,) = segment.options.unknown
        found.append(option)
    return found


def forge(segment: Segment) -> Packet:
    """From the near host's address, by someone who can see everything and has no key."""
    head = tcp.emit(segment, pseudo_header_sum(US, PEER, PROTOCOL_TCP, tcp.header_octets(segment) + segment.octets))
    octets = len(head) + segment.octets
    ip = ipv4.emit(Ipv4(US, PEER, PROTOCOL_TCP), octets)
    return complete_checksum(Packet(ip + head, segment.payload, CHECKSUM_PARTIAL, len(ip), CHECKSUM_OFFSET))


def inject(wire: Wire, segment: Segment) -> None:
    wire.far.receive(wire.far_interface, forge(segment), wire.now)
    wire.settle()


def next_of(near: TcpSocket, flags: int, text: bytes = b"", options: Options | None = None) -> Segment:
    """The segment that the far host waits for, exactly in its place."""
    tcb = near.connection.tcb
    ports = (near.local_port, near.remote_port)
    payload = (text,) if text else ()
    numbers = (tcb.snd.nxt & 0xFFFFFFFF, tcb.rcv.nxt & 0xFFFFFFFF)
    return Segment(*ports, *numbers, flags, 1000, 0, options, payload, len(text))


def transfer(wire: Wire, near: TcpSocket, far: TcpSocket, text: bytes = TEXT[:10_000]) -> None:
    near.send(text, wire.now)
    wire.settle()
    assert received(far, wire.now) == text


class FixedIsn(IsnGenerator):
    """The far host's, or the near one's, a little before the wrap."""

    def next(self, flow: bytes, now: Instant) -> int:
        return 0xFFFFFFFF - 50_000


@pytest.mark.rfc("5925", "5925.7.4")
@pytest.mark.parametrize("algorithm", ["HMAC-SHA-1-96", "AES-128-CMAC-96"])
@pytest.mark.parametrize("covers_options", [True, False])
def test_two_hosts_with_the_same_key_sign_every_segment_from_syn_to_time_wait(
    algorithm: str, covers_options: bool
) -> None:
    wire = keyed(replace(KEY, algorithm=algorithm, covers_options=covers_options))
    near, far, _ = wire.establish()
    transfer(wire, near, far)
    transfer(wire, far, near)
    near.close(wire.now)
    wire.settle()
    far.close(wire.now)
    wire.settle()
    assert near.connection.state is State.TIME_WAIT
    assert {option[0] for name in ("near", "far") for option in signatures(wire, name)} == {AUTHENTICATION}
    assert wire.near.counters["TCPAOGood"] == len(segments(wire, "far"))
    assert wire.far.counters["TCPAOGood"] == len(segments(wire, "near"))
    assert not wire.near.counters["TCPAOBad"] + wire.far.counters["TCPAOBad"]


def test_a_fin_that_is_sent_again_is_answered_in_time_wait_with_a_signature() -> None:
    wire = keyed(KEY)
    near, far, _ = wire.establish()
    near.close(wire.now)
    wire.settle()
    wire.lose = lambda packet: bool(tcp.parse(packet, 20, packet.octets - 20).flags & ACK) and packet.head[12:16] == US
    far.close(wire.now)
    wire.settle(20 * MILLISECOND)
    wire.lose = lambda packet: False
    wire.settle(5 * SECOND)
    assert wire.near.counters["TCPTimeWaitFin"] == 1
    assert far.connection.state is State.CLOSED
    assert [event for event in iter(far.poll_event, None) if isinstance(event, Closed)] == [Closed(None)]
    assert not wire.far.counters["TCPAOBad"] + wire.far.counters["TCPAORequired"]


def test_no_segment_exceeds_the_mtu_and_none_is_a_super_segment() -> None:
    wire = keyed(KEY, offloads=Offloads(checksum=True, gso_octets=65535))
    near, far, _ = wire.establish()
    transfer(wire, near, far)
    assert {packet.gso_size for _, packet in wire.log} == {0}
    assert max(packet.octets for _, packet in wire.log) == 1500
    assert near.connection.tcb.snd.mss == 1460 - 12 - 16


@pytest.mark.rfc("5925", "5925.6.2")
def test_a_transfer_that_wraps_goes_on_in_the_next_lap_of_both_directions() -> None:
    wire = keyed(KEY, layer=TcpLayerConfig(isn=FixedIsn()))
    near, far, _ = wire.establish()
    transfer(wire, near, far, TEXT)
    transfer(wire, far, near, TEXT)
    guard = guard_of(wire.near)
    association = guard.association(near.flow)
    assert association is not None
    assert association.sent >> 32 == association.received >> 32 == 1
    assert not wire.near.counters["TCPAOBad"] + wire.far.counters["TCPAOBad"]


def test_lost_segments_are_signed_anew_with_a_hole_reported_by_one_sack_block() -> None:
    wire = keyed(KEY)
    near, far, _ = wire.establish()
    lost = [5, 9]

    def lose(packet: Packet) -> bool:
        if packet.octets < 1000 or not lost:
            return False
        lost[0] -= 1
        return lost[0] == 0 and not lost.pop(0)

    wire.lose = lose
    near.send(TEXT, wire.now)
    wire.settle(SECOND)
    assert received(far, wire.now) == TEXT
    assert max(len(segment.options.sack) for segment in segments(wire, "far") if segment.options) == 1
    assert wire.near.counters["RetransSegs"] >= 1


@pytest.mark.rfc("5925", "5925.7.3")
@pytest.mark.parametrize(
    ("flags", "text", "options", "counter"),
    [
        (RST, b"", None, "TCPAORequired"),
        (ACK | RST, b"", Options(timestamps=(1, 1)), "TCPAORequired"),
        (ACK | PSH, b"evil", None, "TCPAORequired"),
        (ACK | FIN, b"", None, "TCPAORequired"),
        (SYN, b"", None, "TCPAORequired"),
        (SYN, b"", Options(unknown=((AUTHENTICATION, bytes((1, 2)) + bytes(12)),)), "TCPAOBad"),
        (RST, b"", Options(unknown=((AUTHENTICATION, bytes((1, 2)) + bytes(12)),)), "TCPAOBad"),
        (RST, b"", Options(unknown=((AUTHENTICATION, bytes((9, 2)) + bytes(12)),)), "TCPAOKeyNotFound"),
        (RST, b"", Options(unknown=((AUTHENTICATION, b"\1"),)), "TCPAOBad"),
        (RST, b"", Options(unknown=((AUTHENTICATION, bytes(14)), (AUTHENTICATION, bytes(14)))), "TCPAOBad"),
        (RST, b"", Options(unknown=((MD5_SIGNATURE, bytes(16)),)), "TCPAOBad"),
    ],
)
def test_what_is_injected_without_the_key_is_dropped_in_silence(
    flags: int, text: bytes, options: Options | None, counter: str
) -> None:
    wire = keyed(KEY)
    near, far, _ = wire.establish()
    before = len(segments(wire, "far"))
    inject(wire, next_of(near, flags, text, options))
    assert wire.far.counters[counter] == 1
    assert len(segments(wire, "far")) == before
    transfer(wire, near, far, b"goes on")
    assert far.connection.state is State.ESTABLISHED


def test_a_segment_that_was_recorded_cannot_be_said_again_on_the_next_connection() -> None:
    wire = keyed(KEY)
    near, far, listener = wire.establish()
    transfer(wire, near, far, b"pay")
    recorded = next(packet for who, packet in wire.log if who == "near" and b"pay" in packet.joined())
    near.abort(wire.now)
    wire.settle()
    again = wire.near.tcp.connect((PEER, PORT), CLIENT, wire.now, local=(US, near.local_port))
    wire.settle()
    accepted = [listener.accept(), listener.accept()]
    bad = wire.far.counters["TCPAOBad"]
    wire.far.receive(wire.far_interface, recorded, wire.now)
    wire.settle()
    assert wire.far.counters["TCPAOBad"] == bad + 1
    assert [received(socket, wire.now) for socket in accepted if socket is not None] == [b""]
    assert again.connection.state is State.ESTABLISHED


def test_who_has_another_secret_gets_no_answer() -> None:
    wire = Wire()
    wire.near.tcp.add_key(KEY)
    wire.far.tcp.add_key(replace(mirrored(KEY), secret=b"something else"))
    wire.far.tcp.listen((PEER, PORT), SERVER)
    near = wire.near.tcp.connect((PEER, PORT), CLIENT, wire.now)
    wire.settle(5 * SECOND)
    assert near.connection.state is State.SYN_SENT
    assert wire.far.counters["TCPAOBad"] >= 2
    assert not segments(wire, "far")


def test_a_forged_answer_to_our_syn_does_not_count() -> None:
    wire = Wire()
    wire.near.tcp.add_key(KEY)
    wire.far.tcp.listen((PEER, PORT), SERVER)
    near = wire.near.tcp.connect((PEER, PORT), CLIENT, wire.now)
    wire.settle(500 * MILLISECOND)
    assert near.connection.state is State.SYN_SENT
    assert wire.near.counters["TCPAORequired"] == 1


def test_hosts_without_a_key_for_a_peer_ignore_the_option_unless_told_otherwise() -> None:
    wire = Wire()
    wire.near.tcp.add_key(replace(KEY, peer="198.51.100.0/24"))
    wire.far.tcp.add_key(replace(KEY, peer="198.51.100.0/24"))
    near, far, _ = wire.establish()
    transfer(wire, near, far)
    signed = Options(unknown=((AUTHENTICATION, bytes(14)),))
    inject(wire, next_of(near, ACK | PSH, b"!", signed))
    assert received(far, wire.now) == b"!"
    guard = guard_of(wire.far)
    guard.accepts_unmatched = False
    inject(wire, next_of(near, ACK | PSH, b"?", signed))
    assert received(far, wire.now) == b""
    assert wire.far.counters["TCPAOKeyNotFound"] == 1


def test_a_connection_that_was_there_before_the_key_goes_on_unsigned() -> None:
    wire = Wire()
    near, far, _ = wire.establish()
    for stack, key in ((wire.near, KEY), (wire.far, mirrored(KEY))):
        stack.tcp.add_key(key)
        stack.tcp.add_key(replace(key, send_id=21, receive_id=21))
    transfer(wire, near, far)
    assert not wire.far.counters["TCPAORequired"] + wire.far.counters["TCPAOGood"]


def test_a_connection_whose_syn_has_not_left_before_the_key_came_is_unsigned_and_its_successor_signed() -> None:
    wire = Wire()
    listener = wire.far.tcp.listen((PEER, PORT), SERVER)
    near = wire.near.tcp.connect((PEER, PORT), CLIENT, wire.now, local=(US, 40_000))
    wire.near.tcp.add_key(KEY)
    wire.settle()
    far = listener.accept()
    assert far is not None
    transfer(wire, near, far)
    assert all(not segment.options or not segment.options.unknown for segment in segments(wire, "near"))
    near.abort(wire.now)
    wire.settle()
    wire.far.tcp.add_key(mirrored(KEY))
    near = wire.near.tcp.connect((PEER, PORT), CLIENT, wire.now, local=(US, 40_000))
    wire.settle()
    assert near.connection.state is State.ESTABLISHED
    assert wire.far.counters["TCPAOGood"] == 2


def test_an_unsigned_connection_in_time_wait_is_reopened_by_a_signed_syn_only() -> None:
    wire = Wire()
    near, far, listener = wire.establish()
    far.close(wire.now)
    wire.settle()
    near.close(wire.now)
    wire.settle()
    for stack, key in ((wire.near, KEY), (wire.far, mirrored(KEY))):
        stack.tcp.add_key(key)
    inject(wire, Segment(near.local_port, PORT, far.connection.tcb.rcv.nxt + 1000 & 0xFFFFFFFF, flags=SYN))
    assert wire.far.counters["TCPAORequired"] == 1
    wire.settle(SECOND)
    again = wire.near.tcp.connect((PEER, PORT), CLIENT, wire.now, local=(US, near.local_port))
    wire.settle()
    assert again.connection.state is State.ESTABLISHED
    assert wire.far.counters["TCPAOGood"] == 2
    assert listener.accept() is not None


@pytest.mark.rfc("5925", "5925.6.1")
def test_keys_are_rolled_in_the_middle_of_a_connection_at_the_wish_of_one_end() -> None:
    wire = keyed(KEY)
    near, far, _ = wire.establish()
    wire.near.tcp.add_key(SECOND_KEY)
    wire.far.tcp.add_key(mirrored(SECOND_KEY))
    transfer(wire, near, far)
    assert {option[1][:2] for option in signatures(wire, "near")} == {bytes((1, 2))}
    guards = [guard_of(stack) for stack in (wire.near, wire.far)]
    guards[0].roll(near.flow, SECOND_KEY)
    guards[1].roll(far.flow, mirrored(SECOND_KEY))
    transfer(wire, near, far)
    transfer(wire, far, near)
    assert signatures(wire, "near")[-1][1][:2] == bytes((11, 12))
    assert signatures(wire, "far")[-1][1][:2] == bytes((12, 11))
    guards[0].remove(KEY)
    guards[1].remove(mirrored(KEY))
    transfer(wire, near, far)
    assert not wire.near.counters["TCPAOBad"] + wire.far.counters["TCPAOKeyNotFound"]


def test_a_server_answers_under_the_key_that_the_client_asks_for() -> None:
    wire = Wire()
    for stack, keys in ((wire.near, (SECOND_KEY, KEY)), (wire.far, (mirrored(KEY), mirrored(SECOND_KEY)))):
        for key in keys:
            stack.tcp.add_key(key)
    near, far, _ = wire.establish()
    transfer(wire, near, far)
    assert {option[1][:2] for option in signatures(wire, "far")} == {bytes((12, 11))}


def test_a_removed_key_lets_nobody_in() -> None:
    wire = keyed(KEY)
    near, far, _ = wire.establish()
    guard = guard_of(wire.far)
    guard.remove(mirrored(KEY))
    near.send(b"lost", wire.now)
    wire.settle()
    assert received(far, wire.now) == b""
    assert wire.far.counters["TCPAOKeyNotFound"] >= 1


def forget_handshakes(guard: Guard) -> None:
    """By many others, which go on for ever."""
    for number in range(3 * HANDSHAKES):
        guard.sign(make_flow(US, 1 + number, PEER, PORT), Segment(PORT, 1 + number, 7, 8, SYN | ACK))


@pytest.mark.parametrize("is_lost", [False, True])
def test_a_handshake_that_was_forgotten_is_known_again_by_its_third_segment(is_lost: bool) -> None:
    wire = keyed(KEY)
    listener = wire.far.tcp.listen((PEER, PORT), SERVER)
    near = wire.near.tcp.connect((PEER, PORT), CLIENT, wire.now, local=(US, 40_000))
    wire.settle(5 * MILLISECOND)
    guard = guard_of(wire.far)
    flow = make_flow(US, near.local_port, PEER, PORT)
    assert guard.association(flow) is not None
    forget_handshakes(guard)
    assert guard.association(flow) is None
    lost = iter([is_lost])
    wire.lose = lambda packet: packet.head[12:16] == US and next(lost, False)
    near.send(b"here", wire.now)
    wire.settle(3 * SECOND)
    far = listener.accept()
    assert far is not None
    assert received(far, wire.now) == b"here"
    assert not wire.far.counters["TCPAOBad"]


def test_a_third_segment_of_no_handshake_is_dropped_if_its_mac_is_wrong() -> None:
    wire = keyed(KEY)
    wire.far.tcp.listen((PEER, PORT), SERVER)
    options = Options(unknown=((AUTHENTICATION, bytes((1, 2)) + bytes(12)),))
    inject(wire, Segment(40_000, PORT, 7, 8, ACK, 1000, options=options))
    assert wire.far.counters["TCPAOBad"] == 1
    assert not segments(wire, "far")


def test_a_wish_for_a_key_that_is_not_here_is_not_followed() -> None:
    wire = keyed(KEY)
    near, far, _ = wire.establish()
    wire.near.tcp.add_key(SECOND_KEY)
    guard_of(wire.near).roll(near.flow, SECOND_KEY)
    transfer(wire, near, far)
    transfer(wire, far, near)
    assert {option[1][0] for option in signatures(wire, "far")} == {KEY.receive_id}


@pytest.mark.parametrize("cookies", ["off", "always"])
def test_a_listener_with_or_without_cookies_needs_nothing_more_to_know_a_signed_peer(cookies: str) -> None:
    wire = keyed(KEY, layer=TcpLayerConfig(syn_cookies=cookies))
    near, far, _ = wire.establish()
    transfer(wire, near, far)
    assert wire.far.counters["SyncookiesRecv"] == (cookies == "always")
    assert far.connection.tcb.snd.mss == 1460 - 12 - 16


def test_a_flood_of_unsigned_syns_costs_a_signed_listener_no_record() -> None:
    wire = keyed(KEY)
    listener = wire.far.tcp.listen((PEER, PORT), SERVER)
    for port in range(1000, 1100):
        inject(wire, Segment(port, PORT, 7, flags=SYN, window=1000, options=Options(mss=1460)))
    assert wire.far.counters["TCPAORequired"] == 100
    assert len(listener.listener.half_open) == len(segments(wire, "far")) == 0


def test_two_hosts_that_open_at_once_are_one_signed_connection() -> None:
    wire = keyed(KEY)
    near = wire.near.tcp.connect((PEER, 5000), CLIENT, wire.now, local=(US, 4000))
    far = wire.far.tcp.connect((US, 4000), CLIENT, wire.now, local=(PEER, 5000))
    wire.settle()
    assert near.connection.state is far.connection.state is State.ESTABLISHED
    transfer(wire, near, far)
    assert not wire.near.counters["TCPAOBad"] + wire.far.counters["TCPAOBad"]


@pytest.mark.rfc("5925", "5925.7.8")
def test_icmp_cannot_shrink_the_segments_of_a_signed_connection_unless_it_is_believed() -> None:
    wire = keyed(KEY)
    near, far, _ = wire.establish()
    transfer(wire, near, far)
    mss = near.connection.tcb.snd.mss

    def complain() -> None:
        wire.lose = lambda packet: packet.octets > 1000
        near.send(TEXT[:1400], wire.now)
        wire.settle(20 * MILLISECOND)
        quoted = wire.log[-1][1].joined()[:64]
        message = icmpv4.emit(Icmp(icmpv4.DESTINATION_UNREACHABLE, icmpv4.FRAGMENTATION_NEEDED, 600, quoted))
        packet = Packet(ipv4.emit(Ipv4(PEER, US, PROTOCOL_ICMP), len(message)) + message)
        wire.near.receive(wire.near_interface, packet, wire.now)
        wire.lose = lambda packet: False

    complain()
    assert near.connection.tcb.snd.mss == mss
    assert wire.near.counters["TCPAODroppedIcmps"] == 1
    guard = guard_of(wire.near)
    guard.accepts_icmp = True
    complain()
    assert near.connection.tcb.snd.mss == 600 - 40 - 28


def test_an_attempt_to_connect_believes_icmp_for_nobody_has_agreed_on_anything_yet() -> None:
    wire = Wire()
    wire.near.tcp.add_key(KEY)
    near = wire.near.tcp.connect((PEER, PORT), CLIENT, wire.now)
    wire.settle(20 * MILLISECOND)
    quoted = wire.log[0][1].joined()[:64]
    message = icmpv4.emit(Icmp(icmpv4.DESTINATION_UNREACHABLE, icmpv4.PROTOCOL_UNREACHABLE, 0, quoted))
    packet = Packet(ipv4.emit(Ipv4(PEER, US, PROTOCOL_ICMP), len(message)) + message)
    wire.near.receive(wire.near_interface, packet, wire.now)
    assert near.connection.state is State.CLOSED


def test_keys_of_the_configuration_are_there_again_after_a_reboot() -> None:
    wire = Wire(layer=TcpLayerConfig(keys=(KEY, MD5_KEY)))
    guard = guard_of(wire.near.rebooted(wire.now))
    guard.remove(KEY)
    guard.remove(MD5_KEY)


def test_a_closed_port_cannot_refuse_for_its_reset_has_no_numbers_to_be_signed_under() -> None:
    wire = keyed(KEY)
    near = wire.near.tcp.connect((PEER, PORT), CLIENT, wire.now)
    wire.settle()
    assert near.connection.state is State.SYN_SENT
    assert wire.near.counters["TCPAORequired"] == 1


def test_md5_signs_from_syn_to_fin_and_resets_of_no_connection_too() -> None:
    wire = keyed(MD5_KEY)
    near, far, _ = wire.establish()
    transfer(wire, near, far)
    transfer(wire, far, near)
    assert near.connection.tcb.snd.mss == 1460 - 12 - 20
    assert max(packet.octets for _, packet in wire.log) == 1500
    refused = wire.near.tcp.connect((PEER, PORT + 1), CLIENT, wire.now)
    wire.settle()
    assert refused.connection.state is State.CLOSED
    assert {option[0] for name in ("near", "far") for option in signatures(wire, name)} == {MD5_SIGNATURE}


@pytest.mark.parametrize(
    ("options", "counter"),
    [
        (None, "TCPMD5NotFound"),
        (Options(unknown=((MD5_SIGNATURE, bytes(16)),)), "TCPMD5Failure"),
        (Options(unknown=((MD5_SIGNATURE, bytes(3)),)), "TCPMD5Failure"),
        (Options(unknown=((AUTHENTICATION, bytes(14)),)), "TCPMD5NotFound"),
    ],
)
def test_md5_drops_what_is_not_signed_by_it(options: Options | None, counter: str) -> None:
    wire = keyed(MD5_KEY)
    near, far, _ = wire.establish()
    inject(wire, next_of(near, RST, options=options))
    assert wire.far.counters[counter] == 1
    assert far.connection.state is State.ESTABLISHED


def test_an_md5_signature_that_nobody_expects_is_dropped() -> None:
    wire = Wire()
    wire.far.tcp.add_key(replace(MD5_KEY, peer="198.51.100.1"))
    near, far, _ = wire.establish()
    inject(wire, next_of(near, RST, options=Options(unknown=((MD5_SIGNATURE, bytes(16)),))))
    assert wire.far.counters["TCPMD5Unexpected"] == 1
    assert far.connection.state is State.ESTABLISHED


def test_keys_that_nothing_tells_apart_and_keys_that_are_not_there_are_refused() -> None:
    wire = keyed(KEY, MD5_KEY)
    guard = guard_of(wire.near)
    with pytest.raises(ConfigError, match="KeyID 1 or 9"):
        guard.add(replace(KEY, secret=b"other", receive_id=9))
    with pytest.raises(ConfigError, match="no such key"):
        guard.remove(SECOND_KEY)
    guard.remove(MD5_KEY)
    with pytest.raises(ConfigError, match="no such key"):
        guard.remove(MD5_KEY)
    with pytest.raises(ConfigError, match="no connection"):
        guard.roll(make_flow(PEER, 1, US, 2), KEY)


def test_a_loss_of_any_packet_of_a_handshake_is_made_good() -> None:
    for lost in range(3):
        wire = keyed(KEY)
        count = iter(range(1000))
        wire.lose = _the(lost, count.__next__)
        near, far, _ = _establish_late(wire)
        transfer(wire, near, far)


def _the(number: int, count: Callable[[], int]) -> Callable[[Packet], bool]:
    return lambda packet: count() == number


def _establish_late(wire: Wire) -> tuple[TcpSocket, TcpSocket, None]:
    listener = wire.far.tcp.listen((PEER, PORT), SERVER)
    near = wire.near.tcp.connect((PEER, PORT), CLIENT, wire.now)
    wire.settle(3 * SECOND)
    near.send(b"", wire.now)
    near.send(b"x", wire.now)
    wire.settle(3 * SECOND)
    far = listener.accept()
    assert far is not None
    assert received(far, wire.now) == b"x"
    return near, far, None


@given(
    st.lists(st.tuples(st.sampled_from([AUTHENTICATION, MD5_SIGNATURE, 30]), st.binary(max_size=16)), max_size=3),
    st.integers(0, 0x3F),
    st.booleans(),
)
def test_nothing_that_is_made_up_gets_past_a_guard_or_makes_it_fail(
    options: list[tuple[int, bytes]], flags: int, knows_connection: bool
) -> None:
    guard = Guard((), Counters())
    guard.add(KEY)
    flow = make_flow(PEER, 1, US, 2)
    if knows_connection:
        guard.sign(flow, Segment(2, 1, 7, 8, SYN | ACK))
    segment = Segment(1, 2, 8, 8, flags, options=Options(unknown=tuple(options)))
    try:
        header = tcp.emit(segment, 0)
    except ValueError:
        return
    packet = Packet(b"..." + header)
    assert not guard.admits(flow, tcp.parse(packet, 3, len(header)), packet.head, 3)
