"""What the Identification field tells a stranger, by policy."""

from itertools import pairwise

import pytest

from halfopen.base.errors import SimulationError
from halfopen.base.rng import SeededRng
from halfopen.stack.identification import LIMIT, POLICIES, Identifications, PerFlow, make_identifications
from tests.tcp.permits import Anywhere, Nowhere

A, B, C = bytes((1, 1, 1, 1)), bytes((2, 2, 2, 2)), bytes((3, 3, 3, 3))


def made(policy: str) -> Identifications:
    return make_identifications(policy, Anywhere(), SeededRng("identifications"))


def steps(source: Identifications, *flows: tuple[bytes, int]) -> list[int]:
    values = [source.next(*flow) for flow in flows]
    return [(after - before) & 0xFFFF for before, after in pairwise(values)]


@pytest.mark.rfc("1122", "1122.8")
@pytest.mark.rfc("6864", "6864.1")
def test_by_default_only_what_may_be_fragmented_is_numbered_and_each_flow_by_itself() -> None:
    source = made("zero")
    assert not source.numbers_atomic
    assert steps(source, (A + B, 6), (A + B, 6)) == [1]
    assert steps(source, (A + B, 6), (A + C, 6))[0] > 1
    assert steps(source, (A + B, 17), (A + B, 6))[0] > 1


def test_counters_of_flows_are_bounded_and_wrap() -> None:
    source = PerFlow(SeededRng("identifications"))
    seen = [source.next(b"a", 17) for _ in range(0x10001)]
    assert seen[0] == seen[-1]
    assert len(set(seen)) == 0x10000
    for number in range(LIMIT):
        source.next(number.to_bytes(4, "big"), 17)
    assert source.next(b"a", 17) not in {(seen[-1] + 1) & 0xFFFF}


def test_a_destination_sees_what_goes_to_it_and_nothing_else() -> None:
    source = made("destination")
    assert source.numbers_atomic
    first = source.next(A + B, 6)
    for _ in range(50):
        source.next(A + C, 6)
    assert source.next(C + B, 17) == (first + 1) & 0xFFFF


def test_everybody_sees_a_global_counter() -> None:
    source = made("global")
    assert source.numbers_atomic
    assert steps(source, (A + B, 6), (A + C, 17), (A + B, 6)) == [1, 1]
    first = source.next(A + B, 6, 10)
    assert source.next(A + B, 6) == (first + 10) & 0xFFFF


def test_a_random_number_is_not_zero_and_follows_nothing() -> None:
    source = made("random")
    values = [source.next(A + B, 6) for _ in range(1000)]
    assert 0 not in values
    assert len(set(values)) > 980
    assert len(set(steps(source, *[(A + B, 6)] * 1000))) > 980


def test_a_global_counter_is_for_where_it_is_permitted() -> None:
    source = make_identifications("global", Nowhere(), SeededRng(1))
    with pytest.raises(SimulationError):
        source.next(A + B, 6)


def test_the_names_are_those_of_the_configuration() -> None:
    assert list(POLICIES) == ["zero", "destination", "random"]
