"""What theory says of SYN floods: closed forms for each way to keep a table of half-open peers (RFC 4987 3).

Throughout, ``rate`` is that of the flood in SYNs a second, a Poisson process, and ``rtt`` what a real client takes to
answer, in seconds. `Table` says how the records are kept: those of `halfopen.tcp.half_open` are in buckets, and each
bucket is a table of its own that gets its share of the flood.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import exp, lgamma, log

from halfopen.base.clock import SECOND
from halfopen.tcp.half_open import SYNACK_TIMEOUT, SYNACK_TIMEOUT_MAX, WAYS


@dataclass(frozen=True, slots=True)
class Table:
    """So many ``buckets`` of so many ``ways``."""

    buckets: int
    ways: int

    @classmethod
    def of(cls, backlog: int) -> "Table":
        """What the stack makes of ``half_open=backlog``: whole buckets of 32 ways at most."""
        buckets = -(-backlog // WAYS)
        return cls(buckets, -(-backlog // buckets))

    @property
    def capacity(self) -> int:
        """Records in all."""
        return self.buckets * self.ways


def synack_times(retries: int) -> list[float]:
    """When the SYN,ACKs of one record leave, in seconds after its SYN: 0, 1, 3, 7, 15, 31 for five retries."""
    waits = [min(SYNACK_TIMEOUT << number, SYNACK_TIMEOUT_MAX) / SECOND for number in range(retries)]
    return [sum(waits[:number]) for number in range(retries + 1)]


def lifetime(retries: int) -> float:
    """How long a record lives that nobody answers: 63 s for five retries, 3 s for one (RFC 4987 3.3)."""
    return synack_times(retries + 1)[-1]


def keep_full_rate(backlog: int, seconds: float) -> float:
    """SYNs a second that keep a drop-tail queue full: B/T, 0.07 for the 5 and 75 s of 1985 (RFC 4987 3.2)."""
    return backlog / seconds


def erlang_b(load: float, servers: int) -> float:
    """How many of Poisson arrivals are refused that find all ``servers`` taken (Erlang 1917), however long they stay.

    B(0) = 1, B(n) = load B(n-1) / (n + load B(n-1)).
    """
    refused = 1.0
    for number in range(1, servers + 1):
        refused = load * refused / (number + load * refused)
    return refused


def drop_tail(table: Table, rate: float, seconds: float) -> float:
    """How many SYNs find a place in a table where whoever is in stays in, for ``seconds``.

    About min(1, B/(rate T)), the fluid limit; exactly Erlang's formula for each bucket.
    """
    return 1 - erlang_b(rate * seconds / table.buckets, table.ways)


def drop_tail_second(table: Table, rate: float, seconds: float) -> float:
    """The same in the second lifetime of a flood that began with an empty table.

    Where the first SYNs filled it in half a lifetime, each record makes room a lifetime after it was made, the next SYN
    takes its place, and all are taken once more: min(1, B/(rate T)), exactly. Erlang's chance is that of a flood
    without a beginning, in which places stand empty at any time; it is the better one for a table that fills slowly.
    """
    if rate * seconds < 2 * table.capacity:
        return drop_tail(table, rate, seconds)
    return drop_tail_fluid(table.capacity, rate, seconds)


def drop_tail_fluid(backlog: int, rate: float, seconds: float) -> float:
    """The same as if SYNs were a liquid: B/(rate T)."""
    return min(1.0, backlog / (rate * seconds))


def recycle_oldest(table: Table, rate: float, rtt: float) -> float:
    """How many clients answer before their record has become the oldest of a full bucket (RFC 4987 3.4, 3.5).

    Fewer SYNs than there are ways must come into the bucket meanwhile: P(Poisson(rate RTT / buckets) < ways). For one
    large bucket it is a step at rate = B/RTT.
    """
    return poisson_below(table.ways, rate * rtt / table.buckets)


def random_drop(table: Table, rate: float, rtt: float) -> float:
    """How many clients answer before chance has picked their record from a full table: exp(-rate RTT / B)."""
    return exp(-rate * rtt / table.capacity)


def poisson_below(limit: int, mean: float) -> float:
    """P(N < limit) of a Poisson variable."""
    if mean <= 0:
        return 1.0
    return min(1.0, sum(exp(count * log(mean) - mean - lgamma(count + 1)) for count in range(limit)))


def with_retries(share: float, tries: int) -> float:
    """How many clients get in with one of ``tries`` SYNs, were their fates independent."""
    return 1 - (1 - share) ** tries


def completes_under_loss(loss: float, retries: int) -> float:
    """How many clients get one of 1 + ``retries`` SYN,ACKs if each is lost with probability ``loss`` (RFC 4987 3.3)."""
    return 1 - loss ** (retries + 1)


@dataclass(frozen=True, slots=True)
class Window:
    """A measurement that begins ``before`` seconds after the flood did and takes ``seconds``."""

    before: float
    seconds: float

    def covers(self, delay: float) -> float:
        """Which share of events is in it that follow each SYN after ``delay``, relative to the SYNs in it."""
        first, last = max(0.0, self.before - delay), self.before + self.seconds - delay
        return max(0.0, last - first) / self.seconds


def synacks_per_syn(survival: Callable[[float], float], retries: int, window: Window) -> float:
    """How many SYN,ACKs a SYN causes whose record is still there ``t`` seconds later with ``survival(t)``."""
    return sum(survival(when) * window.covers(when) for when in synack_times(retries))


def amplification(retries: int, syn_octets: int, synack_octets: int) -> float:
    """Octets sent to the victim for each octet of a spoofed SYN: SYN,ACK (1 + retries) / SYN."""
    return synack_octets * (1 + retries) / syn_octets


def curve(law: Callable[[float], float], rates: Sequence[float]) -> list[tuple[float, float]]:
    """Points of a closed form."""
    return [(rate, law(rate)) for rate in rates]
