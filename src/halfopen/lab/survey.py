"""Survival curves measured: the SYN flood at many rates for each policy, some seeds each, beside the closed forms."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import fmean

from halfopen.lab import survival
from halfopen.lab.attacks.syn_flood import SynFloodScenario
from halfopen.lab.measurements import wilson
from halfopen.lab.scenario import Settings
from halfopen.lab.survival import Point

RTT = 100.0
"""Milliseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What is switched on, and the rates at which something is to be seen."""

    defences: frozenset[str] = frozenset()
    backlog: int = 1024
    rates: tuple[float, ...]


POLICIES: Mapping[str, Policy] = {
    "drop-tail, 128": Policy(backlog=128, rates=(1, 2, 4, 10, 30, 100, 1000)),
    "random drop, 1024": Policy(defences=frozenset({"random-drop"}), rates=(100, 1000, 3000, 10_000, 20_000, 50_000)),
    "oldest, 1024": Policy(defences=frozenset({"recycle-oldest"}), rates=(1000, 5000, 8000, 10_000, 12_000, 20_000)),
    "SYN cache, 15,360": Policy(defences=frozenset({"syn-cache"}), rates=(10_000, 100_000, 150_000, 200_000)),
    "cookies, hybrid, proxy, filter": Policy(defences=frozenset({"hybrid"}), rates=(10, 1000, 100_000, 1_000_000)),
}
"""By the names of `halfopen.lab.survival.policies`."""


@dataclass(frozen=True, slots=True)
class Row:
    """What share of the clients was served, with its interval, and what theory says of just these runs."""

    policy: str
    rate: float
    share: float
    low: float
    high: float
    theory: float

    @property
    def point(self) -> Point:
        """For the drawing."""
        return Point(self.policy, self.rate, self.share, self.low, self.high)


def measure(names: Iterable[str] = POLICIES, seeds: int = 3, clients: int = 200, syns: int = 20_000) -> list[Row]:
    """A row for each policy and rate, over all seeds.

    The interval takes all clients for independent. In a drop-tail table those of one seed are not: its buckets are full
    or not for seconds.
    """
    parameters = {"clients": clients, "syns": syns}
    return [_measure(name, rate, seeds, parameters) for name in names for rate in POLICIES[name].rates]


def draw(rows: Iterable[Row]) -> str:
    """All of it over the closed forms, as SVG."""
    return survival.draw(RTT / 1000, [row.point for row in rows])


def _measure(name: str, rate: float, seeds: int, parameters: Mapping[str, int]) -> Row:
    policy = POLICIES[name]
    chosen = {**parameters, "rate": rate, "backlog": policy.backlog, "rtt": RTT}
    hits = trials = 0
    expected: list[float] = []
    for seed in range(seeds):
        settings = Settings(seed=seed, defences=policy.defences, parameters=chosen, record=False)
        outcome = SynFloodScenario().run(settings)
        served, asked = outcome.counts["clients served"]
        hits, trials = hits + served, trials + asked
        expected.append(outcome.theory["clients served"])
    interval = wilson(hits, trials)
    return Row(name, rate, hits / trials, interval.low, interval.high, fmean(expected))
