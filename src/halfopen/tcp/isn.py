"""Initial sequence numbers (RFC 9293 3.4.1, RFC 6528)."""

from abc import ABC, abstractmethod
from hashlib import blake2s
from typing import Final

from halfopen.base.clock import MICROSECOND, Duration, Instant
from halfopen.base.errors import ConfigError
from halfopen.base.native import mypyc_attr
from halfopen.base.rng import Rng
from halfopen.tcp.seqnum import wrap

TICK: Final[Duration] = 4 * MICROSECOND
"""The ISN clock: 2^32 ticks are 4.77 hours (RFC 9293 3.4.1, MUST-8)."""


@mypyc_attr(allow_interpreted_subclasses=True)
class IsnGenerator(ABC):
    """Chooses ISS for a new connection."""

    __slots__ = ()

    @abstractmethod
    def next(self, flow: bytes, now: Instant) -> int:
        """An initial sequence number in [0, 2^32) for the connection that ``flow`` identifies.

        ``flow`` is addresses and ports as in a packet from the peer, for active opens too: one tuple, one flow.
        """

    def least(self, flow: bytes) -> int | None:
        """What another source's number for ``flow`` may not lie below; None: any will do."""
        return None


class Rfc6528Isn(IsnGenerator):
    """ISN = M + F(localip, localport, remoteip, remoteport, secretkey) (RFC 6528 3, SHLD-1).

    M is the 4 us clock; F is BLAKE2s under ``secret``, 16 to 32 octets that nobody outside can know (MUST-9). Numbers
    of one tuple rise with time, so that a new incarnation starts above the old one; those of two tuples say nothing
    of each other.
    """

    __slots__ = ("_keyed",)

    def __init__(self, secret: bytes) -> None:
        if not 16 <= len(secret) <= 32:
            raise ConfigError(f"the secret for initial sequence numbers has 16 to 32 octets, not {len(secret)}")
        self._keyed = blake2s(key=secret, digest_size=4, person=b"tcp isn")

    def next(self, flow: bytes, now: Instant) -> int:
        """M + F."""
        digest = self._keyed.copy()
        digest.update(flow)
        return wrap(int.from_bytes(digest.digest(), "big") + now // TICK)


class RandomIsn(IsnGenerator):
    """A uniform number per connection, as OpenBSD: shows no clock to anybody.

    # Deviation: nothing rises with time (MUST-8), so TIME-WAIT and timestamps alone keep incarnations apart.
    """

    __slots__ = ("_rng",)

    def __init__(self, rng: Rng) -> None:
        self._rng = rng

    def next(self, flow: bytes, now: Instant) -> int:
        """32 bits of randomness."""
        return int.from_bytes(self._rng.octets(4), "big")


@mypyc_attr(allow_interpreted_subclasses=True)
class FixedIsn(IsnGenerator):
    """The given numbers one after the other, the last one for ever: for tests, where they are to be foreseen."""

    __slots__ = ("_numbers", "_used")

    def __init__(self, first: int, *more: int) -> None:
        self._numbers = (first, *more)
        self._used = 0

    def next(self, flow: bytes, now: Instant) -> int:
        """The next one of the list."""
        number = self._numbers[min(self._used, len(self._numbers) - 1)]
        self._used += 1
        return wrap(number)
