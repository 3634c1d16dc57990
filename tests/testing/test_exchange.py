"""The harness: what it drives, what it finds, and what it says when an expectation fails."""

import pytest

from halfopen.base.clock import MILLISECOND, SECOND
from halfopen.base.errors import ConnectionReset, NetworkUnreachable
from halfopen.tcp.config import AckConfig, TcpConfig
from halfopen.tcp.connection import Connection
from halfopen.tcp.events import READABLE, Closed, SoftError
from halfopen.tcp.state import State
from halfopen.testing import exchange as module
from halfopen.testing.exchange import Exchange, ExchangeError, Setting, describe, text
from halfopen.wire.tcp import ACK, Segment

PASSIVE = Setting(is_passive=True)


def test_an_active_exchange_begins_with_our_syn() -> None:
    exchange = Exchange.active()
    exchange.peer.expects("S 0:0(0) win 65535 <mss 1460,sackOK,TS val 1000 ecr 0,wscale 7>")
    assert exchange.state is State.SYN_SENT
    exchange.peer.expects_nothing()


def test_a_passive_exchange_begins_with_the_peers_syn() -> None:
    exchange = Exchange.passive()
    assert exchange.state is State.LISTEN
    exchange.peer.sends("S 0:0(0) win 1000 <mss 1000>")
    assert exchange.state is State.SYN_RECEIVED
    exchange.peer.expects("S. 0:0(0) ack 1 <mss 1460>")
    exchange.peer.sends(". 1:1(0) ack 1")
    assert exchange.state is State.ESTABLISHED
    exchange.user.hears("Connected")


@pytest.mark.parametrize("setting", [Setting(), PASSIVE], ids=["active", "passive"])
@pytest.mark.parametrize("options", ["mss 1460", "mss 1460,sackOK,TS val 7 ecr 0,wscale 7"])
def test_an_established_exchange_carries_text_both_ways(setting: Setting, options: str) -> None:
    exchange = Exchange.established(setting, options=options)
    exchange.peer.expects_nothing()
    exchange.user.sends(100)
    exchange.peer.expects("P. 1:101(100) ack 1")
    exchange.peer.sends("P. 1:51(50) ack 101")
    exchange.user.hears("Writable", "Readable")
    assert exchange.user.readable_octets == 50
    exchange.user.reads(20)
    exchange.user.reads(30)
    assert exchange.state is State.ESTABLISHED


def test_a_window_that_is_not_written_is_the_last_that_was() -> None:
    exchange = Exchange.established(window=5000)
    assert exchange.connection.tcb.snd.wnd == 5000
    exchange.peer.sends(". 1:1(0) ack 1 win 700", ". 1:1(0) ack 1")
    assert exchange.connection.tcb.snd.wnd == 700


def test_segments_in_one_call_arrive_before_any_answer_leaves() -> None:
    exchange = Exchange.established()
    exchange.peer.sends(". 1:11(10) ack 1", ". 11:21(10) ack 1")
    exchange.peer.expects(". 1:1(0) ack 21")
    exchange.peer.expects_nothing()


def test_time_passes_deadline_by_deadline() -> None:
    exchange = Exchange.active()
    exchange.peer.ignores()
    during = exchange.after(4 * SECOND)
    assert [seen.when for seen in during] == [1 * SECOND, 3 * SECOND]
    assert exchange.elapsed == 4 * SECOND
    assert exchange.peer.expects("S 0:0(0)").when == 1 * SECOND
    exchange.peer.expects("S 0:0(0)")
    exchange.peer.expects_nothing()


def test_time_passes_for_a_listener_too() -> None:
    exchange = Exchange.passive()
    exchange.after(1 * SECOND)
    exchange.peer.sends("S 0:0(0) win 1000 <mss 1000>")
    exchange.peer.expects("S. 0:0(0) ack 1")
    exchange.after(1100 * MILLISECOND)
    exchange.peer.expects("S. 0:0(0) ack 1")


def test_a_segment_that_differs_fails_with_both_lines_and_the_story() -> None:
    exchange = Exchange.established()
    exchange.user.sends(10)
    with pytest.raises(ExchangeError) as error:
        exchange.peer.expects("P. 1:12(11) ack 1")
    lines = str(error.value).splitlines()
    assert lines[0] == "expected  P. 1:12(11) ack 1"
    assert lines[1] == "but saw   P. 1:11(10) ack 1 win 65535"
    assert lines[3].endswith("0.000000 > S 0:0(0) win 65535 <mss 1460,sackOK,TS val 1000 ecr 0,wscale 7>")
    assert lines[4].endswith("0.000000 < S. 0:0(0) ack 1 win 65535 <mss 1460>")
    assert lines[6].endswith("0.000000 ! Connected")
    assert len(lines) == 8


def test_silence_where_a_segment_is_expected_fails() -> None:
    exchange = Exchange.passive()
    with pytest.raises(ExchangeError, match=r"but saw   nothing\n.*\n   nothing"):
        exchange.peer.expects(". 1:1(0) ack 1")


def test_a_segment_where_silence_is_expected_fails() -> None:
    with pytest.raises(ExchangeError, match=r"expected  nothing\nbut saw   S 0:0"):
        Exchange.active().peer.expects_nothing()


def test_other_flags_than_expected_fail() -> None:
    with pytest.raises(ExchangeError, match=r"expected  a segment with the flags S\."):
        Exchange.active().peer.expects_any("S.")


def test_other_events_than_expected_fail() -> None:
    exchange = Exchange.established()
    with pytest.raises(ExchangeError, match="expected  Readable\nbut saw   no event"):
        exchange.user.hears("Readable")
    exchange.peer.sends(". 1:2(1) ack 1")
    with pytest.raises(ExchangeError, match="expected  no event\nbut saw   Readable"):
        exchange.user.hears()


def test_fewer_octets_to_read_than_expected_fail() -> None:
    exchange = Exchange.established()
    exchange.peer.sends(". 1:6(5) ack 1")
    with pytest.raises(ExchangeError, match="expected  9 octets to read from 1 on\nbut saw   5 octets"):
        exchange.user.reads(9)


def test_other_octets_to_read_than_were_sent_fail() -> None:
    exchange = Exchange.established()
    setting = exchange.setting
    segment = Segment(49152, 80, seq=setting.irs + 1, ack=setting.iss + 1, flags=ACK, payload=(b"?",), octets=1)
    exchange.peer.sends_segment(segment)
    with pytest.raises(ExchangeError, match="but saw   other octets"):
        exchange.user.reads(1)


def test_text_on_the_wire_that_the_user_did_not_send_fails() -> None:
    exchange = Exchange.established()
    with pytest.raises(ExchangeError, match="expected  the text of 1:4\nbut saw   other octets"):
        exchange.call(lambda connection, now: connection.send(b"???", now))


def test_a_call_before_there_is_a_connection_fails() -> None:
    with pytest.raises(ExchangeError, match="but saw   a listener that has made none"):
        Exchange.passive().user.closes()


def test_a_connection_that_never_falls_silent_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    exchange = Exchange.active()
    monkeypatch.setattr(module, "LOOP_LIMIT", 2)
    with pytest.raises(ExchangeError, match="expected  the deadlines to end"):
        exchange.after(100 * SECOND)
    exchange = Exchange.established(Setting(config=TcpConfig(acks=AckConfig(nagle=False))))
    with pytest.raises(ExchangeError, match="expected  silence in the end"):
        exchange.user.sends(5000)


def test_every_command_has_a_word() -> None:
    exchange = Exchange.established()
    exchange.user.configures(TcpConfig(acks=AckConfig(nagle=False)))
    assert not exchange.connection.tcb.user.config.acks.nagle
    exchange.user.sends(3, urgent=True)
    exchange.peer.expects("P.U 1:4(3) ack 1 urg 3")
    exchange.user.shuts_down()
    exchange.peer.expects("F. 4:4(0) ack 1")
    exchange.user.closes()
    exchange.user.aborts()
    exchange.peer.expects("R. 5:5(0) ack 1")
    exchange.user.hears("Closed: ConnectionAborted")


def test_the_text_is_the_same_however_it_is_cut() -> None:
    whole = text(1, 200_000)
    assert len(whole) == 200_000
    assert whole[70_000:150_000] == text(70_001, 80_000)
    assert whole[:10] == text(1, 4) + text(5, 6)
    assert text(9, 0) == b""


def test_events_are_worded_with_their_reason() -> None:
    assert describe(READABLE) == "Readable"
    assert describe(Closed(None)) == "Closed"
    assert describe(Closed(ConnectionReset("x"))) == "Closed: ConnectionReset"
    assert describe(SoftError(NetworkUnreachable("x"))) == "SoftError: NetworkUnreachable"


def test_a_connection_can_be_called_by_its_own_methods() -> None:
    exchange = Exchange.established()
    exchange.call(Connection.shutdown)
    exchange.peer.expects("F. 1:1(0) ack 1")
