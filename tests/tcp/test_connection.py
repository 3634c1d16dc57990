"""The connection as a whole: its four kinds of methods, and TIME-WAIT as it meets the world (RFC 9293 3.3.2)."""

import pytest

from halfopen.base.clock import MILLISECOND, NEVER, SECOND
from halfopen.base.errors import NetworkUnreachable
from halfopen.base.trace import ListSink
from halfopen.tcp.config import AckConfig, OptionsConfig, TcpConfig
from halfopen.tcp.connection import Connection
from halfopen.tcp.half_open import HalfOpen
from halfopen.tcp.send_queue import URGENT
from halfopen.tcp.state import State
from halfopen.tcp.tcb import Opening
from halfopen.testing.exchange import Exchange, Setting, text
from halfopen.wire.tcp import ACK, SYN, Segment
from tests.tcp.states import SYNCHRONIZED, WRAPS, reach

S = State
TIMESTAMPS = "mss 1460,TS val 100 ecr 0"


@pytest.mark.parametrize("state", (S.SYN_SENT, S.SYN_RECEIVED, *SYNCHRONIZED, S.TIME_WAIT, S.CLOSED))
def test_every_state_can_be_seen(state: State) -> None:
    assert reach(state).connection.state is state


def test_a_connection_knows_its_ports() -> None:
    connection = Connection.open(Opening(local_port=1025, remote_port=443, iss=5), 0)
    segment = connection.poll_transmit(0)
    assert segment is not None
    assert (segment.source_port, segment.destination_port, segment.flags, segment.seq) == (1025, 443, SYN, 5)
    assert connection.poll_transmit(0) is None


def test_a_connection_resumes_from_a_record_of_the_half_open_table() -> None:
    record = HalfOpen(flow=bytes(12), irs=99, iss=5, peer_mss=1000, deadline=1 * SECOND)
    connection = Connection.resume(Opening(local_port=443, remote_port=1025, iss=5), record, 0)
    assert connection.state is S.SYN_RECEIVED
    connection.on_segment(Segment(1025, 443, seq=100, ack=6, flags=ACK, window=3000), 0)
    assert connection.state is S.ESTABLISHED


def test_every_input_and_every_call_of_the_rfc_has_a_method() -> None:
    exchange = reach(S.ESTABLISHED)
    connection, now = exchange.connection, exchange.now
    connection.send(text(1, 3), now, URGENT)
    exchange.peer.sends(". 1:6(5) ack 1")
    assert b"".join(connection.receive(3, now)) == text(1, 3)
    una = exchange.setting.iss + 1
    assert not connection.on_path_mtu(9000, una, now)
    assert not connection.on_path_mtu(1460, None, now)
    assert connection.on_icmp_error(NetworkUnreachable("host"), una, False, now)
    connection.configure(TcpConfig(acks=AckConfig(nagle=False)))
    connection.shutdown(now)
    assert connection.state is S.FIN_WAIT_1
    connection.close(now)
    assert connection.state is S.CLOSED
    exchange = reach(S.ESTABLISHED)
    exchange.connection.abort(now)
    assert exchange.connection.state is S.CLOSED


def test_events_come_in_the_order_in_which_things_happened() -> None:
    exchange = reach(S.ESTABLISHED)
    exchange.user.sends(10)
    exchange.peer.sends("F. 1:11(10) ack 11")
    exchange.user.hears("Writable", "Readable", "EndOfStream")
    assert exchange.connection.poll_event() is None


def test_octets_are_unsent_until_they_are_sent_and_queued_until_they_are_acknowledged() -> None:
    exchange = Exchange.established(window=100)
    exchange.user.sends(300)
    connection = exchange.connection
    assert (connection.queued_octets, connection.unsent_octets) == (300, 200)
    exchange.peer.sends(". 1:1(0) ack 51")
    assert connection.queued_octets == 250


def test_the_next_deadline_is_the_earliest_of_all() -> None:
    exchange = reach(S.ESTABLISHED, Setting(config=TcpConfig(acks=AckConfig(quick=0))))
    assert exchange.next_deadline() == NEVER
    exchange.peer.sends(". 1:11(10) ack 1")
    assert exchange.next_deadline() == exchange.now + 40 * MILLISECOND
    exchange.after(40 * MILLISECOND)
    exchange.user.sends(10)
    assert exchange.next_deadline() == exchange.now + exchange.connection.tcb.rtt.rto


def test_a_delayed_ack_is_not_waited_for_when_the_connection_is_gone() -> None:
    exchange = reach(S.ESTABLISHED, Setting(config=TcpConfig(acks=AckConfig(quick=0))))
    exchange.peer.sends(". 1:11(10) ack 1", "R 11:11(0)")
    assert exchange.next_deadline() == NEVER


def test_a_deadline_that_nobody_waits_for_changes_nothing() -> None:
    exchange = reach(S.ESTABLISHED)
    exchange.call(Connection.on_deadline)
    exchange.peer.expects_nothing()
    exchange.user.hears()


def test_the_trace_hears_of_the_handshake() -> None:
    sink = ListSink()
    connection = Connection.open(Opening(local_port=80, remote_port=9, iss=5, trace=sink), 0)
    connection.on_segment(Segment(9, 80, seq=9, ack=6, flags=SYN | ACK, window=100), 7)
    assert [(event.when, event.subject, event.what) for event in sink.events] == [(7, "80>9", "ESTABLISHED")]


# TIME-WAIT


@pytest.mark.rfc("9293", "9293.P10", "MUST-13")
@pytest.mark.rfc("1337", "1337.3")
@pytest.mark.parametrize("iss", WRAPS)
@pytest.mark.parametrize("irs", WRAPS)
@pytest.mark.parametrize("options", ["mss 1460", TIMESTAMPS])
def test_in_time_wait_an_old_segment_is_acknowledged_and_changes_nothing(iss: int, irs: int, options: str) -> None:
    exchange = reach(S.TIME_WAIT, Setting(iss=iss, irs=irs), options=options)
    deadline = exchange.next_deadline()
    exchange.after(1 * SECOND)
    exchange.peer.sends(". 1:11(10) ack 1")
    stamps = "<TS val 2000 ecr 100>" if options == TIMESTAMPS else "<>"
    exchange.peer.expects(f". 2:2(0) ack 2 {stamps}")
    exchange.user.hears()
    assert exchange.next_deadline() == deadline


@pytest.mark.rfc("1337", "1337.2")
@pytest.mark.parametrize("flags", ["R", "R."])
def test_in_time_wait_a_rst_is_ignored(flags: str) -> None:
    exchange = reach(S.TIME_WAIT)
    exchange.peer.sends(f"{flags} 2:2(0)" + (" ack 2" if flags == "R." else ""))
    exchange.peer.expects_nothing()
    assert exchange.state is S.TIME_WAIT
    assert exchange.counters["TCPTimeWaitRstIgnored"] == 1


def test_in_time_wait_what_is_in_place_needs_no_answer() -> None:
    exchange = reach(S.TIME_WAIT)
    before = exchange.counters.snapshot()
    exchange.peer.sends(". 2:2(0) ack 2")
    exchange.peer.expects_nothing()
    assert exchange.counters.snapshot() == before


def test_in_time_wait_a_syn_has_to_wait_until_the_user_has_closed() -> None:
    exchange = reach(S.TIME_WAIT)
    exchange.peer.sends("S 1000:1000(0)")
    exchange.peer.expects(". 2:2(0) ack 2")
    assert exchange.counters["TCPSYNChallenge"] == 1
    assert exchange.counters["TWRecycled"] == 0


def test_the_record_of_time_wait_has_what_the_connection_had() -> None:
    exchange = reach(S.TIME_WAIT, options="mss 1460,TS val 100 ecr 0,wscale 3")
    record = exchange.connection.time_wait()
    setting = exchange.setting
    assert (record.source_port, record.destination_port) == (80, 49152)
    assert (record.snd_nxt & 0xFFFFFFFF, record.rcv_nxt & 0xFFFFFFFF) == (setting.iss + 2, setting.irs + 2)
    assert (record.ts_recent, record.ts_offset) == (100, 0)
    assert record.deadline == exchange.next_deadline()
    assert 0 < record.rcv_wnd <= 4096
    assert exchange.connection.time_wait() is record


def test_the_record_of_a_connection_without_timestamps_says_so() -> None:
    record = reach(S.TIME_WAIT).connection.time_wait()
    assert (record.ts_recent, record.ts_offset) == (None, 0)
    without = TcpConfig(options=OptionsConfig(timestamps=False))
    assert reach(S.TIME_WAIT, Setting(config=without)).connection.time_wait().ts_offset is None
