import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from random import Random

import pytest
import uvicorn

from halfopen.base.errors import ConfigError, SimulationError
from halfopen.base.rng import SeededRng
from halfopen.sim.fence import EscapeError
from halfopen.sim.isolation import PAIRS, isolated
from halfopen.sim.loop import SimLoop
from halfopen.sim.network import Network
from tests.sim.talkers import TALKS, digests, serving, talk
from tests.sim.world import World

ROOT = Path(__file__).parents[2]

NEW_YEAR = 1_767_225_600


def isolated_world(seed: int = 1, **options: object) -> World:
    return World(Network(seed, isolated=True, **options), "")  # type: ignore[arg-type]  # whatever Network takes


def test_a_program_is_told_nothing_of_the_real_world() -> None:
    world = isolated_world()

    async def program() -> tuple[object, ...]:
        await asyncio.sleep(1.5)
        return time.time(), time.monotonic(), socket.gethostname(), socket.gethostbyname("server"), os.getpid()

    with world.network:
        told = world.on_client(program)
    assert told == (NEW_YEAR + 1.5, 1001.5, "client", "192.0.2.2", 1000)


def test_pages_are_dated_in_virtual_time() -> None:
    assert talk("aiohttp", 1)[0] == ("Thu, 01 Jan 2026 00:00:00 GMT", "HELLO")
    assert talk("uvicorn", 1)[0] == ("Thu, 01 Jan 2026 00:00:00 GMT", "server")


@pytest.mark.parametrize("name", TALKS)
def test_the_same_seed_gives_the_same_octets_in_this_process(name: str) -> None:
    assert talk(name, 1) == talk(name, 1)


@pytest.mark.parametrize("name", TALKS)
def test_another_seed_gives_other_octets(name: str) -> None:
    assert talk(name, 1)[1] != talk(name, 2)[1]


def test_the_same_seed_gives_the_same_octets_in_other_processes() -> None:
    processes = [elsewhere("1", "Asia/Tokyo"), elsewhere("2", "America/Lima")]
    here = digests("7")
    assert [process.communicate(timeout=100)[0].split() for process in processes] == [here, here]


def elsewhere(hash_seed: str, zone: str) -> "subprocess.Popen[str]":
    """The talks in another process: another order of sets, another time zone, no pytest."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.sim.talkers", "7"],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": hash_seed, "TZ": zone},
        stdout=subprocess.PIPE,
        text=True,
    )


def test_a_second_run_of_a_network_rolls_other_dice_than_the_first() -> None:
    async def program() -> uuid.UUID:
        return uuid.uuid4()

    with isolated_world().network as network:
        first, second = network.run(program()), network.run(program())
    with isolated_world().network as network:
        again = [network.run(program()), network.run(program())]
    assert first != second
    assert again == [first, second]


def test_between_runs_the_process_is_its_own() -> None:
    async def program() -> int:
        return os.getpid()

    with isolated_world().network as network:
        assert network.run(program()) == 1000 != os.getpid()
        subprocess.run(["true"], check=True)
        assert network.run(program()) == 1000


def test_what_is_cancelled_at_the_end_is_isolated_too() -> None:
    seen = []

    async def program() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            seen.append((time.time(), os.getpid()))

    async def main() -> None:
        world.client.run(program())
        await asyncio.sleep(1)

    world = isolated_world()
    with world.network as network:
        network.run(main())
    assert seen == [(NEW_YEAR + 1, 1000)]


def test_a_certificate_made_in_a_simulation_does_not_spoil_those_made_later() -> None:
    script = """if True:
        import trustme
        from halfopen.sim.network import Network

        async def make():
            return trustme.CA(key_type=trustme.KeyType.ECDSA)

        with Network(isolated=True) as network:
            network.run(make())
        trustme.CA(key_type=trustme.KeyType.ECDSA)
        """
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True)


def test_an_escape_ends_the_run_and_names_the_program() -> None:
    async def program() -> None:
        time.sleep(1)

    with isolated_world().network as network, pytest.raises(EscapeError, match=rf"{__name__} line \d+ called time"):
        network.run(program())


def test_what_is_allowed_gets_through() -> None:
    async def program() -> bool:
        thread = threading.Thread(target=int)
        thread.start()
        thread.join()
        return True

    with isolated_world(allow=("thread",)).network as network:
        assert network.run(program())


def test_a_word_that_the_fence_does_not_know_is_an_error() -> None:
    with pytest.raises(ConfigError, match="no 'threads'"):
        Network(isolated=True, allow=("threads",))


def test_a_simulation_within_another_is_an_error() -> None:
    async def inner() -> None:
        raise AssertionError

    async def outer() -> None:
        other.network.run(inner())

    world, other = isolated_world(), isolated_world(2)
    with world.network, other.network:
        with pytest.raises(SimulationError, match="of this process already; there can be one at a time"):
            world.run(outer)
        assert time.time() > NEW_YEAR + 1


def test_who_runs_the_loop_himself_enters_by_himself() -> None:
    async def program() -> uuid.UUID:
        return uuid.uuid4()

    async def main() -> uuid.UUID:
        return await world.client.run(program())

    with isolated_world().network as network:
        expected = network.run(program())
    world = isolated_world()
    with world.network as network, network.isolation():
        with network.isolation():
            assert time.time() == NEW_YEAR
        assert time.time() == NEW_YEAR
        assert network.run(main()) == expected
        assert time.time() == NEW_YEAR
    assert time.time() > NEW_YEAR + 1


def test_a_network_that_is_not_isolated_leaves_the_process_alone() -> None:
    with Network() as network, network.isolation():
        assert os.getpid() != 1000


def test_sigterm_lets_a_server_end_in_good_order() -> None:
    world = isolated_world()
    ended = []

    async def app(scope: object, receive: object, send: Callable[..., object]) -> None:
        raise AssertionError

    async def main() -> None:
        async with serving(world.server, app):
            ended.append("serving")
        ended.append("ended")

    with world.network:
        world.run(main)
    assert ended == ["serving", "ended"]


def test_ctrl_c_ends_the_run_while_servers_handle_theirs() -> None:
    world = isolated_world()

    async def app(scope: object, receive: object, send: object) -> None:
        raise AssertionError

    async def serve() -> None:
        await uvicorn.Server(uvicorn.Config(app, host="0.0.0.0", port=80, lifespan="off", log_config=None)).serve()

    async def main() -> None:
        world.server.run(serve())
        await asyncio.sleep(1)
        signal.raise_signal(signal.SIGINT)
        await asyncio.sleep(1)

    with world.network, pytest.raises(KeyboardInterrupt):
        world.run(main)


def test_a_signal_that_a_program_does_not_handle_ends_or_stops_it() -> None:
    world = isolated_world()
    turns = []

    async def program() -> None:
        while True:
            turns.append(world.elapsed())
            await asyncio.sleep(1)

    async def main() -> None:
        task = world.client.run(program())
        await asyncio.sleep(1.5)
        world.client.signal(signal.SIGWINCH)
        world.client.signal(signal.SIGTSTP)
        await asyncio.sleep(5)
        assert world.client.is_paused
        world.client.signal(signal.SIGCONT)
        await asyncio.sleep(1)
        world.client.signal(signal.SIGTERM)
        with pytest.raises(asyncio.CancelledError):
            await task

    with world.network:
        world.run(main)
    assert turns == [0, 1, 6.5]


def test_all_of_it_can_be_had_without_a_network() -> None:
    loop = SimLoop()
    with asyncio.Runner(loop_factory=lambda: loop) as runner, isolated(loop, SeededRng(1)) as fence:
        runner.run(asyncio.sleep(5))
        assert time.time() == NEW_YEAR + 5
        assert fence.escapes == []


def test_everything_is_undone_and_each_thing_has_one_stand_in() -> None:
    modules = {name: module for name, module in sys.modules.items() if not name.startswith("hypothesis")}  # It counts.
    watched = {name: dict(vars(module)) for name, module in modules.items() if type(vars(module)) is dict}
    seed = Random.seed
    with closing(SimLoop()) as loop, isolated(loop, SeededRng(1)):
        assert time.time() == NEW_YEAR
    for name, before in watched.items():
        after = vars(sys.modules[name])
        assert [key for key, value in before.items() if after.get(key) is not value] in ([], ["tzname"])
    assert Random.seed is seed
    assert len({id(real) for real, _ in PAIRS}) == len(PAIRS)
