"""Leave to be insecure: what attacks were once made possible by can be switched on where nobody gets hurt.

A knob that weakens a host takes a `Permit` beside it, and asks it whenever the weakness is about to be used. Nothing
here hands one out. The lab has one that holds in the simulated network only.

Never compiled: mypyc makes objects of abstract classes, and this one would permit everything.
"""

from abc import ABC, abstractmethod


class Permit(ABC):
    """Knows where weaknesses may be shown."""

    __slots__ = ()

    @abstractmethod
    def check(self, what: str) -> None:
        """Raises a HalfopenError unless ``what``, a few words, is permitted here and now."""
