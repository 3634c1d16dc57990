import asyncio
from collections.abc import Coroutine, Generator
from contextlib import closing
from typing import Any

import pytest

from halfopen.base.errors import SimulationError
from halfopen.sim.waiting import place, who_spins, who_waits
from tests.sim.world import echo, serve, two_hosts


class Foreign:
    """A coroutine that is none of Python's own, as compiled code has them."""

    def __await__(self) -> Generator[Any, None, None]:
        return self.steps()

    def steps(self) -> Generator[Any, None, None]:
        yield from asyncio.get_running_loop().create_future()


class Compiled(Coroutine[Any, Any, None]):
    """A coroutine that says nothing of where it stands."""

    def __repr__(self) -> str:
        return "<compiled>"

    def __await__(self) -> Generator[Any, None, None]:
        yield

    def send(self, value: object) -> None:
        raise StopIteration

    def close(self) -> None:
        pass

    def throw(self, kind: Any, value: Any = None, traceback: Any = None) -> None:
        raise kind


async def inner() -> None:
    await asyncio.get_running_loop().create_future()


async def outer() -> None:
    await inner()


async def awaits_foreign() -> None:
    await Foreign()


@pytest.mark.asyncio
async def test_tasks_are_told_oldest_first_by_name_and_place() -> None:
    tasks = [asyncio.create_task(program(), name=name) for name, program in (("T-10", outer), ("T-9", awaits_foreign))]
    await asyncio.sleep(0)
    lines = who_waits(asyncio.get_running_loop()).splitlines()
    assert [line.split()[0] for line in lines if "T-" in line] == ["T-9", "T-10"]
    assert place(tasks[0]).startswith("outer() waits in inner() (test_waiting.py:")
    assert place(tasks[1]).startswith("awaits_foreign() waits in awaits_foreign() (test_waiting.py:")
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert place(tasks[0]) == "outer() waits in outer()"


@pytest.mark.asyncio
async def test_a_coroutine_that_is_not_pythons_own_is_shown_as_it_is() -> None:
    task = asyncio.get_running_loop().create_task(Compiled())
    assert place(task) == "waits in <compiled>"
    await task


def test_a_loop_without_tasks_says_so() -> None:
    loop = asyncio.new_event_loop()
    assert who_waits(loop) == "  no task is left"
    loop.close()


def test_nobody_spins_where_nothing_is_ready() -> None:
    assert who_spins([]) == "  nobody"


def test_a_deadlock_tells_the_host_of_each_task_and_its_ports() -> None:
    with two_hosts("delay 1ms") as world:

        async def forlorn() -> None:
            reader, writer = await asyncio.open_connection("server", 7)
            with closing(writer):
                await reader.read()

        async def main() -> None:
            await world.server.run(serve(echo))
            await world.client.run(forlorn())

        with pytest.raises(SimulationError) as caught:
            world.run(main)
    lines = str(caught.value).splitlines()
    assert lines[0] == f"deadlock at {world.elapsed():.9f} s: nothing is planned, and"
    where = {line.split()[2]: line for line in lines if " on " in line}
    assert ".forlorn() waits in StreamReader._wait_for_data() (streams.py:" in where["client"]
    assert "echo() waits in StreamReader._wait_for_data() (streams.py:" in where["server"]
    assert not any("main()" in line and " on " in line for line in lines)
    ports = [line.split()[1] for line in lines if line.startswith("tcp")]
    assert ports == ["ESTAB", "LISTEN", "ESTAB"]


def test_a_livelock_tells_which_program_never_yields_to_time() -> None:
    with two_hosts() as world:

        async def sleeper() -> None:
            await asyncio.sleep(1)

        async def spinner() -> None:
            while True:
                await asyncio.sleep(0)

        async def main() -> None:
            tasks = [world.client.run(sleeper()), world.server.run(spinner())]
            await asyncio.gather(*tasks)

        with pytest.raises(SimulationError) as caught:
            world.run(main)
    culprits = str(caught.value).partition("because of\n")[2].partition("\nand\n")[0]
    assert " on server " in culprits
    assert ".spinner() is in sleep() (tasks.py:" in culprits
    assert "sleeper" not in culprits
    assert "sleeper" in str(caught.value)


def test_a_callback_that_calls_itself_again_is_told_as_well() -> None:
    with two_hosts() as world:

        def again() -> None:
            asyncio.get_running_loop().call_soon(again)

        async def main() -> None:
            again()
            await asyncio.sleep(1)

        with pytest.raises(SimulationError, match=r"because of\n  <function .*again at "):
            world.run(main)
