"""SYN, SYN,ACK and RST."""

from dataclasses import replace

import pytest

from halfopen.base.clock import MILLISECOND, SECOND
from halfopen.tcp.config import (
    DEFAULT,
    ArrivalConfig,
    BufferConfig,
    ClosingConfig,
    Ecn,
    OptionsConfig,
)
from halfopen.tcp.state import State
from halfopen.testing.exchange import Exchange, Setting
from tests.tcp.exchanges import EAGER, connect, flight, retransmitting


@pytest.mark.rfc("9293", "MUST-22")
def test_syns_are_retransmitted_with_the_backoff_of_text() -> None:
    exchange = Exchange.active()
    exchange.after(16 * SECOND)
    assert [seen.when // SECOND for seen in exchange.peer.ignores()] == [0, 1, 3, 7, 15]
    assert exchange.counters["TCPSynRetrans"] == 4


@pytest.mark.rfc("9293", "MUST-10", "MUST-65")
@pytest.mark.parametrize("shift", [0, 7])
def test_a_simultaneous_open_answers_with_the_options_of_both_syns(shift: int) -> None:
    small = replace(DEFAULT, buffers=BufferConfig(receive=60_000, receive_initial=60_000))
    exchange = Exchange.active(Setting(config=small))
    exchange.peer.expects("S 0:0(0) win 60000 <mss 1460,sackOK,TS val 1000 ecr 0,wscale 0>")
    exchange.peer.sends(f"S 0:0(0) win 65535 <mss 1000,sackOK,TS val 77 ecr 0,wscale {shift}>")
    scale = ",wscale 0" if shift else ""
    exchange.peer.expects(f"S. 0:0(0) ack 1 win 60000 <mss 1460,sackOK,TS val 1000 ecr 77{scale}>")
    assert exchange.state is State.SYN_RECEIVED
    exchange.peer.sends("S. 0:0(0) ack 1 win 65535 <mss 1000,sackOK,TS val 78 ecr 1000>")
    assert exchange.state is State.ESTABLISHED


def test_a_simultaneous_open_without_timestamps_answers_without() -> None:
    exchange = Exchange.active()
    exchange.peer.ignores()
    exchange.peer.sends("S 0:0(0) win 65535 <mss 1000>")
    exchange.peer.expects("S. 0:0(0) ack 1 <mss 1460>")


@pytest.mark.rfc("3168", "3168.7")
def test_a_syn_that_is_not_answered_gives_ecn_up() -> None:
    exchange = Exchange.active(Setting(config=replace(DEFAULT, options=OptionsConfig(ecn=Ecn.ACTIVE))))
    exchange.after(8 * SECOND)
    assert [str(seen).split()[0] for seen in exchange.peer.ignores()] == ["SEW", "S", "S", "S"]


@pytest.mark.rfc("9293", "MUST-21")
@pytest.mark.rfc("6298", "6298.9")
def test_a_peer_that_repeats_its_syn_does_not_put_off_the_end() -> None:
    exchange = Exchange.active(Setting(config=retransmitting(synack_retries=2)))
    exchange.peer.expects_any("S")
    exchange.peer.sends("S 0:0(0)")
    exchange.peer.expects_any("S.")
    while exchange.state is State.SYN_RECEIVED:
        assert exchange.elapsed < 10 * SECOND
        exchange.peer.sends("S 0:0(0)")
        exchange.peer.expects_any("S.")
        exchange.after(300 * MILLISECOND)
    exchange.user.hears("Closed: ConnectionTimedOut")
    assert exchange.counters["TCPTimeouts"] == 2


def test_an_abort_is_a_reset_with_the_next_number() -> None:
    exchange = connect()
    flight(exchange, 1)
    exchange.user.aborts()
    exchange.peer.expects("R. 1001:1001(0) ack 1 win 0")
    exchange.peer.expects_nothing()
    assert exchange.counters["OutRsts"] == 1


@pytest.mark.rfc("9293", "SHLD-3")
def test_text_for_a_user_who_is_gone_is_answered_by_a_reset_without_ack() -> None:
    exchange = connect()
    exchange.user.closes()
    exchange.peer.expects("F. 1:1(0) ack 1")
    exchange.peer.sends("P. 1:11(10) ack 2")
    exchange.peer.expects("R 2:2(0)")


def test_a_bsd_leaves_all_but_the_mss_out_of_its_fourth_syn_and_later_ones() -> None:
    exchange = Exchange.active(Setting(config=replace(EAGER, options=OptionsConfig(drops_late=True))))
    exchange.after(20 * SECOND)
    offers = [
        seen.segment.options is not None and seen.segment.options.sack_permitted for seen in exchange.peer.ignores()
    ]
    assert offers == [True, True, True, False, False]


def test_the_syn_ack_of_a_linux_that_has_asked_itself_offers_all_that_its_syn_did() -> None:
    for order, shift in (("rfc9293", None), ("linux", 7)):
        exchange = Exchange.active(Setting(config=replace(EAGER, arrivals=ArrivalConfig(order=order))))
        exchange.peer.ignores()
        exchange.peer.sends("S 0:0(0) win 65535 <mss 1000>")
        options = exchange.peer.expects_any("S.").segment.options
        assert options is not None
        assert options.window_scale == shift


@pytest.mark.parametrize(
    ("form", "stamped", "window"), [("bare", False, 0), ("stamped", True, 0), ("full", True, 4096)]
)
def test_the_rst_of_an_abort_says_as_much_as_it_is_configured_to(form: str, stamped: bool, window: int) -> None:
    config = replace(EAGER, closing=ClosingConfig(reset=form))
    exchange = connect("mss 1000,TS val 5 ecr 1000,wscale 7", config=config)
    exchange.user.aborts()
    reset = exchange.peer.expects_any("R.").segment
    assert (reset.options is not None) == stamped
    assert reset.window == window


def test_the_rst_of_an_abort_can_echo_congestion() -> None:
    config = replace(EAGER, closing=ClosingConfig(reset="full"), options=OptionsConfig(ecn=Ecn.ACTIVE))
    exchange = Exchange.active(Setting(config=config))
    exchange.peer.sends("SE. 0:0(0) ack 1 win 65535 <mss 1000,TS val 5 ecr 1000>")
    exchange.peer.sends("[ce] P. 1:11(10) ack 1 <TS val 5 ecr 1000>")
    exchange.peer.ignores()
    exchange.user.aborts()
    exchange.peer.expects_any("R.E")


@pytest.mark.rfc("2018", "2018.3")
@pytest.mark.parametrize(("form", "tells"), [("bare", False), ("full", True)])
def test_only_the_full_rst_of_an_abort_tells_what_has_come_behind_a_hole(form: str, tells: bool) -> None:
    linux = replace(EAGER, closing=ClosingConfig(reset=form), buffers=BufferConfig(window="linux"))
    exchange = connect("mss 1000,sackOK", config=linux)
    exchange.peer.sends(". 1001:2001(1000) ack 1")
    exchange.peer.ignores()
    exchange.user.aborts()
    reset = exchange.peer.expects_any("R.").segment
    assert (reset.options is not None and bool(reset.options.sack)) == tells


def test_the_rst_that_answers_what_comes_after_an_abort_tells_nothing_more() -> None:
    linux = replace(EAGER, closing=ClosingConfig(reset="full"), buffers=BufferConfig(window="linux"))
    exchange = connect("mss 1000,sackOK", config=linux)
    exchange.peer.sends(". 1001:2001(1000) ack 1")
    exchange.peer.ignores()
    exchange.user.aborts()
    exchange.peer.ignores()
    exchange.peer.sends("F 2001:2001(0)")
    assert exchange.peer.expects_any("R.").segment.options is None
