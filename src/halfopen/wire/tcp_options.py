"""TCP options (RFC 9293 3.2; RFC 7323, RFC 2018)."""

from dataclasses import dataclass
from struct import Struct

from halfopen.base.errors import Malformed

END = 0
NO_OPERATION = 1
MSS = 2
WINDOW_SCALE = 3
SACK_PERMITTED = 4
SACK = 5
TIMESTAMPS = 8
MD5_SIGNATURE = 19
"""RFC 2385; this and the next stay in `Options.unknown`: who authenticates needs their place in the header anyway."""
AUTHENTICATION = 29
"""TCP-AO (RFC 5925 2.2)."""

MAXIMUM_OCTETS = 40
TIMESTAMPS_OCTETS = 12
"""The timestamps option as everybody sends it: behind two no-operations, so that its values lie on word borders."""
TIMESTAMPS_WORD = 0x0101080A
"""The first word of those 12 octets (RFC 7323 appendix A)."""

_TIMESTAMPS_START = TIMESTAMPS_WORD.to_bytes(4, "big")
_PAIR = Struct("!II")
_HALF = Struct("!H")
_ALIGNED_TIMESTAMPS = Struct("!III")


@dataclass(slots=True, eq=True)
class Options:
    """What the options of one segment said; a field that was absent is None (or empty, or False).

    ``timestamps`` is (TSval, TSecr). ``sack`` holds (left, right) edges in the order of the wire. ``unknown`` keeps
    (kind, data) of options that this module does not know, in order.
    """

    mss: int | None = None
    window_scale: int | None = None
    sack_permitted: bool = False
    timestamps: tuple[int, int] | None = None
    sack: tuple[tuple[int, int], ...] = ()
    unknown: tuple[tuple[int, bytes], ...] = ()


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
    else:
        options.unknown += ((kind, value),)


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
    ):
        return None
    return options.timestamps


def emit(options: Options) -> bytes:
    """The options in Linux's order, each aligned with no-operations in front; zeros after the last (MUST-69).

    SYN: MSS, SACK permitted, timestamps, NOP, window scale. Others: NOP, NOP, timestamps, NOP, NOP, SACK.
    ValueError if they do not fit into the 40 octets that a header has for them.
    """
    pieces: list[bytes] = []
    if options.mss is not None:
        pieces.append(b"\x02\x04" + _HALF.pack(options.mss))
    if options.timestamps is not None:
        word = (
            0x0402080A if options.sack_permitted else TIMESTAMPS_WORD
        )  # SACK permitted takes the place of the padding
        pieces.append(_ALIGNED_TIMESTAMPS.pack(word, *options.timestamps))
    elif options.sack_permitted:
        pieces.append(b"\x01\x01\x04\x02")
    if options.window_scale is not None:
        pieces.append(bytes((NO_OPERATION, WINDOW_SCALE, 3, options.window_scale)))
    if options.sack:
        pieces.append(bytes((NO_OPERATION, NO_OPERATION, SACK, 2 + 8 * len(options.sack))))
        pieces.extend(_PAIR.pack(left, right) for left, right in options.sack)
    pieces.extend(bytes((kind, 2 + len(value))) + value for kind, value in options.unknown)
    octets = b"".join(pieces)
    if len(octets) > MAXIMUM_OCTETS:
        raise ValueError(f"a TCP header holds {MAXIMUM_OCTETS} octets of options, not {len(octets)}")
    return octets + bytes(-len(octets) & 3)


def length(options: Options | None) -> int:
    """How many octets of a header the options take, padding included."""
    if options is None:
        return 0
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
    for _, value in options.unknown:
        octets += 2 + len(value)
    return octets + 3 & ~3
