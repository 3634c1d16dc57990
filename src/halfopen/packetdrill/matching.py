"""Whether what the host has sent is what the script expects: all but addresses, ports, IP ids and TCP checksums."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from struct import Struct

from halfopen.base.clock import Duration
from halfopen.packetdrill.captured import Captured, CapturedSegment
from halfopen.packetdrill.icmp_lines import type_and_code
from halfopen.packetdrill.inbound import ECN_FIELDS, flags_of
from halfopen.packetdrill.mapping import SequenceNumbers
from halfopen.packetdrill.notation import flags_text
from halfopen.packetdrill.option_octets import Encoded, encode
from halfopen.packetdrill.script import IcmpLine, IpInfo, TcpLine, UdpLine
from halfopen.packetdrill.signing import BARE_OCTETS, digest, spliced
from halfopen.packetdrill.tested import Tracker
from halfopen.wire import ipv4, ipv6, udp
from halfopen.wire.tcp import ACK, AE, CWR, ECE, FIN, PSH, SYN

_CONTROL = FIN | SYN | 0x04 | PSH | ACK | 0x20
_ECN = AE | CWR | ECE
_HEADER = Struct("!HHIIHHHH")


@dataclass(slots=True, frozen=True, kw_only=True)
class TimestampRule:
    """``--tcp_ts_tick_usecs``: TSval has to go on as the script's does, one tick being so long; 0 does not look."""

    tick: Duration = 0
    tolerance: Duration = 0


class Difference(Exception):
    """What is not as expected, in words."""


Next = Callable[[], CapturedSegment | None]


def gather(line: TcpLine, first: CapturedSegment, following: Next) -> CapturedSegment:
    """Segments that follow each other, together the payload of ``line``: headers of the last, beginning of the first.

    They differ in nothing but FIN, PSH and CWR, and are of one size but for the last. Raises Difference.
    """
    merged = first
    while first.payload and len(merged.payload) < line.octets:
        piece = following()
        if piece is None:
            break
        if _fixed(piece) != _fixed(merged):
            raise Difference("the segments that add up to this line do not have the same header")
        if piece.seq != (merged.seq + len(merged.payload)) % (1 << 32):
            raise Difference("the segments that add up to this line leave a gap, or overlap")
        size, total = len(first.payload), len(merged.payload) + len(piece.payload)
        if len(piece.payload) > size or (len(piece.payload) < size and total < line.octets):
            raise Difference("the segments that add up to this line are not of one size")
        merged = replace(
            piece, seq=merged.seq, payload=merged.payload + piece.payload, flags=piece.flags & ~CWR | first.flags & CWR
        )
    return merged


def _fixed(segment: CapturedSegment) -> tuple[object, ...]:
    flags = segment.flags & ~(FIN | PSH | CWR)
    return flags, segment.ack, segment.window, segment.urgent, segment.options, segment.reserved


def compare_ip(info: IpInfo, seen: Captured, tracker: Tracker) -> Iterator[str]:
    """Differences in the IP header, of which only what is written is compared, and that there are no options."""
    if seen.is_ipv6 != tracker.addressing.is_ipv6:
        yield "another IP version"
    if seen.header_octets != (ipv6.HEADER_OCTETS if seen.is_ipv6 else ipv4.MINIMUM_OCTETS):
        yield f"an IP header of {seen.header_octets} octets"
    ecn = seen.tos & 3
    if info.ecn is not None and (ecn not in (1, 2) if info.ecn == "ect01" else ecn != ECN_FIELDS[info.ecn]):
        yield f"ECN: expected {info.ecn}, saw {ecn:#04b}"
    if info.tos is not None:
        mask = 0xFC if info.ecn is not None else 0xFF
        if (info.tos ^ seen.tos) & mask:
            yield f"TOS: expected {info.tos:#04x}, saw {seen.tos:#04x}"
    if info.ttl is not None and info.ttl != seen.ttl:
        yield f"TTL: expected {info.ttl}, saw {seen.ttl}"
    if info.flow_label is not None and seen.is_ipv6 and not tracker.labels.matches(info.flow_label, seen.flow_label):
        yield f"flow label: {info.flow_label:#x} stood for another than {seen.flow_label:#x} before"


def compare_segment(line: TcpLine, seen: CapturedSegment, tracker: Tracker, rule: TimestampRule) -> Iterator[str]:
    """Differences of a TCP segment."""
    if line.flags & seen.flags & SYN:
        tracker.learn(line, seen.seq)
    tested = tracker.tested
    numbers = tested.numbers if tested is not None else SequenceNumbers()
    yield from _compare_flags(line, seen)
    if seen.reserved:
        yield "the reserved bits are not 0"
    is_syn = line.flags & SYN != 0
    seq = line.start if line.absolute_seq else numbers.local(line.start, is_syn=is_syn)
    if not line.any_seq and seen.seq != seq:
        yield f"sequence number: expected {line.start}, saw {numbers.script_local(seen.seq, is_syn=is_syn)}"
    yield from _compare_ack(line, seen, numbers)
    if line.window is not None and line.window != seen.window:
        yield f"window: expected {line.window}, saw {seen.window}"
    if (line.urgent or 0) != seen.urgent:
        yield f"urgent pointer: expected {line.urgent or 0}, saw {seen.urgent}"
    if line.options is not None:
        encoded = encode(line.options, lambda edge: numbers.remote(edge, is_syn=False))
        if encoded.digest >= 0:
            encoded = replace(encoded, octets=spliced(encoded.octets, encoded.digest, _digest_of(seen, tracker)))
        yield from _compare_options(encoded, seen, tracker, rule)
    if len(seen.payload) != line.octets:
        yield f"payload: expected {line.octets} octets, saw {len(seen.payload)}"
    elif any(seen.payload):
        yield "the payload is not all zeros"


def _digest_of(seen: CapturedSegment, tracker: Tracker) -> bytes:
    """What the MD5 signature of ``seen`` has to be."""
    word = (BARE_OCTETS + len(seen.options)) << 10 | seen.reserved | seen.flags
    header = _HEADER.pack(*seen.ports, seen.seq, seen.ack, word, seen.window, 0, seen.urgent) + seen.options
    ends = tracker.addressing.local, tracker.addressing.remote
    return digest(tracker.md5_secret, ends, header, seen.payload)


def _compare_flags(line: TcpLine, seen: CapturedSegment) -> Iterator[str]:
    expected = flags_of(line)
    if (expected ^ seen.flags) & _CONTROL:
        yield f"flags: expected {flags_text(expected)}, saw {flags_text(seen.flags)}"
    elif (expected ^ seen.flags) & _ECN:
        yield f"ECN flags: expected {flags_text(expected)}, saw {flags_text(seen.flags)}"


def _compare_ack(line: TcpLine, seen: CapturedSegment, numbers: SequenceNumbers) -> Iterator[str]:
    is_syn = line.flags & SYN != 0
    ack = line.ack or 0
    if not line.flags & ACK:
        if seen.ack != ack:
            yield f"acknowledgment number: expected {ack}, saw {seen.ack}"
    elif seen.ack != (ack if line.absolute_ack else numbers.remote(ack, is_syn=is_syn)):
        yield f"acknowledgment number: expected {ack}, saw {numbers.script_remote(seen.ack, is_syn=is_syn)}"


def _compare_options(expected: Encoded, seen: CapturedSegment, tracker: Tracker, rule: TimestampRule) -> Iterator[str]:
    """All octets in order; the values of timestamps are what they are, and remembered."""
    octets, at = expected.octets, expected.timestamps
    if at < 0:
        if octets != seen.options:
            yield "TCP options"
        return
    live = seen.options[at : at + 8]
    if octets[:at] + live + octets[at + 8 :] != seen.options:
        yield "TCP options"
        return
    value = int.from_bytes(live[:4], "big")
    script = int.from_bytes(octets[at : at + 4], "big")
    if "absolute val" in expected.words and live[:4] != octets[at : at + 4]:
        yield "TSval"
    if "absolute ecr" in expected.words and live[4:] != octets[at + 4 : at + 8]:
        yield "TSecr"
    timestamps = tracker.timestamps
    timestamps.learn(script, value)
    if rule.tick and timestamps.first is not None:
        first_script, first_live = timestamps.first
        elapsed, scripted = (value - first_live) % (1 << 32), (script - first_script) % (1 << 32)
        if abs(elapsed - scripted) * rule.tick > rule.tolerance:
            yield f"TSval: expected {script}, saw {(first_script + elapsed) % (1 << 32)}"


def compare_udp(line: UdpLine, seen: Captured) -> Iterator[str]:
    """Differences of a UDP datagram: its length, and that it carries zeros."""
    octets = len(seen.octets) - udp.HEADER_OCTETS
    if octets != line.octets:
        yield f"UDP payload: expected {line.octets} octets, saw {octets}"
    elif any(seen.octets[udp.HEADER_OCTETS :]):
        yield "the payload is not all zeros"


def compare_icmp(line: IcmpLine, seen: Captured) -> Iterator[str]:
    """Differences of an ICMP message: its type and code."""
    expected = type_and_code(line, is_ipv6=seen.is_ipv6)
    if expected != (seen.octets[0], seen.octets[1]):
        yield f"ICMP type and code: expected {expected}, saw {(seen.octets[0], seen.octets[1])}"
