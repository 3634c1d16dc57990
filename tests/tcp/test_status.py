"""STATUS (RFC 9293 3.10.6): the picture says what is so, in the numbers of the wire."""

from dataclasses import FrozenInstanceError

import pytest

from halfopen.base.clock import MILLISECOND
from halfopen.tcp.config import AckConfig, TcpConfig
from halfopen.tcp.fast_open import Early, Request, ServerCookies
from halfopen.tcp.state import State
from halfopen.tcp.status import make_status
from halfopen.tcp.tcb import Opening, Phase, Tcb
from halfopen.testing.exchange import Exchange, Setting
from tests.tcp.states import WRAPS, reach

OPTIONS = "mss 1000,sackOK,TS val 100 ecr 0,wscale 3"


@pytest.mark.parametrize("iss", WRAPS)
@pytest.mark.parametrize("irs", WRAPS)
def test_a_connection_in_the_middle_of_things(iss: int, irs: int) -> None:
    exchange = Exchange.active(Setting(iss=iss, irs=irs, config=TcpConfig(acks=AckConfig(nagle=False))))
    exchange.after(50 * MILLISECOND)
    exchange.peer.sends(f"S. 0:0(0) ack 1 win 65535 <{OPTIONS}>")
    exchange.user.sends(2500)
    exchange.after(50 * MILLISECOND)
    exchange.peer.sends(".U 1:101(100) ack 989 win 1000 urg 50 <TS val 101 ecr 1050>")
    exchange.peer.sends(". 201:301(100) ack 989 <TS val 101 ecr 1050,sack 1977:2501>")
    status = make_status(exchange.connection.tcb)
    snd, rcv = status.snd, status.rcv
    assert (snd.iss, snd.una, snd.nxt) == (iss, (iss + 989) % 2**32, (iss + 2501) % 2**32)
    assert (snd.wnd, snd.mss, snd.shift) == (8000, 988, 3)
    assert (snd.outstanding, snd.unsent, snd.sacked) == (1512, 0, 524)
    assert (rcv.irs, rcv.nxt, rcv.shift) == (irs, (irs + 101) % 2**32, 7)
    assert (rcv.unread, rcv.early, rcv.urgent) == (100, 100, 50)
    assert rcv.wnd == exchange.connection.tcb.rcv.wnd
    assert status.state is State.ESTABLISHED
    assert (status.options.sack, status.options.timestamps, status.retries) == (True, True, 0)
    assert status.phase is Phase.OPEN
    assert status.srtt > 0
    assert status.rto > status.srtt
    assert status.pipe == 1512 - 524 - snd.lost
    assert status.cwnd >= 10 * 988
    assert status.ssthresh > status.cwnd


def test_a_connection_that_is_just_beginning() -> None:
    exchange = reach(State.SYN_SENT)
    exchange.after(3000 * MILLISECOND)
    status = make_status(exchange.connection.tcb)
    assert status.state is State.SYN_SENT
    assert (status.srtt, status.retries, status.options.sack, status.options.timestamps) == (0, 2, False, False)


def test_a_picture_does_not_change_with_the_connection() -> None:
    exchange = reach(State.ESTABLISHED)
    status = make_status(exchange.connection.tcb)
    exchange.user.aborts()
    assert status.state is State.ESTABLISHED
    with pytest.raises(FrozenInstanceError):
        status.cwnd = 1  # type: ignore[misc]  # that is the point


@pytest.mark.parametrize("is_child", [False, True])
def test_fast_open_is_seen(is_child: bool) -> None:
    tcb = Tcb(Opening(local_port=1, remote_port=2, iss=7), is_active=not is_child)
    assert not make_status(tcb).options.syn_data and not make_status(tcb).options.fast_open_child
    tcb.user.early = Early(None if is_child else Request(ServerCookies(), b"peer", None, 0, True))
    tcb.user.early.is_acknowledged = not is_child
    status = make_status(tcb)
    assert (status.options.syn_data, status.options.fast_open_child) == (not is_child, is_child)
