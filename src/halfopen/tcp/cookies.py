"""SYN cookies (RFC 4987 3.6): the record of a half-open peer in 32 bits, sent to the peer itself to be kept there.

A cookie is an initial sequence number. The ACK of our SYN,ACK brings it back, with the peer's own, and so does every
segment that the peer sends until it hears from us. A keyed hash (MAC) fills what the record leaves free:

    SYN with Timestamps      mac 21..0 | ecn | sack | scale 3..0 | mss 2..0 | epoch
    SYN without              mac 28..0 | what 1..0 | epoch

With timestamps no option is lost, the MSS is one of eight, and TSecr must be what our clock has shown in the last 16 s:
a blind guess is right once in 2^22 * 2^18 = 2^40, as long as nobody knows the peer's offset of that clock. Without them
a guess is right once in 2^29 (as Linux), and two bits have to do for the peer's options. The low bits lie under a mask
taken from the hash: to anybody else the number is as random as any.

Keys live for two epochs of 64 s. A cookie is no longer taken 64 to 128 s after it was baked.
"""

from typing import Final

from halfopen.base.clock import MILLISECOND, SECOND, Duration, Instant
from halfopen.base.rng import Rng
from halfopen.tcp.half_open import SYNACK_TIMEOUT, HalfOpen
from halfopen.tcp.keyed import SECRET_OCTETS, KeyedHash, make_keyed
from halfopen.tcp.seqnum import MASK
from halfopen.wire.tcp import Segment

EPOCH: Final[Duration] = 64 * SECOND
"""As gVisor; Linux has 60 s, FreeBSD 15."""

MSS_VALUES: Final = (536, 1220, 1300, 1380, 1420, 1440, 1460, 8940)
"""What a cookie can say of the peer's MSS, rounded down; a smaller one becomes 536 (RFC 791: hosts take 576 octets)."""
BSD_MSS_VALUES: Final = (216, 536, 1200, 1360, 1400, 1440, 1452, 1460)
"""What FreeBSD can say, none of them for jumbo frames."""
FEW_MSS_VALUES: Final = (536, 1300, 1440)
"""The same, where there are no timestamps."""

FRESH_BITS: Final = 14
FRESH: Final[Duration] = (1 << FRESH_BITS) * MILLISECOND
"""How long an echo of our clock is good for: 16 s (FreeBSD's cookies live for 15 to 30)."""

_NO_SCALE: Final = 15
_SCALED: Final = 3
"""Without timestamps: windows are scaled, and by how much we have forgotten."""
_FULL_BITS, _POOR_BITS = 10, 3


class Cookies:
    """Makes and checks cookies under keys drawn from ``rng``; ``now`` never runs backwards.

    ``hashing`` is one of `halfopen.tcp.keyed.KEYED_HASHES`.
    """

    __slots__ = ("_epoch", "_hashing", "_keys", "_offsets", "_rng", "is_complete")

    def __init__(self, rng: Rng, hashing: str = "blake2s", *, is_complete: bool = False) -> None:
        self._rng = rng
        self._hashing = hashing
        self._epoch = -2
        self._keys: list[KeyedHash] = []
        self.is_complete = is_complete
        """No option is lost without timestamps either, at the price of a shorter MAC (FreeBSD's has 24 bits)."""
        self._offsets = make_keyed(hashing, rng.octets(SECRET_OCTETS), b"clock")

    def bake(self, record: HalfOpen, now: Instant) -> int:
        """ISS for the SYN that ``record`` tells of; the record's own is not looked at.

        Without timestamps SACK, ECN and the shift of the peer's window are not in it, unless it `is_complete`.
        """
        self._turn(now)
        if record.ts_recent is None and not self.is_complete:
            kind, bits = _place(FEW_MSS_VALUES, record.peer_mss), _POOR_BITS
            if record.window_scale is not None:
                kind = _SCALED
        else:
            scale = _NO_SCALE if record.window_scale is None else record.window_scale
            kind, bits = record.ecn << 8 | record.sack_permitted << 7 | scale << 3, _FULL_BITS
            kind |= _place(self._mss_values, record.peer_mss)
        info = kind << 1 | self._epoch & 1
        mac = self._mac(record.flow, record.irs, info, bits)
        return mac >> bits << bits | info ^ mac >> 32 - bits

    def check(self, flow: bytes, segment: Segment, now: Instant) -> HalfOpen | None:
        """The record behind an ACK; None if no cookie of ours is in it, or an old one.

        What it says of the peer's timestamps is for `date` to judge.
        """
        self._turn(now)
        irs, iss = (segment.seq - 1) & MASK, (segment.ack - 1) & MASK
        stamps = segment.options.timestamps if segment.options is not None else None
        bits = _POOR_BITS if stamps is None and not self.is_complete else _FULL_BITS
        info = (iss ^ iss >> 32 - bits) & (1 << bits) - 1
        if (self._mac(flow, irs, info, bits) ^ iss) >> bits:
            return None
        kind = info >> 1
        if bits == _POOR_BITS:
            return _poor_record(HalfOpen(flow, irs, iss, FEW_MSS_VALUES[0]), kind)
        scale = kind >> 3 & _NO_SCALE
        return HalfOpen(
            flow,
            irs,
            iss,
            self._mss_values[kind & 7],
            window_scale=None if scale == _NO_SCALE else scale,
            sack_permitted=kind >> 7 & 1 != 0,
            ecn=kind >> 8 & 1 != 0,
            ts_recent=stamps[0] if stamps is not None else None,
        )

    @property
    def _mss_values(self) -> tuple[int, ...]:
        return BSD_MSS_VALUES if self.is_complete else MSS_VALUES

    def offset(self, flow: bytes) -> int:
        """Of a clock for the timestamps of ``flow``, for who has none."""
        return self._offsets.word(flow)

    def current(self, now: Instant) -> tuple[int, KeyedHash]:
        """The parity of the epoch, and what cookies are hashed with that are baked ``now``: for who bakes many."""
        self._turn(now)
        parity = self._epoch & 1
        return parity, self._keys[parity]

    def _mac(self, flow: bytes, irs: int, info: int, bits: int) -> int:
        """32 bits over everything that the cookie vouches for, of which the lowest ``bits`` are not used as such."""
        data = flow + irs.to_bytes(4, "big") + (bits << _FULL_BITS | info).to_bytes(2, "big")
        return self._keys[info & 1].word(data)

    def _turn(self, now: Instant) -> None:
        """A key for each epoch, found by its parity; of those before only the last is kept."""
        epoch = now // EPOCH
        if epoch > self._epoch:
            fresh = [make_keyed(self._hashing, self._rng.octets(SECRET_OCTETS), b"cookie") for _ in range(2)]
            if epoch == self._epoch + 1:
                fresh[~epoch & 1] = self._keys[~epoch & 1]
            self._keys = fresh
            self._epoch = epoch


def date(record: HalfOpen, segment: Segment, clock: int, now: Instant) -> bool:
    """Whether the segment echoes what our ``clock`` for the peer, as it stands ``now``, has lately shown, if anything.

    If so, ``record`` is told when its SYN,ACK was sent, whichever it was of several: RTTM (RFC 7323 4).
    """
    stamps = segment.options.timestamps if segment.options is not None else None
    if stamps is None:
        return True
    age = (clock - stamps[1]) & MASK
    record.deadline = now - max(age, 1) * MILLISECOND + SYNACK_TIMEOUT
    return age >> FRESH_BITS == 0


def _place(values: tuple[int, ...], mss: int) -> int:
    """Of the largest value that is not more than ``mss``."""
    place = len(values) - 1
    while place and values[place] > mss:
        place -= 1
    return place


def _poor_record(record: HalfOpen, kind: int) -> HalfOpen:
    """What two bits say: an MSS; or that windows are scaled, when the smallest MSS and shift do no harm."""
    if kind == _SCALED:
        record.window_scale = 0
    else:
        record.peer_mss = FEW_MSS_VALUES[kind]
    return record
