import asyncio
import os
import subprocess
import sys
from contextvars import Context

import pytest

from halfopen.base.errors import SimulationError
from halfopen.sim.processes import PATIENCE, PROGRAMS
from tests.sim.befallen import digest
from tests.sim.world import two_hosts


def test_programs_of_one_host_share_a_number_and_those_after_a_kill_have_another() -> None:
    with two_hosts() as world:

        async def pid() -> int:
            return PROGRAMS.get().pid

        async def main() -> list[int]:
            pids = [await host.run(pid()) for host in (world.client, world.client, world.server)]
            world.client.kill()
            return [*pids, await world.client.run(pid())]

        assert world.run(main) == [100, 100, 101, 102]


def test_a_task_in_an_empty_context_belongs_to_the_programs_of_its_creator() -> None:
    with two_hosts() as world:
        loop = world.network.loop

        async def pid() -> int:
            return PROGRAMS.get().pid

        async def program() -> int:
            return await loop.create_task(pid(), context=Context())

        assert world.on_client(program) == 100


def test_a_task_that_is_started_within_a_block_of_another_host_is_a_program_there() -> None:
    with two_hosts() as world:

        async def pid() -> int:
            return PROGRAMS.get().pid

        async def program() -> list[int]:
            with world.server:
                return [await asyncio.create_task(pid()), PROGRAMS.get().pid]

        assert world.on_client(program) == [101, 100]


def test_code_on_no_host_is_nobodys_program() -> None:
    with two_hosts() as world:

        async def main() -> bool:
            task = asyncio.create_task(asyncio.sleep(0))
            await task
            return world.network.loop.processes.programs_of(task) is None and PROGRAMS.get(None) is None

        assert world.run(main)


def test_timers_of_killed_programs_never_fire() -> None:
    fired: list[str] = []
    with two_hosts() as world:

        async def program(name: str) -> None:
            asyncio.get_running_loop().call_later(2, fired.append, name)

        async def main() -> None:
            await asyncio.gather(world.client.run(program("client")), world.server.run(program("server")))
            world.client.kill()
            await asyncio.sleep(5)

        world.run(main)
    assert fired == ["server"]


def test_timers_of_stopped_programs_fire_when_they_go_on_in_their_order() -> None:
    fired: list[tuple[int, float]] = []
    with two_hosts() as world:

        def fire(number: int) -> None:
            fired.append((number, world.elapsed()))

        async def program() -> None:
            for number in (3, 1, 2):
                asyncio.get_running_loop().call_later(number, fire, number)

        async def main() -> None:
            await world.client.run(program())
            world.client.pause()
            world.server.pause()
            await asyncio.sleep(5)
            world.server.resume()
            await asyncio.sleep(5)
            world.client.resume()
            await asyncio.sleep(0)
            await asyncio.sleep(0)

        world.run(main)
    assert fired == [(1, 10.0), (2, 10.0), (3, 10.0)]


def test_a_group_of_tasks_dies_as_a_whole() -> None:
    ended: list[int] = []
    with two_hosts() as world:

        async def worker(number: int) -> None:
            try:
                await asyncio.sleep(100)
            finally:
                await asyncio.sleep(0)
                ended.append(number)

        async def program() -> None:
            async with asyncio.TaskGroup() as group:
                for number in range(3):
                    group.create_task(worker(number))
                await asyncio.gather(*(asyncio.create_task(asyncio.sleep(50)) for _ in range(3)))

        async def main() -> None:
            task = world.client.run(program())
            await asyncio.sleep(1)
            world.client.kill()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert world.network.loop.processes.tasks_of(world.network.loop.processes.running[world.client]) == []

        world.run(main)
        assert world.elapsed() == 1
    assert ended == []


def test_a_program_that_does_not_want_to_die_is_asked_so_often_and_then_ends_where_it_stands() -> None:
    asked = 0
    ended = []
    with two_hosts() as world:

        async def undying() -> None:
            nonlocal asked
            while True:
                try:
                    await asyncio.get_running_loop().create_future()
                except asyncio.CancelledError:
                    asked += 1
                finally:
                    ended.append(asked)

        async def main() -> None:
            task = world.client.run(undying())
            await asyncio.sleep(1)
            world.client.kill()
            with pytest.raises(RuntimeError):
                await task
            assert world.elapsed() == 1

        world.run(main)
    assert PATIENCE <= asked <= PATIENCE + 1
    assert ended[-1] == asked


def test_a_stopped_program_is_named_as_such_in_a_deadlock() -> None:
    with two_hosts() as world:

        async def main() -> None:
            task = world.client.run(asyncio.sleep(5))
            world.client.pause()
            await task

        with pytest.raises(SimulationError, match=r"Task-\d+ on client \(stopped\) sleep\(\) waits in sleep\(\)"):
            world.run(main)


def test_what_befalls_hosts_is_the_same_history_in_another_process() -> None:
    command = [sys.executable, "-m", "tests.sim.befallen"]
    environment = {**os.environ, "PYTHONHASHSEED": "77"}
    elsewhere = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    assert elsewhere.stdout.strip() == digest()
