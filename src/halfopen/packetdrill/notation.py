"""Packets as a script would write them, in its own numbers: for messages and for traces."""

from halfopen.base.clock import MICROSECOND, SECOND, Duration
from halfopen.packetdrill.captured import Captured, CapturedSegment, segment_of
from halfopen.packetdrill.mapping import SequenceNumbers
from halfopen.packetdrill.option_octets import describe
from halfopen.wire import udp
from halfopen.wire.ipv4 import PROTOCOL_TCP, PROTOCOL_UDP
from halfopen.wire.tcp import ACK, AE, CWR, ECE, FIN, PSH, RST, SYN, URG

_LETTERS = {FIN: "F", SYN: "S", RST: "R", PSH: "P", ACK: ".", URG: "U", ECE: "E", CWR: "W", AE: "A"}
_ECN_NAMES = ("", "[ect1] ", "[ect0] ", "[ce] ")


def flags_text(flags: int) -> str:
    """``"P."``; ``"-"`` for none."""
    return "".join(letter for flag, letter in _LETTERS.items() if flags & flag) or "-"


def describe_packet(captured: Captured, numbers: SequenceNumbers, *, inbound: bool = False) -> str:
    """One line of a script without its time, windows as they are on the wire."""
    direction = "<" if inbound else ">"
    ecn = _ECN_NAMES[captured.tos & 3]
    if captured.protocol == PROTOCOL_TCP:
        text = f"{direction} {ecn}{describe_segment(segment_of(captured), numbers, inbound=inbound)}"
        return text if captured.udp_ports is None else f"{text} /udp({captured.udp_ports[0]} > {captured.udp_ports[1]})"
    if captured.protocol == PROTOCOL_UDP:
        return f"{direction} {ecn}udp ({len(captured.octets) - udp.HEADER_OCTETS})"
    kind, code = captured.octets[0], captured.octets[1]
    return f"{direction} {ecn}icmp type_{kind} code_{code}"


def describe_segment(segment: CapturedSegment, numbers: SequenceNumbers, *, inbound: bool = False) -> str:
    """Flags, sequence range, acknowledgment, window and options."""
    is_syn = segment.flags & SYN != 0
    own, other = (
        (numbers.script_remote, numbers.script_local) if inbound else (numbers.script_local, numbers.script_remote)
    )
    octets = len(segment.payload)
    start = own(segment.seq, is_syn=is_syn)
    words = [flags_text(segment.flags), f"{start}:{start + octets}({octets})"]
    if segment.flags & ACK:
        words.append(f"ack {other(segment.ack, is_syn=is_syn)}")
    words.append(f"win {segment.window}")
    if segment.urgent:
        words.append(f"urg {segment.urgent}")
    if segment.options:
        options = describe(
            segment.options, lambda edge: other(edge, is_syn=False), lambda value, echo: f"TS val {value} ecr {echo}"
        )
        words.append(f"<{options}>")
    return " ".join(words)


def time_text(time: Duration) -> str:
    """Seconds of the script to the microsecond."""
    micros = time // MICROSECOND
    return f"{micros * MICROSECOND // SECOND}.{micros % 1_000_000:06d}"
