from itertools import pairwise
from random import Random

import pytest

from halfopen.base.clock import MILLISECOND, SECOND
from halfopen.base.errors import SimulationError
from halfopen.base.rng import SeededRng
from halfopen.lab.generators import GENERATORS, I800, Bsd42, Bsd43, Linux24, MersenneTwister, RandomIncrement, WeakIsn
from halfopen.sim.network import Network
from halfopen.stack.config import StackConfig, TcpLayerConfig
from halfopen.stack.ports import NOBODY
from halfopen.stack.stack import Stack
from halfopen.tcp.isn import IsnGenerator, Rfc6528Isn

FLOW = bytes(12)
WEAK = sorted(name for name, make in GENERATORS.items() if isinstance(make(SeededRng(1)), WeakIsn))


@pytest.mark.parametrize("name", WEAK)
def test_a_weak_generator_refuses_to_work_outside_of_the_simulated_network(name: str) -> None:
    with pytest.raises(SimulationError, match=r"works in the simulated network only"):
        GENERATORS[name](SeededRng(1)).next(FLOW, SECOND)


@pytest.mark.parametrize("name", WEAK)
def test_a_weak_generator_works_in_the_simulated_network(name: str) -> None:
    generator = GENERATORS[name](SeededRng(1))

    async def ask() -> int:
        return generator.next(FLOW, SECOND)

    with Network() as network:
        assert 0 <= network.run(ask()) < 2**32


def test_a_host_on_a_real_device_cannot_be_given_one() -> None:
    stack = Stack(StackConfig(tcp_layer=TcpLayerConfig(isn=Bsd43(SeededRng(1)))), SeededRng(1))
    with pytest.raises(SimulationError, match="bsd43"):
        stack.tcp.connect((bytes((127, 0, 0, 1)), 80), NOBODY, 0)


def numbers(generator: IsnGenerator, *seconds: float) -> list[int]:
    choose = generator.choose if isinstance(generator, WeakIsn) else generator.next
    return [choose(FLOW, round(second * SECOND)) for second in seconds]


def differences(generator: IsnGenerator, *seconds: float) -> list[int]:
    taken = numbers(generator, *seconds)
    return [later - earlier for earlier, later in pairwise(taken)]


@pytest.mark.parametrize(
    ("make", "a_connection", "a_second"), [(Bsd42, 64, 128), (Bsd43, 64_000, 128_000), (I800, 800, 0)]
)
def test_stepped_generators_add_for_connections_and_for_time(
    make: type[Bsd42], a_connection: int, a_second: int
) -> None:
    generator = make(SeededRng(1))
    assert differences(generator, 10, 10, 11, 21) == [
        a_connection,
        a_connection + a_second,
        a_connection + 10 * a_second,
    ]


def test_clocks_tick_at_their_rates() -> None:
    assert differences(GENERATORS["rfc793"](SeededRng(1)), 1, 2) == [250_000]
    assert differences(GENERATORS["win9x"](SeededRng(1)), 1, 2) == [1_000]


def test_lite2_adds_half_an_increment_a_tick_and_a_quarter_a_connection() -> None:
    generator = GENERATORS["bsd44lite2"](SeededRng(1))
    same_tick = differences(generator, *[10.0] * 200)
    assert 31_232 <= min(same_tick) < 33_000
    assert 95_000 < max(same_tick) <= 31_232 + 65_535
    (a_minute,) = differences(generator, 10, 70)
    assert a_minute == pytest.approx(60 * (122 * 1024 + (1 << 17)), rel=0.05)


def test_random_increments_stay_within_their_width() -> None:
    steps = differences(RandomIncrement(SeededRng(1), 1000), *[1.0] * 500)
    assert 1 <= min(steps) < 20
    assert 980 < max(steps) <= 1000


def test_linux_2_4_keeps_24_bits_of_hash_under_a_count_of_keys() -> None:
    generator = Linux24(SeededRng(1))
    first = [generator.choose(bytes([n]), SECOND) >> 24 for n in range(100)]
    assert max(first) - min(first) <= 1
    later = generator.choose(bytes(1), 302 * SECOND) - 301_000_000 >> 24
    assert later - min(first) in (1, 2)


def test_the_twister_is_python_s() -> None:
    rng = SeededRng(1)
    reference = Random(SeededRng(1).octets(32))
    assert numbers(MersenneTwister(rng), 1, 2, 3) == [reference.getrandbits(32) for _ in range(3)]


def test_the_strong_ones_work_anywhere() -> None:
    generator = GENERATORS["rfc6528"](SeededRng(1))
    assert isinstance(generator, Rfc6528Isn)
    assert generator.next(FLOW, 4 * MILLISECOND) == (generator.next(FLOW, 0) + 1000) % 2**32
