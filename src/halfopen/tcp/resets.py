"""The answer to a segment that belongs to no connection (RFC 9293 3.5.2 group 1, 3.10.7.1)."""

from halfopen.tcp.seqnum import wrap
from halfopen.wire.tcp import ACK, RST, Segment


def reset_for(segment: Segment) -> Segment | None:
    """The RST that a segment to a CLOSED port, or a bad ACK, gets; None for a RST.

    With ACK: <SEQ=SEG.ACK><CTL=RST>. Without: <SEQ=0><ACK=SEG.SEQ+SEG.LEN><CTL=RST,ACK>. The window is always 0: a
    window scan (nmap ``-sW``) learns nothing.
    """
    if segment.flags & RST:
        return None
    if segment.flags & ACK:
        return Segment(segment.destination_port, segment.source_port, seq=segment.ack, flags=RST)
    return Segment(
        segment.destination_port,
        segment.source_port,
        seq=0,
        ack=wrap(segment.seq + segment.length),
        flags=RST | ACK,
    )
