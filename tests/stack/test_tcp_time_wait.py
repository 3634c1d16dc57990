"""TIME-WAIT among a host's flows: who may end it, and what a blind SYN cannot do (RFC 1122 4.2.2.13, RFC 5961 4.2)."""

from dataclasses import dataclass

import pytest

from halfopen.base.clock import SECOND, Instant
from halfopen.base.counters import Counters
from halfopen.base.errors import AddressInUse
from halfopen.stack.config import TcpLayerConfig
from halfopen.stack.demux import Flow, make_flow
from halfopen.stack.tcp_socket import TcpSocket
from halfopen.stack.tcp_time_wait import GAP, Remnant, Remnants, RisingIsn
from halfopen.tcp.config import ArrivalConfig, TcpConfig
from halfopen.tcp.isn import FixedIsn
from halfopen.tcp.seqnum import wrap
from halfopen.tcp.time_wait import TimeWait, TimeWaitRules
from halfopen.wire import ipv4, tcp
from halfopen.wire.checksum import pseudo_header_sum
from halfopen.wire.ipv4 import PROTOCOL_TCP, Ipv4
from halfopen.wire.offload import complete_checksum
from halfopen.wire.packet import CHECKSUM_PARTIAL, Packet
from halfopen.wire.tcp import ACK, FIN, RST, SYN, Segment
from tests.stack.tcp_world import CLIENT, PEER, PORT, SERVER, US, Wire
from tests.tcp.permits import weak

FLOW = make_flow(PEER, PORT, US, 40000)
SYN_ACK = SYN | ACK


@dataclass
class Ended:
    """A connection that `near` has ended: it is in TIME-WAIT there, and the peer is played by hand."""

    wire: Wire
    fin: Segment
    """The peer's last, as `near` has seen it."""

    def give(self, segment: Segment) -> list[int]:
        """``segment`` arrives from the peer's address; the flags of what is answered."""
        wire = self.wire
        wire.near.receive(wire.near_interface, packet_of(segment), wire.now)
        answers = []
        while (item := wire.near.poll_transmit(wire.now)) is not None:
            answers.append(segment_of(item[1]).flags)
        return answers

    def fin_again(self) -> list[int]:
        """The peer repeats its FIN: our last ACK was lost."""
        fin = self.fin
        return self.give(Segment(PORT, self.port, fin.seq, fin.ack, FIN | ACK, fin.window, options=fin.options))

    def syn(self, offset: int) -> list[int]:
        """A SYN without timestamps, that far above what was expected next."""
        return self.give(Segment(PORT, self.port, wrap(self.fin.seq + 1 + offset), 0, SYN, 1000))

    @property
    def port(self) -> int:
        return self.fin.destination_port

    @property
    def states(self) -> list[str]:
        return [row.state for row in self.wire.near.ports.listing()]


def segment_of(packet: Packet) -> Segment:
    return tcp.parse(packet, 20, packet.octets - 20)


def packet_of(segment: Segment) -> Packet:
    octets = tcp.header_octets(segment)
    head = tcp.emit(segment, pseudo_header_sum(PEER, US, PROTOCOL_TCP, octets))
    header = ipv4.emit(Ipv4(PEER, US, PROTOCOL_TCP), octets)
    return complete_checksum(Packet(header + head, (), CHECKSUM_PARTIAL, len(header), tcp.CHECKSUM_OFFSET))


def ended(layer: TcpLayerConfig | None = None, config: TcpConfig | None = None, *, holds: bool = False) -> Ended:
    """``holds``: our user has only shut down, and has his socket still."""
    wire = Wire(config, layer=layer)
    near, far, _ = wire.establish()
    if holds:
        near.shutdown(wire.now)
    else:
        near.close(wire.now)
    wire.settle()
    far.close(wire.now)
    wire.settle()
    sent = [segment_of(packet) for who, packet in wire.log if who == "far"]
    return Ended(wire, next(segment for segment in sent if segment.flags & FIN))


@pytest.mark.rfc("5961", "5961.4")
def test_a_blind_syn_does_not_end_time_wait_where_nobody_listens() -> None:
    end = ended()
    counters = end.wire.near.counters
    assert end.states == ["TIME-WAIT"]
    assert end.syn(1000) == [ACK]
    assert end.syn(2000) == []
    assert (counters["TCPSYNChallenge"], counters["TCPACKSkippedTimeWait"], counters["TWRecycled"]) == (1, 1, 0)
    assert end.fin_again() == [ACK]
    assert end.states == ["TIME-WAIT"]
    assert (counters["TcpNoPorts"], counters["OutRsts"]) == (0, 0)


@pytest.mark.rfc("9293", "MAY-2")
def test_a_syn_of_which_nothing_comes_leads_back_to_time_wait() -> None:
    end = ended()
    end.wire.near.tcp.listen((US, end.port), SERVER)
    assert end.syn(1000) == [SYN_ACK]
    assert end.states == ["LISTEN", "SYN-RECEIVED", "TIME-WAIT"]
    assert end.give(Segment(PORT, end.port, wrap(end.fin.seq + 1002), 0, RST)) == []
    assert end.fin_again() == [ACK]
    assert end.wire.near.counters["TWRecycled"] == 1


@pytest.mark.rfc("5961", "5961.4")
def test_an_old_syn_is_challenged_also_where_somebody_listens() -> None:
    end = ended()
    end.wire.near.tcp.listen((US, end.port), SERVER)
    assert end.syn(-1000) == [ACK]
    assert end.wire.near.counters["TWRecycled"] == 0


def test_what_was_in_time_wait_becomes_a_connection_when_the_handshake_is_complete() -> None:
    end = ended()
    listener = end.wire.near.tcp.listen((US, end.port), SERVER)
    wire = end.wire
    wire.near.receive(
        wire.near_interface, packet_of(Segment(PORT, end.port, wrap(end.fin.seq + 1001), 0, SYN, 1000)), wire.now
    )
    item = wire.near.poll_transmit(wire.now)
    assert item is not None
    answer = segment_of(item[1])
    assert end.give(Segment(PORT, end.port, answer.ack, wrap(answer.seq + 1), ACK, 1000)) == []
    assert listener.accept() is not None
    assert end.states == ["LISTEN", "ESTAB"]


def test_the_last_ack_of_the_peer_again_is_neither_answered_nor_counted() -> None:
    end = ended()
    before = end.wire.near.counters.snapshot()
    assert end.give(Segment(PORT, end.port, wrap(end.fin.seq + 1), end.fin.ack, ACK, 1000)) == []
    assert end.wire.near.counters.snapshot() == before


def test_without_room_for_a_record_a_connection_is_simply_over() -> None:
    end = ended(TcpLayerConfig(time_wait=0))
    assert end.states == []
    assert end.wire.near.counters["TCPTimeWaitOverflow"] == 1
    assert end.fin_again() == [RST]


def record(deadline: Instant = 60 * SECOND) -> TimeWait:
    return TimeWait(40000, PORT, 0xFFFF_FFF0, 7, 501, deadline, 60 * SECOND)


def test_a_record_lapses_at_its_deadline_and_makes_room() -> None:
    flows: dict[Flow, TcpSocket | Remnant] = {}
    remnants = Remnants(flows, 1, Counters())
    remnant = remnants.add(FLOW, record())
    assert remnant is not None
    assert remnants.add(make_flow(PEER, PORT, US, 40001), record()) is None
    assert not remnants.lapse(remnant, 60 * SECOND - 1)
    assert flows == {FLOW: remnant}
    assert remnants.lapse(remnant, 60 * SECOND)
    assert flows == {}
    assert remnants.add(FLOW, record()) is not None


def test_a_record_that_was_replaced_does_not_take_its_successor_along() -> None:
    flows: dict[Flow, TcpSocket | Remnant] = {}
    remnants = Remnants(flows, 2, Counters())
    first = remnants.add(FLOW, record())
    assert first is not None
    remnants.forget(first)
    second = remnants.add(FLOW, record())
    assert second is not None
    remnants.forget(first)
    assert remnants.lapse(first, 60 * SECOND)
    assert flows == {FLOW: second}


@pytest.mark.rfc("6191", "6191.5")
@pytest.mark.parametrize(("isn", "expected"), [(0, GAP - 16), (GAP - 17, GAP - 16), (GAP, GAP), (1 << 30, 1 << 30)])
def test_a_new_connection_begins_above_the_one_in_time_wait(isn: int, expected: int) -> None:
    generator = RisingIsn(FixedIsn(isn), {FLOW: Remnant(FLOW, record())})
    assert generator.next(FLOW, 0) == expected
    assert generator.next(make_flow(PEER, PORT, US, 40001), 0) == isn
    assert (generator.least(FLOW), generator.least(make_flow(PEER, PORT, US, 40001))) == (GAP - 16, None)


def test_a_port_in_time_wait_does_not_open_to_the_same_peer_again() -> None:
    end = ended()
    with pytest.raises(AddressInUse, match="has a connection to"):
        end.wire.near.tcp.connect((PEER, PORT), CLIENT, end.wire.now, local=(US, end.port))


def test_without_rfc_1337_a_rst_makes_room_at_once() -> None:
    wire = Wire(weak(rfc1337=False))
    near, far, _ = wire.establish()
    near.close(wire.now)
    wire.settle()
    far.close(wire.now)
    wire.settle()
    assert [row.state for row in wire.near.ports.listing()] == ["TIME-WAIT"]
    reset = Segment(PORT, near.local_port, seq=wrap(near.connection.tcb.rcv.nxt), flags=RST)
    wire.near.receive(wire.near_interface, packet_of(reset), wire.now)
    assert wire.near.ports.listing() == []
    wire.run(wire.now + 120 * SECOND)
    assert wire.near.counters["TCPTimeWaitRst"] == 1


BSD = TcpConfig(arrivals=ArrivalConfig(order="bsd"))


@pytest.mark.parametrize("holds", [False, True])
def test_a_bsd_lets_go_of_time_wait_for_a_syn_above_it_whoever_holds_the_socket(holds: bool) -> None:
    end = ended(config=BSD, holds=holds)
    end.wire.near.tcp.listen((US, end.port), SERVER)
    assert end.syn(0) == []
    assert end.states == ["LISTEN", "TIME-WAIT"]
    assert end.syn(1) == [SYN_ACK]
    assert end.states == ["LISTEN", "SYN-RECEIVED"]
    assert end.wire.near.counters["TWRecycled"] == 1


@pytest.mark.parametrize("holds", [False, True])
def test_where_nobody_listens_that_syn_is_refused(holds: bool) -> None:
    end = ended(config=BSD, holds=holds)
    assert end.syn(1) == [RST | ACK]
    assert end.states == []


def test_a_linux_begins_there_exactly_whatever_the_generator_says() -> None:
    kept = record()
    kept.rules = TimeWaitRules(is_linux=True)
    generator = RisingIsn(FixedIsn(1 << 30), {FLOW: Remnant(FLOW, kept)})
    assert generator.next(FLOW, 0) == GAP - 16
