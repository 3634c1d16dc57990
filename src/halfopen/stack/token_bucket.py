"""Limits to how often a host does something for strangers."""

from halfopen.base.clock import NEVER, Duration, Instant


class TokenBucket:
    """At most ``burst`` at once, and one in each ``interval`` on average (RFC 1812 4.3.2.8)."""

    __slots__ = ("_burst", "_due", "_interval")

    def __init__(self, interval: Duration, burst: int) -> None:
        self._interval = interval
        self._burst = burst * interval
        self._due: Instant = -NEVER

    def take(self, now: Instant) -> bool:
        """Takes one token, if there is one."""
        due = max(self._due, now - self._burst) + self._interval
        if due > now:
            return False
        self._due = due
        return True
