"""How predictable initial sequence numbers are: nmap's figures exactly, and those of its first generation.

nmap's figures describe the differences between connections from six ports, 100 ms apart. They say nothing of what an
attacker who knows the generator can do, which `halfopen.lab.predictors` measures.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import floor, gcd, log2, sqrt
from statistics import fmean
from struct import pack, unpack

from halfopen.base.clock import Instant
from halfopen.base.errors import ConfigError

MODULUS = 1 << 32
LEAST_SAMPLES = 4
"""nmap asks six times and is content with four answers."""

_WORDS = ((3, "Trivial joke"), (6, "Easy"), (11, "Medium"), (12, "Formidable"), (16, "Worthy challenge"))
_RANDOM_STEP = 50_000_000
"""A difference above makes the first generation's class TR, truly random."""
_TIME_DEPENDENT = 75


@dataclass(slots=True, frozen=True)
class Sample:
    """An initial sequence number, and when the SYN that asked for it was sent."""

    when: Instant
    isn: int


@dataclass(slots=True, frozen=True, kw_only=True)
class NmapFigures:
    """What ``nmap -O`` calls GCD, ISR and SP (the "TCP Sequence Prediction" difficulty)."""

    gcd: int
    isr: int
    sp: int

    @property
    def words(self) -> str:
        """nmap's own for the difficulty."""
        return next((words for limit, words in _WORDS if self.sp < limit), "Good luck!")


@dataclass(slots=True, frozen=True)
class FirstGeneration:
    """The class that nmap before 2006 gave a host, and its difficulty index: it knew 64K, which today's does not."""

    name: str
    index: int


def differences(isns: Sequence[int]) -> list[int]:
    """Between neighbours, the shorter way around the circle: at most 2^31."""
    return [min((later - earlier) % MODULUS, (earlier - later) % MODULUS) for earlier, later in pairwise(isns)]


def nmap_figures(samples: Sequence[Sample]) -> NmapFigures:
    """As nmap's osscan2 computes them: microseconds, and rates in single precision.

    ConfigError for fewer than four samples, of which nmap makes nothing either.
    """
    if len(samples) < LEAST_SAMPLES:
        raise ConfigError(f"nmap's figures need at least {LEAST_SAMPLES} sequence numbers, not {len(samples)}")
    steps = differences([sample.isn for sample in samples])
    common = gcd(*steps)
    if common == 0:
        return NmapFigures(gcd=0, isr=0, sp=0)
    micros = [sample.when // 1000 for sample in samples]
    pauses = [max(1, later - earlier) for earlier, later in pairwise(micros)]
    rates = [_single(step * 1_000_000 / pause) for step, pause in zip(steps, pauses, strict=True)]
    mean = fmean(rates)
    divisor = common if common > 9 else 1
    deviation = sqrt(sum((rate / divisor - mean / divisor) ** 2 for rate in rates) / (len(rates) - 1))
    return NmapFigures(gcd=common, isr=_octave(mean), sp=0 if deviation <= 1 else _octave(deviation))


def first_generation(isns: Sequence[int]) -> FirstGeneration:
    """The class by nmap's rules of 1998 to 2006: C, 64K, i800, TR, TD or RI."""
    steps = differences(isns)
    common = gcd(*steps)
    if common == 0:
        return FirstGeneration("C", 0)
    if max(steps) > _RANDOM_STEP:
        return FirstGeneration("TR", 9_999_999)
    if common % 64_000 == 0:
        return FirstGeneration("64K", 1)
    if common % 800 == 0:
        return FirstGeneration("i800", 10)
    scaled = [step / common for step in steps]
    mean = fmean(scaled)
    index = floor(sqrt(fmean((step - mean) ** 2 for step in scaled)) + 0.5)
    return FirstGeneration("TD" if index < _TIME_DEPENDENT else "RI", index)


def attractor(isns: Sequence[int]) -> list[tuple[int, int, int]]:
    """Zalewski's points: three successive differences, in delayed coordinates; signed, so that structure shows."""
    half = MODULUS // 2
    steps = [(later - earlier + half) % MODULUS - half for earlier, later in pairwise(isns)]
    return list(zip(steps, steps[1:], steps[2:], strict=False))


def _single(value: float) -> float:
    """In the precision of C's float."""
    return float(unpack("f", pack("f", value))[0])


def _octave(value: float) -> int:
    """Eight steps to a doubling."""
    return floor(8 * log2(value) + 0.5)
