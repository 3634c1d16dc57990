import pytest

from halfopen.base.clock import Instant
from halfopen.base.rng import SeededRng
from halfopen.tcp.eviction import EVICTIONS


def never_asked() -> list[Instant]:
    raise AssertionError("this one does not need to know who came when")


@pytest.mark.rfc("4987", "4987.2")
def test_tail_drop_refuses_the_newcomer() -> None:
    assert EVICTIONS["drop-new"](SeededRng(1)).choose(8, never_asked) is None


@pytest.mark.rfc("4987", "4987.4")
def test_the_oldest_is_whoever_came_first() -> None:
    assert EVICTIONS["oldest"](SeededRng(1)).choose(4, lambda: [7, 3, 3, 9]) == 1


def test_a_random_victim_may_be_any() -> None:
    policy = EVICTIONS["random"](SeededRng(1))
    assert {policy.choose(8, never_asked) for _ in range(200)} == set(range(8))
