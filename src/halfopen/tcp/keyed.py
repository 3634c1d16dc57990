"""Keyed hashes (MACs) that put 32 bits where nobody outside shall foresee them: cookies, clocks' offsets."""

from abc import ABC, abstractmethod
from hashlib import blake2s
from typing import Final

from halfopen.base.errors import ConfigError
from halfopen.tcp.seqnum import MASK
from halfopen.tcp.siphash import KEY_OCTETS, siphash

SECRET_OCTETS: Final = 32
"""What either takes at most."""

KEYED_HASHES: Final = ("blake2s", "siphash")
"""BLAKE2s is what the interpreter has in C; SipHash-2-4 is what can be computed for thousands of packets at once."""


class KeyedHash(ABC):
    """One key; what it is for is in it, so that a hash for one purpose says nothing of another."""

    __slots__ = ()

    @abstractmethod
    def word(self, data: bytes) -> int:
        """32 bits of ``data``."""


class Blake2s(KeyedHash):
    """BLAKE2s (RFC 7693) with the key and the person of its parameter block."""

    __slots__ = ("_keyed",)

    def __init__(self, secret: bytes, purpose: bytes) -> None:
        self._keyed = blake2s(key=secret, digest_size=4, person=purpose)

    def word(self, data: bytes) -> int:
        """The digest."""
        keyed = self._keyed.copy()
        keyed.update(data)
        return int.from_bytes(keyed.digest(), "big")


class SipHash(KeyedHash):
    """The low half of SipHash-2-4; ``key`` is for who computes the same elsewhere."""

    __slots__ = ("key",)

    def __init__(self, secret: bytes, purpose: bytes) -> None:
        derived = blake2s(purpose, key=secret, digest_size=KEY_OCTETS)
        self.key = derived.digest()

    def word(self, data: bytes) -> int:
        """Its low 32 bits."""
        return siphash(self.key, data) & MASK


def make_keyed(name: str, secret: bytes, purpose: bytes) -> KeyedHash:
    """The hash of `KEYED_HASHES` with that name, under ``secret`` (16 to 32 octets), for one ``purpose``."""
    if name == "blake2s":
        return Blake2s(secret, purpose)
    if name == "siphash":
        return SipHash(secret, purpose)
    raise ConfigError(f"there is no keyed hash {name!r}: expected one of {', '.join(KEYED_HASHES)}")
