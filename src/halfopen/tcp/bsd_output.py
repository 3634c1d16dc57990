"""What segments of a BSD have otherwise than those of others (FreeBSD ``tcp_output``, ``tcp_respond``)."""

from halfopen.tcp.scoreboard import Flight
from halfopen.tcp.sent import LOST
from halfopen.tcp.tcb import Tcb
from halfopen.wire.tcp import Segment
from halfopen.wire.tcp_options import Options


def as_response(tcb: Tcb, segment: Segment) -> Segment:
    """A segment that is not part of the stream says how much room there is, whatever the peer was told before."""
    if tcb.rcv.manner == "exact":
        segment.window = tcb.rcv.free_field
    return segment


def cut_lost(flight: Flight, position: int) -> None:
    """What is lost at ``position`` begins a record of its own there, so that what is before it can be gathered."""
    holder = next((each for each in flight.records if each.end > position), None)
    if holder is not None and holder.condition == LOST:
        flight.split_at(position)


def before_signature(tcb: Tcb, options: Options | None) -> Options | None:
    """The options of a segment to be signed: a BSD has the signature where it has any other, behind the timestamps."""
    if tcb.opening.config.options.layout == "dense":
        options = Options() if options is None else options
        options.dense = True
    return options
