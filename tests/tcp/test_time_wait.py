"""TIME-WAIT: RFC 9293 3.10.7.4, the hazards of RFC 1337 and the whole table of RFC 6191 section 2."""

import pytest

from halfopen.base.clock import MILLISECOND, SECOND
from halfopen.tcp.time_wait import ACKNOWLEDGE, IGNORE, REOPEN, TimeWait, TimeWaitResult, TimeWaitRules
from halfopen.wire.tcp import ACK, FIN, PSH, RST, SYN, Segment
from halfopen.wire.tcp_options import Options

NOW = 1000 * SECOND
SND_NXT = 0xFFFFFFFE
RCV_NXT = 5
"""The peer's sequence space wrapped just before its FIN; ours is about to."""
TS_RECENT = 0xFFFFFFF0
OFFSET = 77


def time_wait(timestamps: bool = True) -> TimeWait:
    return TimeWait(
        source_port=80,
        destination_port=40000,
        snd_nxt=SND_NXT,
        rcv_nxt=RCV_NXT,
        rcv_wnd=501,
        deadline=NOW + 60 * SECOND,
        duration=60 * SECOND,
        ts_recent=TS_RECENT if timestamps else None,
        ts_recent_at=NOW,
        ts_offset=OFFSET,
    )


def segment(flags: int, offset: int = 0, octets: int = 0, value: int | None = None, ack: int = SND_NXT) -> Segment:
    """A segment whose SEQ is RCV.NXT + offset, with TSval ``value``."""
    options = None if value is None else Options(timestamps=(value & 0xFFFFFFFF, 1))
    return Segment(
        source_port=40000,
        destination_port=80,
        seq=(RCV_NXT + offset) & 0xFFFFFFFF,
        ack=ack & 0xFFFFFFFF,
        flags=flags,
        options=options,
        payload=(bytes(octets),) if octets else (),
        octets=octets,
    )


def assert_acknowledges(result: TimeWaitResult, counter: str) -> Segment:
    assert (result.action, result.counter) == (ACKNOWLEDGE, counter)
    reply = result.reply
    assert reply is not None
    assert (reply.source_port, reply.destination_port) == (80, 40000)
    assert (reply.seq, reply.ack, reply.flags, reply.window) == (SND_NXT, RCV_NXT, ACK, 501)
    assert reply.octets == 0
    return reply


@pytest.mark.rfc("9293", "MUST-13")
@pytest.mark.rfc("9293", "9293.P10")
def test_a_retransmitted_fin_is_acknowledged_and_restarts_2_msl() -> None:
    record = time_wait()
    later = NOW + 30 * SECOND
    reply = assert_acknowledges(
        record.on_segment(segment(FIN | ACK, -1, value=TS_RECENT + 20), later), "TCPTimeWaitFin"
    )
    assert record.deadline == later + 60 * SECOND
    assert reply.options is not None
    assert reply.options.timestamps == (later // MILLISECOND + OFFSET, TS_RECENT + 20 & 0xFFFFFFFF)


def test_a_retransmitted_fin_may_carry_the_last_data_and_is_not_limited_in_rate() -> None:
    record = time_wait(timestamps=False)
    for _ in range(3):
        result = record.on_segment(segment(FIN | ACK | PSH, -101, 100), NOW)
        assert assert_acknowledges(result, "TCPTimeWaitFin").options is None


@pytest.mark.rfc("1337", "1337.1", "1337.2")
@pytest.mark.parametrize("offset", [-1, 0, 1])
def test_a_reset_is_ignored_wherever_it_lies(offset: int) -> None:
    record = time_wait()
    result = record.on_segment(segment(RST | ACK, offset), NOW)
    assert (result.action, result.counter, result.reply) == (IGNORE, "TCPTimeWaitRstIgnored", None)
    assert record.deadline == NOW + 60 * SECOND


@pytest.mark.rfc("1337", "1337.3")
@pytest.mark.parametrize(("offset", "octets"), [(-1000, 500), (-1, 0), (1, 0), (0, 100), (100_000, 10), (-1, 1)])
def test_a_segment_out_of_place_is_acknowledged_and_changes_nothing(offset: int, octets: int) -> None:
    record = time_wait()
    assert_acknowledges(record.on_segment(segment(ACK, offset, octets), NOW), "TCPTimeWaitOutOfPlace")
    assert (record.deadline, record.ts_recent) == (NOW + 60 * SECOND, TS_RECENT)


@pytest.mark.parametrize("flags", [SYN | ACK, SYN | FIN | ACK])
def test_a_syn_that_acknowledges_opens_nothing(flags: int) -> None:
    assert_acknowledges(time_wait().on_segment(segment(flags, -1), NOW), "TCPTimeWaitOutOfPlace")


@pytest.mark.rfc("9293", "9293.P8")
def test_an_acknowledgment_of_what_was_never_sent_is_answered() -> None:
    assert_acknowledges(time_wait().on_segment(segment(ACK, ack=SND_NXT + 1), NOW), "TCPTimeWaitOutOfPlace")


@pytest.mark.parametrize("ack", [SND_NXT, SND_NXT - 1])
def test_the_last_acknowledgment_of_the_peer_is_no_news(ack: int) -> None:
    record = time_wait()
    result = record.on_segment(segment(ACK, ack=ack, value=TS_RECENT + 1), NOW + SECOND)
    assert (result.action, result.counter) == (IGNORE, "")
    assert (record.ts_recent, record.ts_recent_at) == (TS_RECENT + 1, NOW + SECOND)


def test_timestamps_that_were_never_negotiated_are_not_learnt() -> None:
    record = time_wait(timestamps=False)
    assert record.on_segment(segment(ACK, value=7), NOW).action == IGNORE
    assert record.ts_recent is None


@pytest.mark.rfc("9293", "9293.P9")
def test_a_segment_without_an_ack_bit_is_dropped() -> None:
    result = time_wait().on_segment(segment(PSH, 0, 10), NOW)
    assert (result.action, result.counter) == (IGNORE, "TCPTimeWaitNoAck")


@pytest.mark.rfc("5961", "5961.7")
def test_answers_are_limited_to_one_in_half_a_second() -> None:
    record = time_wait()
    answers = []
    for step in range(15):
        result = record.on_segment(segment(ACK, -1), NOW + step * 100 * MILLISECOND)
        answers.append(result.action)
        assert result.counter == ("TCPTimeWaitOutOfPlace" if result.reply else "TCPACKSkippedTimeWait")
    assert answers == [ACKNOWLEDGE, IGNORE, IGNORE, IGNORE, IGNORE] * 3


@pytest.mark.rfc("5961", "5961.4", "5961.7")
def test_a_syn_that_opens_nothing_is_challenged_like_in_any_state_but_seldom() -> None:
    record = time_wait()
    syn = segment(SYN, -100)
    assert_acknowledges(record.on_segment(syn, NOW), "TCPSYNChallenge")
    assert record.on_segment(syn, NOW + 100 * MILLISECOND).counter == "TCPACKSkippedTimeWait"
    assert_acknowledges(record.challenge(NOW + SECOND), "TCPSYNChallenge")
    assert (record.deadline, record.ts_recent) == (NOW + 60 * SECOND, TS_RECENT)


def test_the_first_answer_is_not_held_back_at_the_beginning_of_time() -> None:
    assert time_wait().on_segment(segment(ACK, -1), 0).action == ACKNOWLEDGE


@pytest.mark.rfc("7323", "7323.6")
def test_an_old_timestamp_marks_an_old_duplicate() -> None:
    record = time_wait()
    assert_acknowledges(record.on_segment(segment(FIN | ACK, -1, value=TS_RECENT - 1), NOW), "PAWSTimewait")
    assert record.deadline == NOW + 60 * SECOND


@pytest.mark.rfc("7323", "7323.6")
def test_a_timestamp_from_before_24_days_of_silence_says_nothing() -> None:
    record = time_wait()
    later = NOW + 24 * 24 * 3600 * SECOND
    assert record.on_segment(segment(FIN | ACK, -1, value=TS_RECENT - 1), later).counter == "TCPTimeWaitFin"
    assert record.ts_recent == TS_RECENT - 1


HIGHER, EQUAL, LOWER = 1, 0, -1


@pytest.mark.rfc("9293", "MAY-2", "SHLD-4")
@pytest.mark.rfc("6191", "6191.1", "6191.2", "6191.3", "6191.4")
@pytest.mark.parametrize(
    ("old_timestamps", "tick", "offset", "action"),
    [
        # The previous incarnation had timestamps, and so has the new one.
        (True, HIGHER, 100, REOPEN),
        (True, HIGHER, -100, REOPEN),
        (True, EQUAL, 100, REOPEN),
        (True, EQUAL, -100, ACKNOWLEDGE),
        (True, LOWER, 100, ACKNOWLEDGE),
        (True, LOWER, -100, ACKNOWLEDGE),
        # The new one would have none: the sequence number decides.
        (True, None, 100, REOPEN),
        (True, None, -100, ACKNOWLEDGE),
        # The previous one had none, the new one would: accepted as it is.
        (False, HIGHER, 100, REOPEN),
        (False, LOWER, -100, REOPEN),
        # Neither: the sequence number decides.
        (False, None, 100, REOPEN),
        (False, None, -100, ACKNOWLEDGE),
        # Greater than the last sequence number seen, which is the FIN's.
        (False, None, 0, REOPEN),
        (False, None, -1, ACKNOWLEDGE),
    ],
)
def test_a_new_syn_reopens_by_the_table_of_rfc_6191(
    old_timestamps: bool, tick: int | None, offset: int, action: int
) -> None:
    record = time_wait(old_timestamps)
    value = None if tick is None else TS_RECENT + 100 * tick  # a higher one has wrapped
    result = record.on_segment(segment(SYN, offset, value=value), NOW)
    if action == REOPEN:
        assert (result.action, result.counter, result.reply) == (REOPEN, "TWRecycled", None)
    else:
        assert_acknowledges(result, "TCPSYNChallenge")
    assert (record.deadline, record.ts_recent) == (NOW + 60 * SECOND, TS_RECENT if old_timestamps else None)


@pytest.mark.rfc("6191", "6191.4")
@pytest.mark.parametrize(("offset", "action"), [(100, REOPEN), (-100, ACKNOWLEDGE)])
def test_where_this_host_uses_no_timestamps_those_of_the_syn_do_not_count(offset: int, action: int) -> None:
    record = time_wait(timestamps=False)
    record.ts_offset = None
    assert record.on_segment(segment(SYN, offset, value=1), NOW).action == action


def test_unbounded_sequence_numbers_are_wrapped_for_the_wire() -> None:
    record = time_wait()
    record.snd_nxt += 3 << 32
    record.rcv_nxt += 7 << 32
    assert_acknowledges(record.on_segment(segment(FIN | ACK, -1), NOW), "TCPTimeWaitFin")


@pytest.mark.parametrize(("offset", "ends"), [(-1, False), (0, True), (501, True), (502, False)])
def test_without_rfc_1337_a_rst_in_the_window_ends_time_wait(offset: int, ends: bool) -> None:
    record = time_wait()
    record.rules = TimeWaitRules(ignores_rst=False)
    result = record.on_segment(segment(RST, offset), NOW)
    assert (result.action, result.reply) == (IGNORE, None)
    assert result.counter == ("TCPTimeWaitRst" if ends else "TCPTimeWaitRstIgnored")
    assert (record.deadline == NOW) == ends


def bsd_record(**choices: bool) -> TimeWait:
    return TimeWait(
        80, 9, snd_nxt=2, rcv_nxt=2, rcv_wnd=1000, deadline=60, duration=60, rules=TimeWaitRules(is_bsd=True, **choices)
    )


@pytest.mark.parametrize(
    ("flags", "seq", "octets", "action"),
    [
        (RST, 2, 0, IGNORE),
        (SYN, 3, 0, REOPEN),
        (SYN, 2, 0, IGNORE),
        (SYN | ACK, 3, 0, ACKNOWLEDGE),
        (ACK, 2, 0, IGNORE),
        (ACK, 3, 0, ACKNOWLEDGE),
        (ACK, 2, 5, ACKNOWLEDGE),
        (FIN, 1, 0, IGNORE),
        (FIN | ACK, 1, 0, ACKNOWLEDGE),
    ],
)
def test_a_bsd_answers_whatever_has_an_ack_and_is_no_bare_duplicate(
    flags: int, seq: int, octets: int, action: int
) -> None:
    segment = Segment(9, 80, seq=seq, ack=2, flags=flags)
    segment.octets = octets
    assert bsd_record().on_segment(segment, 0).action == action


def test_a_bsd_waits_anew_for_the_same_fin_only() -> None:
    record = bsd_record()
    record.on_segment(Segment(9, 80, seq=2, ack=2, flags=FIN | ACK), 30)
    assert record.deadline == 60
    record.on_segment(Segment(9, 80, seq=1, ack=2, flags=FIN | ACK), 30)
    assert record.deadline == 90


@pytest.mark.parametrize(
    ("flags", "seq", "gives_way"),
    [(SYN, 3, True), (SYN | FIN, 3, True), (SYN, 2, False), (SYN | ACK, 3, False), (SYN | RST, 3, False)],
)
def test_a_bsd_gives_way_to_a_syn_above_all_that_has_come(flags: int, seq: int, gives_way: bool) -> None:
    assert bsd_record().gives_way(Segment(9, 80, seq=seq, flags=flags)) is gives_way


def test_others_do_not_give_way_unasked() -> None:
    assert not time_wait().gives_way(segment(SYN, 100))


LINUX = TimeWaitRules(is_linux=True, ignores_rst=False)


def linux(timestamps: bool = True, rules: TimeWaitRules = LINUX) -> TimeWait:
    record = time_wait(timestamps)
    record.rules = rules
    return record


def test_linux_answers_nothing_that_is_in_place_whatever_it_acknowledges() -> None:
    record = linux()
    assert record.on_segment(segment(ACK, ack=SND_NXT + 1, value=TS_RECENT + 5), NOW + SECOND).action == IGNORE
    assert record.deadline == NOW + 61 * SECOND
    assert record.ts_recent == (TS_RECENT + 5) & 0xFFFFFFFF


@pytest.mark.parametrize(("offset", "value", "ends"), [(0, None, True), (0, TS_RECENT - 1, False), (1, None, False)])
def test_to_linux_a_rst_has_to_be_exact_and_in_time(offset: int, value: int | None, ends: bool) -> None:
    record = linux()
    assert record.on_segment(segment(RST, offset, value=value), NOW).action == IGNORE
    assert (record.deadline == NOW) == ends


def test_with_rfc_1337_not_even_then() -> None:
    record = linux(rules=TimeWaitRules(is_linux=True, ignores_rst=True))
    assert record.on_segment(segment(RST), NOW).counter == "TCPTimeWaitRstIgnored"
    assert record.deadline > NOW


@pytest.mark.parametrize(
    ("offset", "value", "action"),
    [
        (1, None, REOPEN),
        (0, None, ACKNOWLEDGE),
        (0, TS_RECENT, ACKNOWLEDGE),
        (-5, TS_RECENT + 1, REOPEN),
        (5, TS_RECENT - 1, ACKNOWLEDGE),
    ],
)
def test_to_linux_a_syn_has_to_lie_above_rcv_nxt_or_be_later(offset: int, value: int | None, action: int) -> None:
    assert linux().on_segment(segment(SYN, offset, value=value), NOW).action == action


def test_where_the_old_connection_had_no_timestamps_only_the_number_counts() -> None:
    assert linux(timestamps=False).on_segment(segment(SYN, 0, value=5), NOW).action == ACKNOWLEDGE


def test_linux_acknowledges_text_and_fin_each_time_and_bare_segments_seldom() -> None:
    record = linux(timestamps=False)
    for _ in range(2):
        assert_acknowledges(record.on_segment(segment(FIN | ACK, -1), NOW), "TCPTimeWaitOutOfPlace")
    assert_acknowledges(record.on_segment(segment(ACK, -1), NOW), "TCPTimeWaitOutOfPlace")
    assert record.on_segment(segment(ACK, -1), NOW).counter == "TCPACKSkippedTimeWait"
    before = record.deadline
    assert record.on_segment(segment(0, 9), NOW + SECOND).action == ACKNOWLEDGE
    assert record.deadline == before
