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
from typing import ClassVar

from halfopen.base.clock import MILLISECOND, SECOND, Duration, Instant
from halfopen.lab.predictability import MODULUS, Sample

MT_OUTPUTS = 624
"""Numbers of 32 bits after which a Mersenne Twister has no secrets."""
BLIND = MODULUS // 2
"""Guesses that somebody who knows nothing needs in the median."""
BLIND_P95 = MODULUS * 19 // 20
BUDGET = 5000
"""Guesses that Zalewski allowed for an attack."""
LINE_RATE = 1_488_000
"""Smallest frames a second on a 1 Gbit/s Ethernet."""


class Predictor(ABC):
    """Learns from samples in the order in which they were taken; knows nothing of the generator's state."""

    name: ClassVar[str]
    memory: ClassVar[int | None] = 256
    """Samples that are worth looking at, the latest ones; None: all that there are."""

    @abstractmethod
    def rank(self, known: Sequence[Sample], truth: Sample) -> int | None:
        """How many candidates would be tried up to and with ``truth.isn``; None: it would not be among them.

        Of ``truth`` only the time may be used for the prediction.
        """

    @abstractmethod
    def guess(self, known: Sequence[Sample], when: Instant, number: int) -> int | None:
        """The candidate number ``number``, from 1 on, for what is asked for at ``when``: what `rank` counts."""


def _outward(center: int, number: int, step: int = 1) -> int:
    """The candidate at which `_around` has made ``number`` tries: the center, one above, one below, two above."""
    steps = number // 2
    return (center + (-steps if number % 2 else steps) * step) % MODULUS


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
        return 1 if self.guess(known, truth.when, 1) == truth.isn else None

    def guess(self, known: Sequence[Sample], when: Instant, number: int) -> int | None:
        """The last number and the one step."""
        steps = {(later.isn - earlier.isn) % MODULUS for earlier, later in pairwise(known)}
        if len(steps) != 1 or number != 1:
            return None
        return (known[-1].isn + steps.pop()) % MODULUS


class Clock(Predictor):
    """A straight line over time, on the lattice of the differences' greatest common divisor."""

    name = "clock"

    def rank(self, known: Sequence[Sample], truth: Sample) -> int | None:
        """Outward from where the line points."""
        found = self._center(known, truth.when)
        return None if found is None else _around(found[0], truth.isn, found[1])

    def guess(self, known: Sequence[Sample], when: Instant, number: int) -> int | None:
        """Outward from where the line points."""
        found = self._center(known, when)
        return None if found is None else _outward(found[0], number, found[1])

    def _center(self, known: Sequence[Sample], when: Instant) -> tuple[int, int] | None:
        """Where the line points, and the lattice's step."""
        unwrapped = _unwrap([sample.isn for sample in known])
        times = [sample.when / SECOND for sample in known]
        if len(set(times)) < 2:
            return None
        slope, intercept = linear_regression(times, unwrapped)
        step = gcd(*(later - earlier for earlier, later in pairwise(unwrapped))) or 1
        expected = slope * (when / SECOND) + intercept
        return (unwrapped[-1] + round((expected - unwrapped[-1]) / step) * step) % MODULUS, step


class SteppedClock(Predictor):
    """So much a connection and so much a tick, as the BSDs: the last number plus what a pause of this length has added.

    Candidates are the last number and k increments, from the likeliest k outward.
    """

    name = "stepped clock"

    def rank(self, known: Sequence[Sample], truth: Sample) -> int | None:
        """Outward from the mean number of increments for the time that has passed."""
        found = self._center(known, truth.when)
        return None if found is None else _around(found[0], truth.isn, found[1])

    def guess(self, known: Sequence[Sample], when: Instant, number: int) -> int | None:
        """Outward from there as well."""
        found = self._center(known, when)
        return None if found is None else _outward(found[0], number, found[1])

    def _center(self, known: Sequence[Sample], when: Instant) -> tuple[int, int] | None:
        """The last number and the increments to be expected, and one increment."""
        steps = [(later.isn - earlier.isn) % MODULUS for earlier, later in pairwise(known)]
        step = gcd(*steps)
        if step <= 1:
            return None
        counts = [difference // step for difference in steps]
        pauses = [(later.when - earlier.when) / SECOND for earlier, later in pairwise(known)]
        per_second = max(0.0, (fmean(counts) - 1) / fmean(pauses)) if fmean(pauses) else 0.0
        expected = 1 + round(per_second * (when - known[-1].when) / SECOND)
        return (known[-1].isn + expected * step) % MODULUS, step


class Increment(Predictor):
    """A random step above the last number, never longer than the longest seen and a little more."""

    name = "random increment"

    def rank(self, known: Sequence[Sample], truth: Sample) -> int | None:
        """From the shortest step seen upwards."""
        first, last = self._steps(known)
        step = (truth.isn - known[-1].isn) % MODULUS
        return step - first + 1 if first <= step <= last else None

    def guess(self, known: Sequence[Sample], when: Instant, number: int) -> int | None:
        """From the shortest step seen upwards."""
        first, last = self._steps(known)
        return (known[-1].isn + first + number - 1) % MODULUS if first + number - 1 <= last else None

    def _steps(self, known: Sequence[Sample]) -> tuple[int, int]:
        """The shortest and the longest that may come."""
        steps = [(later.isn - earlier.isn) % MODULUS for earlier, later in pairwise(known)]
        shortest, longest = min(steps), max(steps)
        slack = (longest - shortest) // len(steps) + 1
        return max(0, shortest - slack), longest + slack


class Window(Predictor):
    """A clock of a known rate and below it a hash of fewer than 32 bits: all numbers are in one arc (Linux 2.4)."""

    name = "window"

    RATES: ClassVar[Sequence[Duration]] = (64, 1000, 4000, MILLISECOND)
    """Nanoseconds for one more: Linux's clocks, RFC 793's, Windows 95's."""
    RECENT: ClassVar[int] = 64
    """Samples that count: keys change."""

    def rank(self, known: Sequence[Sample], truth: Sample) -> int | None:
        """Outward from the middle of the arc."""
        center = self._center(known, truth.when)
        return None if center is None else _around(center, truth.isn)

    def guess(self, known: Sequence[Sample], when: Instant, number: int) -> int | None:
        """Outward from the middle of the arc."""
        center = self._center(known, when)
        return None if center is None else _outward(center, number)

    def _center(self, known: Sequence[Sample], when: Instant) -> int | None:
        """The middle at ``when``, by the clock with which the arc is the shortest."""
        recent = known[-self.RECENT :]
        width, start, rate = min(
            (*_shortest_arc([each.isn - each.when // rate for each in recent]), rate) for rate in self.RATES
        )
        if width > MODULUS // 4:  # It says nothing: few numbers that are uniform leave some arc free as well.
            return None
        return (start + width // 2 + when // rate) % MODULUS


def _shortest_arc(numbers: Sequence[int]) -> tuple[int, int]:
    """Length and beginning of the shortest arc of the circle that holds all of ``numbers``."""
    around = sorted(number % MODULUS for number in numbers)
    gaps = [
        ((later - earlier) % MODULUS or (MODULUS if len(set(around)) == 1 else 0), later)
        for earlier, later in zip([around[-1], *around], around, strict=False)
    ]
    widest, start = max(gaps)
    return MODULUS - widest, start


class Twister(Predictor):
    """Python's generator, whose state 624 outputs give away."""

    name = "Mersenne Twister"
    memory = None

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

    def guess(self, known: Sequence[Sample], when: Instant, number: int) -> int | None:
        """The next output, without moving on: the same may be asked again."""
        if len(known) < MT_OUTPUTS or number != 1:
            return None
        clone = clone_of([sample.isn for sample in known[:MT_OUTPUTS]])
        for _ in known[MT_OUTPUTS:]:
            clone.getrandbits(32)
        return clone.getrandbits(32)


@dataclass(slots=True, frozen=True, kw_only=True)
class Predictability:
    """What the best predictor found: its name, and how many guesses it took, in the median and the 95th percentile."""

    predictor: str
    median: float
    p95: float
    trials: int
    feasibility: float
    """The share of attacks that `BUDGET` guesses suffice for: Zalewski's measure."""

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
    for predictor in make_predictors():
        ranks = [predictor.rank(samples[_first(predictor, at) : at], samples[at]) for at in targets]
        guesses = sorted(BLIND if rank is None else rank for rank in ranks)
        if not guesses:
            break
        found = Predictability(
            predictor=predictor.name,
            median=median(guesses),
            p95=guesses[min(len(guesses) - 1, len(guesses) * 19 // 20)],
            trials=len(guesses),
            feasibility=sum(guess <= BUDGET for guess in guesses) / len(guesses),
        )
        if best is None or (found.median, found.p95) < (best.median, best.p95):
            best = found
    if best is None or best.median > 0.75 * BLIND:  # Luck of a predictor whose candidates are nearly all numbers.
        blind = feasibility(MODULUS)
        return Predictability(predictor="none", median=BLIND, p95=BLIND_P95, trials=len(targets), feasibility=blind)
    return best


def _first(predictor: Predictor, at: int) -> int:
    """The first sample before ``at`` that is remembered."""
    return 0 if predictor.memory is None else max(0, at - predictor.memory)


def make_predictors() -> list[Predictor]:
    """One of each, in the order of preference."""
    return [ConstantStep(), SteppedClock(), Clock(), Increment(), Window(), Twister()]


def choose_predictor(samples: Sequence[Sample]) -> Predictor | None:
    """What an attacker would go by: the predictor that needed the fewest guesses for the later half of ``samples``.

    None if no one does clearly better than somebody who knows nothing, of few samples as well.
    """
    learn = max(MT_OUTPUTS, len(samples) // 2) if len(samples) > MT_OUTPUTS else len(samples) // 2
    best = predictability(samples, max(2, learn), len(samples))
    if best.median > BLIND / 16:
        return None
    return next((each for each in make_predictors() if each.name == best.predictor), None)


def clone_of(outputs: Sequence[int]) -> Random:
    """A generator in the state that 624 successive outputs of 32 bits have left the original in (MT19937)."""
    clone = Random()
    clone.setstate((3, (*(_untemper(output) for output in outputs), MT_OUTPUTS), None))
    return clone


def feasibility(width: float, budget: int = BUDGET) -> float:
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
