"""What somebody knows about a secret, in bits (Shannon 1948), from pairs of what he saw and what was true."""

from collections import Counter
from collections.abc import Hashable, Iterable
from math import log2


def entropy(values: Iterable[Hashable]) -> float:
    """Bits that one of ``values`` is worth to who knows how frequent each is."""
    counts = Counter(values)
    total = counts.total()
    return sum(count / total * log2(total / count) for count in counts.values())


def mutual_information(pairs: Iterable[tuple[Hashable, Hashable]]) -> float:
    """Bits that the first of each pair gives away of the second.

    The plain estimate: it is too high by about (rows - 1) * (columns - 1) / (2 * n * ln 2) bits, so what was seen has
    to be put into few classes first.
    """
    known = list(pairs)
    apart = entropy(seen for seen, _ in known) + entropy(truth for _, truth in known)
    return max(0.0, apart - entropy(known))


def share_known(pairs: Iterable[tuple[Hashable, Hashable]]) -> float:
    """Of the secret's entropy, how much was given away: 0 to 1; 0 of a secret that is none."""
    known = list(pairs)
    secret = entropy(truth for _, truth in known)
    return mutual_information(known) / secret if secret else 0.0
