"""Loss, delay, reordering, duplication, corruption and rate between a real peer and us, in netem's terms (tc-netem(8)).

Seeded: the same packets at the same times meet the same fate. For kernels without netem, and for tests that have to be
able to repeat what they found.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from heapq import heappop, heappush

from halfopen.base.clock import MICROSECOND, MILLISECOND, NEVER, SECOND, Duration, Instant
from halfopen.base.counters import Counters
from halfopen.base.errors import Malformed
from halfopen.base.rng import Rng, SeededRng
from halfopen.links.link import Link
from halfopen.links.offload import pieces
from halfopen.wire.offload import complete_checksum
from halfopen.wire.packet import CHECKSUM_NONE, Packet

_BATCH = 64
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


class _Channel:
    """One direction: packets in, packets out at their time."""

    def __init__(self, impairment: Impairment, network_offset: int, rng: Rng, counters: Counters, prefix: str) -> None:
        self._impairment = impairment
        self._network_offset = network_offset
        self._rng = rng
        self._counters = counters
        self._prefix = prefix
        self._held: list[tuple[Instant, int, Packet]] = []
        self._order = 0
        self._wire_free_at: Instant = 0

    def admit(self, packet: Packet, now: Instant) -> bool:
        """Takes one packet, no super-segment; False if the queue is full. What the network itself loses is True."""
        impairment = self._impairment
        copies = 1 + self._happens(impairment.duplicate, "Duplicated")
        if self._happens(impairment.loss, "Lost"):
            # As in netem: a lost packet that was to be duplicated arrives once.
            copies -= 1
        fits = True
        for _ in range(copies):
            fits = self._hold(packet, now) and fits
        return fits

    def _hold(self, packet: Packet, now: Instant) -> bool:
        impairment = self._impairment
        if impairment.holds_back and len(self._held) >= impairment.limit:
            self._counters.add(self._prefix + "Overlimit")
            return False
        if self._happens(impairment.corrupt, "Corrupted"):
            packet = self._corrupted(packet)
        when = now
        if impairment.rate:
            when = max(now, self._wire_free_at) + packet.octets * 8 * SECOND // impairment.rate
            self._wire_free_at = when
        if not self._happens(impairment.reorder, "Reordered"):
            when = max(now, when + impairment.delay + self._jitter())
        self._order += 1
        heappush(self._held, (when, self._order, packet))
        return True

    def _jitter(self) -> Duration:
        jitter = self._impairment.jitter
        return self._rng.below(2 * jitter + 1) - jitter if jitter else 0

    def _happens(self, probability: float, name: str) -> bool:
        if not probability or self._rng.uniform() >= probability:
            return False
        self._counters.add(self._prefix + name)
        return True

    def _corrupted(self, packet: Packet) -> Packet:
        """One bit inverted behind the link header: an Ethernet's own check would have caught one within."""
        octets = bytearray(complete_checksum(packet).joined())
        if len(octets) <= self._network_offset:
            return packet
        bit = self._rng.below(8 * (len(octets) - self._network_offset))
        octets[self._network_offset + (bit >> 3)] ^= 1 << (bit & 7)
        return Packet(bytes(octets), (), CHECKSUM_NONE)

    def next_deadline(self) -> Instant:
        """When the first packet held back is to leave."""
        return self._held[0][0] if self._held else NEVER

    def due(self, now: Instant, limit: int) -> list[Packet]:
        """Up to ``limit`` packets whose time has come, in the order of their times."""
        held = self._held
        packets: list[Packet] = []
        while held and held[0][0] <= now and len(packets) < limit:
            packets.append(heappop(held)[2])
        return packets


class ImpairedLink(Link):
    """Another link with the network that ``inbound`` and ``outbound`` describe in front of it.

    Fate is dealt per packet, as on a wire: super-segments are cut first, so that none is read from an impaired
    direction. What the network loses counts as written; only a full queue makes `write` False. ``clock`` is that of
    whoever calls `on_deadline`. Counters are those of the link, with ``ImpairedInLost``, ``ImpairedOutLost`` and the
    like.
    """

    def __init__(
        self,
        link: Link,
        *,
        rng: Rng,
        clock: Callable[[], Instant],
        inbound: Impairment = PERFECT,
        outbound: Impairment = PERFECT,
    ) -> None:
        super().__init__(link.name, link.kind, link.mtu, link.mac)
        self.checksum_offload = link.checksum_offload
        self.gso_octets = link.gso_octets
        self.counters = link.counters
        self._link = link
        self._clock = clock
        # A generator each: what one direction carries does not shift the other's fate.
        self._inbound, self._outbound = (
            None
            if impairment == PERFECT
            else _Channel(impairment, link.network_offset, SeededRng(rng.octets(32)), link.counters, prefix)
            for impairment, prefix in ((inbound, "ImpairedIn"), (outbound, "ImpairedOut"))
        )

    def fileno(self) -> int:
        """The descriptor of the link behind."""
        return self._link.fileno()

    def read(self, limit: int) -> list[Packet]:
        """What has come through by now. The link behind is read no faster than that is fetched."""
        channel = self._inbound
        if channel is None:
            return self._link.read(limit)
        now = self._clock()
        arrived = channel.due(now, limit)
        if len(arrived) < limit:
            for packet in self._link.read(limit - len(arrived)):
                self._admit(channel, packet, now)
            arrived += channel.due(now, limit - len(arrived))
        return arrived

    def write(self, packet: Packet) -> bool:
        """Sends ``packet`` into the network; False if its queue is full."""
        channel = self._outbound
        if channel is None:
            return self._link.write(packet)
        now = self._clock()
        fits = self._admit(channel, packet, now)
        self._deliver(channel, now)
        return fits

    def _admit(self, channel: _Channel, packet: Packet, now: Instant) -> bool:
        try:
            fits = [channel.admit(piece, now) for piece in pieces(packet, self.network_offset)]
        except Malformed as malformed:
            self.counters.add(malformed.reason)
            return False
        return all(fits)

    def _deliver(self, channel: _Channel, now: Instant) -> None:
        while packets := channel.due(now, _BATCH):
            for packet in packets:
                self._link.write(packet)

    def next_deadline(self) -> Instant:
        """When the next packet comes out of the network, in either direction."""
        deadline = self._link.next_deadline()
        for channel in (self._inbound, self._outbound):
            if channel is not None:
                deadline = min(deadline, channel.next_deadline())
        return deadline

    def on_deadline(self, now: Instant) -> None:
        """Writes what is due to the link behind; what is due inbound waits for `read`."""
        self._link.on_deadline(now)
        if self._outbound is not None:
            self._deliver(self._outbound, now)

    def close(self) -> None:
        """Closes the link behind; what is still held back is lost."""
        self._link.close()
