from itertools import pairwise

import pytest

from halfopen.base.clock import MILLISECOND
from halfopen.base.samples import Sample
from halfopen.report.flows import Flow
from halfopen.report.sender import Span, sender_view
from halfopen.report.strips import Strip, phases, strips_of
from tests.report.captures import only_flow, two_hosts

WORDS = "rate 10mbit delay 20ms loss 2% limit 100"


def flow_and_names() -> tuple[Flow, dict[bytes, str]]:
    capture = two_hosts(WORDS, 400_000)
    return only_flow(capture), capture[1]


def strips(*samples: tuple[float, str, float], subject: str = "") -> dict[str, Strip]:
    """Samples are (milliseconds since the flow began, name, value)."""
    flow, names = flow_and_names()
    sender = subject or f"client:{flow.forth.source[1]}>server:80"
    made = [Sample(flow.began + round(when * MILLISECOND), sender, name, value) for when, name, value in samples]
    view = sender_view(flow, flow.forth)
    return {strip.title: strip for strip in strips_of(flow, view, samples=made, names=names)}


def names_of(strip: Strip) -> list[str]:
    return [series.name.split(" (")[0] for series in strip.series]


def test_a_capture_alone_gives_window_round_trips_and_rates() -> None:
    found = strips()
    assert list(found) == ["Window", "Round trip", "Rate"]
    assert names_of(found["Window"]) == ["outstanding", "receive window"]
    assert {span.phase for span in found["Window"].spans} <= {"recovery", "loss"}


def test_samples_add_what_no_packet_tells() -> None:
    found = strips((50, "cwnd", 14480), (50, "ssthresh", 9000), (60, "srtt", 0.041), (60, "rto", 0.25))
    assert names_of(found["Window"])[-2:] == ["ssthresh", "cwnd"]
    assert names_of(found["Round trip"])[1:] == ["SRTT", "RTO"]


def test_samples_of_others_are_left_alone() -> None:
    assert "cwnd" not in names_of(strips((50, "cwnd", 14480), subject="other:1>server:80")["Window"])


def test_the_longest_queues_are_shown() -> None:
    found = strips((50, "queue_packets", 7), (60, "queue_packets", 3), subject="client-server>server")
    assert [(series.name, series.points[0][1]) for series in found["Queue"].series] == [("client-server>server", 7)]
    assert found["Queue"].unit == "packets"


def test_a_series_goes_on_level_to_the_end() -> None:
    flow, _ = flow_and_names()
    (cwnd,) = [series for series in strips((50, "cwnd", 14480))["Window"].series if series.name == "cwnd"]
    assert cwnd.points[-1] == (flow.ended, 14480)


def test_the_rate_that_arrives_is_that_of_the_link() -> None:
    rates = strips()["Rate"]
    delivered = [value for _, value in rates.series[-1].points]
    # Of 1514 octets on the wire 1448 are text.
    assert max(delivered) == pytest.approx(10e6 * 1448 / 1514, rel=0.15)


def test_what_is_delivered_is_all_there_was() -> None:
    flow, _ = flow_and_names()
    points = strips()["Rate"].series[-1].points
    octets = sum(value * (after - when) for (when, value), (after, _) in pairwise(points)) / 8e9
    assert octets == pytest.approx(flow.forth.octets, rel=1e-4)


def test_an_outlier_leaves_the_picture_and_says_how_high_it_is() -> None:
    window = strips()["Window"]
    assert window.series[1].name.startswith("receive window (up to ")
    assert max(value for _, value in window.series[1].points) > window.high


def test_below_ssthresh_it_is_slow_start_and_above_congestion_avoidance() -> None:
    found = phases((), [(0, 1.0), (10, 2.0), (20, 9.0)], [(0, 5.0)], 30)
    assert found == (Span(0, 20, "slow start"), Span(20, 30, "congestion avoidance"))


def test_without_a_threshold_it_is_slow_start() -> None:
    assert phases((), [(0, 1.0)], [], 30) == (Span(0, 30, "slow start"),)


def test_recovery_interrupts_the_other_phases() -> None:
    found = phases([Span(10, 20, "recovery")], [(0, 1.0), (15, 0.5)], [(0, 0.7)], 30)
    assert found == (
        Span(0, 10, "congestion avoidance"),
        Span(10, 20, "recovery"),
        Span(20, 30, "slow start"),
    )


def test_phases_that_are_sampled_take_the_place_of_those_inferred() -> None:
    found = strips((0, "phase", 0), (100, "phase", 3), (200, "phase", 4), (300, "phase", 0))
    spans = found["Round trip"].spans
    assert [(span.phase, (span.stop - span.start) // MILLISECOND) for span in spans] == [
        ("recovery", 100),
        ("loss", 100),
    ]
