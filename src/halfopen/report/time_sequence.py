"""The time-sequence graph of one direction of a connection, with tcptrace's conventions."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from halfopen.base.addresses import Address
from halfopen.base.clock import SECOND, Instant
from halfopen.report import xplot
from halfopen.report.flows import Flow, Sent, Stream, format_endpoint
from halfopen.report.marks import Kind, Mark
from halfopen.report.sender import Points, SenderView, sender_view
from halfopen.report.tables import format_duration, format_octets, printable
from halfopen.wire import tcp
from halfopen.wire.describe import flag_names


@dataclass(slots=True, frozen=True)
class TimeSequence:
    """Marks, and the two stairs between which a sender moves: what is acknowledged and what the window allows."""

    title: str
    subtitle: str
    start: Instant
    stop: Instant
    marks: tuple[Mark, ...]
    acked: tuple[tuple[Instant, int], ...]
    allowed: tuple[tuple[Instant, int], ...]

    @classmethod
    def of(
        cls, flow: Flow, stream: Stream, *, view: SenderView | None = None, names: Mapping[Address, str] | None = None
    ) -> "TimeSequence":
        """The graph of ``stream``, from the place of its sender as far as the capture tells it."""
        view = view or sender_view(flow, stream)
        source, destination = (format_endpoint(end, names or {}) for end in (stream.source, stream.destination))
        marks = [mark for one in stream.sent for mark in _marks_of(one, flow.began)]
        marks += _answers(view, flow.began)
        acked, allowed = (tuple(_extended(points, flow.ended)) for points in (view.acked, view.allowed))
        return cls(
            f"{source} → {destination}", summary(flow, view), flow.began, flow.ended, tuple(marks), acked, allowed
        )

    @property
    def highest(self) -> int:
        """The highest sequence number that was sent or acknowledged."""
        return max([mark.high for mark in self.marks] + [ack for _, ack in self.acked], default=0)

    def of_kind(self, *kinds: Kind) -> list[Mark]:
        """The marks of these kinds."""
        return [mark for mark in self.marks if mark.kind in kinds]

    def as_xpl(self) -> str:
        """For ``xplot`` and ``jPlot`` (xplot.org), which tcptrace writes for as well."""
        return xplot.document(f"{printable(self.title)} (time sequence graph)", self.marks, self.acked, self.allowed)


def summary(flow: Flow, view: SenderView) -> str:
    """What happened, in a line of figures."""
    stream, trips = view.stream, [trip for _, trip in view.round_trips]
    lost = sum(one.passage.is_wasted for one in stream.sent)
    parts = [f"{format_octets(stream.octets)} in {format_duration(flow.ended - flow.began)}"]
    sent, again = _count(len(stream.sent), "segment"), _count(stream.retransmissions, "retransmission")
    parts.append(f"{sent}, {again}, {lost} lost")
    parts.append(_count(len(view.duplicate_acks), "duplicate ACK"))
    if trips:
        least, mean, most = (format_duration(trip) for trip in (min(trips), sum(trips) // len(trips), max(trips)))
        parts.append(f"round trip {least} / {mean} / {most} (min, mean, max)")
    return " · ".join(parts)


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _marks_of(one: Sent, start: Instant) -> Iterator[Mark]:
    """The bar of a segment, and the signs on it."""
    passage, text = one.passage, describe(one, start)
    kind = Kind.PROBE if one.is_probe else Kind.RETRANSMISSION if one.is_retransmission else Kind.DATA
    if one.stop > one.start or one.is_probe:
        yield Mark(kind, passage.departed, one.start, one.stop, text)
    signs = (
        (Kind.SYN, one.flags & tcp.SYN),
        (Kind.FIN, one.flags & tcp.FIN),
        (Kind.RESET, one.flags & tcp.RST),
        (Kind.PUSH, one.flags & tcp.PSH and one.octets),
        (Kind.OUT_OF_ORDER, one.is_out_of_order),
        (Kind.MARKED, passage.is_marked),
    )
    for sign, is_there in signs:
        if is_there:
            yield Mark(sign, passage.departed, one.stop, one.stop, text)
    if passage.is_wasted and (one.stop > one.start or one.flags & tcp.RST):
        yield Mark(Kind.LOST, passage.departed, one.start, one.stop, text)


def _answers(view: SenderView, start: Instant) -> Iterator[Mark]:
    for when, one in view.duplicate_acks:
        text = describe(one, start)
        text = text if "duplicate ACK" in text else f"duplicate ACK: {text}"  # A comment may have said it already.
        yield Mark(Kind.DUPLICATE_ACK, when, one.ack, one.ack, text)
    for when, (left, right), one in view.sacked:
        kind = Kind.DSACK if right <= one.ack else Kind.SACK  # RFC 2883 4: what has been acknowledged already.
        yield Mark(kind, when, left, right, describe(one, start))
    for when, one in view.zero_windows:
        yield Mark(Kind.ZERO_WINDOW, when, one.ack, one.ack, describe(one, start))


def _extended(points: Points, stop: Instant) -> Points:
    """A stair goes on level to the end."""
    return [*points, (stop, points[-1][1])] if points and points[-1][0] < stop else points


def describe(one: Sent, start: Instant) -> str:
    """``"#12 1.234567 s PSH,ACK 1:1449 ack 1 win 64240"`` and what is to be remarked about it."""
    passage = one.passage
    parts = [f"#{passage.sightings[0].number} {(passage.departed - start) / SECOND:.6f} s"]
    parts += [",".join(flag_names(one.flags)) or "no flags", f"{one.start}:{one.stop}"]
    if one.flags & tcp.ACK:
        parts.append(f"ack {one.ack}")
    parts.append(f"win {one.window}")
    parts += [f"sack {left}:{right}" for left, right in one.sack]
    remarks = [
        word
        for word, is_so in (
            ("retransmission", one.is_retransmission and "retransmission" not in passage.comment),
            ("probe", one.is_probe),
            ("out of order", one.is_out_of_order),
            ("lost", passage.is_wasted and not passage.comments),
            (passage.comment, passage.comments),
        )
        if is_so
    ]
    return printable(" ".join(parts) + (" — " + "; ".join(remarks) if remarks else ""))
