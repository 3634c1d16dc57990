from random import Random

import pytest

from halfopen.lab.information import entropy, mutual_information, share_known


def test_a_fair_coin_is_worth_one_bit() -> None:
    assert entropy([True, False] * 50) == 1.0
    assert entropy([True] * 9) == 0.0
    assert entropy([]) == 0.0


def test_who_sees_the_coin_knows_all_and_who_sees_another_nothing() -> None:
    rng = Random(1)
    coins = [rng.random() < 0.5 for _ in range(10_000)]
    assert mutual_information((coin, coin) for coin in coins) == pytest.approx(1.0, abs=0.001)
    assert mutual_information((rng.random() < 0.5, coin) for coin in coins) < 0.001


def test_a_binary_symmetric_channel_has_its_capacity() -> None:
    rng = Random(2)
    coins = [rng.random() < 0.5 for _ in range(20_000)]
    noisy = [(coin ^ (rng.random() < 0.11), coin) for coin in coins]
    assert mutual_information(noisy) == pytest.approx(0.5, abs=0.02)


def test_of_a_secret_that_is_none_nothing_can_be_known() -> None:
    assert share_known([(1, True), (2, True)]) == 0.0
    assert share_known([(1, True), (2, False)]) == pytest.approx(1.0)
