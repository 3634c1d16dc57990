"""TCP options (RFC 9293 3.2; RFC 7323, RFC 2018)."""

from struct import Struct
from typing import Final

from halfopen.base.errors import Malformed
from halfopen.base.native import mypyc_attr

END: Final = 0
NO_OPERATION: Final = 1
MSS: Final = 2
WINDOW_SCALE: Final = 3
SACK_PERMITTED: Final = 4
SACK: Final = 5
TIMESTAMPS: Final = 8
MD5_SIGNATURE: Final = 19
"""RFC 2385; this and the next stay in `Options.unknown`: who authenticates needs their place in the header anyway."""
AUTHENTICATION: Final = 29
"""TCP-AO (RFC 5925 2.2)."""

FAST_OPEN: Final = 34
"""RFC 7413 4.1.1."""
EXPERIMENT: Final = 254
"""RFC 4727; with `FAST_OPEN_MAGIC` it is Fast Open as it was before the RFC (appendix A.1, RFC 6994)."""
FAST_OPEN_MAGIC: Final = b"\xf9\x89"

ACCURATE_ECN_0: Final = 172
"""RFC 9768 3.2.3: counters of octets that came with ECT(0), CE, ECT(1), as many as there is room for ..."""
ACCURATE_ECN_1: Final = 174
"""... or with ECT(1), CE, ECT(0)."""

MAXIMUM_OCTETS: Final = 40
TIMESTAMPS_OCTETS: Final = 12
"""The timestamps option as everybody sends it: behind two no-operations, so that its values lie on word borders."""
TIMESTAMPS_WORD: Final = 0x0101080A
"""The first word of those 12 octets (RFC 7323 appendix A)."""

_TIMESTAMPS_START: Final = TIMESTAMPS_WORD.to_bytes(4, "big")
_PAIR: Final = Struct("!II")
_PADDING: Final = bytes((NO_OPERATION, NO_OPERATION))
_KNOWN: Final[dict[int, tuple[bytes, int]]] = {}
"""By what they say apart from timestamps: options of SYNs that have been sent, and where their timestamps stand."""
_MOST_KNOWN: Final = 1024
_HALF: Final = Struct("!H")
_ALIGNED_TIMESTAMPS: Final = Struct("!III")


@mypyc_attr(acyclic=True)
class Options:
    """What the options of one segment said; a field that was absent is None (or empty, or False).

    ``timestamps`` is (TSval, TSecr). ``sack`` holds (left, right) edges in the order of the wire. ``unknown`` keeps
    (kind, data) of options that this module does not know, in order. ``fast_open`` is (kind, cookie), for it has two
    kinds; how long a cookie may be is TCP's to judge. ``accurate_ecn`` is (kind, counters in the order of the wire).
    """

    __slots__ = (
        "accurate_ecn",
        "dense",
        "fast_open",
        "mss",
        "sack",
        "sack_permitted",
        "timestamps",
        "unknown",
        "window_scale",
    )

    def __init__(
        self,
        mss: int | None = None,
        window_scale: int | None = None,
        sack_permitted: bool = False,
        timestamps: tuple[int, int] | None = None,
        sack: tuple[tuple[int, int], ...] = (),
        unknown: tuple[tuple[int, bytes], ...] = (),
        fast_open: tuple[int, bytes] | None = None,
        accurate_ecn: tuple[int, tuple[int, ...]] | None = None,
        dense: bool = False,
    ) -> None:
        self.mss = mss
        self.window_scale = window_scale
        self.sack_permitted = sack_permitted
        self.timestamps = timestamps
        self.sack = sack
        self.unknown = unknown
        self.fast_open = fast_open
        self.accurate_ecn = accurate_ecn
        self.dense = dense
        """How to `emit` them; what is parsed does not say."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Options) and self._said() == other._said()

    def __repr__(self) -> str:
        said = [f"{name}={value!r}" for name, value in self._said().items() if value not in (None, False, ())]
        return f"Options({', '.join(said)})"

    def copy(self) -> "Options":
        """Another one that says the same."""
        return Options(
            self.mss,
            self.window_scale,
            self.sack_permitted,
            self.timestamps,
            self.sack,
            self.unknown,
            self.fast_open,
            self.accurate_ecn,
            self.dense,
        )

    def _said(self) -> dict[str, object]:
        return {
            "mss": self.mss,
            "window_scale": self.window_scale,
            "sack_permitted": self.sack_permitted,
            "timestamps": self.timestamps,
            "sack": self.sack,
            "unknown": self.unknown,
            "fast_open": self.fast_open,
            "accurate_ecn": self.accurate_ecn,
        }


def parse(data: bytes, start: int, stop: int) -> Options | None:
    """The options in ``data[start:stop]``, which lies within ``data``; None if there are none but padding.

    Options unknown, or with another length than their kind has, are skipped (MUST-6) and kept in ``unknown``; of an
    option that stands twice the last counts, as with Linux. What may stand on a segment is TCP's to judge (MUST-5).
    """
    if stop - start == TIMESTAMPS_OCTETS and data.startswith(_TIMESTAMPS_START, start):
        return Options(None, None, False, _PAIR.unpack_from(data, start + 4))
    options: Options | None = None
    at = start
    while at < stop:
        kind = data[at]
        if kind == NO_OPERATION:
            at += 1
            continue
        if kind == END:
            break
        length = data[at + 1] if at + 1 < stop else 0
        if length < 2 or at + length > stop:
            raise Malformed("TcpBadOptions")  # going on at a guess would loop or read nonsense (MUST-7)
        if options is None:
            options = Options()
        _store(options, kind, data[at + 2 : at + length])
        at += length
    return options


def _store(options: Options, kind: int, value: bytes) -> None:
    octets = len(value)
    if kind == TIMESTAMPS and octets == 8:
        options.timestamps = _PAIR.unpack(value)
    elif kind == SACK and octets and not octets & 7:
        options.sack = tuple(_PAIR.iter_unpack(value))
    elif kind == MSS and octets == 2:
        options.mss = value[0] << 8 | value[1]
    elif kind == WINDOW_SCALE and octets == 1:
        options.window_scale = value[0]
    elif kind == SACK_PERMITTED and not octets:
        options.sack_permitted = True
    elif kind in (ACCURATE_ECN_0, ACCURATE_ECN_1):
        options.accurate_ecn = (kind, _counters(value))
    elif kind == FAST_OPEN:
        options.fast_open = (kind, bytes(value))
    elif kind == EXPERIMENT and value[:2] == FAST_OPEN_MAGIC:
        options.fast_open = (kind, bytes(value[2:]))
    else:
        options.unknown += ((kind, value),)


def _counters(value: bytes) -> tuple[int, ...]:
    """Counters of 24 bits each; what is left over means nothing yet (RFC 9768 3.2.3)."""
    return tuple([int.from_bytes(value[at : at + 3], "big") for at in range(0, len(value) - 2, 3)])


def _emit_accurate_ecn(kind: int, counters: tuple[int, ...]) -> bytes:
    value = b"".join([counter.to_bytes(3, "big") for counter in counters])
    return bytes((kind, 2 + len(value))) + value


def _emit_fast_open(kind: int, cookie: bytes) -> bytes:
    """The option in either form, and no-operations up to the next word."""
    bare = _bare_fast_open(kind, cookie)
    return bare + bytes((NO_OPERATION,)) * (-len(bare) & 3)


def _bare_fast_open(kind: int, cookie: bytes) -> bytes:
    value = FAST_OPEN_MAGIC + cookie if kind == EXPERIMENT else cookie
    return bytes((kind, 2 + len(value))) + value


def find(data: bytes, start: int, stop: int, kind: int) -> int:
    """Where in ``data[start:stop]``, which `parse` has passed, the first option of ``kind`` begins; -1 if none does."""
    at = start
    while at < stop and data[at] != END:
        if data[at] == kind:
            return at
        at += 1 if data[at] == NO_OPERATION else data[at + 1]
    return -1


def sole_timestamps(options: Options) -> tuple[int, int] | None:
    """The timestamps if there is nothing else, which is what nearly every segment of a connection carries."""
    if (
        options.sack
        or options.mss is not None
        or options.window_scale is not None
        or options.sack_permitted
        or options.unknown
        or options.fast_open is not None
        or options.accurate_ecn is not None
    ):
        return None
    return options.timestamps


def emit(options: Options) -> bytes:
    """The options in Linux's order, each aligned with no-operations in front; zeros after the last (MUST-69).

    SYN: MSS, SACK permitted, timestamps, NOP, window scale, Fast Open, NOPs. Others: NOP, NOP, timestamps, NOP, NOP,
    SACK. Accurate ECN follows the timestamps; what of it hangs over a word takes the place of the next NOPs.
    If they are `Options.dense`, in that of the BSDs: MSS, NOP, window scale, SACK permitted, timestamps, with no more
    NOPs than put each where they want it. ValueError if they do not fit into the 40 octets that a header has for them.
    """
    if options.sack or options.unknown or options.fast_open is not None or options.accurate_ecn is not None:
        return _padded(_dense(options) if options.dense else _aligned(options))
    return _emit_known(options)


def _emit_known(options: Options) -> bytes:
    """What SYNs have but for rarities: all octets are known from others, except those of the timestamps."""
    stamps = options.timestamps
    said = (options.mss or 0) << 11 | (options.mss is not None) << 10 | options.dense << 9
    said |= 0 if options.window_scale is None else options.window_scale + 1
    said = said << 2 | options.sack_permitted << 1 | (stamps is not None)
    known = _KNOWN.get(said)
    if known is None:
        octets = _padded(_dense(options) if options.dense else _aligned(options))
        known = (octets, find(octets, 0, len(octets), TIMESTAMPS) + 2)
        if len(_KNOWN) < _MOST_KNOWN:
            _KNOWN[said] = known
    octets, at = known
    if stamps is None:
        return octets
    return octets[:at] + _PAIR.pack(*stamps) + octets[at + 8 :]


def _aligned(options: Options) -> bytes:
    pieces: list[bytes] = []
    if options.mss is not None:
        pieces.append(b"\x02\x04" + _HALF.pack(options.mss))
    if options.timestamps is not None:
        word = (
            0x0402080A if options.sack_permitted else TIMESTAMPS_WORD
        )  # SACK permitted takes the place of the padding
        pieces.append(_ALIGNED_TIMESTAMPS.pack(word, *options.timestamps))
    rest = b""
    if options.accurate_ecn is not None:
        octets, rest = _overhang(_emit_accurate_ecn(*options.accurate_ecn))
        pieces.append(octets)
    if options.sack_permitted and options.timestamps is None:
        pieces.append((rest or _PADDING) + b"\x04\x02")
        rest = b""
    if options.window_scale is not None:
        lead, rest = _first_of(rest)
        pieces.append(lead + bytes((WINDOW_SCALE, 3, options.window_scale)))
    if options.sack:
        pieces.append((rest or _PADDING) + bytes((SACK, 2 + 8 * len(options.sack))))
        pieces.extend(_PAIR.pack(left, right) for left, right in options.sack)
    elif rest:
        pieces.append(rest + _PADDING)
    if options.fast_open is not None:
        pieces.append(_emit_fast_open(*options.fast_open))
    unknown = _signature_and_others(options.unknown)
    return unknown[0] + b"".join(pieces) + unknown[1]


def _signature_and_others(unknown: tuple[tuple[int, bytes], ...]) -> tuple[bytes, bytes]:
    """A signature stands in front of everything else (Linux), what is not known behind it."""
    signature = others = b""
    for kind, value in unknown:
        octets = bytes((kind, 2 + len(value))) + value
        if kind == MD5_SIGNATURE:
            signature += _PADDING + octets
        else:
            others += octets
    return signature, others


def _overhang(octets: bytes) -> tuple[bytes, bytes]:
    """An option's whole words, padded if just one octet is missing; and its rest, if there is one, as half a word."""
    over = len(octets) & 3
    if over in (0, 3):
        return octets.ljust(len(octets) + 3 & ~3, _PADDING[:1]), b""
    whole = len(octets) - over
    return octets[:whole], octets[whole:].ljust(2, _PADDING[:1])


def _first_of(rest: bytes) -> tuple[bytes, bytes]:
    """What stands in front of an option of three octets, and the rest that is left: kind and length stay together."""
    return (rest[:1], b"") if rest[1:] == _PADDING[:1] else (_PADDING[:1], rest)


def _dense(options: Options) -> bytes:
    """The order of 4.4BSD; timestamps and SACK lie two octets behind a word's border, and their values on one."""
    octets = b""
    if options.mss is not None:
        octets += b"\x02\x04" + _HALF.pack(options.mss)
    if options.window_scale is not None:
        octets += bytes((NO_OPERATION, WINDOW_SCALE, 3, options.window_scale))
    if options.sack_permitted:
        octets += bytes((SACK_PERMITTED, 2))
    if options.timestamps is not None:
        octets = _behind_border(octets) + bytes((TIMESTAMPS, 10)) + _PAIR.pack(*options.timestamps)
    signature, others = _signature_and_others(options.unknown)
    if signature:
        octets = _behind_border(octets) + signature[len(_PADDING) :]
    if options.sack:
        octets = _behind_border(octets) + bytes((SACK, 2 + 8 * len(options.sack)))
        octets += b"".join([_PAIR.pack(left, right) for left, right in options.sack])
    if options.fast_open is not None:
        octets += _bare_fast_open(*options.fast_open)
    if options.accurate_ecn is not None:
        octets += _emit_accurate_ecn(*options.accurate_ecn)
    return octets + others


def _behind_border(octets: bytes) -> bytes:
    return octets + bytes((NO_OPERATION,)) * (2 - len(octets) & 3)


def _padded(octets: bytes) -> bytes:
    if len(octets) > MAXIMUM_OCTETS:
        raise ValueError(f"a TCP header holds {MAXIMUM_OCTETS} octets of options, not {len(octets)}")
    return octets + bytes(-len(octets) & 3)


def length(options: Options | None) -> int:
    """How many octets of a header the options take, padding included."""
    if options is None:
        return 0
    if options.dense or options.accurate_ecn is not None:
        return len(_dense(options) if options.dense else _aligned(options)) + 3 & ~3
    octets = 0
    if options.mss is not None:
        octets += 4
    if options.timestamps is not None:
        octets += TIMESTAMPS_OCTETS
    elif options.sack_permitted:
        octets += 4
    if options.window_scale is not None:
        octets += 4
    if options.sack:
        octets += 4 + 8 * len(options.sack)
    if options.fast_open is not None:
        octets += len(_emit_fast_open(*options.fast_open))
    for kind, value in options.unknown:
        octets += 2 + len(value) + (len(_PADDING) if kind == MD5_SIGNATURE else 0)
    return octets + 3 & ~3
