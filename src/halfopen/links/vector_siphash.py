"""SipHash-2-4 of thousands of short inputs at once, equal to `halfopen.tcp.siphash` for each.

The four words of state are two pairs of rows, so that each step of SipRound is one instruction for a pair:

    sums  a c        a += b, c += d        then        a += d, c += b
    mixes b d        rotated, ^= a, c                  rotated, ^= c, a
"""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from halfopen.tcp.siphash import KEY_OCTETS

Words: TypeAlias = npt.NDArray[np.uint64]

_START = np.array((0x736F6D6570736575, 0x6C7967656E657261, 0x646F72616E646F6D, 0x7465646279746573), np.uint64)
"""a, c, b, d of "somepseudorandomlygeneratedbytes"."""
_HALF = np.uint64(32)
_FINAL = np.uint64(0xFF)
_FIRST = np.array(((13,), (16,)), np.uint64)
_SECOND = np.array(((17,), (21,)), np.uint64)
_WHOLE = np.uint64(64)


class VectorSipHash:
    """SipHash under one key of 16 octets."""

    __slots__ = ("_start",)

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_OCTETS:
            raise ValueError(f"a key of SipHash has {KEY_OCTETS} octets, not {len(key)}")
        low, high = np.frombuffer(key, "<u8")
        self._start = _START ^ np.array((low, low, high, high), np.uint64)

    def hash(self, words: Sequence[Words]) -> Words:
        """64 bits for each input; ``words[i]`` holds the words ``i`` of all, the last with its length in the top octet.

        A word that all inputs share may be an array of one.
        """
        count = max(len(word) for word in words)
        sums, mixes, scratch = (np.empty((2, count), np.uint64) for _ in range(3))
        sums[:] = self._start[:2, None]
        mixes[:] = self._start[2:, None]
        for word in words:
            mixes[1] ^= word
            _mix(sums, mixes, scratch, 2)
            sums[0] ^= word
        sums[1] ^= _FINAL
        _mix(sums, mixes, scratch, 4)
        sums ^= mixes
        first: Words = sums[0]
        first ^= sums[1]
        return first


def _mix(sums: Words, mixes: Words, scratch: Words, rounds: int) -> None:
    """SipRound, some times."""
    a, c = sums
    crossed_sums, crossed_mixes = sums[::-1], mixes[::-1]
    for _ in range(rounds):
        sums += mixes
        _rotate(mixes, _FIRST, scratch)
        mixes ^= sums
        _rotate(a, _HALF, scratch[0])
        sums += crossed_mixes
        _rotate(mixes, _SECOND, scratch)
        mixes ^= crossed_sums
        _rotate(c, _HALF, scratch[0])


def _rotate(words: Words, bits: Words | np.uint64, scratch: Words) -> None:
    np.left_shift(words, bits, out=scratch)
    np.right_shift(words, _WHOLE - bits, out=words)
    np.bitwise_or(words, scratch, out=words)
