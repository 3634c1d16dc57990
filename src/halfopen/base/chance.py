"""Random processes of a bad network: chances with a memory, loss in bursts, delays around a mean (tc-netem(8))."""

from abc import ABC, abstractmethod
from math import sqrt
from struct import Struct
from typing import Final

from halfopen.base.clock import Duration
from halfopen.base.impairment import Distribution, FourState, GilbertElliott
from halfopen.base.native import mypyc_attr
from halfopen.base.rng import Rng

_TWELVE: Final = Struct("!12H")
_HALF_STEP: Final = 12 * 0.5 / 65536


@mypyc_attr(allow_interpreted_subclasses=True)
class Chance(ABC):
    """Something that happens to a packet, or does not."""

    __slots__ = ()

    @abstractmethod
    def happens(self, rng: Rng) -> bool:
        """To the next packet."""


class Uniform:
    """Numbers in [0, 1), each ``correlation`` times the one before and the rest new, as netem's ``get_crandom``.

    Correlated numbers crowd around 1/2, in netem as here: with them, what has a small probability happens more rarely.
    """

    __slots__ = ("_correlation", "_last")

    def __init__(self, correlation: float = 0.0) -> None:
        self._correlation = correlation
        self._last = 0.0

    def draw(self, rng: Rng) -> float:
        """The next number."""
        if not self._correlation:
            return rng.uniform()
        self._last = self._correlation * self._last + (1 - self._correlation) * rng.uniform()
        return self._last


class Correlated(Chance):
    """Each packet's own chance, or one that remembers."""

    __slots__ = ("_numbers", "_probability")

    def __init__(self, probability: float, correlation: float = 0.0) -> None:
        self._probability = probability
        self._numbers = Uniform(correlation)

    def happens(self, rng: Rng) -> bool:
        """Draws nothing if it cannot happen."""
        return self._probability > 0 and self._numbers.draw(rng) < self._probability


class Bursts(Chance):
    """The model of Gilbert and Elliott; it begins in the good state."""

    __slots__ = ("_is_bad", "_model")

    def __init__(self, model: GilbertElliott) -> None:
        self._model = model
        self._is_bad = False

    def happens(self, rng: Rng) -> bool:
        """One step: the state that the packet meets decides, then the state may change."""
        model = self._model
        loss, change = (model.bad, model.r) if self._is_bad else (model.good, model.p)
        is_lost = rng.uniform() < loss
        if rng.uniform() < change:
            self._is_bad = not self._is_bad
        return is_lost


class States(Chance):
    """The Markov chain of four states; it begins in the first."""

    __slots__ = ("_model", "_state")

    def __init__(self, model: FourState) -> None:
        self._model = model
        self._state = 1

    def happens(self, rng: Rng) -> bool:
        """One step, then the new state decides."""
        model, number = self._model, rng.uniform()
        if self._state == 1:
            self._state = 4 if number < model.p14 else 3 if number < model.p14 + model.p13 else 1
        elif self._state == 2:
            self._state = 3 if number < model.p23 else 2
        elif self._state == 3:
            self._state = 2 if number < model.p32 else 1 if number < model.p32 + model.p31 else 3
        else:
            self._state = 1
        return self._state > 2


def make_loss(loss: float | GilbertElliott | FourState, correlation: float) -> Chance:
    """The process that ``loss`` describes; ``correlation`` goes with a probability."""
    if isinstance(loss, GilbertElliott):
        return Bursts(loss)
    if isinstance(loss, FourState):
        return States(loss)
    return Correlated(loss, correlation)


class Jitter:
    """How far each delay lies from the mean.

    Uniform: in +- ``amount``, as netem without a table. Normal, with deviation ``amount``: the sum of twelve uniform
    numbers less 6, whose variance is 1 and which never exceeds 6 (Irwin and Hall 1927); additions only, so that every
    machine finds the same. Its correlation keeps the deviation: z' = c z + sqrt(1 - c^2) w.
    """

    __slots__ = ("_amount", "_correlation", "_draw", "_numbers", "_previous")

    def __init__(self, amount: Duration, distribution: Distribution = "uniform", correlation: float = 0.0) -> None:
        self._amount = amount
        self._correlation = correlation
        self._numbers = Uniform(correlation)
        self._draw = self._uniform if distribution == "uniform" else self._normal
        self._previous: float | None = None

    def draw(self, rng: Rng) -> Duration:
        """The next one; may be negative."""
        return self._draw(rng) if self._amount else 0

    def _uniform(self, rng: Rng) -> Duration:
        if not self._correlation:
            return rng.below(2 * self._amount + 1) - self._amount
        return round((2 * self._numbers.draw(rng) - 1) * self._amount)

    def _normal(self, rng: Rng) -> Duration:
        deviate: float = sum(_TWELVE.unpack(rng.octets(24))) / 65536 + _HALF_STEP - 6
        if self._previous is not None:
            deviate = self._correlation * self._previous + sqrt(1 - self._correlation**2) * deviate
        self._previous = deviate
        return round(deviate * self._amount)
