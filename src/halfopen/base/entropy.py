"""The one door to the operating system's entropy. `wire`, `tcp`, `stack` and `capture` do not import it."""

import os

from halfopen.base.rng import Rng


class SystemRng(Rng):
    """Octets nobody can predict, for hosts on a real wire."""

    __slots__ = ()

    def octets(self, count: int) -> bytes:
        """``count`` octets from the operating system."""
        return os.urandom(count)
