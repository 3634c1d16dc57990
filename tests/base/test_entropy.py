from halfopen.base.entropy import SystemRng


def test_the_system_gives_as_many_octets_as_asked_for() -> None:
    assert [len(SystemRng().octets(count)) for count in (0, 1, 64, 1000)] == [0, 1, 64, 1000]


def test_two_draws_differ() -> None:
    rng = SystemRng()
    assert rng.octets(32) != rng.octets(32)


def test_draws_of_other_kinds_are_derived() -> None:
    rng = SystemRng()
    assert all(0 <= rng.below(6) < 6 and 0.0 <= rng.uniform() < 1.0 for _ in range(100))
