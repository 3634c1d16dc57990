"""Blocks behind holes, and what SACK says of them; `test_receiving` tries them against a dict of octets."""

from collections.abc import Callable

import pytest

from halfopen.tcp.reassembly import Reassembly


def put(early: Reassembly, start: int, octets: bytes) -> None:
    early.insert(start, start + len(octets), (octets,))


def held(early: Reassembly) -> dict[int, bytes]:
    return {
        block.start: b"".join(bytes(part) for buffers in block.buffers for part in buffers) for block in early.blocks
    }


def test_of_octets_that_come_twice_the_first_stay() -> None:
    early = Reassembly()
    put(early, 10, b"abcd")
    put(early, 8, b"xxxxxxxx")
    assert held(early) == {8: b"xxabcdxx"}
    assert early.report(4) == [(10, 14), (8, 16)]


def test_the_next_segment_in_order_continues_a_block() -> None:
    early = Reassembly()
    put(early, 10, b"ab")
    put(early, 12, b"cd")
    assert (held(early), early.pieces, early.octets) == ({10: b"abcd"}, 2, 4)


def test_what_fills_the_hole_between_two_blocks_joins_them_wherever_most_of_it_is() -> None:
    early = Reassembly()
    put(early, 10, b"ab")
    for start in (14, 16, 18):
        put(early, start, b"ef")
    put(early, 12, b"cd")
    assert held(early) == {10: b"abcdefefef"}
    put(early, 30, b"z")
    put(early, 20, b"0123456789")
    assert held(early) == {10: b"abcdefefef0123456789z"}


def test_the_first_block_can_be_taken() -> None:
    early = Reassembly()
    put(early, 10, b"ab")
    put(early, 20, b"cd")
    assert (early.pop().start, early.pieces, early.report(4)) == (10, 1, [(20, 22)])


@pytest.mark.rfc("2018", "2018.2")
def test_the_block_that_last_grew_leads() -> None:
    early = Reassembly()
    put(early, 10, b"ab")
    put(early, 20, b"cd")
    put(early, 12, b"cd")
    assert early.report(4) == [(10, 14), (20, 22)]
    assert early.report(1) == [(10, 14)]


def test_of_several_duplicates_the_first_is_reported_once() -> None:
    early = Reassembly()
    early.note_duplicate(5, 5)
    assert not early.has_report
    early.note_duplicate(5, 6)
    early.note_duplicate(7, 8)
    assert early.has_report
    assert early.report(4) == [(5, 6)]
    assert early.report(4) == []
    early.note_duplicate(5, 6)
    early.forget_duplicate()
    assert not early.has_report


def test_the_block_around_a_duplicate_follows_it() -> None:
    early = Reassembly()
    put(early, 10, b"abcd")
    put(early, 20, b"ef")
    early.note_duplicate(11, 12)
    assert early.report(4) == [(11, 12), (10, 14), (20, 22)]
    early.note_duplicate(2, 3)
    assert early.report(2) == [(2, 3), (10, 14)]


def test_a_fin_behind_a_hole_has_a_number_too() -> None:
    early = Reassembly()
    early.note_fin(100)
    assert early.report(4) == [(100, 101)]
    put(early, 50, b"ab")
    assert early.report(4) == [(50, 52), (100, 101)]
    put(early, 99, b"z")
    assert early.report(4) == [(99, 101), (50, 52)]


def test_a_fin_with_the_last_of_the_text_is_told_with_it() -> None:
    early = Reassembly()
    put(early, 50, b"ab")
    early.note_fin(52)
    assert early.report(4) == [(50, 53)]


@pytest.mark.parametrize("end", [Reassembly.forget, Reassembly.abandon])
def test_everything_can_be_forgotten(end: Callable[[Reassembly], None]) -> None:
    early = Reassembly()
    put(early, 50, b"ab")
    early.note_duplicate(50, 51)
    end(early)
    assert (early.blocks, early.pieces, early.has_report) == ([], 0, False)


@pytest.mark.parametrize(
    ("start", "end", "left"),
    [
        (0, 10, {10: b"abcd", 20: b"ef"}),
        (12, 13, {10: b"ab", 13: b"d", 20: b"ef"}),
        (10, 14, {20: b"ef"}),
        (9, 21, {21: b"f"}),
    ],
)
def test_octets_can_be_discarded(start: int, end: int, left: dict[int, bytes]) -> None:
    early = Reassembly()
    put(early, 10, b"abcd")
    put(early, 20, b"ef")
    early.discard(start, end)
    assert held(early) == left
    assert sorted(early.recent) == sorted(left)
