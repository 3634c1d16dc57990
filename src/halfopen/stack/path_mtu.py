"""Path MTUs that have been learnt, by destination (RFC 1191, RFC 1122 3.3.3).

Who may teach us is decided elsewhere: the quoted datagram must be one of ours, as its transport sees it (RFC 5927).
"""

from typing import Final

from halfopen.base.addresses import Address
from halfopen.base.clock import NEVER, Instant
from halfopen.stack.config import IpConfig
from halfopen.wire.ipv6 import MINIMUM_MTU

PLATEAUS: Final = (65535, 32000, 17914, 8166, 4352, 2002, 1492, 1006, 508, 296, 68)
"""MTUs that links have, for routers that do not tell theirs (RFC 1191 7.1)."""


def next_plateau(octets: int) -> int:
    """The largest plausible MTU below a datagram of ``octets`` octets that did not fit (RFC 1191 5)."""
    for plateau in PLATEAUS:
        if plateau < octets:
            return plateau
    return PLATEAUS[-1]


def least_mtu(destination: Address, config: IpConfig) -> int:
    """What every path carries, or is believed to: IPv6 leaves no choice (RFC 8201 4)."""
    return config.pmtu_min if len(destination) == 4 else MINIMUM_MTU


class PathMtus:
    """Bounded, and aged: after `IpConfig.pmtu_lifetime` a larger MTU is tried again (RFC 1191 6.3)."""

    __slots__ = ("_config", "_estimates")

    def __init__(self, config: IpConfig) -> None:
        self._config = config
        self._estimates: dict[Address, tuple[int, Instant]] = {}

    def get(self, destination: Address, now: Instant) -> int | None:
        """What is known of the way to ``destination``; None if nothing is."""
        known = self._estimates.get(destination)
        return known[0] if known is not None and now < known[1] else None

    def learn(self, destination: Address, mtu: int, now: Instant) -> bool:
        """Takes a smaller estimate, never one below the floor; whether anything has changed.

        A larger one is not believed: only time raises an estimate (RFC 1191 3).
        """
        mtu = max(mtu, least_mtu(destination, self._config))
        known = self.get(destination, now)
        if known is not None and mtu >= known:
            return False
        self._estimates.pop(destination, None)
        if len(self._estimates) >= self._config.pmtu_entries:
            del self._estimates[next(iter(self._estimates))]
        self._estimates[destination] = (mtu, now + self._config.pmtu_lifetime)
        return True

    def clear(self) -> None:
        """Forgets everything."""
        self._estimates.clear()

    def next_deadline(self) -> Instant:
        """When the oldest estimate expires: the lifetime is the same for all, so they stand in order."""
        for _, expires in self._estimates.values():
            return expires
        return NEVER

    def on_deadline(self, now: Instant) -> bool:
        """Forgets what is too old; whether there was any."""
        old = [destination for destination, (_, expires) in self._estimates.items() if expires <= now]
        for destination in old:
            del self._estimates[destination]
        return bool(old)

    def __len__(self) -> int:
        return len(self._estimates)
