import pytest

from halfopen.base.clock import SECOND
from halfopen.tcp.challenges import PER_SECOND, ChallengeBudget


@pytest.mark.parametrize("start", [0, 5 * SECOND, 5 * SECOND + 999])
def test_a_second_has_a_hundred(start: int) -> None:
    budget = ChallengeBudget()
    assert sum(budget.take(start + number) for number in range(300)) == PER_SECOND == 100


def test_the_next_second_has_as_many_again_and_nothing_is_saved_up() -> None:
    budget = ChallengeBudget()
    for second in (0, 1, 7):
        assert sum(budget.take(second * SECOND + number) for number in range(300)) == 100
