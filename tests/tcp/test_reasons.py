"""What captures say of a segment: why it was sent."""

import pytest

from halfopen.base.clock import MILLISECOND, SECOND
from halfopen.tcp.config import AckConfig, KeepAliveConfig, RetransmissionConfig, TcpConfig
from halfopen.tcp.reasons import explain
from halfopen.tcp.state import State
from halfopen.testing.exchange import Exchange, Seen, Setting
from tests.tcp.states import reach

SACK = "mss 1000,sackOK"
NO_PROBE = TcpConfig(retransmission=RetransmissionConfig(tail_loss_probe=False))


def connected(config: TcpConfig = NO_PROBE, options: str = SACK, window: int = 65535) -> Exchange:
    exchange = Exchange.active(Setting(config=config))
    exchange.after(50 * MILLISECOND)
    exchange.peer.expects_any("S")
    exchange.peer.sends(f"S. 0:0(0) ack 1 win {window} <{options}>")
    exchange.peer.expects_any(".")
    return exchange


def reasons(exchange: Exchange) -> list[str | None]:
    """Those of all that was sent since they were last asked for, which must have been just now."""
    return [reason(exchange, seen) for seen in exchange.peer.ignores()]


def reason(exchange: Exchange, seen: Seen) -> str | None:
    assert seen.when == exchange.elapsed
    return explain(exchange.connection.tcb, seen.segment, exchange.now)


def next_reasons(exchange: Exchange) -> list[str | None]:
    """Of what the next deadline sends."""
    exchange.after(exchange.next_deadline() - exchange.now)
    return reasons(exchange)


def test_a_syn_is_no_retransmission_before_the_second() -> None:
    exchange = Exchange.active()
    assert reasons(exchange) == [None]
    assert next_reasons(exchange) == ["SYN retransmission 1"]
    assert next_reasons(exchange) == ["SYN retransmission 2"]


def test_new_text_and_its_acknowledgments_need_no_reason() -> None:
    exchange = connected()
    exchange.user.sends(2000)
    exchange.peer.sends(". 1:11(10) ack 2001")
    assert reasons(exchange) == [None, None, None]


def test_a_timeout_says_the_how_maniest_it_is_and_how_long_it_took() -> None:
    exchange = connected()
    exchange.user.sends(3000)
    assert reasons(exchange) == [None, None, None]
    assert next_reasons(exchange) == ["RTO 1, 0.25 s"]
    assert next_reasons(exchange) == ["RTO 2, 0.5 s"]
    exchange.after(50 * MILLISECOND)
    exchange.peer.sends(". 1:1(0) ack 1001")
    assert set(reasons(exchange)) == {"retransmission after RTO"}


def test_three_duplicates_make_a_fast_retransmission() -> None:
    exchange = connected()
    exchange.user.sends(6000)
    exchange.peer.ignores()
    exchange.after(50 * MILLISECOND)
    for end in (2001, 3001, 4001):
        exchange.peer.sends(f". 1:1(0) ack 1 <sack 1001:{end}>")
    assert reasons(exchange) == ["fast retransmission"]


def test_a_retransmission_for_the_sake_of_time_alone_is_that_of_rack() -> None:
    exchange = connected()
    exchange.user.sends(2000)
    exchange.peer.ignores()
    exchange.after(50 * MILLISECOND)
    exchange.peer.sends(". 1:1(0) ack 1 <sack 1001:2001>")
    assert reasons(exchange) == []
    assert next_reasons(exchange) == ["RACK retransmission"]


def test_smaller_segments_for_a_narrower_path_say_so() -> None:
    exchange = connected()
    exchange.user.sends(1000)
    exchange.peer.ignores()
    exchange.after(10 * MILLISECOND)
    exchange.call(lambda connection, now: connection.on_path_mtu(600, exchange.setting.iss + 1, now))
    assert reasons(exchange) == ["retransmission in smaller segments"] * 2


def test_a_tail_loss_probe_is_called_one() -> None:
    exchange = connected(TcpConfig())
    exchange.user.sends(2000)
    exchange.peer.ignores()
    assert next_reasons(exchange) == ["tail loss probe"]
    assert next_reasons(exchange)[0] == "RTO 1, 0.25 s"


def test_probes_are_counted() -> None:
    exchange = connected(window=0)
    exchange.user.sends(10)
    assert [next_reasons(exchange) for _ in range(2)] == [["window probe 1"], ["window probe 2"]]
    exchange = connected(TcpConfig(keep_alive=KeepAliveConfig(enabled=True, idle=SECOND, interval=SECOND)))
    assert [next_reasons(exchange) for _ in range(2)] == [["keep-alive probe 1"], ["keep-alive probe 2"]]


@pytest.mark.parametrize(
    ("segment", "what"),
    [
        (". 100:110(10) ack 1", "duplicate ACK"),
        ("S 5:5(0)", "challenge ACK"),
        (". 0:0(0) ack 1", "answer to a probe"),
    ],
)
def test_an_acknowledgment_of_nothing_new_says_what_it_is(segment: str, what: str) -> None:
    exchange = connected(TcpConfig(acks=AckConfig(quick=0)))
    exchange.after(MILLISECOND)
    exchange.peer.sends(segment)
    assert reasons(exchange) == [what]
    exchange.after(MILLISECOND)
    exchange.peer.sends("F. 1:101(100) ack 1")
    assert reasons(exchange) == [None]


def test_no_acknowledgment_is_called_a_duplicate_that_may_be_the_first_of_its_kind() -> None:
    exchange = connected(TcpConfig(acks=AckConfig(quick=0)))
    exchange.after(MILLISECOND)
    exchange.peer.sends(". 1:11(10) ack 1", ". 21:31(10) ack 1", ". 31:41(10) ack 1")
    assert reasons(exchange) == [None, None]
    exchange.after(MILLISECOND)
    exchange.peer.sends(". 41:51(10) ack 1", ". 51:61(10) ack 1")
    assert reasons(exchange) == ["duplicate ACK"] * 2


def test_a_reset_speaks_for_itself() -> None:
    exchange = reach(State.ESTABLISHED)
    exchange.user.aborts()
    assert reasons(exchange) == [None]


def test_of_a_segment_that_is_long_gone_nothing_is_known() -> None:
    exchange = connected()
    exchange.user.sends(1000)
    old = exchange.peer.expects_any("P.")
    exchange.after(SECOND)
    assert explain(exchange.connection.tcb, old.segment, exchange.now - SECOND) is None
    exchange.peer.sends(". 1:1(0) ack 1001")
    assert explain(exchange.connection.tcb, old.segment, exchange.now) is None
