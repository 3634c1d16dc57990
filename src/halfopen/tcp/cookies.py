"""SYN cookies (RFC 4987 3.6): the record of a half-open peer, sent to the peer itself to be kept there.

The SYN,ACK says everything, under a keyed hash (MAC), and the ACK that answers it brings it back. There are two forms:

*Two fields*, if the SYN has the Timestamps option: a host may choose any TSval for a connection's first segment, and
TSecr is its echo, so there are 64 bits. No option is lost, and a blind guess is right once in 2^40.

    ISS    mac 31..0
    TSval  mss 15..0 | epoch 1..0 | ecn | sack | scale 3..0 | mac 39..32

*One field* else: ISS is the hash plus an index into four MSS values, all other options are refused, and a blind guess
is right once in 2^29 (as Linux: two epochs, four values).

Keys live for two epochs of 64 s. A cookie is no longer taken 64 to 128 s after it was sent.
"""

from dataclasses import dataclass
from hashlib import blake2s

from halfopen.base.clock import NEVER, SECOND, Duration, Instant
from halfopen.base.rng import Rng
from halfopen.tcp.half_open import HalfOpen
from halfopen.tcp.seqnum import MASK
from halfopen.wire.tcp import Segment

EPOCH: Duration = 64 * SECOND
"""As gVisor; Linux has 60 s, FreeBSD 15."""

MSS_VALUES = (536, 1300, 1440, 1460)
"""What a cookie of one field can say of the peer's MSS, rounded down: Linux's choice, from what hosts announce.

A smaller one becomes the smallest of these, as in Linux: IPv4 hosts take datagrams of 576 octets (RFC 791).
"""

_NO_SCALE = 15
_MAC_BITS = 40
_ECN, _SACK = 0x20, 0x10


@dataclass(slots=True, frozen=True)
class Baked:
    """What the SYN,ACK has to say: ISS, and TSval if the SYN has timestamps."""

    iss: int
    value: int | None


class Cookies:
    """Makes and checks cookies under keys drawn from ``rng``; ``now`` never runs backwards."""

    __slots__ = ("_epoch", "_keys", "_last_baked", "_rng")

    def __init__(self, rng: Rng) -> None:
        self._rng = rng
        self._epoch = -2
        self._keys: list[blake2s] = []
        self._last_baked: Instant = -NEVER

    def bake(self, record: HalfOpen, now: Instant) -> Baked:
        """The cookie for the SYN that ``record`` tells of; its `iss` and what no cookie can hold are not looked at."""
        self._turn(now)
        self._last_baked = now
        if record.ts_recent is None:
            index = max((i for i, mss in enumerate(MSS_VALUES) if mss <= record.peer_mss), default=0)
            return Baked((self._mac(self._epoch, record.flow, record.irs, 0) + index) & MASK, None)
        info = record.peer_mss << 8 | (self._epoch & 3) << 6 | record.to_bits() & (_SACK | _NO_SCALE)
        if record.ecn:
            info |= _ECN
        mac = self._mac(self._epoch, record.flow, record.irs, info)
        return Baked(mac & MASK, info << 8 | mac >> 32)

    def are_out(self, now: Instant) -> bool:
        """Whether one has been baked that may still come back; else no ACK is worth a hash, nor may be tried."""
        return now - self._last_baked < 2 * EPOCH

    def check(self, flow: bytes, segment: Segment, now: Instant) -> HalfOpen | None:
        """The record behind an ACK; None if no cookie of ours is in it, or an old one."""
        if not self.are_out(now):
            return None
        self._turn(now)
        irs, iss = (segment.seq - 1) & MASK, (segment.ack - 1) & MASK
        stamps = segment.options.timestamps if segment.options is not None else None
        if stamps is not None:
            return self._check_two_fields(flow, irs, iss, stamps)
        for epoch in (self._epoch, self._epoch - 1):
            index = (iss - self._mac(epoch, flow, irs, 0)) & MASK
            if index < len(MSS_VALUES):
                return HalfOpen(flow, irs, iss, MSS_VALUES[index])
        return None

    def _check_two_fields(self, flow: bytes, irs: int, iss: int, stamps: tuple[int, int]) -> HalfOpen | None:
        value, echo = stamps
        info = echo >> 8
        age = (self._epoch - (info >> 6)) & 3
        if age > 1 or self._mac(self._epoch - age, flow, irs, info) != (echo & 0xFF) << 32 | iss:
            return None
        scale = info & 0xF
        return HalfOpen(
            flow,
            irs,
            iss,
            info >> 8,
            window_scale=None if scale == _NO_SCALE else scale,
            sack_permitted=info & _SACK != 0,
            ecn=info & _ECN != 0,
            ts_recent=value,
        )

    def _mac(self, epoch: int, flow: bytes, irs: int, info: int) -> int:
        """40 bits over everything that the cookie vouches for."""
        keyed = self._keys[epoch - self._epoch].copy()  # 0: this epoch's, -1: the one before
        keyed.update(flow + irs.to_bytes(4, "big") + info.to_bytes(3, "big"))
        return int.from_bytes(keyed.digest(), "big")

    def _turn(self, now: Instant) -> None:
        """A key for each epoch; of those before only the last is kept."""
        epoch = now // EPOCH
        if epoch > self._epoch:
            fresh = [blake2s(key=self._rng.octets(32), digest_size=_MAC_BITS // 8, person=b"cookie") for _ in range(2)]
            self._keys = [fresh[0], self._keys[0] if epoch == self._epoch + 1 else fresh[1]]
            self._epoch = epoch
