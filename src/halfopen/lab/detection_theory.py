"""What detectors of scans should show, in closed form: how many they find, and after how many contacts.

All for sources whose contacts fail independently, each with the same probability.
"""

from dataclasses import dataclass
from math import comb, sqrt


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """``found``: the probability of a verdict; ``contacts``: the mean number until it, if there is one; ``deviation``:
    the standard deviation of that.
    """

    found: float
    contacts: float
    deviation: float

    def tolerance(self, sources: int, errors: float = 4.0) -> float:
        """How far, relatively, the mean of so many sources may be off: four standard errors, once in 15,000."""
        return errors * self.deviation / sqrt(max(1, sources)) / self.contacts if self.contacts else 0.0


def of_count(failures: int, failure: float, most: int) -> Expectation:
    """For who counts up to ``failures`` of contacts that fail with probability ``failure``; ``most`` are made.

    The number until the verdict is negative binomial: the last one is a failure, the others lie anywhere before.
    """
    ends = {
        number: comb(number - 1, failures - 1) * failure**failures * (1 - failure) ** (number - failures)
        for number in range(failures, most + 1)
    }
    return _of(ends)


def of_walk(failure: float, most: int, steps: int = 4) -> Expectation:
    """For TRW, the walk that ends at ``steps`` net failures, or clears at as many net successes; ``most`` are made.

    Without an end to the contacts these are `halfopen.lab.detectors.flag_probability` and, of both ends together,
    `halfopen.lab.detectors.expected_contacts`.
    """
    places, ends = {0: 1.0}, {}
    for number in range(1, most + 1):
        moved: dict[int, float] = {}
        for place, weight in places.items():
            moved[place + 1] = moved.get(place + 1, 0.0) + weight * failure
            moved[place - 1] = moved.get(place - 1, 0.0) + weight * (1 - failure)
        ends[number] = moved.pop(steps, 0.0)
        moved.pop(-steps, None)
        places = moved
    return _of(ends)


def _of(ends: dict[int, float]) -> Expectation:
    found = sum(ends.values())
    if not found:
        return Expectation(found=0.0, contacts=0.0, deviation=0.0)
    mean = sum(number * weight for number, weight in ends.items()) / found
    square = sum((number - mean) ** 2 * weight for number, weight in ends.items()) / found
    return Expectation(found=found, contacts=mean, deviation=sqrt(square))
