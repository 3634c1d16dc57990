from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halfopen.base.rng import Rng, SeededRng


class Scripted(Rng):
    """Gives the octets it was made with, in order."""

    def __init__(self, octets: bytes) -> None:
        self.rest = octets

    def octets(self, count: int) -> bytes:
        drawn, self.rest = self.rest[:count], self.rest[count:]
        return drawn


@given(st.one_of(st.integers(), st.text(), st.binary()), st.lists(st.integers(0, 200), max_size=8))
def test_one_seed_gives_one_stream_however_it_is_drawn(seed: int | str | bytes, counts: list[int]) -> None:
    rng = SeededRng(seed)
    assert b"".join(rng.octets(count) for count in counts) == SeededRng(seed).octets(sum(counts))


def test_the_stream_of_a_seed_never_changes() -> None:
    assert SeededRng(1).octets(8).hex() == "c4d5fb4788e1a4c2"


def test_seeds_of_different_types_give_different_streams() -> None:
    assert len({SeededRng(seed).octets(16) for seed in (1, "1", b"1", 2, "2")}) == 5


def test_a_fork_has_a_stream_of_its_own_and_costs_its_parent_no_draw() -> None:
    parent = SeededRng("x")
    streams = {parent.fork(name).octets(16) for name in ("cable", "host")}
    assert len(streams | {SeededRng("x").octets(16)}) == 3
    assert parent.octets(16) == SeededRng("x").octets(16)
    assert SeededRng("x").fork("cable").octets(16) in streams


@given(st.integers(1, 1 << 40), st.integers())
def test_a_draw_lies_below_its_limit(limit: int, seed: int) -> None:
    rng = SeededRng(seed)
    assert all(0 <= rng.below(limit) < limit for _ in range(20))


def test_every_residue_has_as_many_octets_as_any_other() -> None:
    limit = 100
    draws = Counter[int]()
    for octet in range(200):
        draws[Scripted(bytes([octet])).below(limit)] += 1
    assert set(draws.values()) == {2}
    assert len(draws) == limit


@pytest.mark.parametrize("octet", [200, 255])
def test_an_octet_that_would_favour_low_draws_is_thrown_away(octet: int) -> None:
    assert Scripted(bytes([octet, 42])).below(100) == 42


def test_below_one_is_always_zero() -> None:
    assert {SeededRng(seed).below(1) for seed in range(20)} == {0}


def test_a_limit_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1, not 0"):
        SeededRng(0).below(0)


def test_uniform_covers_the_unit_interval_and_never_reaches_one() -> None:
    assert Scripted(bytes(7)).uniform() == 0.0
    assert Scripted(b"\xff" * 7).uniform() == 1 - 2**-53
    assert Scripted(b"\x80" + bytes(6)).uniform() == 0.5


def test_without_streams_of_their_own_all_parts_draw_from_one_generator() -> None:
    rng = Scripted(b"ab")
    assert rng.fork("cable") is rng
