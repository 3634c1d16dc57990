"""The words of tc-netem(8), and those of the queues that stand in front of a rate, to an `Impairment`.

``delay TIME [JITTER [CORRELATION]] [distribution uniform|normal]``, ``loss [random] P [CORRELATION]``, ``loss gemodel P
[R [1-H [1-K]]]``, ``loss state P13 [P31 [P32 [P23 [P14]]]]``, ``ecn``, ``duplicate P [CORRELATION]``, ``corrupt P
[CORRELATION]``, ``reorder P [CORRELATION] [gap N]``, ``rate RATE``, ``limit PACKETS``; and one of ``pfifo limit
PACKETS``, ``bfifo limit OCTETS``, ``red limit PACKETS min PACKETS max PACKETS [burst PACKETS | weight P] [probability
P] [gentle] [ecn]`` and ``codel [limit PACKETS] [target TIME] [interval TIME] [ecn]``.
"""

import re
from collections.abc import Callable
from fractions import Fraction
from typing import Any, Final

from halfopen.base.clock import MICROSECOND, MILLISECOND, SECOND
from halfopen.base.impairment import (
    PERFECT,
    CoDel,
    Correlations,
    DropTail,
    FourState,
    GilbertElliott,
    Impairment,
    Red,
)

__all__ = ["PERFECT", "Impairment", "parse"]

_AMOUNT: Final = re.compile(r"(\d+(?:\.\d+)?)([a-z%]*)")
_TIME_UNITS: Final = {"ns": 1, "us": MICROSECOND, "ms": MILLISECOND, "s": SECOND}
_RATE_UNITS: Final = {"": 1, "bit": 1, "kbit": 10**3, "mbit": 10**6, "gbit": 10**9, "tbit": 10**12}
_SIZE_UNITS: Final = {"": 1, "b": 1, "kb": 1 << 10, "mb": 1 << 20}
"""Those of tc, which counts octets in powers of two."""

_Values = dict[str, Any]


def parse(text: str) -> Impairment:
    """``"delay 10ms 2ms loss 1% 25% reorder 1% duplicate 0.1% corrupt 0.1% rate 100mbit limit 1000"`` and the like.

    The order is free, but behind the name of a queue its own words come first. ValueError names the word that is not
    understood and says what was expected.
    """
    words = _Words(text)
    values: _Values = {}
    correlations: dict[str, float] = {}
    while words.left:
        name = words.take()
        if name not in _READERS:
            raise ValueError(f"{name!r} is not an impairment: expected one of {', '.join(_READERS)}")
        words.begin(name)
        found = _READERS[name](words)
        for field, value in found.items():
            if field == "correlation":
                correlations[name] = value
            elif field in values:
                raise ValueError(f"the queue stands twice in {text!r}: {name!r} is a second one")
            else:
                values[field] = value
    return Impairment(**values, correlations=Correlations(**correlations))


class _Words:
    """What is left of a text, and the name whose values are being read."""

    def __init__(self, text: str) -> None:
        self.left = text.lower().split()
        self.name = ""
        self._text = text
        self._seen = set[str]()

    def begin(self, name: str) -> None:
        """``name`` has been taken: what follows is about it."""
        if name in self._seen:
            raise ValueError(f"{name!r} stands twice in {self._text!r}")
        self._seen.add(name)
        self.name = name

    def take(self) -> str:
        """The next word."""
        if not self.left:
            raise ValueError(f"{self.name!r} has no value behind it")
        return self.left.pop(0)

    def take_if(self, *expected: str) -> str | None:
        """The next word if it is one of those."""
        return self.left.pop(0) if self.left and self.left[0] in expected else None

    @property
    def has_amount(self) -> bool:
        """Whether the next word may be a value."""
        return bool(self.left) and self.left[0][0].isdigit()

    def amounts(self, most: int) -> list[float]:
        """One to ``most`` percentages."""
        found = [_probability(self.name, self.take())]
        while len(found) < most and self.has_amount:
            found.append(_probability(self.name, self.take()))
        return found


def _read_loss(words: _Words) -> _Values:
    model = words.take_if("random", "gemodel", "state")
    if model == "gemodel":
        p, *rest = words.amounts(4)
        # Left out: back to good at once with what p leaves, all lost in a burst, nothing between.
        r, bad, good = *rest, *(1 - p, 1.0, 0.0)[len(rest) :]
        return {"loss": GilbertElliott(p=p, r=r, bad=bad, good=good)}
    if model == "state":
        p13, *rest = words.amounts(5)
        p31, p32, p23, p14 = *rest, *(1 - p13, 0.0, 1.0, 0.0)[len(rest) :]
        return {"loss": FourState(p13=p13, p31=p31, p32=p32, p23=p23, p14=p14)}
    return _read_chance(words, "loss")


def _read_chance(words: _Words, name: str) -> _Values:
    probability, *correlation = words.amounts(2)
    return {name: probability, **({"correlation": correlation[0]} if correlation else {})}


def _read_delay(words: _Words) -> _Values:
    values: _Values = {"delay": _time("delay", words.take())}
    if words.has_amount:
        values["jitter"] = _time("jitter", words.take())
        if words.has_amount:
            values["correlation"] = _probability("the correlation of delay", words.take())
    if words.take_if("distribution"):
        words.begin("distribution")
        name = words.take()
        if name not in ("uniform", "normal"):
            raise ValueError(f"distribution {name!r} is not known: expected uniform or normal")
        values["distribution"] = name
    return values


def _read_red(words: _Words) -> _Values:
    values: _Values = {}
    while name := words.take_if("limit", "min", "max", "burst", "weight", "probability", "gentle", "ecn"):
        words.begin("red " + name)
        if name in ("gentle", "ecn"):
            values[name] = True
        else:
            read = _probability if name in ("weight", "probability") else _count
            values[name] = read(f"red {name}", words.take())
    limit = values.get("limit", 1000)
    # The defaults are those of tc-red(8): max is a quarter of the limit or thrice min, min a third of max.
    maximum = values.get("max") or (3 * values["min"] if "min" in values else limit // 4)
    minimum = values.get("min") or maximum // 3
    burst = values.get("burst") or (2 * minimum + maximum) // 3
    weight = values.get("weight") or red_weight(minimum, burst)
    extra = {name: values[name] for name in ("probability", "gentle", "ecn") if name in values}
    return {"queue": Red(limit=limit, minimum=minimum, maximum=maximum, weight=weight, **extra)}


def red_weight(minimum: int, burst: int) -> float:
    """The greatest power of 1/2 with which ``burst`` packets into an empty queue keep the average below ``minimum``.

    Section 4 of Floyd and Jacobson 1993; tc-red(8) finds its weight from ``burst`` in this way.
    """
    weight = 0.5
    while burst + 1 - minimum > (1 - (1 - weight) ** burst) / weight and weight > 2**-31:
        weight /= 2
    return weight


def _read_codel(words: _Words) -> _Values:
    values: _Values = {}
    while name := words.take_if("limit", "target", "interval", "ecn"):
        words.begin("codel " + name)
        if name == "ecn":
            values[name] = True
        else:
            values[name] = (_count if name == "limit" else _time)(f"codel {name}", words.take())
    return {"queue": CoDel(**values)}


def _read_limit(words: _Words) -> _Values:
    return {"queue": DropTail(limit=_count("limit", words.take()))}


def _read_pfifo(words: _Words) -> _Values:
    if not words.take_if("limit"):
        return {"queue": DropTail()}
    words.begin("pfifo limit")
    return {"queue": DropTail(limit=_count("pfifo limit", words.take()))}


def _read_bfifo(words: _Words) -> _Values:
    if not words.take_if("limit"):
        raise ValueError("'bfifo' needs a limit in octets behind it, such as limit 64kb")
    words.begin("bfifo limit")
    return {"queue": DropTail(limit=_size("bfifo limit", words.take()), unit="octets")}


def _amount(name: str, word: str, expected: str) -> tuple[Fraction, str]:
    found = _AMOUNT.fullmatch(word)
    if found is None:
        raise ValueError(f"{name} {word!r} is not understood: expected {expected}")
    return Fraction(found[1]), found[2]


def _probability(name: str, word: str) -> float:
    number, unit = _amount(name, word, "a percentage such as 1%")
    if unit != "%" or number > 100:
        raise ValueError(f"{name} {word!r} is not a percentage from 0% to 100%, such as 1%")
    return float(number / 100)


def _time(name: str, word: str) -> int:
    number, unit = _amount(name, word, "a time such as 10ms")
    if unit not in _TIME_UNITS:
        raise ValueError(f"{name} {word!r} has no unit of time: expected one of {', '.join(_TIME_UNITS)}")
    return round(number * _TIME_UNITS[unit])


def _rate(name: str, word: str) -> int:
    number, unit = _amount(name, word, "a rate such as 100mbit")
    if unit not in _RATE_UNITS:
        # tc's "kbps" are kilobytes: nobody who is not told expects it.
        raise ValueError(f"{name} {word!r} has no known unit: expected one of bit, kbit, mbit, gbit, tbit (per second)")
    return round(number * _RATE_UNITS[unit])


def _size(name: str, word: str) -> int:
    number, unit = _amount(name, word, "a number of octets such as 64kb")
    if unit not in _SIZE_UNITS:
        raise ValueError(f"{name} {word!r} has no known unit: expected one of b, kb, mb")
    return round(number * _SIZE_UNITS[unit])


def _count(name: str, word: str) -> int:
    if not word.isdecimal():
        raise ValueError(f"{name} {word!r} is not a number of packets such as 1000")
    return int(word)


_READERS: Final[dict[str, Callable[[_Words], _Values]]] = {
    "loss": _read_loss,
    "delay": _read_delay,
    "reorder": lambda words: _read_chance(words, "reorder"),
    "gap": lambda words: {"gap": _count("gap", words.take())},
    "duplicate": lambda words: _read_chance(words, "duplicate"),
    "corrupt": lambda words: _read_chance(words, "corrupt"),
    "ecn": lambda _: {"ecn": True},
    "rate": lambda words: {"rate": _rate("rate", words.take())},
    "limit": _read_limit,
    "pfifo": _read_pfifo,
    "bfifo": _read_bfifo,
    "red": _read_red,
    "codel": _read_codel,
}
