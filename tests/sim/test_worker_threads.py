import asyncio
import threading
from contextvars import ContextVar

import anyio
import anyio.to_thread
import pytest

from tests.sim.socket_world import socket_hosts

VARIABLE: ContextVar[str] = ContextVar("variable", default="unset")


def divide(by: int) -> tuple[float, int, str]:
    return 10 / by, threading.get_ident(), VARIABLE.get()


def test_work_for_threads_is_done_at_once_in_the_loops_own() -> None:
    with socket_hosts() as world:

        async def program() -> None:
            VARIABLE.set("set")
            began = asyncio.get_running_loop().time()
            assert await anyio.to_thread.run_sync(divide, 4) == (2.5, threading.get_ident(), "set")
            with pytest.raises(ZeroDivisionError):
                await anyio.to_thread.run_sync(divide, 0)
            async with await anyio.open_file(__file__) as file:
                assert "asyncio" in await file.readline()
            assert asyncio.get_running_loop().time() == began

        world.on_client(program)


def test_work_counts_against_the_limit() -> None:
    with socket_hosts() as world:

        async def program() -> int:
            limiter = anyio.CapacityLimiter(1)
            return await anyio.to_thread.run_sync(lambda: limiter.borrowed_tokens, limiter=limiter)

        assert world.on_client(program) == 1


def test_other_loops_keep_their_threads() -> None:
    async def elsewhere() -> int:
        return (await anyio.to_thread.run_sync(divide, 4))[1]

    with socket_hosts():
        pass
    assert asyncio.run(elsewhere()) != threading.get_ident()
