"""What one direction of a network does to packets: netem's terms (tc-netem(8)), and the queue in front of a rate."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from decimal import Decimal
from typing import Final, Literal, TypeAlias

from halfopen.base.clock import MILLISECOND, Duration

Distribution: TypeAlias = Literal["uniform", "normal"]


def _check_probability(name: str, value: float) -> None:
    if not 0.0 <= value <= 1.0:
        raise ValueError(f"{name} is a probability from 0 to 1 (0% to 100%), not {value}")


def _check_limit(limit: int, unit: str = "packets") -> None:
    if limit < 1:
        raise ValueError(f"limit is a number of {unit} of at least 1, not {limit}")


def _percent(probability: float) -> str:
    return f"{(Decimal(repr(float(probability))) * 100).normalize():f}%"


def _percents(values: Sequence[float], defaults: Sequence[float]) -> str:
    """Without the last ones that are what they would be if they were left out."""
    words = [_percent(value) for value in values]
    for default in reversed(defaults):
        if values[len(words) - 1] != default:
            break
        words.pop()
    return " ".join(words)


@dataclass(frozen=True, slots=True, kw_only=True)
class GilbertElliott:
    """Loss in bursts: a good and a bad state, each with a loss of its own (Gilbert 1960, Elliott 1963).

    ``p`` leads from good to bad, ``r`` back, once a packet; what is lost in the long run is
    ``(bad * p + good * r) / (p + r)``. With ``bad`` 1 and ``good`` 0, bursts are ``1 / r`` packets long in the mean.
    """

    p: float
    r: float
    bad: float = 1.0
    good: float = 0.0

    def __post_init__(self) -> None:
        for each in fields(self):
            _check_probability(f"loss gemodel {each.name}", getattr(self, each.name))

    def __str__(self) -> str:
        return f"gemodel {_percents((self.p, self.r, self.bad, self.good), (1.0, 0.0))}"


@dataclass(frozen=True, slots=True, kw_only=True)
class FourState:
    """Loss by a Markov chain of four states (Salsano et al. 2009): what lies between bursts, and within them.

    1: received, between bursts. 2: received, in a burst. 3: lost, in a burst. 4: lost alone, between bursts. ``p13`` is
    the probability to go from 1 to 3 with the next packet; from 4 the way is always to 1.
    """

    p13: float
    p31: float
    p32: float = 0.0
    p23: float = 1.0
    p14: float = 0.0

    def __post_init__(self) -> None:
        for each in fields(self):
            _check_probability(f"loss state {each.name}", getattr(self, each.name))
        for names in (("p13", "p14"), ("p31", "p32")):
            if sum(getattr(self, name) for name in names) > 1:
                raise ValueError(f"loss state {' and '.join(names)} leave the same state and exceed 100% together")

    def __str__(self) -> str:
        return f"state {_percents((self.p13, self.p31, self.p32, self.p23, self.p14), (0.0, 1.0, 0.0))}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Correlations:
    """How much each random number is the one before it, as netem has it: x' = c x + (1 - c) u for a uniform u."""

    loss: float = 0.0
    delay: float = 0.0
    reorder: float = 0.0
    duplicate: float = 0.0
    corrupt: float = 0.0

    def __post_init__(self) -> None:
        for each in fields(self):
            _check_probability(f"the correlation of {each.name}", getattr(self, each.name))


@dataclass(frozen=True, slots=True, kw_only=True)
class DropTail:
    """What comes when ``limit`` packets wait, or so many octets, is dropped."""

    limit: int = 1000
    unit: Literal["packets", "octets"] = "packets"

    def __post_init__(self) -> None:
        _check_limit(self.limit, self.unit)

    def __str__(self) -> str:
        if self.unit == "octets":
            return f"bfifo limit {self.limit}b"
        return f"limit {self.limit}" if self.limit != 1000 else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Red:
    """Random early detection (Floyd and Jacobson 1993), in packets instead of octets, otherwise as tc-red(8).

    The average queue takes in ``weight`` of each packet's view of the queue. From ``minimum`` to ``maximum`` packets
    the probability of a drop rises to ``probability``; beyond, all are dropped, or with ``gentle`` (Floyd 2000) the
    probability goes on rising, to 1 at twice ``maximum``. With ``ecn``, packets that can be are marked instead.
    """

    limit: int
    minimum: int
    maximum: int
    weight: float
    probability: float = 0.02
    gentle: bool = False
    ecn: bool = False

    def __post_init__(self) -> None:
        _check_limit(self.limit)
        _check_probability("red probability", self.probability)
        if not 0 < self.weight <= 1:
            raise ValueError(f"red weight is above 0% and at most 100%, not {_percent(self.weight)}")
        if not 1 <= self.minimum < self.maximum <= self.limit:
            raise ValueError(
                f"red needs 1 <= min < max <= limit, but they are {self.minimum}, {self.maximum} and {self.limit}"
            )

    def __str__(self) -> str:
        words = f"red limit {self.limit} min {self.minimum} max {self.maximum} weight {_percent(self.weight)}"
        words += f" probability {_percent(self.probability)}"
        return words + " gentle" * self.gentle + " ecn" * self.ecn


@dataclass(frozen=True, slots=True, kw_only=True)
class CoDel:
    """Controlled delay (RFC 8289): no packet waits longer than ``target`` for a whole ``interval`` without a drop."""

    limit: int = 1000
    target: Duration = 5 * MILLISECOND
    interval: Duration = 100 * MILLISECOND
    ecn: bool = False

    def __post_init__(self) -> None:
        _check_limit(self.limit)
        if not 0 < self.target <= self.interval:
            raise ValueError(f"codel needs 0 < target <= interval, but they are {self.target} and {self.interval} ns")

    def __str__(self) -> str:
        return f"codel limit {self.limit} target {self.target}ns interval {self.interval}ns" + " ecn" * self.ecn


Queue: TypeAlias = DropTail | Red | CoDel


@dataclass(frozen=True, kw_only=True)
class Impairment:
    """What one direction of a link does to each packet; by default nothing.

    Probabilities are in [0, 1]. ``rate`` in bits per second (0: any) is that of a wire with ``queue`` in front of it.
    Behind it packets are lost (with ``ecn`` marked, those that can be), duplicated, corrupted and delayed by ``delay``
    +- ``jitter`` nanoseconds, uniform or normal with ``jitter`` as its deviation; so jitter alone reorders. A reordered
    packet overtakes: it is not delayed; with ``gap`` n at most every n-th does. Without a rate, at most the queue's
    limit of packets is held back by the delay, as netem has it.
    """

    loss: float | GilbertElliott | FourState = 0.0
    ecn: bool = False
    delay: Duration = 0
    jitter: Duration = 0
    distribution: Distribution = "uniform"
    reorder: float = 0.0
    gap: int = 1
    duplicate: float = 0.0
    corrupt: float = 0.0
    rate: int = 0
    queue: Queue = field(default_factory=DropTail)
    correlations: Correlations = field(default_factory=Correlations)

    def __post_init__(self) -> None:
        for name in ("loss", "reorder", "duplicate", "corrupt"):
            if isinstance(getattr(self, name), float | int):
                _check_probability(name, getattr(self, name))
        for name in ("delay", "jitter", "rate"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} cannot be negative, as {getattr(self, name)} is")
        if self.gap < 1:
            raise ValueError(f"gap is a number of packets of at least 1, not {self.gap}")
        for needs, fault in self._unfounded():
            if needs:
                raise ValueError(fault)

    def _unfounded(self) -> Iterator[tuple[bool, str]]:
        """What is there without that which it is about."""
        yield (
            self.reorder > 0 and not self.delay,
            "reorder needs a delay: a packet overtakes others by not being delayed as they are",
        )
        yield self.gap > 1 and not self.reorder, "gap needs a reorder: it says how far apart reordered packets are"
        yield self.ecn and not self.loss, "ecn needs a loss: it marks the packets that would have been lost"
        yield self.distribution != "uniform" and not self.jitter, "distribution needs a jitter behind the delay"
        named = str(self.queue).split(" limit")[0]
        yield named in ("bfifo", "red", "codel") and not self.rate, f"{named} needs a rate: without one nothing queues"
        for name in ("loss", "reorder", "duplicate", "corrupt"):
            chance = getattr(self, name)
            yield (
                getattr(self.correlations, name) > 0 and not (isinstance(chance, float | int) and chance > 0),
                f"the correlation of {name} needs a probability to act on",
            )
        yield self.correlations.delay > 0 and not self.jitter, "the correlation of delay needs a jitter to act on"

    @property
    def holds_back(self) -> bool:
        """Whether packets may leave later than they came."""
        return bool(self.delay or self.jitter or self.rate)

    @property
    def loss_words(self) -> str:
        """``"loss 1.00%"``"""
        return self._chance_words("loss")

    def __str__(self) -> str:
        """In netem's terms, as `netem.parse` takes it; empty for a perfect link."""
        words = [self._delay_words()] if self.delay or self.jitter else []
        for name in ("loss", "reorder", "duplicate", "corrupt"):
            if getattr(self, name):
                words.append(self._chance_words(name))
        if self.gap != 1:
            words.append(f"gap {self.gap}")
        if self.ecn:
            words.append("ecn")
        if self.rate:
            words.append(f"rate {self.rate}bit")
        words.append(str(self.queue))
        return " ".join(word for word in words if word)

    def _delay_words(self) -> str:
        words = f"delay {self.delay}ns"
        if self.jitter:
            words += f" {self.jitter}ns"
        if self.correlations.delay:
            words += f" {_percent(self.correlations.delay)}"
        if self.distribution != "uniform":
            words += f" distribution {self.distribution}"
        return words

    def _chance_words(self, name: str) -> str:
        chance, correlation = getattr(self, name), getattr(self.correlations, name)
        words = f"{name} {_percent(chance) if isinstance(chance, float | int) else chance}"
        return f"{words} {_percent(correlation)}" if correlation else words


PERFECT: Final = Impairment()
"""A network that only hands on."""
