import asyncio
import os
import signal

import pytest

from halfopen.cli.interrupts import until_interrupted

pytestmark = pytest.mark.asyncio


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_the_work_which_cleans_up(number: signal.Signals) -> None:
    cleaned = []

    async def work() -> int:
        try:
            os.kill(os.getpid(), number)
            await asyncio.get_running_loop().create_future()
        finally:
            cleaned.append(True)
        return 1

    before = signal.getsignal(number)
    assert await until_interrupted("work", work()) is None
    assert cleaned == [True]
    assert signal.getsignal(number) in (before, signal.SIG_DFL, signal.default_int_handler)


async def test_work_that_ends_by_itself_gives_its_result_and_has_its_name() -> None:
    async def work() -> str:
        task = asyncio.current_task()
        assert task is not None
        return task.get_name()

    assert await until_interrupted("nc", work()) == "nc"


async def test_a_cancellation_from_elsewhere_stays_one() -> None:
    async def work() -> None:
        await asyncio.get_running_loop().create_future()

    outer = asyncio.create_task(until_interrupted("work", work()))
    await asyncio.sleep(0)
    outer.cancel()
    with pytest.raises(asyncio.CancelledError):
        await outer
