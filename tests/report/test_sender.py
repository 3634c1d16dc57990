from halfopen.base.clock import MILLISECOND
from halfopen.report.flows import Flow, flows_of
from halfopen.report.sender import SenderView, sender_view
from halfopen.wire.tcp import ACK, FIN, RST, SYN
from halfopen.wire.tcp_options import Options
from tests.report.captures import only_flow, two_hosts
from tests.report.frames import captured, segment

SYNS = ((0, segment(SYN, 100)), (10, segment(SYN | ACK, 900, 101, reply=True)))


def view_of(*frames: tuple[int, bytes], comments: dict[int, str] | None = None) -> SenderView:
    """Of the opener; times in milliseconds, after a handshake that ends at 10."""
    known = comments or {}
    records = [captured(when * 1000, frame, comment=known.get(when)) for when, frame in (*SYNS, *frames)]
    (flow,) = flows_of(records)
    return sender_view(flow, flow.forth)


def data(start: int, octets: int = 100) -> bytes:
    return segment(ACK, 100 + start, 901, data=bytes(octets))


def ack(number: int, *blocks: tuple[int, int], window: int = 64240) -> bytes:
    edges = tuple((100 + left, 100 + right) for left, right in blocks)
    return segment(ACK, 901, 100 + number, reply=True, window=window, options=Options(sack=edges) if edges else None)


def millis(points: list[tuple[int, int]]) -> list[tuple[float, int]]:
    return [(when / MILLISECOND, value) for when, value in points]


def test_what_is_acknowledged_and_allowed_are_stairs() -> None:
    view = view_of((20, data(1)), (30, ack(101, window=1000)), (40, ack(101, window=2000)))
    assert millis(view.acked) == [(10, 1), (30, 101)]
    assert millis(view.allowed) == [(10, 64241), (30, 1101), (40, 2101)]


def test_outstanding_is_what_has_been_sent_and_not_acknowledged() -> None:
    view = view_of((20, data(1)), (21, data(101)), (30, ack(101)), (40, ack(201)))
    assert millis(view.outstanding) == [(0, 1), (10, 0), (20, 100), (21, 200), (30, 100), (40, 0)]


def test_a_round_trip_is_that_of_the_youngest_segment_that_an_ack_is_the_first_to_tell_of() -> None:
    view = view_of((20, data(1)), (21, data(101)), (45, ack(201)))
    assert [(when / MILLISECOND, trip / MILLISECOND) for when, trip in view.round_trips] == [(10, 10), (45, 24)]


def test_what_was_sent_twice_tells_no_round_trip() -> None:
    view = view_of((20, data(1)), (250, data(1)), (270, ack(101)))
    assert len(view.round_trips) == 1


def test_a_sack_block_tells_the_round_trip_of_its_segment_once() -> None:
    view = view_of(
        (20, data(1)), (21, data(101)), (40, ack(1, (101, 201))), (41, data(1)), (60, ack(201)), comments={41: "again"}
    )
    assert [trip / MILLISECOND for _, trip in view.round_trips] == [10, 19]


def test_delivery_counts_sack_and_ack_once() -> None:
    view = view_of((20, data(1)), (21, data(101)), (40, ack(1, (101, 201))), (60, ack(201)))
    assert millis(view.delivered) == [(40, 100), (60, 100)]


def test_duplicate_acks_carry_nothing_new_while_something_is_outstanding() -> None:
    view = view_of((20, data(1)), (30, ack(1)), (31, ack(1)), (32, ack(1, window=9)), (40, ack(101)), (41, ack(101)))
    assert [when / MILLISECOND for when, _ in view.duplicate_acks] == [30, 31]


def test_an_ack_that_was_overtaken_changes_nothing() -> None:
    view = view_of((20, data(1)), (30, ack(101)), (31, ack(1, window=5)))
    assert millis(view.allowed)[-1] == (30, 64341)


def test_a_retransmission_after_duplicate_acks_begins_recovery_until_all_of_then_is_acknowledged() -> None:
    view = view_of(
        (20, data(1)), (21, data(101)), (40, ack(1, (101, 201))), (41, data(1)), (42, data(201)), (60, ack(201))
    )
    assert [(span.start / MILLISECOND, span.stop / MILLISECOND, span.phase) for span in view.spans] == [
        (41, 60, "recovery")
    ]


def test_a_retransmission_after_silence_is_loss() -> None:
    view = view_of((20, data(1)), (220, data(1)), (240, ack(101)))
    assert [span.phase for span in view.spans] == ["loss"]


def test_a_comment_tells_what_it_was() -> None:
    frames = ((20, data(1)), (21, data(101)), (40, ack(1, (101, 201))), (220, data(1)), (240, ack(201)))
    assert [span.phase for span in view_of(*frames, comments={220: "RTO 1, 200 ms"}).spans] == ["loss"]
    assert view_of(*frames, comments={220: "tail loss probe"}).spans == []


def test_recovery_that_fails_turns_into_loss() -> None:
    view = view_of(
        (20, data(1)),
        (21, data(101)),
        (40, ack(1, (101, 201))),
        (41, data(1)),
        (260, data(1)),
        (300, segment(FIN | ACK, 901, 101, reply=True)),
        comments={260: "RTO 1, 219 ms"},
    )
    assert [span.phase for span in view.spans] == ["recovery", "loss"]
    assert view.spans[-1].stop == 300 * MILLISECOND


def test_a_syn_sent_again_is_no_phase() -> None:
    (flow,) = flows_of([captured(0, segment(SYN, 1)), captured(1_000_000, segment(SYN, 1))])
    assert sender_view(flow, flow.forth).spans == []


def test_a_reset_says_nothing_about_the_window() -> None:
    view = view_of((20, segment(RST | ACK, 901, 101, reply=True, window=0)))
    assert (len(view.allowed), view.zero_windows) == (1, [])


def simulated(words: str, **more) -> tuple[Flow, SenderView]:
    flow = only_flow(two_hosts(words, **more))
    return flow, sender_view(flow, flow.forth)


def test_no_round_trip_is_shorter_than_the_delay() -> None:
    _, view = simulated("delay 20ms")
    assert 40 * MILLISECOND <= min(trip for _, trip in view.round_trips) < 41 * MILLISECOND


def test_a_slow_reader_closes_its_window() -> None:
    flow, view = simulated("delay 5ms rate 50mbit", octets=2_000_000, pause=3.0)
    assert view.zero_windows[0][1].window == 0
    assert view.outstanding[-1][1] == 0
    assert sum(octets for _, octets in view.delivered) >= flow.forth.octets


def test_who_has_sent_nothing_may_be_sent_acks_all_the_same() -> None:
    forged = [captured(when, segment(ACK, 900, 101 + when)) for when in (0, 10)]
    (flow,) = flows_of(forged)
    silent = sender_view(flow, flow.back)
    assert [octets for _, octets in silent.outstanding] == [0, 0]
