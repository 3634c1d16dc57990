"""Strip charts of one direction of a connection: window, round-trip time, queues, rates.

What is outstanding, how long ACKs took and how fast it went are told by the capture alone; the rest by samples.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from halfopen.base.addresses import Address
from halfopen.base.clock import SECOND, Duration, Instant
from halfopen.base.samples import Sample
from halfopen.report.chart import quantity
from halfopen.report.flows import Flow, format_endpoint
from halfopen.report.sender import Phase, SenderView, Span
from halfopen.report.tables import format_duration

Figures = list[tuple[Instant, float]]

MOST_BINS, LEAST_BINS = 120, 30
"""Rates are averaged over a round trip, if that gives this many pieces of the whole time."""
HEADROOM = 1.1
OUTLIER = 3.0
"""A series this many times higher than the one that matters leaves the picture rather than flatten it."""
MAX_QUEUES = 3
_LINUX_PHASES: dict[float, Phase] = {2: "recovery", 3: "recovery", 4: "loss"}
"""Samples of ``phase``: what Linux calls CWR, Recovery and Loss (``tcpi_ca_state``); others send as they like."""
_QUEUE_LOOKS = ("line blue", "line orange", "line magenta")


@dataclass(slots=True, frozen=True)
class Series:
    """One line: how it looks (classes of `halfopen.report.figure_style`) and which form its points make."""

    name: str
    look: str
    form: Literal["area", "stair", "line", "dots"]
    points: Figures


@dataclass(slots=True, frozen=True)
class Strip:
    """Series over the same time in the same unit, up to ``high``; phases of the sender lie behind them."""

    title: str
    unit: str
    high: float
    series: tuple[Series, ...]
    spans: tuple[Span, ...] = ()


def strips_of(
    flow: Flow, view: SenderView, *, samples: Sequence[Sample] = (), names: Mapping[Address, str] | None = None
) -> list[Strip]:
    """The strips of the direction that ``view`` is of; those without a point are left out."""
    stream = view.stream
    source, destination = (format_endpoint(end, names or {}) for end in (stream.source, stream.destination))
    known = _Samples(samples, f"{source}>{destination}", (flow.began, flow.ended))
    retransmitting = _told(known["phase"]) if known["phase"] else view.spans
    spans = phases(retransmitting, known["cwnd"], known["ssthresh"], flow.ended)
    strips = [_window(view, known, spans), _round_trips(view, known, spans)]
    strips += [_queues(samples, spans, (flow.began, flow.ended)), _rates(flow, view, spans)]
    return [strip for strip in strips if strip.series]


class _Samples:
    """The samples of one subject, by name; each series goes on level to the end."""

    def __init__(self, samples: Iterable[Sample], subject: str, during: tuple[Instant, Instant]) -> None:
        self._series: dict[str, Figures] = {}
        for sample in samples:
            if sample.subject == subject and during[0] <= sample.when <= during[1]:
                self._series.setdefault(sample.name, []).append((sample.when, sample.value))
        for points in self._series.values():
            points.sort(key=lambda point: point[0])
            points.append((during[1], points[-1][1]))

    def __getitem__(self, name: str) -> Figures:
        return self._series.get(name, [])


def _told(figures: Figures) -> list[Span]:
    """Recovery and loss as samples tell of them."""
    return [
        Span(start, stop, _LINUX_PHASES[value])
        for (start, value), (stop, _) in pairwise(figures)
        if value in _LINUX_PHASES and stop > start
    ]


def phases(retransmitting: Sequence[Span], cwnd: Figures, ssthresh: Figures, stop: Instant) -> tuple[Span, ...]:
    """What CWND and SSTHRESH say, where the sender is not in recovery or loss already (RFC 5681 3.1)."""
    changes = sorted({when for when, _ in (*cwnd, *ssthresh)})
    spans: list[Span] = []
    for start, end in pairwise((*changes, stop)):
        slow = _at(cwnd, start) < _at(ssthresh, start)
        phase: Phase = "slow start" if slow else "congestion avoidance"
        for left, right in _without(retransmitting, start, end):
            if spans and spans[-1].phase == phase and spans[-1].stop == left:
                spans[-1] = Span(spans[-1].start, right, phase)
            else:
                spans.append(Span(left, right, phase))
    return tuple(sorted((*spans, *retransmitting), key=lambda span: span.start))


def _at(points: Figures, when: Instant) -> float:
    """The value that holds at ``when``; infinite before the first, as SSTHRESH is."""
    index = bisect_right(points, when, key=lambda point: point[0])
    return points[index - 1][1] if index else float("inf")


def _without(spans: Sequence[Span], start: Instant, stop: Instant) -> Iterator[tuple[Instant, Instant]]:
    """The parts of ``[start, stop)`` that no span covers."""
    for span in spans:
        if span.stop <= start or span.start >= stop:
            continue
        if span.start > start:
            yield start, span.start
        start = max(start, span.stop)
    if start < stop:
        yield start, stop


def _window(view: SenderView, known: _Samples, spans: tuple[Span, ...]) -> Strip:
    outstanding: Figures = [(when, float(octets)) for when, octets in view.outstanding]
    series = [
        Series("outstanding (SND.NXT - SND.UNA)", "flight", "area", outstanding),
        Series("in flight", "line purple", "stair", known["in_flight"]),
        Series("receive window", "line yellow", "stair", _receive_window(view)),
        Series("ssthresh", "line orange dashed", "stair", known["ssthresh"]),
        Series("cwnd", "line blue", "stair", known["cwnd"]),
    ]
    leading = max(_highest(outstanding), _highest(known["cwnd"]))
    return _strip("Window", "B", (series, leading), spans)


def _receive_window(view: SenderView) -> Figures:
    """What the receiver offers, at each ACK."""
    acked = dict(view.acked)
    points: Figures = []
    una = 0
    for when, edge in sorted((*view.allowed, *((when, -1) for when in acked)), key=lambda point: point[0]):
        una = acked.get(when, una)
        if edge >= 0:
            points.append((when, float(edge - una)))
    return points


def _round_trips(view: SenderView, known: _Samples, spans: tuple[Span, ...]) -> Strip:
    measured: Figures = [(when, trip / SECOND) for when, trip in view.round_trips]
    series = [
        Series("round trip of each ACK", "dots data", "dots", measured),
        Series("SRTT", "line blue", "stair", known["srtt"]),
        Series("RTO", "line red dashed", "stair", known["rto"]),
    ]
    return _strip("Round trip", "s", (series, _highest(measured)), spans)


def _queues(samples: Sequence[Sample], spans: tuple[Span, ...], during: tuple[Instant, Instant]) -> Strip:
    """The queues that grew longest."""
    subjects = dict.fromkeys(sample.subject for sample in samples if sample.name == "queue_packets")
    queues = [(subject, _Samples(samples, subject, during)["queue_packets"]) for subject in subjects]
    longest = sorted((queue for queue in queues if _highest(queue[1])), key=lambda queue: -_highest(queue[1]))
    series = [
        Series(f"{subject}", look, "stair", points)
        for (subject, points), look in zip(longest[:MAX_QUEUES], _QUEUE_LOOKS, strict=False)
    ]
    return _strip("Queue", "packets", (series, _highest(longest[0][1]) if longest else 0.0), spans)


def _rates(flow: Flow, view: SenderView, spans: tuple[Span, ...]) -> Strip:
    during = (flow.began, flow.ended)
    whole = during[1] - during[0]
    shortest = min((trip for _, trip in view.round_trips), default=0)
    length = max(whole // MOST_BINS, min(shortest, whole // LEAST_BINS), 1)
    sent = [(one.passage.departed, one.octets) for one in view.stream.sent if one.octets]
    series = [
        Series("sent", "shade-orange", "area", _rate(sent, during, length)),
        Series(
            f"delivered (ACK and SACK), both over {format_duration(length)}",
            "line green",
            "stair",
            _rate(view.delivered, during, length),
        ),
    ]
    leading = max(_highest(one.points) for one in series)
    return _strip("Rate", "bit/s", (series, leading), spans)


def _rate(events: Iterable[tuple[Instant, int]], during: tuple[Instant, Instant], length: Duration) -> Figures:
    """Bits per second, averaged over pieces of ``length``; the last piece may be shorter than the others."""
    start, stop = during
    bins = [0] * max(1, -(-(stop - start) // length))
    for when, octets in events:
        bins[min((when - start) // length, len(bins) - 1)] += octets
    points: Figures = []
    for index, octets in enumerate(bins):
        left = start + index * length
        points.append((left, octets * 8 * SECOND / max(1, min(left + length, stop) - left)))
    return [*points, (stop, points[-1][1])]


def _highest(points: Figures) -> float:
    return max((value for _, value in points), default=0.0)


def _strip(title: str, unit: str, content: tuple[list[Series], float], spans: tuple[Span, ...]) -> Strip:
    """Without empty series; as high as the highest that is no outlier."""
    series = [one for one in content[0] if _highest(one.points) > 0]
    leading = content[1]
    shown: list[Series] = []
    high = leading
    for one in series:
        highest = _highest(one.points)
        if highest <= leading * OUTLIER:
            high = max(high, highest)
        else:
            one = Series(f"{one.name} (up to {quantity(highest, highest / 100, unit)})", one.look, one.form, one.points)
        shown.append(one)
    return Strip(title, unit, (high or 1.0) * HEADROOM, tuple(shown), spans)
