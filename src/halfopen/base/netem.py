"""Loss, delay, reordering, duplication, corruption and rate, in netem's terms and in its words (tc-netem(8))."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from halfopen.base.clock import MICROSECOND, MILLISECOND, SECOND, Duration

_PROBABILITIES = ("loss", "reorder", "duplicate", "corrupt")
_AMOUNT = re.compile(r"(\d+(?:\.\d+)?)([a-z%]*)")
_TIME_UNITS = {"ns": 1, "us": MICROSECOND, "ms": MILLISECOND, "s": SECOND}
_RATE_UNITS = {"": 1, "bit": 1, "kbit": 10**3, "mbit": 10**6, "gbit": 10**9, "tbit": 10**12}


@dataclass(frozen=True, kw_only=True)
class Impairment:
    """What one direction of a link does to each packet; by default nothing.

    Probabilities are in [0, 1], each packet's own. ``delay`` and ``jitter`` are nanoseconds; the delay is uniform in
    ``delay`` +- ``jitter``, so jitter alone reorders. A reordered packet overtakes: it is not delayed. ``rate`` in bits
    per second (0: any) is that of a wire in front of the delay. At most ``limit`` packets are held back; more are
    dropped.
    """

    loss: float = 0.0
    delay: Duration = 0
    jitter: Duration = 0
    reorder: float = 0.0
    duplicate: float = 0.0
    corrupt: float = 0.0
    rate: int = 0
    limit: int = 1000

    def __post_init__(self) -> None:
        for name in _PROBABILITIES:
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name} is a probability from 0 to 1 (0% to 100%), not {getattr(self, name)}")
        for name in ("delay", "jitter", "rate"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} cannot be negative, as {getattr(self, name)} is")
        if self.limit < 1:
            raise ValueError(f"limit is a number of packets of at least 1, not {self.limit}")
        if self.reorder and not self.delay:
            raise ValueError("reorder needs a delay: a packet overtakes others by not being delayed as they are")

    @property
    def holds_back(self) -> bool:
        """Whether packets may leave later than they came."""
        return bool(self.delay or self.jitter or self.rate)

    def __str__(self) -> str:
        """In netem's terms, as `parse` takes it; empty for a perfect link."""
        words: list[str] = []
        if self.delay or self.jitter:
            words.append(f"delay {self.delay}ns" + (f" {self.jitter}ns" if self.jitter else ""))
        words += [f"{name} {_percent(getattr(self, name))}" for name in _PROBABILITIES if getattr(self, name)]
        if self.rate:
            words.append(f"rate {self.rate}bit")
        if self.limit != 1000:
            words.append(f"limit {self.limit}")
        return " ".join(words)


PERFECT = Impairment()
"""A network that only hands on."""


def parse(text: str) -> Impairment:
    """``"loss 1% delay 10ms 2ms reorder 1% duplicate 0.1% corrupt 0.1% rate 100mbit limit 1000"`` to an `Impairment`.

    The order is free. ValueError names the word that is not understood and says what was expected.
    """
    words = text.lower().split()
    values: dict[str, int | float] = {}
    at = 0
    while at < len(words):
        name = words[at]
        if name in values:
            raise ValueError(f"{name!r} stands twice in {text!r}")
        if name not in _READERS:
            raise ValueError(f"{name!r} is not an impairment: expected one of {', '.join(_READERS)}")
        if at + 1 == len(words):
            raise ValueError(f"{name!r} has no value behind it")
        values[name] = _READERS[name](name, words[at + 1])
        at += 2
        if name == "delay" and at < len(words) and words[at][0].isdigit():
            values["jitter"] = _time("jitter", words[at])
            at += 1
    return Impairment(**values)  # type: ignore[arg-type]  # _READERS gives each field the type it has


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


def _count(name: str, word: str) -> int:
    if not word.isdecimal():
        raise ValueError(f"{name} {word!r} is not a number of packets such as 1000")
    return int(word)


_READERS: dict[str, Callable[[str, str], int | float]] = {
    "loss": _probability,
    "delay": _time,
    "reorder": _probability,
    "duplicate": _probability,
    "corrupt": _probability,
    "rate": _rate,
    "limit": _count,
}


def _percent(probability: float) -> str:
    return f"{Decimal(repr(probability)) * 100:f}%"
