"""SND.*: what may be sent, what is in flight, what is acknowledged."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halfopen.base.octets import total_octets
from halfopen.tcp.send_queue import MORE, RECORD
from halfopen.tcp.sending import SendSpace
from halfopen.tcp.sent import Delivery
from halfopen.tcp.seqnum import wrap

INITIAL = (0, (1 << 32) - 1, (1 << 32) - 3, (1 << 31) - 1)


def space(iss: int = 0, mss: int = 1000, burst: int = 0) -> SendSpace:
    snd = SendSpace(iss, mss, burst)
    snd.advance(snd.iss + 1)
    snd.acknowledge(snd.iss + 1)
    return snd


@pytest.mark.parametrize("iss", INITIAL)
def test_positions_in_the_queue_are_sequence_numbers_behind_the_syn(iss: int) -> None:
    snd = SendSpace(iss, 1000, 0)
    assert wrap(snd.iss) == iss
    assert (snd.una, snd.nxt, snd.outstanding, snd.unsent) == (snd.iss, snd.iss, 0, 0)
    snd.append(b"0123456789")
    assert snd.unsent == 10
    snd.advance(snd.iss + 1)
    assert (snd.outstanding, snd.unsent) == (1, 10)
    snd.acknowledge(snd.iss + 1)
    assert (snd.outstanding, snd.unsent, len(snd.queue)) == (0, 10, 10)
    snd.advance(snd.una + 4)
    assert (snd.outstanding, snd.unsent) == (4, 6)
    snd.acknowledge(snd.una + 3)
    assert b"".join(bytes(part) for part in snd.queue.peek(snd.una, 9)) == b"3456789"


def test_the_fin_stands_behind_the_last_octet() -> None:
    snd = space()
    snd.append(b"abc")
    snd.advance(snd.queue.stop)
    snd.acknowledge(snd.queue.stop)
    assert not snd.fin_is_acknowledged
    snd.fin = True
    snd.advance(snd.queue.stop + 1)
    assert not snd.fin_is_acknowledged
    assert (snd.outstanding, snd.unsent) == (1, 0)
    snd.acknowledge(snd.queue.stop + 1)
    assert snd.fin_is_acknowledged
    assert (snd.outstanding, len(snd.queue)) == (0, 0)


@pytest.mark.rfc("9293", "MUST-34")
def test_a_window_that_shrinks_leaves_less_than_nothing() -> None:
    snd = space()
    snd.append(bytes(3000))
    assert snd.update_window(5, snd.una, 3000)
    snd.advance(snd.una + 3000)
    assert snd.usable == 0
    assert snd.update_window(5, snd.una, 1000)
    assert snd.usable == -2000
    assert (snd.wnd, snd.max_wnd) == (1000, 3000)


@pytest.mark.rfc("9293", "SHLD-15")
@pytest.mark.parametrize(("window", "unit", "below"), [(3000, 1, 0), (2999, 1, 1), (2999, 2, 0), (0, 128, 3000)])
def test_beyond_a_window_that_has_shrunk_nothing_is_put(window: int, unit: int, below: int) -> None:
    snd = space()
    snd.advance(snd.una + 3000)
    snd.update_window(5, snd.una, window)
    assert snd.acceptable(unit) == snd.nxt - below


def test_before_the_peer_has_given_a_window_a_segment_stands_at_snd_nxt() -> None:
    snd = SendSpace(0, 1000, 0)
    snd.advance(snd.iss + 1)
    assert snd.acceptable(1) == snd.nxt


@pytest.mark.rfc("9293", "9293.P8")
def test_an_older_segment_says_nothing_about_the_window() -> None:
    snd = space()
    snd.update_window(100, 50, 500)
    assert not snd.update_window(99, 60, 900)
    assert not snd.update_window(100, 49, 900)
    assert (snd.wnd, snd.wl) == (500, (100, 50))
    assert snd.update_window(100, 50, 900)
    assert snd.update_window(101, 40, 700)
    assert (snd.wnd, snd.wl) == (700, (101, 40))


@pytest.mark.rfc("9293", "9293.P8")
def test_an_acknowledgment_of_something_new_says_what_the_window_is() -> None:
    snd = space()
    snd.advance(snd.una + 100)
    snd.update_window(100, snd.una, 500)
    assert snd.update_window(90, snd.una + 50, 450)
    assert (snd.wnd, snd.wl) == (450, (90, snd.una + 50))


def test_an_acknowledgment_that_repeats_everything_changes_nothing() -> None:
    snd = space()
    assert snd.update_window(5, snd.una, 500)
    assert not snd.update_window(5, snd.una, 500)
    assert not snd.update_window(6, snd.una, 500)
    assert snd.update_window(6, snd.una + 1, 500)


@given(wnd=st.integers(0, 0xFFFF << 14), sent=st.integers(0, 1 << 30))
@pytest.mark.rfc("9293", "REC-1")
def test_windows_are_wider_than_sixteen_bits(wnd: int, sent: int) -> None:
    snd = space()
    snd.update_window(0, snd.una, wnd)
    snd.advance(snd.una + sent)
    assert snd.usable == wnd - sent


@pytest.mark.rfc("6675", "6675.3")
def test_the_pipe_is_what_is_neither_selectively_acknowledged_nor_lost() -> None:
    snd = space()
    snd.append(bytes(4000))
    for start in range(snd.una, snd.una + 4000, 1000):
        snd.flight.sent(start, start + 1000, 0)
        snd.advance(start + 1000)
    assert snd.pipe == 4000
    snd.flight.sack(snd.una + 2000, snd.una + 3000, Delivery())
    lost = snd.flight.records[0]
    snd.flight.mark_lost(lost)
    assert snd.pipe == 2000
    snd.flight.retransmit(lost, 1)
    assert snd.pipe == 3000


@pytest.mark.rfc("9293", "MUST-62", "MUST-31")
def test_the_urgent_pointer_names_the_octet_after_the_urgent_data() -> None:
    snd = space()
    snd.append(bytes(70_000))
    snd.mark_urgent()
    assert snd.up == snd.una + 70_000
    snd.append(b"not urgent")
    snd.advance(snd.queue.stop)
    snd.acknowledge(snd.up - 1)
    assert snd.up == snd.una + 1
    snd.acknowledge(snd.queue.stop)
    assert snd.up == snd.una


@given(mss=st.integers(36, 9000), burst=st.integers(0, 65535))
def test_a_burst_is_a_whole_number_of_segments_and_at_least_one(mss: int, burst: int) -> None:
    made, resized = SendSpace(0, mss, burst), SendSpace(0, 1460, 0)
    resized.resize(mss, burst)
    for snd in (made, resized):
        assert snd.mss == mss
        assert snd.burst % mss == 0
        assert mss <= snd.burst <= max(mss, burst)


@given(st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 5000), st.integers(0, 5000)), max_size=30))
def test_all_octets_from_una_on_are_kept(steps: list[tuple[int, int, int]]) -> None:
    snd = space(0xFFFFFFF0)
    for queued, sent, acknowledged in steps:
        snd.append(bytes(queued))
        snd.advance(snd.nxt + min(sent, snd.unsent))
        snd.acknowledge(snd.una + min(acknowledged, snd.outstanding))
        assert snd.una <= snd.nxt <= snd.queue.stop
        assert snd.queue.start == snd.una
        assert snd.outstanding + snd.unsent == len(snd.queue)
        assert total_octets(snd.queue.peek(snd.una, len(snd.queue))) == len(snd.queue)


def test_text_that_overtakes_text_does_not_stop_the_window_from_moving() -> None:
    """The segment sent first comes second, with the newer ACK: the window is counted from that one."""
    snd = SendSpace(0, 1000, 0)
    snd.advance(snd.iss + 20001)
    assert snd.update_window(seq=5000, ack=snd.una + 1, window=20000)
    snd.acknowledge(snd.una + 1)
    assert snd.update_window(seq=4000, ack=snd.una + 14600, window=5400)
    snd.acknowledge(snd.una + 14600)
    assert snd.una + snd.wnd == snd.iss + 20001


@pytest.mark.rfc("9293", "SHLD-15")
@pytest.mark.parametrize("iss", INITIAL)
@pytest.mark.parametrize(
    ("window", "unit", "acceptable"), [(1000, 1, 1000), (999, 1, 999), (0, 1, 0), (873, 128, 1000), (872, 128, 872)]
)
def test_a_segment_without_text_stands_within_the_window(iss: int, window: int, unit: int, acceptable: int) -> None:
    snd = space(iss)
    snd.advance(snd.una + 1000)
    snd.wnd = window
    assert snd.acceptable(unit) == snd.una + acceptable


def test_until_our_syn_is_acknowledged_there_is_no_window_to_stand_in() -> None:
    snd = SendSpace(7, 1000, 0)
    snd.advance(snd.iss + 1)
    assert snd.acceptable(1) == snd.nxt


def test_a_window_that_may_not_shrink_opens_or_closes() -> None:
    snd = SendSpace(100, 1000, 0)
    assert snd.update_window(5, 100, 5000)
    assert not snd.update_window(5, 100, 4000, may_shrink=False)
    assert snd.wnd == 5000
    assert snd.update_window(5, 100, 6000, may_shrink=False)
    assert snd.update_window(5, 100, 0, may_shrink=False)
    assert snd.wnd == 0


def test_text_is_queued_as_the_user_says() -> None:
    snd = space()
    assert (snd.tail, snd.unsent_runs) == (0, 0)
    snd.append(bytes(300), MORE)
    assert not snd.queue.is_pushed
    snd.append(bytes(300))
    assert snd.queue.is_pushed
    snd.append(bytes(300), RECORD)
    assert snd.queue.reach(snd.nxt, 1000) == snd.queue.stop
    snd.append(bytes(200))
    assert (snd.tail, snd.unsent_runs) == (200, 2)
    snd.advance(snd.queue.stop)
    assert snd.tail == 0
