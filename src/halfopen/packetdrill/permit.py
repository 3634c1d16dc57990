"""Leave to be as insecure as a script wants its host: that has no device, and no peer but the script."""

from halfopen.base.permit import Permit


class ScriptPermit(Permit):
    """Holds for hosts that a script is the only peer of."""

    __slots__ = ()

    def check(self, what: str) -> None:
        """Scripts show weaknesses to nobody but themselves."""


IN_SCRIPT = ScriptPermit()
"""There is no state in it, so that one is enough."""
