"""What the segments of a synchronized connection say."""

from dataclasses import replace

import pytest

from halfopen.tcp.config import (
    DEFAULT,
    AckConfig,
    ArrivalConfig,
    BufferConfig,
    ClosingConfig,
    OptionsConfig,
)
from halfopen.wire.tcp import FIN
from tests.tcp.exchanges import EAGER, connect, flight, with_ecn

ISNS = [0, (1 << 32) - 1, (1 << 32) - 3, (1 << 31) - 1]


@pytest.mark.rfc("9293", "MUST-30", "MUST-31", "MUST-62")
def test_the_urgent_pointer_names_the_octet_behind_urgent_text_of_any_length() -> None:
    exchange = connect()
    exchange.user.sends(2500, urgent=True)
    exchange.user.sends(500)
    exchange.peer.expects(".U 1:1001(1000) ack 1 urg 2500")
    exchange.peer.expects(".U 1001:2001(1000) ack 1 urg 1500")
    exchange.peer.expects("P.U 2001:2501(500) ack 1 urg 500")
    exchange.peer.expects("P. 2501:3001(500) ack 1")


@pytest.mark.rfc("2018", "2018.2", "2018.4")
@pytest.mark.rfc("9293", "MAY-13")
def test_each_early_segment_is_answered_by_a_bare_ack_with_its_block_first() -> None:
    exchange = connect("mss 1000,sackOK")
    for start in range(1001, 11001, 2000):
        exchange.peer.sends(f". {start}:{start + 1000}(1000) ack 1")
    exchange.peer.expects(". 1:1(0) ack 1 <sack 1001:2001>")
    exchange.peer.expects(". 1:1(0) ack 1 <sack 3001:4001 1001:2001>")
    exchange.peer.expects(". 1:1(0) ack 1 <sack 5001:6001 3001:4001 1001:2001>")
    exchange.peer.expects(". 1:1(0) ack 1 <sack 7001:8001 5001:6001 3001:4001 1001:2001>")
    exchange.peer.expects(". 1:1(0) ack 1 <sack 9001:10001 7001:8001 5001:6001 3001:4001>")


@pytest.mark.parametrize(("octets", "gso_size"), [(1000, 0), (1001, 1000), (2500, 1000)])
def test_more_text_than_a_segment_has_is_to_be_cut(octets: int, gso_size: int) -> None:
    exchange = connect(burst=4000)
    exchange.user.sends(octets)
    (seen,) = exchange.peer.ignores()
    assert (seen.segment.octets, seen.segment.gso_size) == (octets, gso_size)


@pytest.mark.rfc("2018", "2018.2")
def test_with_timestamps_there_is_room_for_three_blocks() -> None:
    exchange = connect("mss 1012,sackOK,TS val 7 ecr 1000")
    for start in range(1001, 9001, 2000):
        exchange.peer.sends(f". {start}:{start + 1000}(1000) ack 1 <TS val 8 ecr 1050>")
    answers = exchange.peer.ignores()
    assert str(answers[-1].words).endswith("sack 7001:8001 5001:6001 3001:4001>")


@pytest.mark.rfc("7323", "7323.4")
def test_once_agreed_on_timestamps_go_with_every_segment() -> None:
    exchange = connect("mss 1012,sackOK,TS val 7 ecr 1000")
    exchange.user.sends(10)
    exchange.peer.sends(". 1:11(10) ack 11 <TS val 8 ecr 1050>", ". 11:21(10) ack 11 <TS val 9 ecr 1050>")
    exchange.user.shuts_down()
    sent = exchange.peer.ignores()
    assert len(sent) == 3 and sent[-1].segment.flags & FIN
    assert all(seen.segment.options is not None and seen.segment.options.timestamps for seen in sent)


@pytest.mark.rfc("2018", "2018.1")
def test_without_the_peers_permission_there_are_no_blocks() -> None:
    exchange = connect("mss 1000")
    exchange.peer.sends(". 1001:2001(1000) ack 1")
    exchange.peer.expects(". 1:1(0) ack 1 <>")


@pytest.mark.rfc("2018", "2018.4")
def test_blocks_ride_on_text_where_the_segment_has_room() -> None:
    exchange = connect("mss 1000,sackOK")
    exchange.peer.sends(". 1001:2001(1000) ack 1")
    exchange.peer.ignores()
    exchange.user.sends(988)
    exchange.user.sends(989)
    exchange.peer.expects("P. 1:989(988) ack 1 <sack 1001:2001>")
    exchange.peer.expects("P. 989:1978(989) ack 1 <>")


@pytest.mark.rfc("2883", "2883.1", "2883.2")
def test_octets_that_come_twice_are_reported_once() -> None:
    exchange = connect("mss 1000,sackOK")
    exchange.peer.sends(". 1:1001(1000) ack 1")
    exchange.peer.expects(". 1:1(0) ack 1001 <>")
    exchange.peer.sends(". 1:1001(1000) ack 1")
    exchange.peer.expects(". 1:1(0) ack 1001 <sack 1:1001>")
    exchange.peer.sends("P. 1001:1011(10) ack 1")
    exchange.peer.expects(". 1:1(0) ack 1011 <>")


@pytest.mark.rfc("9293", "SHLD-8")
@pytest.mark.rfc("3168", "3168.3")
def test_acks_echo_congestion_until_the_peer_says_cwr() -> None:
    exchange = with_ecn()
    exchange.peer.sends("[ce] P. 1:11(10) ack 1")
    exchange.peer.expects(".E 1:1(0) ack 11")
    exchange.peer.sends("[ect0] P. 11:21(10) ack 1")
    exchange.peer.expects(".E 1:1(0) ack 21")
    exchange.user.sends(10)
    exchange.peer.expects("P.E 1:11(10) ack 21")
    exchange.peer.sends("[ect0] P.W 21:31(10) ack 11")
    exchange.peer.expects(". 11:11(0) ack 31")


@pytest.mark.rfc("9293", "MUST-61", "SHLD-27")
@pytest.mark.parametrize("iss", ISNS)
def test_psh_stands_on_the_last_queued_segment_only(iss: int) -> None:
    exchange = connect(iss=iss)
    exchange.user.sends(2500)
    exchange.peer.expects(". 1:1001(1000) ack 1")
    exchange.peer.expects(". 1001:2001(1000) ack 1")
    exchange.peer.expects("P. 2001:2501(500) ack 1")


@pytest.mark.rfc("9293", "SHLD-15", "MUST-34")
@pytest.mark.parametrize("iss", ISNS)
def test_an_ack_does_not_lie_beyond_a_window_that_has_shrunk(iss: int) -> None:
    exchange = connect(iss=iss)
    flight(exchange, 4)
    exchange.peer.sends(". 11:21(10) ack 1 win 1500")
    exchange.peer.expects(". 1501:1501(0) ack 1")
    exchange.peer.sends(". 21:31(10) ack 1 win 0")
    exchange.peer.expects(". 1:1(0) ack 1")
    exchange.peer.sends(". 31:41(10) ack 1 win 4000")
    exchange.peer.expects(". 4001:4001(0) ack 1")


def test_a_window_that_its_scale_has_rounded_has_not_shrunk() -> None:
    exchange = connect("mss 1000,wscale 7")
    flight(exchange, 4)
    exchange.peer.sends("P. 1:11(10) ack 1 win 31")
    exchange.peer.expects(". 4001:4001(0) ack 11")
    exchange.peer.sends("P. 11:21(10) ack 1 win 30")
    exchange.peer.expects(". 3841:3841(0) ack 21")


@pytest.mark.rfc("9293", "SHLD-18", "SHLD-19")
def test_without_sack_a_duplicate_is_answered_once_and_acks_are_delayed_as_before() -> None:
    exchange = connect(config=replace(EAGER, acks=AckConfig(quick=0)))
    exchange.peer.sends(". 1:1001(1000) ack 1", ". 1001:2001(1000) ack 1")
    exchange.peer.expects(". 1:1(0) ack 2001")
    exchange.peer.sends(". 1001:2001(1000) ack 1")
    exchange.peer.expects(". 1:1(0) ack 2001 <>")
    exchange.peer.sends(". 2001:3001(1000) ack 1")
    exchange.peer.expects_nothing()
    exchange.peer.sends(". 3001:4001(1000) ack 1")
    exchange.peer.expects(". 1:1(0) ack 4001")


def test_what_acknowledges_text_in_order_too_is_not_called_a_duplicate() -> None:
    exchange = connect(config=replace(DEFAULT, acks=AckConfig(quick=0)))
    exchange.peer.sends(". 1:11(10) ack 1", ". 21:31(10) ack 1")
    exchange.peer.expects(". 1:1(0) ack 11")
    exchange.peer.expects_nothing()
    assert exchange.connection.tcb.owed.answer[0] == ""
    exchange.after(1)
    exchange.peer.sends(". 31:41(10) ack 1")
    exchange.peer.expects(". 1:1(0) ack 11")
    assert exchange.connection.tcb.owed.answer == ("duplicate ACK", exchange.now)


def test_a_linux_remembers_that_it_has_answered() -> None:
    buffers, acks = BufferConfig(window="linux"), AckConfig(manner="linux")
    exchange = connect(config=replace(EAGER, arrivals=ArrivalConfig(order="linux"), buffers=buffers, acks=acks))
    delays = exchange.connection.tcb.owed.acks.delays
    assert delays is not None
    exchange.peer.sends("P. 1:11(10) ack 1")
    exchange.peer.ignores()
    assert not delays.talks
    exchange.user.sends(10)
    assert delays.talks


def test_a_bsd_repeats_its_fin_in_every_ack_until_that_is_acknowledged() -> None:
    exchange = connect(config=replace(EAGER, closing=ClosingConfig(repeats_fin=True)))
    exchange.user.shuts_down()
    exchange.peer.expects("F. 1:1(0) ack 1")
    exchange.peer.sends("P. 1:11(10) ack 1")
    exchange.peer.expects("F. 1:1(0) ack 11")
    exchange.peer.sends("P. 11:21(10) ack 2")
    exchange.peer.expects(". 2:2(0) ack 21")


def test_an_ack_apart_has_the_numbers_alone() -> None:
    exchange = connect("mss 1000,sackOK", config=replace(EAGER, arrivals=ArrivalConfig(order="bsd")))
    exchange.peer.sends("P. 11:21(10) ack 1")
    assert str(exchange.peer.expects_any(".")).count("sack") == 1
    exchange.peer.sends("S 5:5(0)")
    assert exchange.peer.expects(". 1:1(0) ack 1").segment.options is None
    exchange.peer.expects_nothing()


def test_the_options_of_a_segment_to_be_signed_stand_as_the_layout_has_them() -> None:
    config = replace(EAGER, options=OptionsConfig(layout="dense"))
    exchange = connect("mss 1000", config=config)
    tcb = exchange.connection.tcb
    tcb.opening = replace(tcb.opening, signature_octets=20)
    exchange.user.sends(10)
    (seen,) = exchange.peer.ignores()
    assert seen.segment.options is not None
    assert seen.segment.options.dense
