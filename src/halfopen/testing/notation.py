"""Segments in words, much as packetdrill writes them.

``P. 1:1001(1000) ack 1 win 257 <nop,nop,TS val 5 ecr 7>``: flags, first and next sequence number with the octets of
text between them, and what else is to be said of acknowledgment, window, urgent pointer and options. Numbers count from
the initial sequence numbers of both sides, on a SYN as well: a SYN stands at 0, the first octet at 1. What is not
written is unsaid: a segment that is expected may have any window if the expectation names none. In front may stand the
IP header's ECN field, ``[ce] . 1:1(0) ack 1``.
"""

import re
from dataclasses import dataclass

from halfopen.base.octets import Buffers
from halfopen.tcp.seqnum import signed_difference, wrap
from halfopen.wire.tcp import ACK, AE, CWR, ECE, FIN, PSH, RST, SYN, URG, Segment
from halfopen.wire.tcp_options import ACCURATE_ECN_0, ACCURATE_ECN_1, Options

_FLAGS = {"F": FIN, "S": SYN, "R": RST, "P": PSH, ".": ACK, "U": URG, "E": ECE, "W": CWR, "A": AE}
_COUNTERS = {ACCURATE_ECN_0: ("e0b", "ceb", "e1b"), ACCURATE_ECN_1: ("e1b", "ceb", "e0b")}
"""What the options of Accurate ECN count, in the words of packetdrill (RFC 9768 3.2.3)."""
_ECN = ("noecn", "ect1", "ect0", "ce")
"""The IP header's ECN field by value (RFC 3168 5), in the words of packetdrill."""

_SEGMENT = re.compile(
    r"(?:\[(?P<ecn>\w+)\]\s+)?"
    r"(?P<flags>[A-Z.]+|-)\s+"
    r"(?P<start>-?\d+):(?P<end>-?\d+)\((?P<octets>\d+)\)"
    r"(?:\s+ack\s+(?P<ack>-?\d+))?"
    r"(?:\s+win\s+(?P<win>\d+))?"
    r"(?:\s+urg\s+(?P<urg>\d+))?"
    r"(?:\s+<(?P<options>[^<>]*)>)?"
)
_OPTION = re.compile(
    r"(?P<padding>nop|eol)|mss (?P<mss>\d+)|wscale (?P<wscale>\d+)|(?P<sack_ok>sackOK)"
    r"|TS val (?P<value>\d+) ecr (?P<echo>\d+)|sack(?P<sack>(?: -?\d+:-?\d+)+)"
    r"|ECN(?P<counters>(?: (?:e0b|ceb|e1b) \d+)*)"
    r"|kind (?P<kind>\d+)(?: 0x(?P<data>(?:[0-9a-fA-F]{2})+))?"
)


@dataclass(slots=True, frozen=True, kw_only=True)
class Written:
    """A segment as it is written; None is what it does not say.

    ``options`` are all there may be, or with ``more_options`` (written ``...`` behind the last) those there must be.
    """

    flags: int
    start: int
    octets: int = 0
    ack: int | None = None
    window: int | None = None
    urgent: int | None = None
    options: Options | None = None
    more_options: bool = False
    ecn: int | None = None

    @classmethod
    def of(cls, segment: Segment, isn: int, peer_isn: int) -> "Written":
        """Everything about ``segment``, whose sender's initial sequence number is ``isn``."""
        options = segment.options
        if options is not None and options.sack:
            blocks = [(signed_difference(a, peer_isn), signed_difference(b, peer_isn)) for a, b in options.sack]
            options = options.copy()
            options.sack = tuple(blocks)
        return cls(
            flags=segment.flags,
            start=signed_difference(segment.seq, isn),
            octets=segment.octets,
            ack=signed_difference(segment.ack, peer_isn) if segment.flags & ACK else None,
            window=segment.window,
            urgent=segment.urgent if segment.flags & URG else None,
            options=options or Options(),
            ecn=segment.ecn,
        )

    def segment(self, ports: tuple[int, int], isn: int, peer_isn: int, payload: Buffers) -> Segment:
        """The segment with absolute numbers, from port to port; what is not written is zero."""
        options = self.options
        if options is not None and options.sack:
            blocks = [(wrap(left + peer_isn), wrap(right + peer_isn)) for left, right in options.sack]
            options = options.copy()
            options.sack = tuple(blocks)
        return Segment(
            *ports,
            seq=wrap(self.start + isn),
            ack=wrap(self.ack + peer_isn) if self.ack is not None else 0,
            flags=self.flags,
            window=self.window or 0,
            urgent=self.urgent or 0,
            options=options,
            payload=payload,
            octets=self.octets,
            ecn=self.ecn or 0,
        )

    def matches(self, seen: "Written") -> bool:
        """Whether ``seen`` is as written here, in all that is written."""
        return (
            (self.flags, self.start, self.octets) == (seen.flags, seen.start, seen.octets)
            and self.ack in (None, seen.ack)
            and self.window in (None, seen.window)
            and self.urgent in (None, seen.urgent)
            and self.ecn in (None, seen.ecn)
            and self._options_match(seen.options or Options())
        )

    def _options_match(self, seen: Options) -> bool:
        if self.options is None:
            return True
        if not self.more_options:
            return self.options == seen
        return set(_option_texts(self.options)) <= set(_option_texts(seen))

    def __str__(self) -> str:
        letters = "".join(letter for letter, flag in _FLAGS.items() if self.flags & flag) or "-"
        words = [letters, f"{self.start}:{self.start + self.octets}({self.octets})"]
        if self.ecn:
            words.insert(0, f"[{_ECN[self.ecn]}]")
        if self.ack is not None:
            words.append(f"ack {self.ack}")
        if self.window is not None:
            words.append(f"win {self.window}")
        if self.urgent is not None:
            words.append(f"urg {self.urgent}")
        texts = _option_texts(self.options) if self.options is not None else []
        if self.more_options:
            texts.append("...")
        if texts:
            words.append(f"<{','.join(texts)}>")
        return " ".join(words)


def parse(text: str) -> Written:
    """A segment from its words; ValueError says which of them cannot be meant."""
    match = _SEGMENT.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a segment such as 'P. 1:11(10) ack 1 win 257 <nop,nop,TS val 5 ecr 7>'")
    start, end, octets = int(match["start"]), int(match["end"]), int(match["octets"])
    if end - start != octets:
        raise ValueError(f"{text!r}: {start} to {end} are {end - start} octets, not {octets} (SYN and FIN count as 0)")
    flags = _parse_flags(text, match["flags"])
    for letter, flag, field in ((".", ACK, "ack"), ("U", URG, "urg")):
        if bool(flags & flag) != (match[field] is not None):
            raise ValueError(f"{text!r}: the flag {letter!r} and a number behind {field!r} go together")
    options, more_options = None, False
    if match["options"] is not None:
        options, more_options = _parse_options(text, match["options"])
    return Written(
        flags=flags,
        start=start,
        octets=octets,
        ack=_number(text, match["ack"], None),
        window=_number(text, match["win"], 0xFFFF),
        urgent=_number(text, match["urg"], 0xFFFF),
        options=options,
        more_options=more_options,
        ecn=_parse_ecn(text, match["ecn"]),
    )


def _number(text: str, digits: str | None, most: int | None) -> int | None:
    if digits is None:
        return None
    number = int(digits)
    if most is not None and number > most:
        raise ValueError(f"{text!r}: {number} is more than the field can say, which is {most}")
    return number


def _parse_flags(text: str, letters: str) -> int:
    flags = 0
    for letter in letters.strip("-"):
        flag = _FLAGS.get(letter, 0)
        if not flag or flags & flag:
            raise ValueError(f"{text!r}: {letter!r} is not one of the flags {''.join(_FLAGS)}, or stands there twice")
        flags |= flag
    return flags


def _parse_ecn(text: str, word: str | None) -> int | None:
    if word is None:
        return None
    if word not in _ECN:
        raise ValueError(f"{text!r}: [{word}] is not one of {', '.join(_ECN)}")
    return _ECN.index(word)


def _parse_options(text: str, words: str) -> tuple[Options, bool]:
    """The options between the brackets, and whether ``...`` says that there may be others."""
    options = Options()
    parts = [part.strip() for part in words.split(",")] if words.strip() else []
    more_options = bool(parts) and parts[-1] == "..."
    for part in parts[:-1] if more_options else parts:
        match = _OPTION.fullmatch(part)
        if match is None:
            raise ValueError(f"{text!r}: {part!r} is not an option such as 'mss 1460', 'TS val 1 ecr 2', 'sack 5:9'")
        _store(options, match)
    return options, more_options


def _store(options: Options, match: re.Match[str]) -> None:
    if match["mss"]:
        options.mss = int(match["mss"])
    elif match["wscale"]:
        options.window_scale = int(match["wscale"])
    elif match["sack_ok"]:
        options.sack_permitted = True
    elif match["value"]:
        options.timestamps = (int(match["value"]), int(match["echo"]))
    elif match["sack"]:
        edges = [block.split(":") for block in match["sack"].split()]
        options.sack = tuple((int(left), int(right)) for left, right in edges)
    elif match["counters"] is not None:
        words = match["counters"].split()
        kind = ACCURATE_ECN_0 if words[:1] == ["e0b"] else ACCURATE_ECN_1
        options.accurate_ecn = (kind, tuple(int(word) for word in words[1::2]))
    elif match["kind"]:
        options.unknown += ((int(match["kind"]), bytes.fromhex(match["data"] or "")),)


def _option_texts(options: Options) -> list[str]:
    """Each option as it is written, in the order of the wire, without padding."""
    texts: list[str] = []
    if options.mss is not None:
        texts.append(f"mss {options.mss}")
    if options.sack_permitted:
        texts.append("sackOK")
    if options.timestamps is not None:
        texts.append("TS val {} ecr {}".format(*options.timestamps))
    if options.accurate_ecn is not None:
        kind, values = options.accurate_ecn
        texts.append(" ".join(["ECN", *map("{} {}".format, _COUNTERS[kind], values)]))
    if options.window_scale is not None:
        texts.append(f"wscale {options.window_scale}")
    if options.sack:
        texts.append("sack " + " ".join(f"{left}:{right}" for left, right in options.sack))
    texts.extend(f"kind {kind} 0x{data.hex()}" if data else f"kind {kind}" for kind, data in options.unknown)
    return texts
