"""RCV.*: reassembly against a dict of octets, the window against its edge, SACK blocks against their RFCs."""

import tracemalloc
from itertools import pairwise

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from halfopen.base.octets import Buffers
from halfopen.tcp.config import BufferConfig
from halfopen.tcp.linux_memory import Memory
from halfopen.tcp.reassembly import PIECE_OCTETS
from halfopen.tcp.receiving import ReceiveSpace
from halfopen.tcp.seqnum import wrap

INITIAL = (0, (1 << 32) - 1, (1 << 32) - 3, (1 << 31) - 1)
MSS = 100


def opened(limit: int = 20_000, shift: int = 0, irs: int = 0) -> ReceiveSpace:
    """A space whose whole buffer has been offered."""
    rcv = ReceiveSpace(irs, limit, shift)
    rcv.offer_syn()
    rcv.offer(MSS)
    return rcv


def put(rcv: ReceiveSpace, at: int, octets: bytes) -> int:
    """Text ``at`` octets behind IRS+1."""
    return rcv.accept(rcv.irs + 1 + at, (octets,), len(octets))


def blocks(rcv: ReceiveSpace, limit: int = 4) -> list[tuple[int, int]]:
    return [(left - rcv.irs - 1, right - rcv.irs - 1) for left, right in rcv.early.report(limit)]


def unread(rcv: ReceiveSpace) -> bytes:
    return b"".join(bytes(part) for part in rcv.queue.peek(rcv.queue.start, len(rcv.queue)))


class Reassembly(RuleBasedStateMachine):
    """Overlapping segments in any order against a dict from position to octet, where the first octet stays."""

    LIMIT = 300
    SHIFT = 3

    def __init__(self) -> None:
        super().__init__()
        self.rcv = opened(self.LIMIT, self.SHIFT, irs=(1 << 32) - 40)
        self.held: dict[int, int] = {}
        self.edge = self.rcv.edge
        self.duplicate: tuple[int, int] | None = None
        self.touched: list[int] = []
        self.read = b""
        self.stream = b""

    def cut_up(self, text: bytes, cuts: list[int]) -> Buffers:
        edges = [0, *sorted(cut % (len(text) + 1) for cut in cuts), len(text)]
        return tuple(text[low:high] for low, high in pairwise(edges) if low < high)

    @rule(
        distance=st.integers(-60, 320),
        text=st.binary(min_size=1, max_size=70),
        cuts=st.lists(st.integers(0, 70), max_size=3),
    )
    def accept(self, distance: int, text: bytes, cuts: list[int]) -> None:
        rcv, nxt = self.rcv, self.rcv.nxt
        seq = nxt + distance
        octets = {seq + index: octet for index, octet in enumerate(text)}
        is_kept = distance <= 0 or rcv.early.pieces * PIECE_OCTETS <= self.LIMIT
        moved = rcv.accept(seq, self.cut_up(text, cuts), len(text))
        window = [position for position in octets if nxt <= position < self.edge]
        again = [position for position in octets if position < nxt]
        if not again and is_kept:
            again = self.first_run([position for position in window if position in self.held])
        if self.duplicate is None and again:
            self.duplicate = (again[0], again[-1] + 1)
        if is_kept:
            self.held = {position: octets[position] for position in window} | self.held
            if window and window[0] > nxt:
                self.touched.insert(0, window[0])
        end = nxt
        while end in self.held:
            self.stream += bytes([self.held.pop(end)])
            end += 1
        assert moved == end - nxt

    def first_run(self, positions: list[int]) -> list[int]:
        return [position for index, position in enumerate(positions) if position == positions[0] + index]

    @rule(count=st.integers(0, 200))
    def receive(self, count: int) -> None:
        self.read += b"".join(bytes(part) for part in self.rcv.queue.take(count))

    @rule(mss=st.integers(1, 150))
    def offer(self, mss: int) -> None:
        field = self.rcv.offer(mss)
        assert 0 <= field <= 0xFFFF
        promised = self.rcv.nxt + (field << self.SHIFT)
        assert self.edge - (1 << self.SHIFT) < promised <= self.rcv.edge
        self.edge = max(self.edge, promised)

    @rule(limit=st.integers(1, 4))
    def report(self, limit: int) -> None:
        runs = self.runs()
        assert self.rcv.early.has_report == (bool(runs) or self.duplicate is not None)
        first = [] if self.duplicate is None else [self.duplicate]
        if self.duplicate is not None:
            for run in runs:
                if run[0] <= self.duplicate[0] and self.duplicate[1] <= run[1]:
                    self.touched.insert(0, run[0])
            self.duplicate = None
        grown = [run for position in self.touched for run in runs if run[0] <= position < run[1]]
        expected = [*first, *dict.fromkeys(grown)]
        assert self.rcv.early.report(limit) == expected[:limit]

    def runs(self) -> list[tuple[int, int]]:
        starts = [position for position in sorted(self.held) if position - 1 not in self.held]
        stops = [position + 1 for position in sorted(self.held) if position + 1 not in self.held]
        return list(zip(starts, stops, strict=True))

    @invariant()
    def what_is_delivered_is_what_came_first(self) -> None:
        assert self.read + unread(self.rcv) == self.stream

    @invariant()
    def blocks_are_disjoint_sorted_and_hold_the_early_octets(self) -> None:
        ahead = self.rcv.early.blocks
        assert [(block.start, block.end) for block in ahead] == self.runs()
        for block in ahead:
            text = b"".join(bytes(part) for buffers in block.buffers for part in buffers)
            assert text == bytes(self.held[position] for position in range(block.start, block.end))
        assert self.rcv.early.octets == len(self.held)

    @invariant()
    def every_block_is_remembered_once(self) -> None:
        assert sorted(self.rcv.early.recent) == [block.start for block in self.rcv.early.blocks]
        assert all(self.rcv.early.recent[block.start] is block for block in self.rcv.early.blocks)

    @invariant()
    def pieces_are_counted(self) -> None:
        assert self.rcv.early.pieces == sum(len(block.buffers) for block in self.rcv.early.blocks)

    @invariant()
    def the_edge_is_the_highest_ever_offered(self) -> None:
        assert self.rcv.edge == self.edge
        assert self.rcv.wnd == self.edge - self.rcv.nxt >= 0

    @invariant()
    def memory_is_bounded(self) -> None:
        assert len(self.rcv.queue) + self.rcv.early.octets <= self.LIMIT + self.LIMIT // 8
        assert self.rcv.edge <= self.rcv.queue.start + self.LIMIT + self.LIMIT // 8


TestReassembly = Reassembly.TestCase
TestReassembly.settings = settings(deadline=None, max_examples=200, stateful_step_count=50)


class WideReassembly(Reassembly):
    """The same with room for many blocks."""

    LIMIT = 60_000
    SHIFT = 0

    @precondition(lambda self: self.rcv.early.blocks)
    @rule(text=st.binary(min_size=1, max_size=300))
    def fill_the_first_hole(self, text: bytes) -> None:
        self.accept(0, text, [])

    @rule(distance=st.integers(1, 2000), count=st.integers(2, 12))
    def comb(self, distance: int, count: int) -> None:
        for tooth in range(count):
            self.accept(distance + 5 * tooth, bytes([tooth] * 3), [])


TestWideReassembly = WideReassembly.TestCase
TestWideReassembly.settings = settings(deadline=None, max_examples=100, stateful_step_count=30)


RELATIONS = {
    "before": (10, 20),
    "meets": (10, 30),
    "overlaps": (10, 40),
    "finished by": (10, 60),
    "contains": (10, 80),
    "starts": (30, 40),
    "equals": (30, 60),
    "started by": (30, 80),
    "during": (40, 50),
    "finishes": (40, 60),
    "overlapped by": (40, 80),
    "met by": (60, 80),
    "after": (70, 80),
}
"""Allen's thirteen, of a segment to the octets [30, 60) that are here already."""


@pytest.mark.rfc("9293", "SHLD-31")
@pytest.mark.parametrize("relation", RELATIONS)
@pytest.mark.parametrize("irs", INITIAL)
def test_of_octets_that_come_twice_the_first_stay(relation: str, irs: int) -> None:
    left, right = RELATIONS[relation]
    rcv = opened(irs=irs)
    assert wrap(rcv.irs) == irs
    assert put(rcv, 30, b"1" * 30) == 0
    assert put(rcv, left, b"2" * (right - left)) == 0
    held = dict.fromkeys(range(left, right), "2") | dict.fromkeys(range(30, 60), "1")
    expected = "".join(held.get(position, "0") for position in range(max(held) + 1))
    common = (max(left, 30), min(right, 60))
    reported = blocks(rcv)
    assert (
        (reported[0] == common) if common[0] < common[1] else (rcv.early.duplicate is None and reported[0][0] <= left)
    )
    assert put(rcv, 0, b"0" * 90) == 90
    assert unread(rcv).decode() == expected.ljust(90, "0")
    assert (rcv.early.blocks, rcv.early.pieces, dict(rcv.early.recent)) == ([], 0, {})


@pytest.mark.rfc("9293", "SHLD-31")
@pytest.mark.parametrize("irs", INITIAL)
def test_early_text_waits_for_the_hole_to_fill(irs: int) -> None:
    rcv = opened(irs=irs)
    assert put(rcv, 3, b"def") == 0
    assert (unread(rcv), rcv.early.octets, rcv.early.has_report) == (b"", 3, True)
    assert put(rcv, 0, b"abc") == 6
    assert (unread(rcv), rcv.early.octets, rcv.early.has_report) == (b"abcdef", 0, False)
    assert wrap(rcv.nxt) == wrap(irs + 7)


def test_text_outside_of_the_window_is_cut_off() -> None:
    rcv = opened(limit=10)
    assert put(rcv, 10, b"x") == 0
    assert put(rcv, 200, b"x") == 0
    assert put(rcv, 8, b"89xx") == 0
    assert put(rcv, 0, b"01234567") == 10
    assert unread(rcv) == b"0123456789"
    assert put(rcv, 10, b"x") == 0


def test_text_that_was_delivered_is_reported_as_a_duplicate_and_not_delivered_again() -> None:
    rcv = opened()
    put(rcv, 0, b"0123")
    assert put(rcv, 1, b"xx") == 0
    assert blocks(rcv) == [(1, 3)]
    assert put(rcv, 2, b"xx45") == 2
    assert unread(rcv) == b"012345"
    assert blocks(rcv) == [(2, 4)]
    assert not rcv.early.has_report


@pytest.mark.rfc("2018", "2018.2")
def test_the_block_that_last_grew_leads_and_others_follow_from_newest_to_oldest() -> None:
    rcv = opened()
    for at in (10, 30, 50, 70, 90):
        put(rcv, at, b"x" * 5)
    assert blocks(rcv) == [(90, 95), (70, 75), (50, 55), (30, 35)]
    assert blocks(rcv, 3) == [(90, 95), (70, 75), (50, 55)]
    put(rcv, 35, b"x" * 5)
    assert blocks(rcv, 3) == [(30, 40), (90, 95), (70, 75)]
    put(rcv, 8, b"x" * 2)
    assert blocks(rcv, 2) == [(8, 15), (30, 40)]
    put(rcv, 75, b"x" * 15)
    assert blocks(rcv) == [(70, 95), (8, 15), (30, 40), (50, 55)]


@pytest.mark.rfc("2018", "2018.4")
def test_blocks_are_reported_as_long_as_there_are_holes() -> None:
    rcv = opened()
    put(rcv, 10, b"x")
    assert blocks(rcv) == blocks(rcv) == [(10, 11)]


@pytest.mark.rfc("2883", "2883.1", "2883.2", "2883.3")
def test_a_duplicate_above_the_hole_leads_once_and_the_run_around_it_follows() -> None:
    rcv = opened()
    put(rcv, 10, b"x" * 20)
    put(rcv, 50, b"x" * 20)
    put(rcv, 12, b"y" * 4)
    put(rcv, 70, b"x")
    assert blocks(rcv) == [(12, 16), (10, 30), (50, 71)]
    assert blocks(rcv) == [(10, 30), (50, 71)]


@pytest.mark.rfc("2883", "2883.1", "2883.2")
def test_a_duplicate_below_rcv_nxt_leads_and_the_blocks_follow() -> None:
    rcv = opened()
    put(rcv, 0, b"x" * 10)
    put(rcv, 20, b"x" * 10)
    put(rcv, 5, b"y" * 5)
    assert blocks(rcv) == [(5, 10), (20, 30)]
    assert blocks(rcv) == [(20, 30)]


@pytest.mark.rfc("2883", "2883.2")
def test_of_several_duplicates_the_first_is_reported() -> None:
    rcv = opened()
    put(rcv, 10, b"x" * 10)
    put(rcv, 30, b"x" * 10)
    put(rcv, 5, b"y" * 50)
    assert blocks(rcv) == [(10, 20), (5, 55)]
    rcv.early.note_duplicate(7, 7)
    rcv.early.note_duplicate(9, 8)
    assert rcv.early.duplicate is None


def test_tiny_early_segments_cannot_hold_more_memory_than_the_window_says() -> None:
    rcv = opened(limit=60_000)
    for number in range(10_000):
        put(rcv, 1 + 2 * number, b"x")
    assert rcv.early.pieces == 60_000 // PIECE_OCTETS + 1
    assert put(rcv, 0, b"0") == 2  # in order there is no such limit


@pytest.mark.rfc("9293", "SHLD-14", "MUST-39")
def test_the_edge_moves_by_a_segment_or_more_or_not_at_all() -> None:
    rcv = opened(limit=1000)
    put(rcv, 0, bytes(500))
    assert rcv.offer(MSS) == 500
    rcv.queue.take(99)
    assert rcv.offer(MSS) == 500
    rcv.queue.take(1)
    assert rcv.offer(MSS) == 600


@pytest.mark.rfc("9293", "MUST-39")
def test_half_of_a_small_buffer_is_enough_for_it_to_move() -> None:
    rcv = opened(limit=100)
    put(rcv, 0, bytes(100))
    assert rcv.offer(1460) == 0
    rcv.queue.take(49)
    assert (rcv.offer(1460), rcv.can_open(1460)) == (0, False)
    rcv.queue.take(1)
    assert rcv.can_open(1460)
    assert rcv.offer(1460) == 50


@pytest.mark.rfc("9293", "MUST-39")
@pytest.mark.parametrize(("read", "is_worth_it"), [(199, False), (200, True)])
def test_an_update_is_worth_a_segment_once_the_window_grows_by_two(read: int, is_worth_it: bool) -> None:
    rcv = opened(limit=1000)
    put(rcv, 0, bytes(1000))
    rcv.queue.take(read)
    assert rcv.can_open(MSS) is is_worth_it


def test_an_update_is_not_worth_a_segment_while_the_window_is_wide() -> None:
    rcv = opened(limit=1000)
    put(rcv, 0, bytes(400))
    rcv.queue.take(400)
    assert not rcv.can_open(MSS)


@pytest.mark.rfc("7323", "7323.2")
@pytest.mark.parametrize(("limit", "field"), [(1000, 1000), (1 << 20, 65535)])
def test_the_window_of_a_syn_is_not_scaled(limit: int, field: int) -> None:
    rcv = ReceiveSpace(0, limit, 7)
    assert rcv.offer_syn() == field
    assert rcv.wnd == field


@pytest.mark.rfc("9293", "MUST-1")
@pytest.mark.parametrize("shift", [0, 1, 14])
def test_no_window_is_wider_than_the_field_can_say(shift: int) -> None:
    rcv = opened(limit=1 << 40, shift=shift)
    assert rcv.limit == rcv.widest == 0xFFFF << shift
    assert (rcv.offer(MSS), rcv.wnd) == (0xFFFF, 0xFFFF << shift)


@pytest.mark.rfc("7323", "7323.3")
def test_rounding_by_the_scale_does_not_move_the_edge_to_the_left() -> None:
    rcv = opened(limit=1 << 16, shift=7)
    edge = rcv.edge
    put(rcv, 0, bytes(100))
    field = rcv.offer(1460)
    assert edge <= rcv.nxt + (field << 7) == rcv.edge < edge + 128


@pytest.mark.rfc("7323", "7323.3")
@pytest.mark.rfc("9293", "SHLD-14")
def test_full_segments_close_the_window_without_it_ever_moving_left() -> None:
    rcv = opened(limit=1 << 16, shift=7)
    edge, at = rcv.edge, 0
    while rcv.wnd >= 1448:
        assert put(rcv, at, bytes(1448)) == 1448
        at += 1448
        promised = rcv.nxt + (rcv.offer(1448) << 7)
        assert promised >= edge
        edge = promised
    assert at <= (1 << 16) * 9 // 8


@pytest.mark.parametrize("octets", [1, 63, 127])
def test_segments_smaller_than_the_scale_close_the_window_too(octets: int) -> None:
    rcv = opened(limit=1 << 16, shift=7)
    at = 0
    while rcv.offer(1448) and at < 1 << 17:
        at += put(rcv, at, bytes(octets))
    assert len(rcv.queue) == at <= (1 << 16) * 9 // 8
    assert rcv.offer(1448) == 0
    while put(rcv, at, bytes(octets)):  # what the peer still has a promise for
        at = len(rcv.queue)
    assert rcv.wnd == 0
    rcv.queue.clear()
    assert rcv.offer(1448) << 7 == 1 << 16


def test_the_buffer_grows_while_the_peer_fills_it_and_the_user_keeps_up() -> None:
    rcv = opened(limit=1000)
    rcv.grow(5000)
    assert rcv.limit == 1000  # the peer has not filled it
    put(rcv, 0, bytes(501))
    rcv.grow(5000)
    assert rcv.limit == 1000  # the user does not keep up
    rcv.queue.take(501)
    rcv.grow(1000)
    assert rcv.limit == 1000
    rcv.grow(5000)
    assert rcv.limit == 2000
    rcv.grow(3000)
    assert rcv.limit == 3000


def test_it_does_not_grow_past_what_the_field_can_say() -> None:
    rcv = opened(limit=40_000)
    put(rcv, 0, bytes(30_000))
    rcv.queue.take(30_000)
    rcv.grow(1 << 20)
    assert rcv.limit == 65535


@pytest.mark.parametrize("irs", INITIAL)
def test_the_fin_counts_once_all_text_before_it_is_here(irs: int) -> None:
    rcv = opened(irs=irs)
    assert not rcv.reach_fin()
    rcv.fin = rcv.nxt + 3
    assert not rcv.reach_fin()
    put(rcv, 0, b"abc")
    assert rcv.reach_fin()
    assert wrap(rcv.nxt) == wrap(irs + 5)
    assert not rcv.reach_fin()


def test_the_fin_may_stand_just_behind_the_window() -> None:
    rcv = opened(limit=10)
    put(rcv, 0, bytes(10))
    rcv.fin = rcv.nxt
    assert rcv.reach_fin()
    assert (rcv.wnd, rcv.edge) == (0, rcv.nxt)


def test_there_is_no_text_behind_the_fin() -> None:
    rcv = opened()
    rcv.fin = rcv.nxt + 4
    assert put(rcv, 4, b"xxxx") == 0
    assert put(rcv, 2, b"cdxx") == 0
    assert put(rcv, 0, b"ab") == 4
    assert unread(rcv) == b"abcd"
    assert rcv.reach_fin()


@pytest.mark.parametrize("irs", INITIAL)
def test_a_fin_is_believed_once_and_only_in_the_window_and_behind_all_text(irs: int) -> None:
    rcv = opened(limit=100, irs=irs)
    put(rcv, 10, b"x" * 10)
    for position in (rcv.nxt - 1, rcv.nxt + 19, rcv.nxt + 101):
        rcv.take_fin(position)
        assert rcv.fin is None
    rcv.take_fin(rcv.nxt + 20)
    rcv.take_fin(rcv.nxt + 30)
    assert rcv.fin == rcv.nxt + 20
    put(rcv, 0, b"x" * 10)
    assert rcv.reach_fin()
    at_the_edge = opened(limit=100, irs=irs)
    at_the_edge.take_fin(at_the_edge.edge)
    assert at_the_edge.fin == at_the_edge.edge


@pytest.mark.parametrize(("left", "right"), [(2, 3), (3, 2), (1, 5), (5, 1)])
def test_the_hole_between_two_runs_joins_them_in_order(left: int, right: int) -> None:
    rcv = opened()
    text = bytes(range(1, 1 + 2 * (left + right) + 1))
    for piece in (*range(left), *range(left + 1, left + 1 + right), left):
        put(rcv, 1 + 2 * piece, text[2 * piece : 2 * piece + 2])
    assert len(rcv.early.blocks) == 1
    put(rcv, 0, b"0")
    assert unread(rcv)[: 1 + len(text)] == b"0" + text


def test_many_blocks_cost_what_is_charged_for_them() -> None:
    rcv = opened(limit=1 << 19, shift=7)
    tracemalloc.start()
    try:
        for number in range(rcv.limit // PIECE_OCTETS):
            put(rcv, 1 + 200 * number, bytes([number & 0xFF]) * 2)
        pieces, used = rcv.early.pieces, tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert used <= pieces * PIECE_OCTETS


def test_early_text_can_be_forgotten_and_what_is_in_order_stays() -> None:
    rcv = opened()
    put(rcv, 0, b"0123")
    put(rcv, 8, b"89")
    put(rcv, 8, b"89")
    rcv.early.forget()
    assert (unread(rcv), rcv.early.octets, rcv.early.pieces, rcv.early.has_report) == (b"0123", 0, 0, False)
    assert blocks(rcv) == []


@pytest.mark.parametrize("hole", [0, 1])
def test_a_few_new_octets_do_not_keep_the_large_segment_alive_that_they_came_in(hole: int) -> None:
    rcv = opened(limit=60_000)
    tracemalloc.start()
    try:
        for end in range(hole + 600, 50_000, 600):
            put(rcv, hole, bytes(end - hole))
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    octets = len(rcv.queue) + rcv.early.octets
    assert octets > 49_000
    assert held < 8 * octets, "with every segment kept it would be 40 times as much"


def test_a_duplicate_that_was_answered_without_saying_so_is_forgotten() -> None:
    rcv = opened()
    put(rcv, 0, b"0123")
    put(rcv, 1, b"xx")
    assert rcv.early.has_report
    rcv.early.forget_duplicate()
    assert not rcv.early.has_report


@pytest.mark.parametrize(
    ("start", "end", "left"),
    [
        (0, 10, [(10, 20), (30, 40)]),
        (10, 20, [(30, 40)]),
        (12, 14, [(10, 12), (14, 20), (30, 40)]),
        (5, 15, [(15, 20), (30, 40)]),
        (15, 35, [(10, 15), (35, 40)]),
        (0, 50, []),
        (20, 30, [(10, 20), (30, 40)]),
        (40, 50, [(10, 20), (30, 40)]),
    ],
)
def test_early_octets_can_be_discarded(start: int, end: int, left: list[tuple[int, int]]) -> None:
    rcv = opened()
    first = rcv.irs + 1
    put(rcv, 10, bytes(range(10, 15)))
    put(rcv, 15, bytes(range(15, 20)))
    put(rcv, 30, bytes(range(30, 40)))
    rcv.early.discard(first + start, first + end)
    assert sorted(blocks(rcv)) == left
    assert rcv.early.pieces == sum(len(block.buffers) for block in rcv.early.blocks)
    put(rcv, 0, bytes(range(50)))
    assert unread(rcv) == bytes(range(50))


def test_a_window_that_is_counted_by_memory_is_open_in_full_from_the_syn_on() -> None:
    rcv = ReceiveSpace(0, 100_000, 1, "segments")
    rcv.memory = Memory(BufferConfig(receive_initial=200_000, receive=200_000, window="linux"), 100_000, 1460)
    assert rcv.offer_syn() == 65535
    assert rcv.wnd == 100_000
    assert rcv.offer(1460) == 50_000
    rcv.accept(rcv.nxt, (bytes(1000),), 1000)
    assert rcv.offer(1460) == 49_500
    rcv.memory.is_refusing = True
    assert rcv.offer(1460) == 0
    assert rcv.offer(1460) > 40_000


def test_a_bsd_offers_what_there_is() -> None:
    rcv = ReceiveSpace(0, 65700, 0, "exact")
    assert (rcv.offer_syn(), rcv.wnd) == (65535, 65700)
    assert rcv.offer(1460) == 65535
    rcv.accept(rcv.nxt, (bytes(65000),), 65000)
    rcv.queue.take(100)
    assert rcv.offer(1460) == 700


def test_a_fin_behind_a_hole_is_told_by_sack_until_it_counts() -> None:
    rcv = opened()
    rcv.take_fin(rcv.nxt + 4)
    assert blocks(rcv) == [(4, 5)]
    put(rcv, 0, b"0123")
    assert rcv.reach_fin()
    assert not rcv.early.has_report


def test_a_fin_in_order_counts_at_once() -> None:
    rcv = opened()
    rcv.take_fin(rcv.nxt)
    assert rcv.early.fin is None
    assert rcv.reach_fin()


def bsd(limit: int, read: int, unread: int = 0, shift: int = 0) -> ReceiveSpace:
    """Its peer was told of the room there was before ``read`` octets were taken; ``unread`` are still there."""
    rcv = ReceiveSpace(0, limit, shift, "exact")
    rcv.offer_syn()
    rcv.edge = min(rcv.edge, rcv.nxt + rcv.widest)
    rcv.accept(rcv.nxt, (bytes(read + unread),), read + unread)
    rcv.offer(MSS)
    rcv.queue.take(read)
    return rcv


@pytest.mark.parametrize(
    ("limit", "read", "unread", "is_worth"),
    [
        (60_000, 14_999, 0, False),  # less than a quarter
        (60_000, 15_000, 0, True),
        (60_000, 7000, 53_000, True),  # little is free
        (60_000, 7000, 45_000, False),
        (800, 200, 0, True),  # a small buffer
        (800, 199, 0, False),
        (300, 149, 0, False),
        (300, 150, 0, True),  # half of it
        (60_000, 0, 0, False),
    ],
)
def test_a_bsd_tells_of_room_that_is_worth_it(limit: int, read: int, unread: int, is_worth: bool) -> None:
    rcv = bsd(limit, read, unread)
    assert rcv.can_open(MSS) is is_worth
    assert rcv.free_field == limit - unread


def test_a_bsd_does_not_tell_of_room_that_the_scale_hides() -> None:
    assert not bsd(60, 60, shift=6).can_open(10)
    assert bsd(128, 128, shift=6).can_open(10)


def test_what_came_before_the_handshake_was_complete_is_presented_then() -> None:
    rcv = opened()
    assert rcv.present() == 0
    rcv.early.insert(rcv.nxt, rcv.nxt + 3, (b"abc",))
    assert rcv.present() == 3
    assert unread(rcv) == b"abc"
    rcv.early.insert(rcv.nxt + 1, rcv.nxt + 3, (b"ef",))
    assert rcv.present() == 0


def test_a_linux_forgets_what_has_come_from_behind_a_fin() -> None:
    rcv = ReceiveSpace(0, 20_000, 0, "segments")
    rcv.memory = Memory(BufferConfig(receive=40_000, receive_initial=40_000, window="linux"), 20_000, MSS)
    rcv.early.insert(rcv.nxt + 20, rcv.nxt + 30, (bytes(10),))
    rcv.take_fin(rcv.nxt)
    assert (rcv.fin, rcv.early.blocks) == (rcv.nxt, [])
