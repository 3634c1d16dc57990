"""A FIN before the handshake is complete, as the BSDs send it."""

from dataclasses import replace

from halfopen.base.clock import SECOND
from halfopen.tcp.config import ClosingConfig
from halfopen.tcp.hasty_fin import settle_fin
from halfopen.tcp.state import State
from halfopen.wire.tcp import ACK, Segment
from tests.tcp.states import numbers
from tests.tcp.test_bsd_rules import BSD, bsd

S = State


def test_it_goes_alone_and_the_ack_of_the_syn_ack_repeats_it() -> None:
    exchange = bsd(S.SYN_SENT, replace(BSD, closing=ClosingConfig(repeats_fin=True)))
    exchange.user.shuts_down()
    exchange.peer.expects("F 1:1(0) win 65535")
    exchange.peer.sends("S. 0:0(0) ack 1 win 65535 <mss 1460>")
    exchange.peer.expects("F. 1:1(0) ack 1")
    assert exchange.state is S.FIN_WAIT_1
    exchange.peer.sends(". 1:1(0) ack 2")
    assert exchange.state is S.FIN_WAIT_2


def test_it_is_sent_again_if_nobody_acknowledges_it() -> None:
    exchange = bsd(S.SYN_SENT)
    exchange.user.shuts_down()
    exchange.peer.ignores()
    exchange.peer.sends("S. 0:0(0) ack 1 win 65535 <mss 1460>")
    exchange.peer.ignores()
    exchange.after(5 * SECOND)
    exchange.peer.expects("F. 1:1(0) ack 1")


def test_the_syn_ack_may_acknowledge_it_too() -> None:
    exchange = bsd(S.SYN_SENT)
    exchange.user.shuts_down()
    exchange.peer.expects("F 1:1(0) win 65535")
    exchange.peer.sends("S. 0:0(0) ack 2 win 65535 <mss 1460>")
    exchange.peer.expects(". 2:2(0) ack 1")
    assert exchange.state is S.FIN_WAIT_2


def test_a_syn_that_leaves_again_has_it() -> None:
    exchange = bsd(S.SYN_SENT)
    exchange.user.shuts_down()
    exchange.peer.expects("F 1:1(0) win 65535")
    exchange.after(1 * SECOND)
    exchange.peer.expects_any("FS")
    assert numbers(exchange) == (0, 2)


def test_so_has_the_syn_ack_of_a_simultaneous_open() -> None:
    exchange = bsd(S.SYN_RECEIVED)
    exchange.user.shuts_down()
    exchange.peer.expects_any("FS.")
    exchange.peer.expects_nothing()
    exchange.peer.sends(". 1:1(0) ack 1")
    exchange.peer.expects_nothing()
    assert exchange.state is S.FIN_WAIT_1
    exchange.peer.sends(". 1:1(0) ack 2")
    assert exchange.state is S.FIN_WAIT_2


def test_behind_text_it_waits_like_that() -> None:
    exchange = bsd(S.SYN_SENT)
    exchange.user.sends(10)
    exchange.user.shuts_down()
    exchange.peer.expects_nothing()
    exchange.peer.sends("S. 0:0(0) ack 1 win 65535 <mss 1460>")
    exchange.peer.expects_any("FP.")


def test_what_has_not_left_yet_needs_no_timer() -> None:
    exchange = bsd(S.ESTABLISHED)
    tcb = exchange.connection.tcb
    tcb.snd.fin = True
    settle_fin(tcb, Segment(9, 80, seq=1, ack=1, flags=ACK), exchange.now)
    assert not tcb.snd.flight.records
