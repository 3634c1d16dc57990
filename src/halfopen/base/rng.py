"""Randomness is an argument: who needs some is handed an `Rng`.

The core imports this module only. The generator that reads the operating system's entropy stands apart, in
`halfopen.base.entropy`, so that the import graph shows who can roll real dice.
"""

from abc import ABC, abstractmethod
from hashlib import blake2b

from halfopen.base.native import mypyc_attr


@mypyc_attr(allow_interpreted_subclasses=True)
class Rng(ABC):
    """A source of random octets; every other kind of draw is derived from them."""

    @abstractmethod
    def octets(self, count: int) -> bytes:
        """``count`` random octets."""

    def below(self, limit: int) -> int:
        """A uniform integer in ``[0, limit)``, without modulo bias; ``limit`` is at least 1."""
        if limit < 1:
            raise ValueError(f"below() takes a limit of at least 1, not {limit}")
        width = (limit.bit_length() + 7) // 8
        ceiling = (256**width // limit) * limit
        while True:
            draw = int.from_bytes(self.octets(width), "big")
            if draw < ceiling:
                return draw % limit

    def uniform(self) -> float:
        """A uniform float in ``[0, 1)`` with 53 random bits."""
        return (int.from_bytes(self.octets(7), "big") >> 3) / 9007199254740992.0

    def fork(self, name: str) -> "Rng":
        """A generator for the part called ``name``: this one, unless another's draws can be told from its own."""
        return self


class SeededRng(Rng):
    """The same seed, the same octets: on every machine, interpreter and version (BLAKE2b in counter mode).

    ``seed`` is any text, octets or integer. `fork` gives an independent stream by name, so that one part's draws do not
    shift another's.
    """

    __slots__ = ("_block", "_counter", "_key")

    def __init__(self, seed: int | str | bytes) -> None:
        material = seed if isinstance(seed, bytes) else f"{type(seed).__name__}:{seed}".encode()
        self._key = blake2b(material, digest_size=32, person=b"halfopen rng").digest()
        self._counter = 0
        self._block = b""

    def octets(self, count: int) -> bytes:
        """The next ``count`` octets of the stream."""
        missing = count - len(self._block)
        if missing > 0:
            first, self._counter = self._counter, self._counter + (missing + 63) // 64
            blocks = [
                blake2b(number.to_bytes(8, "big"), key=self._key).digest() for number in range(first, self._counter)
            ]
            self._block += b"".join(blocks)
        drawn, self._block = self._block[:count], self._block[count:]
        return drawn

    def fork(self, name: str) -> "SeededRng":
        """An independent generator for the part called ``name``; drawing from it does not advance this one."""
        return SeededRng(self._key + name.encode())
