from dataclasses import replace

from halfopen.tcp.bsd_output import as_response, before_signature, cut_lost
from halfopen.tcp.config import DEFAULT, BufferConfig, OptionsConfig
from halfopen.tcp.scoreboard import Flight
from halfopen.tcp.sent import IN_FLIGHT
from halfopen.testing.exchange import Exchange, Setting
from halfopen.wire.tcp import ACK, Segment
from halfopen.wire.tcp_options import Options

BSD = replace(DEFAULT, buffers=BufferConfig(window="bsd", receive_initial=65536))


def test_a_response_of_a_bsd_says_how_much_room_there_is() -> None:
    exchange = Exchange.established(Setting(config=BSD), options="mss 1460,nop,wscale 6")
    segment = Segment(1, 2, seq=3, flags=ACK, window=7)
    assert as_response(exchange.connection.tcb, segment).window == exchange.connection.tcb.rcv.free_field


def test_others_say_what_they_said() -> None:
    exchange = Exchange.established(Setting(), options="mss 1460")
    assert as_response(exchange.connection.tcb, Segment(1, 2, seq=3, flags=ACK, window=7)).window == 7


def test_a_bsd_signs_behind_its_timestamps() -> None:
    config = replace(DEFAULT, options=OptionsConfig(layout="dense"))
    tcb = Exchange.established(Setting(config=config), options="mss 1460").connection.tcb
    fresh = before_signature(tcb, None)
    assert fresh is not None
    assert fresh.dense
    stamped = Options(timestamps=(1, 2))
    assert before_signature(tcb, stamped) is stamped
    assert stamped.dense


def test_others_sign_in_front_of_everything() -> None:
    tcb = Exchange.established(Setting(), options="mss 1460").connection.tcb
    assert before_signature(tcb, None) is None


def test_what_is_lost_can_be_cut_so_that_what_is_before_it_grows() -> None:
    flight = Flight(1000)
    for start in range(0, 3000, 1000):
        flight.sent(start, start + 1000, 0)
    flight.mark_all_lost()
    cut_lost(flight, 1460)
    assert [each.end for each in flight.records] == [1000, 1460, 2000, 3000]
    cut_lost(flight, 3000)
    flight.records[-1].condition = IN_FLIGHT
    cut_lost(flight, 2500)
    assert [each.end for each in flight.records] == [1000, 1460, 2000, 3000]
