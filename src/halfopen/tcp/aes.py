"""AES-128 (FIPS 197) and the message authentication code made of it, AES-CMAC (RFC 4493): what RFC 5926 needs of both.

Written to be read: it encrypts only, some ten thousand blocks a second. Its look-ups take a time that depends on the
caches, and so, a little, on the key: who fears a neighbour on the same machine takes HMAC-SHA-1-96 instead.
"""

from collections.abc import Sequence
from struct import Struct
from typing import Final

BLOCK_OCTETS: Final = 16
KEY_OCTETS: Final = 16

_ROUNDS: Final = 10
_SUBSTITUTE: Final = bytes.fromhex(
    "637c777bf26b6fc53001672bfed7ab76ca82c97dfa5947f0add4a2af9ca472c0"
    "b7fd9326363ff7cc34a5e5f171d8311504c723c31896059a071280e2eb27b275"
    "09832c1a1b6e5aa0523bd6b329e32f8453d100ed20fcb15b6acbbe394a4c58cf"
    "d0efaafb434d338545f9027f503c9fa851a3408f929d38f5bcb6da2110fff3d2"
    "cd0c13ec5f974417c4a77e3d645d197360814fdc222a908846eeb814de5e0bdb"
    "e0323a0a4906245cc2d3ac629195e479e7c8376d8dd54ea96c56f4ea657aae08"
    "ba78252e1ca6b4c6e8dd741f4bbd8b8a703eb5664803f60e613557b986c11d9e"
    "e1f8981169d98e949b1e87e9ce5528df8ca1890dbfe6426841992d0fb054bb16"
)
"""SBox (FIPS 197 5.1.1)."""
_DOUBLE: Final = bytes((octet << 1) ^ (0x11B if octet & 0x80 else 0) for octet in range(256))
"""xTimes: each octet times {02} in GF(2^8) (FIPS 197 4.2)."""
_WORDS: Final = Struct("!4I")
_WORD_MASK: Final = 0xFFFFFFFF
_LAST_BIT: Final = 0x87
"""const_Rb (RFC 4493 2.3)."""


def _substitute(word: int) -> int:
    """SubWord (FIPS 197 5.2)."""
    return int.from_bytes(word.to_bytes(4, "big").translate(_SUBSTITUTE), "big")


def _rotate(word: int, bits: int) -> int:
    return (word << bits | word >> 32 - bits) & _WORD_MASK


def _mix(word: int) -> int:
    """MixColumns for one column: each octet becomes {02} a + {03} b + c + d (FIPS 197 5.1.3)."""
    doubled = int.from_bytes(word.to_bytes(4, "big").translate(_DOUBLE), "big")
    return doubled ^ _rotate(word ^ doubled, 8) ^ _rotate(word, 16) ^ _rotate(word, 24)


class Aes128:
    """The block cipher with one key, in the direction of encryption."""

    __slots__ = ("_round_keys",)

    def __init__(self, key: bytes) -> None:
        self._round_keys = _expand(key)

    def encrypt(self, block: bytes) -> bytes:
        """Cipher (FIPS 197 5.1), a column of the state in each word."""
        first, *middle, last = self._round_keys
        state: Sequence[int] = _add(_WORDS.unpack(block), first)
        for round_key in middle:
            state = _add([_mix(word) for word in _shift(state)], round_key)
        return _WORDS.pack(*_add(_shift(state), last))


def _add(state: Sequence[int], round_key: Sequence[int]) -> list[int]:
    """AddRoundKey (FIPS 197 5.1.4)."""
    return [word ^ key for word, key in zip(state, round_key, strict=True)]


def _shift(state: Sequence[int]) -> list[int]:
    """SubBytes, and ShiftRows: row n moves n columns to the left (FIPS 197 5.1.1, 5.1.2)."""
    octets = _WORDS.pack(*state).translate(_SUBSTITUTE)
    return list(_WORDS.unpack(bytes([octets[5 * at % BLOCK_OCTETS] for at in range(BLOCK_OCTETS)])))


def _expand(key: bytes) -> list[list[int]]:
    """KeyExpansion: a round key for the start and one for each round (FIPS 197 5.2)."""
    words = list(_WORDS.unpack(key))
    constant = 1
    for at in range(4, 4 * (_ROUNDS + 1)):
        word = words[-1]
        if at % 4 == 0:
            word = _substitute(_rotate(word, 8)) ^ constant << 24
            constant = _DOUBLE[constant]
        words.append(words[-4] ^ word)
    return [words[at : at + 4] for at in range(0, len(words), 4)]


def cmac(key: bytes, message: bytes) -> bytes:
    """AES-CMAC, 16 octets (RFC 4493 2.4)."""
    cipher = Aes128(key)
    whole = max(0, len(message) - 1) // BLOCK_OCTETS * BLOCK_OCTETS
    chain = bytes(BLOCK_OCTETS)
    for at in range(0, whole, BLOCK_OCTETS):
        chain = cipher.encrypt(_xor(chain, message[at : at + BLOCK_OCTETS]))
    last = message[whole:]
    subkey = _next_subkey(cipher.encrypt(bytes(BLOCK_OCTETS)))
    if len(last) < BLOCK_OCTETS:
        subkey = _next_subkey(subkey)
        last = (last + b"\x80").ljust(BLOCK_OCTETS, b"\0")
    return cipher.encrypt(_xor(_xor(chain, last), subkey))


def _next_subkey(block: bytes) -> bytes:
    """K1 of the encrypted zeros, K2 of K1 (RFC 4493 2.3)."""
    number = int.from_bytes(block, "big") << 1
    if number >> 128:
        number ^= 1 << 128 | _LAST_BIT
    return number.to_bytes(BLOCK_OCTETS, "big")


def _xor(left: bytes, right: bytes) -> bytes:
    return (int.from_bytes(left, "big") ^ int.from_bytes(right, "big")).to_bytes(BLOCK_OCTETS, "big")
