"""Historic generators of initial sequence numbers, each with the flaw that made it famous.

They refuse to work anywhere but in the simulated network: on a real one they would hand connections to whoever asks.
"""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from hashlib import blake2s
from random import Random
from typing import ClassVar

from halfopen.base.clock import MICROSECOND, MILLISECOND, SECOND, Duration, Instant
from halfopen.base.rng import Rng
from halfopen.lab.permit import SIMULATION_ONLY
from halfopen.tcp.isn import IsnGenerator, RandomIsn, Rfc6528Isn
from halfopen.tcp.seqnum import MASK

SLOW_TICK: Duration = 500 * MILLISECOND
"""PR_SLOWHZ of the BSDs: twice a second."""


class WeakIsn(IsnGenerator):
    """A generator for the lab only."""

    __slots__ = ()

    name: ClassVar[str]

    def next(self, flow: bytes, now: Instant) -> int:
        """The next number; SimulationError outside of a simulated network."""
        SIMULATION_ONLY.check(
            f"the generator {self.name!r} of initial sequence numbers can be predicted, and a real host leaves"
            " TcpLayerConfig.isn as it is (RFC 6528)"
        )
        return self.choose(flow, now) & MASK

    @abstractmethod
    def choose(self, flow: bytes, now: Instant) -> int:
        """The number, of which the lower 32 bits count."""


class Constant(WeakIsn):
    """Always the same number."""

    __slots__ = ("_isn",)

    name = "constant"

    def __init__(self, rng: Rng) -> None:
        self._isn = rng.below(1 << 32)

    def choose(self, flow: bytes, now: Instant) -> int:
        """That one."""
        return self._isn


class Rfc793Clock(WeakIsn):
    """The clock of RFC 793 3.3, one more every 4 us, for all connections alike."""

    __slots__ = ("_start",)

    name = "rfc793"

    def __init__(self, rng: Rng) -> None:
        self._start = rng.below(1 << 32)

    def choose(self, flow: bytes, now: Instant) -> int:
        """What the clock shows."""
        return self._start + now // (4 * MICROSECOND)


class MillisecondClock(WeakIsn):
    """About a thousand a second, for all connections alike (Windows 95 and 98)."""

    __slots__ = ("_start",)

    name = "win9x"

    def __init__(self, rng: Rng) -> None:
        self._start = rng.below(1 << 32)

    def choose(self, flow: bytes, now: Instant) -> int:
        """What the clock shows."""
        return self._start + now // MILLISECOND


class Stepped(WeakIsn):
    """So much more for each connection, and so much for each slow tick."""

    __slots__ = ("_isn", "_ticks")

    per_connection: ClassVar[int]
    per_tick: ClassVar[int]

    def __init__(self, rng: Rng) -> None:
        self._isn = rng.below(1 << 32)
        self._ticks = 0

    def choose(self, flow: bytes, now: Instant) -> int:
        """The counter, which then moves on."""
        ticks = now // SLOW_TICK
        self._isn += (ticks - self._ticks) * self.per_tick
        self._ticks = ticks
        isn = self._isn
        self._isn += self.per_connection
        return isn


class Bsd42(Stepped):
    """4.2BSD: 128 a second and 64 for each connection (Morris 1985)."""

    __slots__ = ()

    name = "bsd42"
    per_connection = 64
    per_tick = 64


class Bsd43(Stepped):
    """4.3BSD, the "64K rule": 128,000 a second and 64,000 for each connection (Mitnick's target in 1994)."""

    __slots__ = ()

    name = "bsd43"
    per_connection = 64_000
    per_tick = 64_000


class I800(Stepped):
    """800 for each connection."""

    __slots__ = ()

    name = "i800"
    per_connection = 800
    per_tick = 0


class Bsd44Lite2(WeakIsn):
    """4.4BSD-Lite2: the increments of a second are 122 * 1024 and 18 random bits; a connection takes a quarter."""

    __slots__ = ("_isn", "_rng", "_ticks")

    name = "bsd44lite2"

    def __init__(self, rng: Rng) -> None:
        self._rng = rng
        self._isn = rng.below(1 << 32)
        self._ticks: int | None = None

    def choose(self, flow: bytes, now: Instant) -> int:
        """The counter, which then moves on."""
        ticks = now // SLOW_TICK
        for _ in range(ticks - (ticks if self._ticks is None else self._ticks)):
            self._isn += self._increment() // 2
        self._ticks = ticks
        isn = self._isn
        self._isn += self._increment() // 4
        return isn

    def _increment(self) -> int:
        return 122 * 1024 + self._rng.below(1 << 18)


class RandomIncrement(WeakIsn):
    """The last number and 1 to ``width`` more: a walk whose next step can be tried through."""

    __slots__ = ("_isn", "_rng", "width")

    name = "randinc"

    def __init__(self, rng: Rng, width: int = 1 << 16) -> None:
        self._rng = rng
        self._isn = rng.below(1 << 32)
        self.width = width

    def choose(self, flow: bytes, now: Instant) -> int:
        """One step on."""
        self._isn += 1 + self._rng.below(self.width)
        return self._isn


class Linux24(WeakIsn):
    """Linux 2.4 and 2.6: a keyed hash, of which 24 bits are left, a count of keys above them, and microseconds."""

    __slots__ = ("_count", "_key", "_key_until", "_rng")

    name = "lnx24"
    REKEY: ClassVar[Duration] = 300 * SECOND

    def __init__(self, rng: Rng) -> None:
        self._rng = rng
        self._count = rng.below(256)
        self._key = b""
        self._key_until: Instant = 0

    def choose(self, flow: bytes, now: Instant) -> int:
        """Hash, count and clock together."""
        if now >= self._key_until:
            self._key, self._key_until = self._rng.octets(32), now + self.REKEY
            self._count += 1
        digest = blake2s(flow, key=self._key, digest_size=3).digest()
        return int.from_bytes(digest, "big") + (self._count << 24) + now // MICROSECOND


class MersenneTwister(WeakIsn):
    """``random.getrandbits(32)``: looks perfect, and is known for ever after 624 numbers."""

    __slots__ = ("_random",)

    name = "mt19937"

    def __init__(self, rng: Rng) -> None:
        self._random = Random(rng.octets(32))

    def choose(self, flow: bytes, now: Instant) -> int:
        """The generator's next word."""
        return self._random.getrandbits(32)


class Linux(WeakIsn):
    """A keyed hash of the tuple and a clock of 64 ns, as Linux: strong, but each tuple shows the clock's rate."""

    __slots__ = ("_key",)

    name = "linux"

    def __init__(self, rng: Rng) -> None:
        self._key = rng.octets(32)

    def choose(self, flow: bytes, now: Instant) -> int:
        """Hash and clock."""
        return int.from_bytes(blake2s(flow, key=self._key, digest_size=4).digest(), "big") + (now >> 6)


GENERATORS: Mapping[str, Callable[[Rng], IsnGenerator]] = {
    "constant": Constant,
    "i800": I800,
    "bsd42": Bsd42,
    "bsd43": Bsd43,
    "win9x": MillisecondClock,
    "rfc793": Rfc793Clock,
    "bsd44lite2": Bsd44Lite2,
    "randinc15": lambda rng: RandomIncrement(rng, 1 << 15),
    "randinc16": lambda rng: RandomIncrement(rng, 1 << 16),
    "randinc24": lambda rng: RandomIncrement(rng, 1 << 24),
    "lnx24": Linux24,
    "mt19937": MersenneTwister,
    "linux": Linux,
    "csprng": RandomIsn,
    "rfc6528": lambda rng: Rfc6528Isn(rng.octets(32)),
}
"""By name, from the weakest to the strongest. The last two are what hosts of ours may use anywhere."""
