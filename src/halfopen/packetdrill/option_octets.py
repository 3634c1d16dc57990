"""TCP options of a script as octets in a header, and octets as a script would write them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from struct import Struct
from typing import TypeAlias

from halfopen.packetdrill.mapping import Unmapped
from halfopen.packetdrill.script import Option
from halfopen.packetdrill.signing import DIGEST_OCTETS
from halfopen.wire import tcp_options

FAST_OPEN = 34
"""RFC 7413 4.1.1."""
ACCURATE_ECN_0 = 172
"""Accurate ECN, order 0 (RFC 9768 3.2.3): e0b, ceb, e1b."""
ACCURATE_ECN_1 = 174
EXPERIMENT = 254
"""RFC 4727, shared by magic numbers (RFC 6994)."""
FAST_OPEN_MAGIC = b"\xf9\x89"

_HALF = Struct("!H")
_WORD = Struct("!I")
_PAIR = Struct("!II")

Edge: TypeAlias = Callable[[int], int]
"""From a SACK edge of the script to the wire's, or back."""


@dataclass(slots=True, frozen=True)
class Encoded:
    """The options of one line; ``timestamps`` is where in ``octets`` the two values lie, -1 if nowhere."""

    octets: bytes
    timestamps: int
    words: tuple[str, ...] = ()
    """What else is said of the timestamps (`Option.words`)."""
    digest: int = -1
    """Where the digest of ``md5 valid`` belongs."""


def encode(options: Sequence[Option], edge: Edge, times: tuple[int, int] | None = None) -> Encoded:
    """The options in order, nothing added; ``times`` stand in for the timestamps as written."""
    pieces: list[bytes] = []
    at = 0
    timestamps = digest = -1
    words: tuple[str, ...] = ()
    for option in options:
        if option.name == "md5" and "valid" in option.words:
            digest = at + 2
        if option.name == "TS":
            timestamps = at + 2
            words = option.words
            value, echo = times or option.numbers
            piece = _option(tcp_options.TIMESTAMPS, _PAIR.pack(value, echo))
        else:
            piece = _encode(option, edge)
        pieces.append(piece)
        at += len(piece)
    octets = b"".join(pieces)
    if at > tcp_options.MAXIMUM_OCTETS or at & 3:
        raise Unmapped(f"the options take {at} octets: a header has room for whole words, at most 40 octets")
    return Encoded(octets, timestamps, words, digest)


def _option(kind: int, data: bytes) -> bytes:
    return bytes((kind, 2 + len(data))) + data


def _encode(option: Option, edge: Edge) -> bytes:
    numbers = option.numbers
    match option.name:
        case "nop":
            return bytes((tcp_options.NO_OPERATION,))
        case "eol":
            return bytes((tcp_options.END,))
        case "mss":
            return _option(tcp_options.MSS, _HALF.pack(numbers[0]))
        case "wscale":
            return _option(tcp_options.WINDOW_SCALE, bytes(numbers))
        case "sackOK":
            return _option(tcp_options.SACK_PERMITTED, b"")
        case "sack":
            return _option(tcp_options.SACK, b"".join(_WORD.pack(edge(number)) for number in numbers))
        case _:
            return _encode_rare(option)


def _encode_rare(option: Option) -> bytes:
    octets = option.octets
    match option.name:
        case "md5":
            return _option(tcp_options.MD5_SIGNATURE, octets or bytes(DIGEST_OCTETS))
        case "FO":
            return _option(FAST_OPEN, octets)
        case "FOEXP":
            return _option(EXPERIMENT, FAST_OPEN_MAGIC + octets)
        case "exp":
            magic = option.numbers[0]
            return _option(EXPERIMENT, magic.to_bytes(2 if magic <= 0xFFFF else 4, "big") + octets)
        case "gen":
            return _option(option.numbers[0], octets)
        case "raw":
            return octets
        case "ECN":
            kind = ACCURATE_ECN_1 if option.words[:1] == ("e1b",) else ACCURATE_ECN_0
            return _option(kind, b"".join(number.to_bytes(3, "big") for number in option.numbers))
        case _:
            raise Unmapped(f"the option {option.name} {' '.join(option.words)}".rstrip() + " cannot be made")


def describe(octets: bytes, edge: Edge, times: Callable[[int, int], str]) -> str:
    """Options as a script writes them; ``times`` writes the two timestamps."""
    words: list[str] = []
    at = 0
    while at < len(octets):
        kind = octets[at]
        length = 1 if kind <= tcp_options.NO_OPERATION else octets[at + 1] if at + 1 < len(octets) else 0
        if not length or at + length > len(octets):
            words.append(octets[at:].hex())
            break
        words.append(_describe(kind, octets[at + 2 : at + length], edge, times))
        at += length
    return ",".join(words)


_BARE = {tcp_options.END: "eol", tcp_options.NO_OPERATION: "nop", tcp_options.SACK_PERMITTED: "sackOK"}
_HEXADECIMAL = {tcp_options.MD5_SIGNATURE: "md5", FAST_OPEN: "FO", EXPERIMENT: "exp"}
_COUNTERS = {ACCURATE_ECN_0: ("e0b", "ceb", "e1b"), ACCURATE_ECN_1: ("e1b", "ceb", "e0b")}


def _describe(kind: int, data: bytes, edge: Edge, times: Callable[[int, int], str]) -> str:
    if kind in _BARE:
        return _BARE[kind]
    match kind, len(data):
        case tcp_options.MSS, 2:
            return f"mss {_HALF.unpack(data)[0]}"
        case tcp_options.WINDOW_SCALE, 1:
            return f"wscale {data[0]}"
        case tcp_options.TIMESTAMPS, 8:
            return times(*_PAIR.unpack(data))
        case tcp_options.SACK, octets if octets and not octets & 7:
            blocks = (f"{edge(left)}:{edge(right)}" for left, right in _PAIR.iter_unpack(data))
            return "sack " + " ".join(blocks)
        case ((172 | 174), octets) if octets % 3 == 0:
            values = (int.from_bytes(data[at : at + 3], "big") for at in range(0, octets, 3))
            return " ".join(("ECN", *(f"{name} {value}" for name, value in zip(_COUNTERS[kind], values, strict=False))))
        case _:
            name = _HEXADECIMAL.get(kind, f"gen-{kind}")
            return f"{name} {data.hex()}".rstrip()
