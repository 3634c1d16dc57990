"""Figures and how sure they are: intervals of proportions and means, and what Python objects hold in octets."""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from math import sqrt
from statistics import NormalDist, fmean, stdev
from sys import getsizeof
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType

from halfopen.base.errors import ConfigError

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Interval:
    """From ``low`` to ``high``, both included."""

    low: float
    high: float

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high

    def __str__(self) -> str:
        return f"{self.low:.4g} to {self.high:.4g}"


def wilson(hits: int, trials: int, confidence: float = CONFIDENCE) -> Interval:
    """The score interval of a proportion (Wilson 1927): good near 0 and 1 too, where the usual one has no width."""
    if not 0 <= hits <= trials or not trials:
        raise ConfigError(f"{hits} of {trials} is no proportion")
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share, scale = hits / trials, 1 + z * z / trials
    middle = (share + z * z / (2 * trials)) / scale
    half = z / scale * sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    # Rounding must not exclude a proportion of exactly 0 or 1 from its own interval.
    return Interval(0.0 if not hits else max(0.0, middle - half), 1.0 if hits == trials else min(1.0, middle + half))


def mean_interval(values: Sequence[float], confidence: float = CONFIDENCE) -> Interval:
    """Of the mean, by the normal distribution: for thirty values or more."""
    mean = fmean(values)
    if len(values) < 2:
        return Interval(mean, mean)
    half = NormalDist().inv_cdf((1 + confidence) / 2) * stdev(values) / sqrt(len(values))
    return Interval(mean - half, mean + half)


def rule_of_three(trials: int, confidence: float = CONFIDENCE) -> float:
    """How frequent something may still be that was never seen in so many ``trials``."""
    return float(1 - (1 - confidence) ** (1 / trials))


_SHARED = (type, Enum, ModuleType, FunctionType, MethodType, BuiltinFunctionType, bool, type(None))


def held_octets(root: object, shared: Iterable[object] = (), borders: Iterable[object] = ()) -> int:
    """Octets of memory that ``root`` holds alone: `sys.getsizeof` of itself and of all that it refers to, each once.

    Left out are classes, enumerations, functions and small integers, which belong to everybody; ``shared`` and all that
    they refer to, such as a configuration; and ``borders``, which lead on to somebody else's.
    """
    known = {id(each) for each in borders}
    for each in shared:
        _weigh(each, known)
    return _weigh(root, known)


def _weigh(root: object, known: set[int]) -> int:
    total, waiting = 0, [root]
    while waiting:
        each = waiting.pop()
        if id(each) in known or isinstance(each, _SHARED) or _is_small(each):
            continue
        known.add(id(each))
        total += getsizeof(each)
        waiting.extend(_parts(each))
    return total


def _is_small(value: object) -> bool:
    """Integers that CPython keeps one of."""
    return type(value) is int and -5 <= value <= 256


def _parts(value: object) -> list[object]:
    """What an object refers to: items, attributes, slots."""
    if isinstance(value, dict):
        return [*value.keys(), *value.values()]
    if isinstance(value, list | tuple | set | frozenset | deque):
        return list(value)
    if isinstance(value, str | bytes | bytearray | memoryview | int | float):
        return []
    parts = [getattr(value, "__dict__", None)]
    for kind in type(value).__mro__:
        slots = kind.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            parts.append(getattr(value, name, None))
    return parts
