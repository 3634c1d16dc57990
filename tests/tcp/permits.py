"""Permits for tests, which look at weak rules one at a time and outside of any network."""

from halfopen.base.errors import SimulationError
from halfopen.base.permit import Permit
from halfopen.tcp.config import SecurityConfig, TcpConfig


class Anywhere(Permit):
    """Everything goes."""

    def check(self, what: str) -> None:
        pass


class Nowhere(Permit):
    """Nothing does."""

    def check(self, what: str) -> None:
        raise SimulationError(what)


def weak(**choices: bool | str) -> TcpConfig:
    """A connection without the rules that are named."""
    return TcpConfig(security=SecurityConfig(permit=Anywhere(), **choices))  # type: ignore[arg-type]  # names are theirs
