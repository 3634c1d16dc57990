"""Limits to challenge ACKs: of a whole host, for showing why there must be none, and of peers without connection."""

from typing import Final

from halfopen.base.clock import SECOND, Duration, Instant

PER_SECOND: Final = 100
"""Linux 3.6 to 4.6, ``tcp_challenge_ack_limit``."""


class ChallengeBudget:
    """Challenge ACKs of all connections together in each second of the clock.

    Whoever uses up what is left of it by a connection of his own can count how many others were challenged meanwhile,
    and so whether a guess at a stranger's connection was right (CVE-2016-5696).
    """

    __slots__ = ("_left", "_second")

    def __init__(self) -> None:
        self._second = -1
        self._left = 0

    def take(self, now: Instant) -> bool:
        """Takes one, if this second has one left."""
        second = now // SECOND
        if second != self._second:
            self._second = second
            self._left = PER_SECOND
        if not self._left:
            return False
        self._left -= 1
        return True


REMEMBERED: Final = 256
"""More half-open peers are not told apart: of the older ones nothing is known any more."""


class PeerChallenges:
    """How often each half-open peer has been challenged a moment ago (RFC 5961 7)."""

    __slots__ = ("_given",)

    def __init__(self) -> None:
        self._given: dict[bytes, tuple[Instant, int]] = {}

    def take(self, flow: bytes, now: Instant, count: int, interval: Duration) -> bool:
        """Whether the peer may be sent one more, if there may be ``count`` in ``interval``."""
        since, given = self._given.get(flow, (now, 0))
        if now - since >= interval:
            since, given = now, 0
        if given >= count > 0:
            return False
        if len(self._given) >= REMEMBERED:
            self._given.clear()
        self._given[flow] = (since, given + 1)
        return True
