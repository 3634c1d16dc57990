"""The options of many SYNs at once, equal to what `halfopen.wire.tcp_options` makes of each (RFC 9293 3.2)."""

from typing import Final

import numpy as np

from halfopen.links.syn_columns import OPTIONS_AT, Mask, Places, Segments, Words
from halfopen.wire.tcp_options import (
    AUTHENTICATION,
    END,
    EXPERIMENT,
    FAST_OPEN,
    MD5_SIGNATURE,
    MSS,
    NO_OPERATION,
    SACK_PERMITTED,
    TIMESTAMPS,
    WINDOW_SCALE,
)

NO_SCALE: Final = 0xFF
NO_MSS: Final = 0x10000
FOREIGN: Final = (AUTHENTICATION, EXPERIMENT, FAST_OPEN, MD5_SIGNATURE)
"""They change what the answer is: such a SYN is the stack's."""

_LINUX_WORDS: Final = 10
"""Of the header: MSS, SACK permitted, timestamps, no-operation, window scale."""
_LINUX_FIRST: Final = 0x0402
_LINUX_SECOND: Final = 0x0A080204
_LINUX_LAST: Final = 0x030301


class SynOptions:
    """A row each; ``mss`` and ``scale`` are `NO_MSS` and `NO_SCALE` where the option is absent.

    ``stamp`` is TSval as it stands in the packet. Where not ``is_plain`` the options are bad, or the stack's to judge.
    """

    __slots__ = ("has_stamps", "is_plain", "mss", "sack", "scale", "stamp")

    def __init__(self, count: int) -> None:
        self.mss: Words = np.full(count, NO_MSS, np.uint32)
        self.scale: Words = np.full(count, NO_SCALE, np.uint32)
        self.sack: Mask = np.zeros(count, np.bool_)
        self.has_stamps: Mask = np.zeros(count, np.bool_)
        self.stamp: Words = np.zeros(count, np.uint32)
        self.is_plain: Mask = np.ones(count, np.bool_)

    def at(self, rows: Places | slice) -> "SynOptions":
        """Some of the rows."""
        some = SynOptions(0)
        for name in self.__slots__:
            setattr(some, name, getattr(self, name)[rows])
        return some


def parse(segments: Segments) -> SynOptions:
    """Those of Linux, whose layout is fixed, by their words, all others octet by octet."""
    found = SynOptions(len(segments))
    rest = np.ones(len(segments), np.bool_)
    if segments.header_words == _LINUX_WORDS:
        first, last = segments.column(OPTIONS_AT), segments.column(OPTIONS_AT + 4)
        is_linux: Mask = first & 0xFFFF == _LINUX_FIRST
        is_linux &= segments.column(OPTIONS_AT + 1) == _LINUX_SECOND
        is_linux &= last & 0xFFFFFF == _LINUX_LAST
        found.mss[:] = first.byteswap() & 0xFFFF
        found.scale[:] = last >> 24
        found.stamp[:] = segments.column(OPTIONS_AT + 2)
        found.sack[:] = found.has_stamps[:] = True
        rest = ~is_linux
    if rest.any():
        _parse_slowly(segments, found, np.flatnonzero(rest))
    return found


def _parse_slowly(segments: Segments, found: SynOptions, rows: Places) -> None:
    """One option of each of ``rows`` after the other."""
    octets = segments.frames.octets
    found.mss[rows], found.scale[rows] = NO_MSS, NO_SCALE
    found.sack[rows] = found.has_stamps[rows] = False
    at = (segments.places[rows] + OPTIONS_AT) * 4
    stop = at + 4 * (segments.header_words - 5)
    while True:
        kind = octets.take(at, mode="clip")
        goes_on = (at < stop) & (kind != END)
        if not goes_on.all():
            rows, at, stop, kind = rows[goes_on], at[goes_on], stop[goes_on], kind[goes_on]
        if not len(rows):
            return
        is_short = kind == NO_OPERATION
        length = np.where(is_short, 1, octets.take(at + 1, mode="clip").astype(np.intp))
        is_good = is_short | ((at + 1 < stop) & (length >= 2) & (at + length <= stop) & ~np.isin(kind, FOREIGN))
        found.is_plain[rows[~is_good]] = False
        rows, at, stop = rows[is_good], at[is_good], stop[is_good]
        kind, length = kind[is_good], length[is_good]
        _store(segments, found, rows, at, kind.astype(np.intp) << 8 | length)
        at = at + length


def _store(segments: Segments, found: SynOptions, rows: Places, at: Places, shape: Places) -> None:
    """What an option with one of the shapes that we know says: its kind, and its length."""
    octets = segments.frames.octets
    chosen = np.flatnonzero(shape == (MSS << 8 | 4))
    if len(chosen):
        value = at[chosen] + 2
        found.mss[rows[chosen]] = octets[value].astype(np.uint32) << 8 | octets[value + 1]
    chosen = np.flatnonzero(shape == (WINDOW_SCALE << 8 | 3))
    if len(chosen):
        found.scale[rows[chosen]] = octets[at[chosen] + 2]
    found.sack[rows[shape == (SACK_PERMITTED << 8 | 2)]] = True
    chosen = np.flatnonzero(shape == (TIMESTAMPS << 8 | 10))
    if len(chosen):
        value = at[chosen] + 2
        stamp = np.zeros(len(chosen), np.uint32)
        for place in range(4):
            stamp |= octets[value + place].astype(np.uint32) << (8 * place)
        found.has_stamps[rows[chosen]] = True
        found.stamp[rows[chosen]] = stamp
