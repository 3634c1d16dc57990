"""The SYN-RECEIVED table: half-open peers as packed records in memory that never grows (RFC 4987 3.3, "SYN cache").

A SYN from anywhere may claim a place here, so a place is cheap: 36 octets for IPv4 alone, 60 where IPv6 may come, and
an eighth of an octet of index. The table is an array of buckets; the keyed hash of a flow says which bucket is its own,
so nobody outside can aim at one. All records with the same number of retransmissions wait for the same time, so each
number has a queue, linked through the records, whose head is always due first: every verb costs the same, however full
the table is.

    bucket 0               bucket 1                        queue of records sent n + 1 times
    |rec|rec|   |rec|...   |   |rec|   |...       oldest[n] -> rec -> rec -> rec <- newest[n]
     occupied 0b1011        occupied 0b0010                    due first
"""

from array import array
from collections.abc import Iterator, Sequence
from hashlib import blake2s
from itertools import accumulate
from struct import Struct
from typing import Final

from halfopen.base.clock import NEVER, SECOND, Duration, Instant
from halfopen.base.errors import ConfigError
from halfopen.tcp.accurate_ecn import ACCURATE, CLASSIC, SUSPECT
from halfopen.tcp.eviction import DropOldest, EvictionPolicy
from halfopen.tcp.half_open_record import MAX_BAD_ACKS as MAX_BAD_ACKS
from halfopen.tcp.half_open_record import HalfOpen as HalfOpen
from halfopen.tcp.seqnum import HALF, MASK, unwrap

SYNACK_TIMEOUT: Final[Duration] = 1 * SECOND
"""Before the first retransmission; it doubles for each further one (RFC 6298 2.1, 5.5)."""
SYNACK_TIMEOUT_MAX: Final[Duration] = 120 * SECOND

IPV4_FLOW_OCTETS: Final = 12
IPV6_FLOW_OCTETS: Final = 36
WAYS: Final = 32
"""Records in a bucket, at most: those of one machine word of occupancy bits (FreeBSD's syncache has 30)."""
MAX_CAPACITY: Final = 0xFFFF
MAX_RETRIES: Final = 15

_NONE: Final = 0xFFFF
_LINK: Final = Struct("<H")
_TAIL: Final = Struct("<IHHH")
"""Deadline in ticks, bits, the next newer and the next older record of the same queue."""
_BITS: Final = Struct("<H")
_BITS_OFFSET: Final = 4
_FIXED: Final = "IIIHIHHH"
"""What follows the flow: IRS, ISS, TS.Recent, the peer's MSS, and the tail."""
_FIXED_OCTETS: Final = Struct("<" + _FIXED).size
_TICK_BITS: Final = 12
"""Deadlines are kept in 32 bits of 4.096 us each and unwrapped like sequence numbers: good for 2.4 hours either way."""
_ACCURATE_BITS: Final = 7  # those of a deadline that Accurate ECN has instead: it is a multiple of 32.768 us
_ACCURATE_SHIFT: Final = 16
_NO_SCALE: Final = 15
_SACK, _TIMESTAMPS, _ECN, _IPV4 = 0x10, 0x20, 0x40, 0x80
CHALLENGED: Final = 0x100
"""A challenge ACK has been sent: the last before the next SYN-ACK (RFC 5961 7)."""
SUSPECTED: Final = _ECN
"""With Accurate ECN: a SYN has come without, so that one of the two was spoilt (RFC 9768 3.1.5)."""
_RETRANSMISSIONS_SHIFT: Final = 9
_BAD_ACKS_SHIFT: Final = 13


def _bits_of(record: HalfOpen) -> int:
    """All the small fields in 16 bits, that of `is_challenged` is set by `HalfOpenTable.flag` only; and above
    them those of Accurate ECN."""
    bits = _NO_SCALE if record.window_scale is None else record.window_scale
    if record.sack_permitted:
        bits |= _SACK
    if record.ts_recent is not None:
        bits |= _TIMESTAMPS
    if record.ecn & SUSPECT or record.ecn == CLASSIC:
        bits |= _ECN
    if record.ecn & ACCURATE:
        bits |= (record.ecn & _ACCURATE_BITS) << _ACCURATE_SHIFT
    if len(record.flow) == IPV4_FLOW_OCTETS:
        bits |= _IPV4
    return bits | record.retransmissions << _RETRANSMISSIONS_SHIFT | record.bad_acks << _BAD_ACKS_SHIFT


def _lowest_free(occupied: int) -> int:
    """The index of the lowest 0."""
    return (~occupied & (occupied + 1)).bit_length() - 1


def _level(bits: int) -> int:
    """How often the SYN-ACK was sent again."""
    return bits >> _RETRANSMISSIONS_SHIFT & MAX_RETRIES


def _instant(ticks: int, near: Instant) -> Instant:
    return unwrap(ticks & ~_ACCURATE_BITS, near >> _TICK_BITS) << _TICK_BITS


def _ecn(accurate: int, bits: int) -> int:
    """`HalfOpen.ecn`, from the bits that it is kept in."""
    is_set = bits & _ECN != 0
    return accurate | (SUSPECT if is_set else 0) if accurate & ACCURATE else int(is_set)


class _Index:
    """Which bucket is a flow's own."""

    __slots__ = ("_bucket", "_buckets", "_flow", "_keyed")

    def __init__(self, secret: bytes, buckets: int) -> None:
        self._buckets = buckets
        self._keyed = blake2s(key=secret, digest_size=8, person=b"halfopen")
        self._flow = b""
        self._bucket = 0

    def bucket_of(self, flow: bytes) -> int:
        """Its number; who is looked for is often added or removed next, at no further hash."""
        if flow != self._flow:
            digest = self._keyed.copy()
            digest.update(flow)
            self._bucket = int.from_bytes(digest.digest(), "big") % self._buckets
            self._flow = flow
        return self._bucket


def _tail_at(size: int, slot: int) -> int:
    """Where the tail of a record of ``size`` octets begins."""
    return (slot + 1) * size - _TAIL.size


def _added(fields: tuple[int, ...], timeouts: Sequence[Duration], latest: Instant) -> list[Instant]:
    """When each record of a full bucket came, if `expire` was never late: its deadline less all its waits."""
    waits = list(accumulate(timeouts))
    keep = ~_ACCURATE_BITS
    base = (latest >> _TICK_BITS) - HALF  # `_instant` written out: in a flood this is what costs
    return [
        (((ticks & keep) - base & MASK) + base << _TICK_BITS) - waits[bits >> _RETRANSMISSIONS_SHIFT & MAX_RETRIES]
        for ticks, bits in zip(fields[::2], fields[1::2], strict=True)
    ]


def _waits(synack_retries: int) -> list[Duration]:
    return [min(SYNACK_TIMEOUT << n, SYNACK_TIMEOUT_MAX) for n in range(synack_retries + 1)]


class HalfOpenTable:
    """Half-open peers by flow, at most `capacity` of them; `now` never runs backwards from one call to the next."""

    __slots__ = (
        "_arrivals",
        "_due",
        "_eviction",
        "_index",
        "_latest",
        "_layout",
        "_newest",
        "_occupied",
        "_oldest",
        "_records",
        "_timeouts",
        "ways",
    )

    def __init__(
        self,
        capacity: int,
        secret: bytes,
        eviction: EvictionPolicy | None = None,
        synack_retries: int | Sequence[Duration] = 5,
        flow_octets: int = IPV6_FLOW_OCTETS,
    ) -> None:
        """Room for ``capacity`` records, rounded up to whole buckets; ``flow_octets`` 12 leaves no place for IPv6.

        ``synack_retries``: how often, after 1, 2, 4 ... seconds; or how long to wait each time, the last of which ends
        it. ``secret`` has 16 to 32 octets. A full bucket drops its oldest record if no ``eviction`` is given.
        """
        if not 1 <= capacity <= MAX_CAPACITY - WAYS:
            raise ConfigError(f"a half-open table holds 1 to {MAX_CAPACITY - WAYS} peers, not {capacity}")
        waits = _waits(synack_retries) if isinstance(synack_retries, int) else list(synack_retries)
        if not 1 <= len(waits) <= MAX_RETRIES + 1:
            raise ConfigError(f"a SYN-ACK is retransmitted 0 to {MAX_RETRIES} times, not {len(waits) - 1}")
        if not 16 <= len(secret) <= 32:
            raise ConfigError(f"the secret of a half-open table has 16 to 32 octets, not {len(secret)}")
        buckets = -(-capacity // WAYS)
        self.ways = -(-capacity // buckets)
        """How many records there is room for in each bucket."""
        self._layout = Struct(f"<{flow_octets}s{_FIXED}")
        self._arrivals = Struct("<" + f"{self._layout.size - _TAIL.size}xIH4x" * self.ways)
        self._occupied = array("I", [0] * buckets)
        self._records = bytearray(self.capacity * self._layout.size)
        self._index = _Index(secret, buckets)
        self._eviction = DropOldest() if eviction is None else eviction
        self._timeouts = waits
        self._oldest = [_NONE] * len(self._timeouts)
        self._newest = [_NONE] * len(self._timeouts)
        self._due: list[Instant] = [NEVER] * len(self._timeouts)
        self._latest: Instant = 0

    @property
    def capacity(self) -> int:
        """How many records there is room for."""
        return len(self._occupied) * self.ways

    @property
    def octets(self) -> int:
        """Memory held for records and index, the same from the first day to the last."""
        return len(self._records) + len(self._occupied) * self._occupied.itemsize

    def __len__(self) -> int:
        return sum(map(int.bit_count, self._occupied))

    def __iter__(self) -> Iterator[HalfOpen]:
        """Copies of all records, bucket by bucket."""
        for bucket, occupied in enumerate(self._occupied):
            for index in range(self.ways):
                if occupied >> index & 1:
                    yield self._read(bucket * self.ways + index)

    def add(self, record: HalfOpen, now: Instant, kept: int = 0) -> HalfOpen | None:
        """Takes ``record``, whose SYN-ACK is sent ``now``; returns who had to go: ``record`` itself, another, or None.

        A record of the same flow is replaced and its timer started anew. The last ``kept`` places of a bucket, fewer
        than `ways`, are for others.
        """
        if len(record.flow) not in (IPV4_FLOW_OCTETS, self._layout.size - _FIXED_OCTETS):
            raise ConfigError(f"a flow of {len(record.flow)} octets does not fit into this half-open table")
        bucket = self._index.bucket_of(record.flow)
        slot = self._slot_of(record.flow, bucket)
        evicted: HalfOpen | None = None
        if slot >= 0:
            self._unlink(slot)
        else:
            ways = self.ways - kept
            slot = bucket * self.ways + _lowest_free(self._occupied[bucket])
            if slot >= bucket * self.ways + ways:
                victim = self._eviction.choose(
                    ways,
                    lambda: _added(
                        self._arrivals.unpack_from(self._records, bucket * self._arrivals.size),
                        self._timeouts,
                        self._latest,
                    )[:ways],
                )
                if victim is None:
                    return record
                slot = bucket * self.ways + victim
                evicted = self._read(slot)
                self._unlink(slot)
            self._occupied[bucket] |= 1 << slot % self.ways
        record.retransmissions = 0
        record.bad_acks = 0
        record.is_challenged = False
        fields = (record.flow, record.irs, record.iss, record.ts_recent or 0, record.peer_mss)
        self._layout.pack_into(self._records, slot * self._layout.size, *fields, 0, 0, 0, 0)
        record.deadline = self._link(slot, _bits_of(record), now)
        return evicted

    def find(self, flow: bytes) -> HalfOpen | None:
        """A copy of the record of ``flow``."""
        if min(self._due) == NEVER:
            return None  # nobody is here, for which no hash is needed: with cookies for all that is always so
        slot = self._slot_of(flow, self._index.bucket_of(flow))
        return self._read(slot) if slot >= 0 else None

    def complete(self, flow: bytes) -> HalfOpen | None:
        """The record of ``flow``, which leaves the table: its handshake is over."""
        slot = self._slot_of(flow, self._index.bucket_of(flow))
        if slot < 0:
            return None
        record = self._read(slot)
        self._remove(slot)
        return record

    def reset(self, flow: bytes) -> bool:
        """The peer reset its handshake (RFC 9293 3.10.7.4): forgets it; False if there was none."""
        return self.complete(flow) is not None

    def flag(self, flow: bytes, what: int) -> None:
        """Notes that a peer that `find` knows has been `CHALLENGED`, or is `SUSPECTED`."""
        at = _tail_at(self._layout.size, self._slot_of(flow, self._index.bucket_of(flow))) + _BITS_OFFSET
        (bits,) = _BITS.unpack_from(self._records, at)
        _BITS.pack_into(self._records, at, bits | what)

    def count_bad_ack(self, flow: bytes) -> int:
        """A peer that `find` knows has sent a wrong ACK: how many it has sent by now."""
        at = _tail_at(self._layout.size, self._slot_of(flow, self._index.bucket_of(flow))) + _BITS_OFFSET
        (bits,) = _BITS.unpack_from(self._records, at)
        bad_acks: int = min((bits >> _BAD_ACKS_SHIFT) + 1, MAX_BAD_ACKS)
        _BITS.pack_into(self._records, at, bits & (1 << _BAD_ACKS_SHIFT) - 1 | bad_acks << _BAD_ACKS_SHIFT)
        return bad_acks

    def restart(self, flow: bytes, now: Instant) -> None:
        """The SYN-ACK of a peer that `find` knows has been sent again, but not by `expire`: its timer starts anew."""
        slot = self._slot_of(flow, self._index.bucket_of(flow))
        bits = _bits_of(self._read(slot))
        self._unlink(slot)
        self._link(slot, bits, now)

    def next_deadline(self) -> Instant:
        """When `expire` has something to do; NEVER for an empty table."""
        return min(self._due)

    def expire(self, now: Instant) -> Iterator[HalfOpen]:
        """Everyone whose time has come, in order: to be sent a SYN-ACK again, or already dropped (`is_dropped`).

        Each step costs the same; who stops early goes on with the next call.
        """
        while (due := min(self._due)) <= now:
            level = self._due.index(due)
            slot = self._oldest[level]
            record = self._read(slot)
            if level + 1 == len(self._timeouts):
                self._remove(slot)
                record.deadline = NEVER
            else:
                self._unlink(slot)
                record.retransmissions += 1
                record.is_challenged = False
                record.deadline = self._link(slot, _bits_of(record), now)
            yield record

    def _slot_of(self, flow: bytes, bucket: int) -> int:
        """Where the record of ``flow`` is, or -1: a search for its octets at whole, occupied records."""
        occupied = self._occupied[bucket]
        if not occupied:
            return -1
        size = self._layout.size
        start = bucket * self.ways * size
        stop = start + occupied.bit_length() * size
        wanted = flow.ljust(size - _FIXED_OCTETS, b"\0")
        at = self._records.find(wanted, start, stop)
        while at >= 0:
            index, offset = divmod(at - start, size)
            if offset == 0 and occupied >> index & 1:
                return bucket * self.ways + index
            at = self._records.find(wanted, at + 1, stop)
        return -1

    def _read(self, slot: int) -> HalfOpen:
        fields = self._layout.unpack_from(self._records, slot * self._layout.size)
        flow, irs, iss, ts_recent, peer_mss, ticks, bits, _, _ = fields
        scale = bits & 0xF
        return HalfOpen(
            flow=flow[:IPV4_FLOW_OCTETS] if bits & _IPV4 else flow,
            irs=irs,
            iss=iss,
            peer_mss=peer_mss,
            window_scale=None if scale == _NO_SCALE else scale,
            sack_permitted=bits & _SACK != 0,
            ecn=_ecn(ticks & _ACCURATE_BITS, bits),
            is_challenged=bits & CHALLENGED != 0,
            ts_recent=ts_recent if bits & _TIMESTAMPS else None,
            retransmissions=_level(bits),
            bad_acks=bits >> _BAD_ACKS_SHIFT,
            deadline=_instant(ticks, self._latest),
        )

    def _link(self, slot: int, bits: int, now: Instant) -> Instant:
        """Puts the record at the end of its queue and returns its deadline."""
        self._latest = now
        level = _level(bits)
        ticks = -(-(now + self._timeouts[level]) >> _TICK_BITS) + _ACCURATE_BITS & ~_ACCURATE_BITS  # never early
        deadline = ticks << _TICK_BITS
        newest = self._newest[level]
        word = ticks & MASK | bits >> _ACCURATE_SHIFT
        _TAIL.pack_into(self._records, _tail_at(self._layout.size, slot), word, bits & 0xFFFF, _NONE, newest)
        self._newest[level] = slot
        if newest == _NONE:
            self._oldest[level] = slot
            self._due[level] = deadline
        else:
            _LINK.pack_into(self._records, _tail_at(self._layout.size, newest) + 6, slot)
        return deadline

    def _unlink(self, slot: int) -> None:
        """Takes the record out of its queue."""
        _, bits, newer, older = _TAIL.unpack_from(self._records, _tail_at(self._layout.size, slot))
        level = _level(bits)
        if newer == _NONE:
            self._newest[level] = older
        else:
            _LINK.pack_into(self._records, _tail_at(self._layout.size, newer) + 8, older)
        if older != _NONE:
            _LINK.pack_into(self._records, _tail_at(self._layout.size, older) + 6, newer)
            return
        self._oldest[level] = newer
        if newer == _NONE:
            self._due[level] = NEVER
        else:
            # Near the one before it, not near now: after a long sleep a SYN may come before `expire` does.
            ticks, _, _, _ = _TAIL.unpack_from(self._records, _tail_at(self._layout.size, newer))
            self._due[level] = _instant(ticks, self._due[level])

    def _remove(self, slot: int) -> None:
        self._unlink(slot)
        bucket, index = divmod(slot, self.ways)
        self._occupied[bucket] &= ~(1 << index)
