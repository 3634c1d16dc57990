import pytest

from halfopen.base.clock import SECOND
from halfopen.tcp.challenges import PER_SECOND, REMEMBERED, ChallengeBudget, PeerChallenges


@pytest.mark.parametrize("start", [0, 5 * SECOND, 5 * SECOND + 999])
def test_a_second_has_a_hundred(start: int) -> None:
    budget = ChallengeBudget()
    assert sum(budget.take(start + number) for number in range(300)) == PER_SECOND == 100


def test_the_next_second_has_as_many_again_and_nothing_is_saved_up() -> None:
    budget = ChallengeBudget()
    for second in (0, 1, 7):
        assert sum(budget.take(second * SECOND + number) for number in range(300)) == 100


def test_each_half_open_peer_has_some_in_a_time_of_its_own() -> None:
    challenges = PeerChallenges()
    assert [challenges.take(b"one", number, 2, SECOND) for number in range(4)] == [True, True, False, False]
    assert challenges.take(b"another", 3, 2, SECOND)
    assert not challenges.take(b"one", SECOND - 1, 2, SECOND)
    assert challenges.take(b"one", SECOND, 2, SECOND)


def test_none_is_limited_if_there_is_no_number_or_no_time() -> None:
    challenges = PeerChallenges()
    assert all(challenges.take(b"one", 5, 0, SECOND) for _ in range(9))
    assert all(challenges.take(b"two", 5, 1, 0) for _ in range(9))


def test_of_too_many_peers_nothing_is_remembered() -> None:
    challenges = PeerChallenges()
    flows = [number.to_bytes(2, "big") for number in range(REMEMBERED + 1)]
    assert all(challenges.take(flow, 0, 1, SECOND) for flow in flows)
    assert challenges.take(flows[0], 0, 1, SECOND)
    assert not challenges.take(flows[-1], 0, 1, SECOND)
