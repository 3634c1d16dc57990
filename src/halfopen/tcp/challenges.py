"""One limit to the challenge ACKs of a whole host, for showing why there must be none."""

from typing import Final

from halfopen.base.clock import SECOND, Instant

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
