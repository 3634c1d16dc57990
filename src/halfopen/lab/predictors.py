"""What an attacker has to try who knows how a generator works: the expected guesses of the best of several predictors.

Each predictor learns from earlier samples and names candidates for the next one, the likeliest first. Which of them is
best is not known from outside either: all are tried on samples that they have not seen, and what counts is how many
candidates each would have gone through before the right one.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import gcd
from random import Random
from statistics import fmean, linear_regression, median

from halfopen.base.clock import SECOND
from halfopen.lab.predictability import MODULUS, Sample

MT_OUTPUTS = 624
"""Numbers of 32 bits after which a Mersenne Twister has no secrets."""
BLIND = MODULUS // 2
"""Guesses that somebody who knows nothing needs in the median."""
BLIND_P95 = MODULUS * 19 // 20
LINE_RATE = 1_488_000
"""Smallest frames a second on a 1 Gbit/s Ethernet."""


class Predictor(ABC):
    """Learns from samples in the order in which they were taken; knows nothing of the generator's state."""

    name: str

    @abstractmethod
    def rank(self, known: Sequence[Sample], truth: Sample) -> int | None:
        """How many candidates would be tried up to and with ``truth.isn``; None: it would not be among them.

        Of ``truth`` only the time may be used for the prediction.
        """


def _around(center: int, truth: int, step: int = 1) -> int | None:
    """Tries made when going outward from ``center``, alternating sides, in steps of ``step``."""
    distance = (truth - center + MODULUS // 2) % MODULUS - MODULUS // 2
    if distance % step:
        return None
    steps = distance // step
    return 2 * steps if steps > 0 else 1 - 2 * steps


class ConstantStep(Predictor):
    """The same difference each time, zero included."""

    name = "constant step"

    def rank(self, known: Sequence[Sample], truth: Sample) -> int | None:
        """One candidate."""
        steps = {(later.isn - earlier.isn) % MODULUS for earlier, later in pairwise(known)}
        if len(steps) != 1:
            return None
        return 1 if (known[-1].isn + steps.pop()) % MODULUS == truth.isn else None


class Clock(Predictor):
    """A straight line over time, on the lattice of the differences' greatest common divisor."""

    name = "clock"

    def rank(self, known: Sequence[Sample], truth: Sample) -> int | None:
        """Outward from where the line points."""
        unwrapped = _unwrap([sample.isn for sample in known])
        times = [sample.when / SECOND for sample in known]
        if len(set(times)) < 2:
            return None
        slope, intercept = linear_regression(times, unwrapped)
        step = gcd(*(later - earlier for earlier, later in pairwise(unwrapped))) or 1
        expected = slope * (truth.when / SECOND) + intercept
        center = unwrapped[-1] + round((expected - unwrapped[-1]) / step) * step
        return _around(center % MODULUS, truth.isn, step)


class SteppedClock(Predictor):
    """So much a connection and so much a tick, as the BSDs: the last number plus what a pause of this length has added.

    Candidates are the last number and k increments, from the likeliest k outward.
    """

    name = "stepped clock"

    def rank(self, known: Sequence[Sample], truth: Sample) -> int | None:
        """Outward from the mean number of increments for the time that has passed."""
        steps = [(later.isn - earlier.isn) % MODULUS for earlier, later in pairwise(known)]
        step = gcd(*steps)
        if step <= 1:
            return None
        counts = [difference // step for difference in steps]
        pauses = [(later.when - earlier.when) / SECOND for earlier, later in pairwise(known)]
        per_second = max(0.0, (fmean(counts) - 1) / fmean(pauses)) if fmean(pauses) else 0.0
        expected = 1 + round(per_second * (truth.when - known[-1].when) / SECOND)
        return _around((known[-1].isn + expected * step) % MODULUS, truth.isn, step)


class Increment(Predictor):
    """A random step above the last number, never longer than the longest seen and a little more."""

    name = "random increment"

    def rank(self, known: Sequence[Sample], truth: Sample) -> int | None:
        """From the shortest step seen upwards."""
        steps = [(later.isn - earlier.isn) % MODULUS for earlier, later in pairwise(known)]
        shortest, longest = min(steps), max(steps)
        slack = (longest - shortest) // len(steps) + 1
        first, last = max(0, shortest - slack), longest + slack
        step = (truth.isn - known[-1].isn) % MODULUS
        return step - first + 1 if first <= step <= last else None


class Twister(Predictor):
    """Python's generator, whose state 624 outputs give away."""

    name = "Mersenne Twister"

    def __init__(self) -> None:
        self._clone: Random | None = None
        self._seen = 0

    def rank(self, known: Sequence[Sample], truth: Sample) -> int | None:
        """One candidate: the next output."""
        if len(known) < MT_OUTPUTS:
            return None
        if self._clone is None or self._seen > len(known):
            self._clone = clone_of([sample.isn for sample in known[:MT_OUTPUTS]])
            self._seen = MT_OUTPUTS
        for _ in range(len(known) - self._seen):
            self._clone.getrandbits(32)
        self._seen = len(known) + 1
        return 1 if self._clone.getrandbits(32) == truth.isn else None


@dataclass(slots=True, frozen=True, kw_only=True)
class Predictability:
    """What the best predictor found: its name, and how many guesses it took, in the median and the 95th percentile."""

    predictor: str
    median: float
    p95: float
    trials: int

    @property
    def seconds(self) -> float:
        """The median at 1,488,000 guesses a second."""
        return self.median / LINE_RATE


def predictability(samples: Sequence[Sample], learn: int, trials: int = 200) -> Predictability:
    """Tries every predictor on samples behind the first ``learn``, at most ``trials`` of them, spread evenly.

    A candidate that a predictor does not have costs what it costs somebody who knows nothing.
    """
    targets = range(learn, len(samples), max(1, (len(samples) - learn) // trials))
    best: Predictability | None = None
    for predictor in (ConstantStep(), SteppedClock(), Clock(), Increment(), Twister()):
        ranks = [predictor.rank(samples[:at], samples[at]) for at in targets]
        guesses = sorted(BLIND if rank is None else rank for rank in ranks)
        if not guesses:
            break
        found = Predictability(
            predictor=predictor.name,
            median=median(guesses),
            p95=guesses[min(len(guesses) - 1, len(guesses) * 19 // 20)],
            trials=len(guesses),
        )
        if best is None or (found.median, found.p95) < (best.median, best.p95):
            best = found
    if best is None or best.median > 0.75 * BLIND:  # Luck of a predictor whose candidates are nearly all numbers.
        return Predictability(predictor="none", median=BLIND, p95=BLIND_P95, trials=len(targets))
    return best


def clone_of(outputs: Sequence[int]) -> Random:
    """A generator in the state that 624 successive outputs of 32 bits have left the original in (MT19937)."""
    clone = Random()
    clone.setstate((3, (*(_untemper(output) for output in outputs), MT_OUTPUTS), None))
    return clone


def feasibility(width: float, budget: int = 5000) -> float:
    """Zalewski's measure, with the truth known: the share of attacks that ``budget`` guesses suffice for."""
    return min(1.0, budget / width)


def _unwrap(isns: Sequence[int]) -> list[int]:
    """Without the wrap: each is taken as near its predecessor as it can be."""
    unwrapped = [isns[0]]
    for isn in isns[1:]:
        last = unwrapped[-1]
        unwrapped.append(last + (isn - last + MODULUS // 2) % MODULUS - MODULUS // 2)
    return unwrapped


def _untemper(word: int) -> int:
    """The state behind an output: the four steps of MT19937's tempering, backwards."""
    word ^= word >> 18
    word ^= word << 15 & 0xEFC60000
    state = word
    for _ in range(5):
        state = word ^ (state << 7 & 0x9D2C5680)
    word = state
    for _ in range(3):
        state = word ^ state >> 11
    return state & (MODULUS - 1)
