"""What became of each connection of a capture, in figures."""

from dataclasses import dataclass

from halfopen.base.clock import Duration, Instant
from halfopen.report.flows import Flow, Stream
from halfopen.report.sender import SenderView, sender_view
from halfopen.wire import tcp


@dataclass(slots=True, frozen=True)
class RoundTrips:
    """Of the ACKs that tell one."""

    least: Duration
    mean: Duration
    most: Duration


@dataclass(slots=True, frozen=True)
class StreamFigures:
    """One direction: ``octets`` of text, each counted once; duplicate ACKs and round trips are those it was told."""

    stream: Stream
    view: SenderView
    octets: int
    segments: int
    retransmissions: int
    lost: int
    duplicate_acks: int
    round_trips: RoundTrips | None


@dataclass(slots=True, frozen=True)
class Connection:
    """Both directions and how it ended."""

    flow: Flow
    began: Instant
    duration: Duration
    streams: tuple[StreamFigures, StreamFigures]
    ending: str

    @property
    def main(self) -> StreamFigures:
        """The direction that carries more."""
        return max(self.streams, key=lambda figures: figures.octets)


def connection_of(flow: Flow, forth: str = "the client", back: str = "the server") -> Connection:
    """The figures of ``flow``, whose two ends are called ``forth`` and ``back``."""
    streams = (_figures(flow, flow.forth), _figures(flow, flow.back))
    return Connection(flow, flow.began, flow.ended - flow.began, streams, ending_of(flow, forth, back))


def _figures(flow: Flow, stream: Stream) -> StreamFigures:
    view = sender_view(flow, stream)
    trips = [trip for _, trip in view.round_trips]
    return StreamFigures(
        stream,
        view,
        stream.octets,
        len(stream.sent),
        stream.retransmissions,
        sum(one.passage.is_wasted for one in stream.sent),
        len(view.duplicate_acks),
        RoundTrips(min(trips), sum(trips) // len(trips), max(trips)) if trips else None,
    )


def ending_of(flow: Flow, forth: str, back: str) -> str:
    """``"closed"``, ``"reset by the server"``: how the capture saw it end."""
    resets = [(stream.sent[-1].passage.departed, stream) for stream in flow.streams if _has(stream, tcp.RST)]
    opened = sum(bool(one.flags & tcp.SYN) for one in flow.forth.sent)
    if opened and not _has(flow.back, tcp.SYN):
        if resets:
            return f"refused by {back}" if _has(flow.back, tcp.RST) else f"given up by {forth}"
        return f"no answer to {opened} SYN{'s' if opened > 1 else ''}"
    if resets:
        _, stream = min(resets, key=lambda reset: reset[0])
        return f"reset by {forth if stream is flow.forth else back}"
    finished = [_finished(flow, stream) for stream in flow.streams]
    if all(finished):
        return "closed"
    if any(finished):
        return f"half-closed by {forth if finished[0] else back}"
    return "closing" if _has(flow.forth, tcp.FIN) or _has(flow.back, tcp.FIN) else "open at the end"


def _has(stream: Stream, flag: int) -> bool:
    return any(one.flags & flag for one in stream.sent)


def _finished(flow: Flow, stream: Stream) -> bool:
    """Whether a FIN was sent and acknowledged."""
    end = max((one.stop for one in stream.sent if one.flags & tcp.FIN), default=None)
    return end is not None and any(one.ack >= end for one in flow.other(stream).sent if one.flags & tcp.ACK)
