"""SipHash-2-4 (Aumasson, Bernstein 2012): a keyed hash of short inputs, where others have to compute the same."""

from struct import Struct
from typing import Final

KEY_OCTETS: Final = 16

_MASK: Final = (1 << 64) - 1
_KEY: Final = Struct("<QQ")
_WORD: Final = Struct("<Q")
_START: Final = (0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573)
"""ASCII "somepseudorandomlygeneratedbytes"."""


def siphash(key: bytes, data: bytes) -> int:
    """64 bits of ``data`` under 16 octets of ``key``."""
    low, high = _KEY.unpack(key)
    state: list[int] = [start ^ half for start, half in zip(_START, (low, high, low, high), strict=True)]
    padded = data + bytes(7 - len(data) % 8) + bytes((len(data) & 0xFF,))
    for (word,) in _WORD.iter_unpack(padded):
        state[3] ^= word
        _mix(state, 2)
        state[0] ^= word
    state[2] ^= 0xFF
    _mix(state, 4)
    a, b, c, d = state
    return a ^ b ^ c ^ d


def _mix(state: list[int], rounds: int) -> None:
    """SipRound, some times."""
    a, b, c, d = state
    for _ in range(rounds):
        a = (a + b) & _MASK
        c = (c + d) & _MASK
        b = _rotate(b, 13) ^ a
        d = _rotate(d, 16) ^ c
        a = (_rotate(a, 32) + d) & _MASK
        c = (c + b) & _MASK
        d = _rotate(d, 21) ^ a
        b = _rotate(b, 17) ^ c
        c = _rotate(c, 32)
    state[:] = a, b, c, d


def _rotate(word: int, bits: int) -> int:
    return (word << bits | word >> 64 - bits) & _MASK
