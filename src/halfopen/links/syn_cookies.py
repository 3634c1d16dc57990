"""SYN cookies by the thousand, equal to what `halfopen.tcp.cookies.Cookies` bakes for each (RFC 4987 3.6)."""

from typing import Final

import numpy as np
import numpy.typing as npt

from halfopen.base.clock import MILLISECOND, Instant
from halfopen.base.errors import ConfigError
from halfopen.links.syn_columns import Words
from halfopen.links.syn_options import NO_MSS, NO_SCALE
from halfopen.links.vector_siphash import VectorSipHash
from halfopen.tcp.config import TcpConfig
from halfopen.tcp.cookies import FEW_MSS_VALUES, MSS_VALUES, Cookies
from halfopen.tcp.keyed import KeyedHash, SipHash
from halfopen.tcp.negotiation import DEFAULT_MSS, MAX_WINDOW_SHIFT

_FULL_BITS, _POOR_BITS = 10, 3
_NO_SCALE: Final = 15
_BAKED_OCTETS: Final = np.uint64(18 << 56)
"""Flow, IRS and two octets are hashed."""
_ADDRESSES_END: Final = np.array([8 << 56], np.uint64)
_HALF: Final = np.uint64(32)


class SynCookies:
    """Bakes what ``cookies`` would, if the SYNs are taken by ``config``; tells the time of many timestamp clocks.

    ``clock_offsets`` is from remote and local address to a clock's offset. Addresses and ports are as in the packets.
    """

    __slots__ = ("_clocks", "_cookies", "_current", "_few_places", "_hash", "_parity", "_places")

    def __init__(self, cookies: Cookies | None, clock_offsets: KeyedHash, config: TcpConfig) -> None:
        if cookies is None or not isinstance(clock_offsets, SipHash):
            raise ConfigError("a SYN gate needs syn_cookies, and keyed_hash 'siphash', in TcpLayerConfig")
        self._cookies = cookies
        self._clocks = VectorSipHash(clock_offsets.key)
        self._current: KeyedHash | None = None
        self._places = _places(MSS_VALUES, config)
        self._few_places = _places(FEW_MSS_VALUES, config)

    def turn(self, now: Instant) -> None:
        """Cookies are of the epoch of ``now`` from here on."""
        parity, keyed = self._cookies.current(now)
        if keyed is not self._current and isinstance(keyed, SipHash):
            self._current = keyed
            self._parity = parity
            self._hash = VectorSipHash(keyed.key)

    def bake(self, flow: tuple[Words, Words, Words], irs: Words, mss: Words) -> Words:
        """ISS for peers without timestamps; ``flow`` is source, destination, ports, and ``irs`` as in the packet."""
        return self._bake(flow, irs, self._few_places[mss].astype(np.uint32), _POOR_BITS)

    def bake_full(self, flow: tuple[Words, Words, Words], irs: Words, mss: Words, scale: Words, marks: Words) -> Words:
        """ISS for peers with timestamps; ``scale`` may be `NO_SCALE`, ``marks`` is ECN << 1 | SACK permitted."""
        shift = np.where(scale == NO_SCALE, np.uint32(_NO_SCALE), np.minimum(scale, np.uint32(MAX_WINDOW_SHIFT)))
        kind: Words = shift << np.uint32(3) | self._places[mss]
        kind |= marks << np.uint32(7)
        return self._bake(flow, irs, kind, _FULL_BITS)

    def clock(self, source: Words, destination: Words, now: Instant) -> Words:
        """TSval of our SYN,ACK to each."""
        ends = source | destination.astype(np.uint64) << _HALF
        offsets = self._clocks.hash((ends, _ADDRESSES_END)).astype(np.uint32)
        offsets += np.uint32(now // MILLISECOND & 0xFFFFFFFF)
        return offsets

    def _bake(self, flow: tuple[Words, Words, Words], irs: Words, kind: Words, bits: int) -> Words:
        source, destination, ports = flow
        info: Words = kind << np.uint32(1) | np.uint32(self._parity)
        said = info | np.uint32(bits << _FULL_BITS)
        last = (said >> 8 | (said & 0xFF) << 8).astype(np.uint64)
        last |= _BAKED_OCTETS
        ends = source | destination.astype(np.uint64) << _HALF
        numbers = ports | irs.astype(np.uint64) << _HALF
        mac = self._hash.hash((ends, numbers, last)).astype(np.uint32)
        free, used = np.uint32(bits), np.uint32(32 - bits)
        baked: Words = mac >> free << free
        baked |= info ^ mac >> used
        return baked


def _places(values: tuple[int, ...], config: TcpConfig) -> npt.NDArray[np.uint8]:
    """From each MSS, and `NO_MSS`, to the place of the largest value that is not more than what we agree on."""
    options = config.options
    default = options.mss_manner.default or DEFAULT_MSS
    mss = np.arange(NO_MSS + 1)
    mss[0] = mss[NO_MSS] = default
    if options.mss:
        mss = np.minimum(mss, options.mss)
    return np.maximum(np.searchsorted(values, mss, "right") - 1, 0).astype(np.uint8)
