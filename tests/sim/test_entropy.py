import ctypes
import os
import random
import secrets
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from types import ModuleType

import pytest

from halfopen.base.errors import SimulationError
from halfopen.base.rng import SeededRng
from halfopen.sim.entropy import ENTROPY, PROCESS_ID, live_generators, seeded_entropy

DRAWS: dict[str, Callable[[], object]] = {
    "os.urandom": lambda: os.urandom(8),
    "random": lambda: [random.random(), random.getrandbits(64), random.choice(range(1000))],
    "Random()": lambda: Random().random(),
    "SystemRandom": lambda: random.SystemRandom().random(),
    "secrets": lambda: [secrets.token_bytes(8), secrets.token_hex(8), secrets.randbelow(1 << 40)],
    "uuid4": uuid.uuid4,
    "uuid1": lambda: (uuid.uuid1().node, uuid.uuid1().clock_seq),
    "getnode": lambda: uuid.getnode(),
}


def drawn(what: str, seed: int) -> object:
    with seeded_entropy(SeededRng(seed)):
        return DRAWS[what]()


@pytest.mark.parametrize("what", DRAWS)
def test_the_same_seed_gives_the_same(what: str) -> None:
    assert drawn(what, 1) == drawn(what, 1)


@pytest.mark.parametrize("what", DRAWS)
def test_another_seed_gives_another(what: str) -> None:
    assert drawn(what, 1) != drawn(what, 2)


@pytest.mark.parametrize("what", sorted(set(DRAWS) - {"getnode", "uuid1"}))
def test_one_draw_is_not_like_the_next(what: str) -> None:
    with seeded_entropy(SeededRng(1)):
        assert DRAWS[what]() != DRAWS[what]()


@pytest.mark.skipif(not hasattr(os, "getrandom"), reason="Linux only")
def test_getrandom_is_seeded() -> None:
    with seeded_entropy(SeededRng(1)):
        first = os.getrandom(8)
    with seeded_entropy(SeededRng(1)):
        assert os.getrandom(8, os.GRND_NONBLOCK) == first


def test_a_negative_size_is_refused_as_ever() -> None:
    with seeded_entropy(SeededRng(1)), pytest.raises(ValueError):
        os.urandom(-1)


def test_seeding_with_nothing_is_seeded_and_with_something_is_that() -> None:
    with seeded_entropy(SeededRng(1)):
        random.seed()
        first = random.random()
        random.seed(5)
        assert random.random() == Random(5).random()
    with seeded_entropy(SeededRng(1)):
        random.seed()
        assert random.random() == first


def test_an_alias_made_before_is_seeded_too() -> None:
    with module_with(draw=os.urandom) as library, seeded_entropy(SeededRng(1)):
        first = vars(library)["draw"](8)
    with seeded_entropy(SeededRng(1)):
        assert os.urandom(8) == first


def test_the_global_generator_goes_on_afterwards_where_it_stood() -> None:
    state = random.getstate()
    with seeded_entropy(SeededRng(1)):
        random.random()
    assert random.getstate() == state


def test_a_generator_made_before_is_seeded_and_goes_on_afterwards_where_it_stood() -> None:
    generator = Random()
    state = generator.getstate()
    with module_with(generator=generator):
        with seeded_entropy(SeededRng(1)):
            first = generator.random()
        assert generator.getstate() == state
        with seeded_entropy(SeededRng(1)):
            assert generator.random() == first


def test_generators_are_told_apart_by_who_holds_them() -> None:
    class Pool:
        def __init__(self) -> None:
            self.jitter = Random()

    one, pool = Random(), Pool()
    with module_with(one=one), seeded_entropy(SeededRng(1)):
        assert len({one.random(), pool.jitter.random(), random.random()}) == 3


def test_the_generator_of_a_default_argument_is_found() -> None:
    def backoff(jitter: Random = Random()) -> float:  # noqa: B008  # That is the case in point: aiohttp does so.
        return jitter.random()

    with seeded_entropy(SeededRng(1)):
        first = backoff()
    with seeded_entropy(SeededRng(1)):
        assert backoff() == first


def test_generators_of_test_tools_are_left_alone() -> None:
    generator = Random(7)
    with module_with("hypothesis.something", generator=generator), seeded_entropy(SeededRng(1)):
        assert generator not in [found for found, _ in live_generators()]
        assert generator.random() == Random(7).random()


def test_the_process_id_is_pinned() -> None:
    before = os.getpid()
    with seeded_entropy(SeededRng(1)):
        assert os.getpid() == PROCESS_ID
    assert os.getpid() == before != PROCESS_ID


def test_the_rand_of_c_begins_anew() -> None:
    library = ctypes.CDLL(None)

    def numbers(seed: int) -> list[int]:
        with seeded_entropy(SeededRng(seed)):
            return [library.rand() for _ in range(3)]

    assert numbers(1) == numbers(1) != numbers(2)


def test_uuid1_has_the_multicast_bit_of_a_drawn_node() -> None:
    with seeded_entropy(SeededRng(1)):
        assert uuid.getnode() >> 40 & 1


def test_what_a_library_drew_at_import_is_drawn_again() -> None:
    objectid = pytest.importorskip("bson.objectid").ObjectId
    made = []
    for _ in range(2):
        with seeded_entropy(SeededRng(1)):
            made.append([objectid().binary[4:], objectid().binary[4:]])
    assert made[0] == made[1]
    assert made[0][0] != made[0][1]
    assert objectid().binary[4:9] != made[0][0][:5]


def test_everything_is_undone() -> None:
    modules = [os, random, uuid, secrets, sys.modules[__name__]]
    before = [dict(vars(module)) for module in modules]
    seed = Random.seed
    with pytest.raises(KeyError), seeded_entropy(SeededRng(1)):
        uuid.uuid1()
        raise KeyError
    assert [dict(vars(module)) for module in modules] == before
    assert Random.seed is seed


def test_what_has_been_kept_is_real_afterwards() -> None:
    with seeded_entropy(SeededRng(1)):
        kept = os.urandom, os.getpid, uuid.getnode
    assert kept[0](8) != kept[0](8)
    assert [function() for function in kept[1:]] == [os.getpid(), uuid.getnode()]


def test_a_thread_that_ran_before_draws_from_the_system() -> None:
    may_draw = threading.Event()
    drawn: list[object] = []

    def draw() -> None:
        may_draw.wait()
        drawn.extend((os.urandom(8), os.getpid(), Random().random()))

    thread = threading.Thread(target=draw)
    thread.start()
    with seeded_entropy(SeededRng(1)):
        may_draw.set()
        thread.join()
        assert PROCESS_ID not in drawn
        first = os.urandom(8)
    with seeded_entropy(SeededRng(1)):
        assert os.urandom(8) == first


def test_two_simulations_cannot_have_the_dice_at_once() -> None:
    with seeded_entropy(SeededRng(1)):
        with pytest.raises(SimulationError, match="random numbers of this process"), seeded_entropy(SeededRng(2)):
            raise AssertionError
        assert os.getpid() == PROCESS_ID


def test_the_names_of_generators_do_not_keep_them_alive() -> None:
    generator = Random()
    with module_with(generator=generator):
        live_generators()
        assert "a_library.generator" in ENTROPY.names[generator]
    size = len(ENTROPY.names)
    del generator
    assert len(ENTROPY.names) == size - 1


@contextmanager
def module_with(module_name: str = "a_library", **names: object) -> Iterator[ModuleType]:
    """A module that is loaded while the block runs."""
    made = ModuleType(module_name)
    vars(made).update(names)
    sys.modules[module_name] = made
    try:
        yield made
    finally:
        del sys.modules[module_name]
