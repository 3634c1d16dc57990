import asyncio
from collections.abc import Coroutine, Generator
from typing import Any

import pytest

from halfopen.sim.waiting import place, who_waits


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
