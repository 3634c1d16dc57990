from hypothesis import given
from hypothesis import strategies as st

from halfopen.report.streams import StreamView


def test_a_syn_is_offset_0_and_the_first_octet_of_text_1() -> None:
    view = StreamView()
    view.begin(0xFFFFFFF0)
    assert view.add(0xFFFFFFF0, 1) == ""
    assert view.offset(0xFFFFFFF1) == 1
    assert view.offset(0x10) == 32


def test_a_stream_seen_from_its_middle_on_starts_at_1() -> None:
    assert StreamView().offset(0) == 1
    assert StreamView().offset(5_000) == 1


def test_offsets_do_not_wrap_after_4_gib() -> None:
    view = StreamView()
    view.begin(7)
    view.add(7, 1)
    step = 1 << 30
    for count in range(6):
        assert view.offset((8 + count * step) % (1 << 32)) == 1 + count * step
        view.add((8 + count * step) % (1 << 32), step)


def test_octets_that_were_seen_before_are_a_retransmission() -> None:
    view = StreamView()
    view.begin(100)
    view.add(100, 1)
    assert view.add(101, 10) == ""
    assert view.add(101, 10) == "retransmission"
    assert view.add(105, 2) == "retransmission"
    assert view.add(111, 0) == ""


def test_a_gap_is_told_and_so_is_what_fills_it() -> None:
    view = StreamView()
    view.begin(100)
    view.add(100, 1)
    assert view.add(121, 10) == "20 octets missing before it"
    assert view.add(101, 20) == "fills a gap"
    assert view.add(131, 5) == ""


def test_another_syn_begins_another_stream_and_the_same_syn_does_not() -> None:
    view = StreamView()
    view.begin(100)
    view.add(100, 1)
    view.begin(100)
    assert view.add(100, 1) == "retransmission"
    view.begin(9_000)
    assert view.add(9_000, 1) == ""
    assert view.offset(9_001) == 1


@given(st.integers(0, (1 << 32) - 1), st.lists(st.integers(1, 1 << 20), max_size=30))
def test_a_stream_in_order_is_never_odd_wherever_it_starts(initial: int, lengths: list[int]) -> None:
    view = StreamView()
    view.begin(initial)
    at = 1
    view.add(initial, 1)
    for length in lengths:
        assert view.offset((initial + at) % (1 << 32)) == at
        assert view.add((initial + at) % (1 << 32), length) == ""
        at += length


def test_the_highest_offset_and_sack_edges_are_told() -> None:
    view = StreamView()
    view.begin(0xFFFFFFF0)
    view.add(0xFFFFFFF0, 1)
    view.add(0xFFFFFFF1, 100)
    assert view.highest == 101
    assert view.sack((0x10, 0x20)) == (32, 48)
