import pytest

from halfopen.base.errors import SimulationError
from halfopen.base.permit import Permit


class OnWeekdays(Permit):
    def __init__(self) -> None:
        self.is_sunday = False

    def check(self, what: str) -> None:
        if self.is_sunday:
            raise SimulationError(f"not today: {what}")


def test_a_permit_holds_where_it_says_so() -> None:
    permit = OnWeekdays()
    permit.check("anything")
    permit.is_sunday = True
    with pytest.raises(SimulationError, match="not today: anything"):
        permit.check("anything")


def test_there_is_none_to_be_had_for_nothing() -> None:
    with pytest.raises(TypeError):
        Permit()  # type: ignore[abstract]  # that it cannot be made is the point
