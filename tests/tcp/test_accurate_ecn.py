"""What Accurate ECN counts, tells and understands (RFC 9768 3.2)."""

import pytest

from halfopen.base.clock import MILLISECOND, SECOND
from halfopen.tcp.accurate_ecn import (
    ACE_RECEIVE,
    ACE_SEND,
    COUNTERS_SEEN,
    EMPTY_SEEN,
    OPTION_RECEIVE,
    ZEROS_SEEN,
    Account,
    AccurateEcn,
    Feedback,
    ace_of,
    asks_for_accuracy,
    fitting_counters,
    grants_accuracy,
    handshake_option,
    reflect,
    with_ace,
)
from halfopen.wire.ecn import CE, ECT_0, ECT_1, NOT_ECT
from halfopen.wire.tcp import ACK, AE, CWR, ECE, SYN, Segment
from halfopen.wire.tcp_options import ACCURATE_ECN_0, ACCURATE_ECN_1, MAXIMUM_OCTETS, Options, length

BLOCK = (1, 2)


def counters(*values: int, kind: int = ACCURATE_ECN_1) -> Options:
    return Options(accurate_ecn=(kind, values))


def arrived(flags: int, ecn: int = NOT_ECT, octets: int = 0, options: Options | None = None) -> Segment:
    return Segment(1, 2, 0, flags=flags | ACK, ecn=ecn, octets=octets, options=options)


# The flags


@pytest.mark.rfc("9768", "9768.4")
def test_the_field_is_ae_cwr_and_ece_in_this_order() -> None:
    assert [ace_of(flag) for flag in (AE, CWR, ECE)] == [4, 2, 1]
    assert with_ace(ACK | AE, 8 + 3) == ACK | CWR | ECE


def test_a_handshake_reflects_the_codepoint_of_a_syn() -> None:
    assert [ace_of(reflect(each)) for each in (NOT_ECT, ECT_1, ECT_0, CE)] == [0b010, 0b011, 0b100, 0b110]


@pytest.mark.rfc("9768", "9768.1")
@pytest.mark.parametrize("ace", range(8))
def test_all_flags_of_a_syn_but_none_and_the_classic_two_ask_for_it(ace: int) -> None:
    assert asks_for_accuracy(Segment(1, 2, 0, flags=with_ace(SYN, ace))) is (ace not in (0, 3))
    assert not asks_for_accuracy(Segment(1, 2, 0, flags=with_ace(SYN | ACK, ace)))
    assert grants_accuracy(Segment(1, 2, 0, flags=with_ace(SYN | ACK, ace))) is (ace not in (0, 1, 7))


# How much of an option there is room for


@pytest.mark.rfc("9768", "9768.6")
@pytest.mark.parametrize(
    ("free", "least", "saved", "count"),
    [(12, 0, 0, 3), (11, 0, 0, 2), (8, 3, 0, -1), (8, 2, 0, 2), (7, 0, 0, 0), (7, 0, 2, 1), (4, 1, 2, 1), (0, 0, 2, 0)],
)
def test_as_many_counters_as_fit_but_no_less_than_have_changed(free: int, least: int, saved: int, count: int) -> None:
    assert fitting_counters(free, least, saved) == count


@pytest.mark.parametrize(
    "options",
    [
        Options(mss=1460),
        Options(mss=1460, sack_permitted=True, window_scale=7),
        Options(mss=1460, sack_permitted=True, timestamps=(1, 2), window_scale=7),
    ],
)
def test_a_syn_ack_says_that_nothing_has_come(options: Options) -> None:
    handshake_option(options)
    assert options.accurate_ecn == (ACCURATE_ECN_1, (1, 0, 1))


def test_a_syn_ack_says_as_much_as_there_is_room_for() -> None:
    full = Options(mss=1460, sack_permitted=True, timestamps=(1, 2), window_scale=7, fast_open=(34, bytes(14)))
    handshake_option(full)
    assert full.accurate_ecn == (ACCURATE_ECN_1, (1,))
    assert length(full) == MAXIMUM_OCTETS
    fuller = Options(unknown=((99, bytes(38)),))
    handshake_option(fuller)
    assert fuller.accurate_ecn is None


# The Data Receiver


@pytest.mark.rfc("9768", "9768.6")
def test_packets_with_ce_are_counted_and_octets_by_codepoint() -> None:
    feedback = Feedback(NOT_ECT)
    for codepoint, packets, octets in ((CE, 2, 1500), (ECT_0, 1, 100), (ECT_1, 1, 10), (NOT_ECT, 1, 7), (CE, 1, 0)):
        feedback.see(codepoint, packets, octets)
    assert (feedback.packets, feedback.pending, feedback.octets) == (3, 3, [0, 10, 100, 1500])


def test_another_codepoint_wants_two_options() -> None:
    feedback = Feedback(NOT_ECT)
    assert feedback.see(ECT_0, 1, 100)
    assert not feedback.see(ECT_0, 1, 100)
    options = Options()
    for demand in (1, 0, 0):
        assert feedback.put(options, MAXIMUM_OCTETS, 0)
        assert feedback.demand == demand
    assert options.accurate_ecn == (ACCURATE_ECN_1, (1, 0, 201))


def test_a_quarter_of_a_lap_wants_an_option() -> None:
    feedback = Feedback(ECT_0)
    feedback.see(ECT_0, 1, (1 << 22) - 1)
    assert feedback.demand == 0
    feedback.see(ECT_0, 1, 1)
    assert feedback.demand == 1


def test_an_option_is_due_so_often_in_a_round_trip() -> None:
    feedback = Feedback(ECT_0)
    assert feedback.is_due(3, 90 * MILLISECOND, SECOND)
    feedback.put(Options(), MAXIMUM_OCTETS, SECOND)
    assert not feedback.is_due(3, 90 * MILLISECOND, SECOND + 29 * MILLISECOND)
    assert feedback.is_due(3, 90 * MILLISECOND, SECOND + 30 * MILLISECOND)
    assert not feedback.is_due(0, 90 * MILLISECOND, 9 * SECOND)
    feedback.demand = 1
    assert feedback.is_due(0, 90 * MILLISECOND, SECOND)


def test_the_option_takes_the_place_of_padding_and_of_a_sack_block_if_it_must() -> None:
    feedback = Feedback(ECT_1)
    feedback.see(ECT_1, 1, 100)
    four = Options(sack=(BLOCK,) * 4)
    assert feedback.put(four, MAXIMUM_OCTETS, 0)
    assert (four.accurate_ecn, len(four.sack)) == ((ACCURATE_ECN_1, (101,)), 4)
    feedback.see(CE, 1, 100)
    four = Options(sack=(BLOCK,) * 4)
    assert feedback.put(four, MAXIMUM_OCTETS, 0)
    assert (four.accurate_ecn, len(four.sack)) == ((ACCURATE_ECN_1, (101, 100, 1)), 3)


@pytest.mark.parametrize("blocks", [2, 3])
def test_two_sack_blocks_are_worth_more_than_the_option(blocks: int) -> None:
    feedback = Feedback(ECT_0)
    feedback.see(ECT_0, 1, 100)
    options = Options(timestamps=(1, 2), sack=(BLOCK,) * blocks)
    assert not feedback.put(options, MAXIMUM_OCTETS, 0)
    assert (options.accurate_ecn, len(options.sack)) == (None, blocks)


def test_where_nothing_has_changed_no_sack_block_goes() -> None:
    options = Options(sack=(BLOCK,) * 3)
    assert not Feedback(ECT_0).put(options, 26, 0)
    assert len(options.sack) == 3


# The Data Sender


@pytest.mark.parametrize(
    ("options", "seen"),
    [
        (counters(1, 0, 1), COUNTERS_SEEN),
        (counters(1, 0, 1, kind=ACCURATE_ECN_0), COUNTERS_SEEN),
        (counters(), EMPTY_SEEN),
        (counters(0), ZEROS_SEEN),
        (counters(1, 0, 0), ZEROS_SEEN),
        (Options(), 0),
        (None, 0),
    ],
)
def test_the_first_option_must_not_have_been_overwritten_with_zeros(options: Options | None, seen: int) -> None:
    account = Account()
    assert account.meet(options) is (seen != ZEROS_SEEN)
    assert account.seen == seen


def test_only_the_first_option_with_counters_is_looked_at_like_that() -> None:
    account = Account()
    assert account.meet(counters()) and account.meet(counters(1)) and account.meet(counters(0))
    assert account.seen == COUNTERS_SEEN


def test_a_later_timestamp_is_no_old_one() -> None:
    account = Account()
    assert [account.is_overtaken(value) for value in (0xFFFFFFFF, 0xFFFFFFFF, 3, 2)] == [False, True, False, True]


@pytest.mark.parametrize(
    "options", [counters(1, 0, 1001), counters(1001, 0, 1, kind=ACCURATE_ECN_0), counters(1001, kind=ACCURATE_ECN_0)]
)
def test_octets_are_taken_from_options_of_either_order(options: Options) -> None:
    account = Account()
    account.meet(options)
    account.take_octets(options, 1000)
    assert (account.octets, account.likely) == ([0, 0, 1000, 0], ECT_0)


def test_between_options_all_octets_are_like_those_before() -> None:
    account = Account()
    assert not account.take_octets(None, 500)
    account.meet(counters())
    assert not account.take_octets(None, 500)
    assert not account.take_octets(counters(1, 0, 1001), 1000)
    assert account.take_octets(None, 500)
    assert account.take_octets(counters(1, 0, 2001), 500)
    assert account.octets == [0, 0, 2000, 0]
    assert not account.take_octets(counters(1, 100, 2101), 200) or account.likely == CE


def test_several_changes_at_once_and_steps_back_leave_it_open() -> None:
    account = Account()
    assert not account.take_octets(counters(101, 100, 1), 200)
    assert (account.octets, account.likely) == ([0, 100, 0, 100], NOT_ECT)
    account.take_octets(counters(101, 100, 101), 100)
    assert account.likely == ECT_0
    assert not account.take_octets(counters(1, 100, 101), 100)
    assert (account.octets, account.likely) == ([0, 100, 100, 100], NOT_ECT)


def test_counters_may_wrap() -> None:
    account = Account()
    account.octets[CE] = 0xFFFFF0
    account.take_octets(counters(1, 0x10, 1), 32)
    assert account.octets[CE] == 0x1000010


@pytest.mark.rfc("9768", "9768.7")
@pytest.mark.parametrize(("field", "delivered", "marked"), [(5, 1, 0), (6, 1, 1), (4, 7, 7), (6, 10, 9), (5, 16, 16)])
def test_the_field_counts_and_if_it_may_have_wrapped_the_worst_is_assumed(
    field: int, delivered: int, marked: int
) -> None:
    account = Account()
    assert account.take_packets(field, delivered, None) == account.packets == marked


@pytest.mark.rfc("9768", "9768.7")
@pytest.mark.parametrize(
    ("field", "delivered", "marked", "octets", "delta"),
    [
        (6, 10, 0, 10_000, 1),
        (6, 10, 988, 10_000, 1),
        (6, 10, 9000, 10_000, 9),
        (6, 10, 1000 * 9 // 2, 10_000, 9),
        (6, 16, 16_000, 16_000, 9),
        (6, 20, 10_000, 20_000, 9),
        (6, 20, 1000, 20_000, 1),
    ],
)
def test_octets_with_ce_tell_how_often_the_field_has_wrapped(
    field: int, delivered: int, marked: int, octets: int, delta: int
) -> None:
    assert Account().take_packets(field, delivered, (marked, octets, 1000)) == delta


# The handshake


def test_a_syn_ack_is_answered_by_how_it_came() -> None:
    accurate = AccurateEcn(NOT_ECT)
    accurate.on_syn_ack(arrived(SYN | CWR, ECT_0, options=counters(1, 0, 1)), is_checked=True)
    assert (accurate.handshake, accurate.feedback.demand, accurate.may_mark) == (ECT_0, 2, True)
    assert accurate.feedback.packets == 0


def test_ce_on_a_syn_ack_counts() -> None:
    accurate = AccurateEcn(NOT_ECT)
    accurate.on_syn_ack(arrived(SYN | CWR, CE), is_checked=True)
    assert (accurate.feedback.packets, accurate.feedback.pending, accurate.feedback.demand) == (1, 1, 0)


@pytest.mark.parametrize("flags", [CWR | ECE, AE, AE | CWR])
def test_a_syn_that_did_not_come_as_it_was_sent_ends_the_marking(flags: int) -> None:
    accurate = AccurateEcn(NOT_ECT)
    accurate.on_syn_ack(arrived(SYN | flags), is_checked=True)
    assert (accurate.failures, accurate.may_mark) == (ACE_RECEIVE, False)
    trusting = AccurateEcn(NOT_ECT)
    trusting.on_syn_ack(arrived(SYN | flags), is_checked=False)
    assert trusting.may_mark


def test_what_has_no_meaning_yet_is_taken_as_if_all_were_well() -> None:
    accurate = AccurateEcn(NOT_ECT)
    accurate.on_syn_ack(arrived(SYN | AE | ECE), is_checked=True)
    assert accurate.may_mark


def test_an_option_of_zeros_is_not_believed() -> None:
    accurate = AccurateEcn(NOT_ECT)
    accurate.on_syn_ack(arrived(SYN | CWR, options=counters(0, 0, 0)), is_checked=True)
    assert (accurate.failures, accurate.may_mark) == (OPTION_RECEIVE, True)
    accurate = AccurateEcn(NOT_ECT)
    accurate.on_third_ack(arrived(CWR, options=counters(0, 0, 0)), is_checked=True)
    assert accurate.failures == OPTION_RECEIVE


@pytest.mark.parametrize(
    ("ace", "octets", "sack", "failures"),
    [
        (0b000, 0, (), ACE_RECEIVE),
        (0b000, 9, (), ACE_RECEIVE),
        (0b001, 0, (), 0),
        (0b010, 0, (), 0),
        (0b011, 0, (), ACE_RECEIVE),
        (0b100, 0, (), ACE_RECEIVE),
        (0b101, 0, (), 0),
        (0b110, 0, (), ACE_RECEIVE),
        (0b110, 9, (), 0),
        (0b110, 0, (BLOCK,), 0),
        (0b111, 0, (), 0),
    ],
)
def test_the_third_ack_tells_how_our_syn_ack_came(
    ace: int, octets: int, sack: tuple[tuple[int, int], ...], failures: int
) -> None:
    accurate = AccurateEcn(NOT_ECT)
    accurate.on_third_ack(arrived(with_ace(0, ace), octets=octets, options=Options(sack=sack)), is_checked=True)
    assert (accurate.failures, accurate.account.packets, accurate.feedback.demand) == (failures, 0, 1)


def test_who_does_not_check_believes_that_the_syn_ack_had_ce() -> None:
    accurate = AccurateEcn(NOT_ECT)
    accurate.on_third_ack(arrived(AE | CWR), is_checked=False)
    assert (accurate.account.packets, accurate.may_mark) == (1, True)
    accurate.on_third_ack(arrived(CWR), is_checked=False)
    assert accurate.account.packets == 1


def test_who_has_sent_a_syn_without_the_flags_does_not_mark() -> None:
    accurate = AccurateEcn(NOT_ECT)
    accurate.fail(ACE_SEND)
    assert not accurate.may_mark
