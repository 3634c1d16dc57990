import asyncio
import contextvars
import gc
import math
from typing import Any
from weakref import ref

import pytest

from halfopen.base.errors import SimulationError
from halfopen.sim.loop import LIVELOCK, SimLoop
from tests.sim.world import echo, serve, two_hosts


def run(main: Any) -> Any:
    with asyncio.Runner(loop_factory=SimLoop) as runner:
        return runner.run(main)


def test_time_begins_at_a_thousand_seconds_and_jumps_exactly() -> None:
    async def main() -> list[float]:
        loop = asyncio.get_running_loop()
        times = [loop.time()]
        for delay in (0.1, 7200, 1e-9, 0):
            await asyncio.sleep(delay)
            times.append(loop.time())
        return times

    assert run(main()) == [1000.0, 1000.1, 8200.1, 8200.100000001, 8200.100000001]


def test_timers_of_one_instant_fire_in_the_order_in_which_they_were_set() -> None:
    async def main() -> list[int]:
        loop = asyncio.get_running_loop()
        fired: list[int] = []
        for number in range(50):
            loop.call_at(1001.0, fired.append, number)
        await asyncio.sleep(1)
        return fired

    assert run(main()) == list(range(50))


def test_a_cancelled_timer_is_not_waited_for() -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        loop.call_later(5, pytest.fail, "fired").cancel()
        due = loop.call_later(1, pytest.fail, "fired")
        loop.call_at(loop.time() + 1 - 1e-9, due.cancel)
        await asyncio.sleep(2)
        assert due.cancelled()
        assert due.when() == 1001.0
        return loop.time()

    assert run(main()) == 1002.0


def test_timeouts_run_in_virtual_time() -> None:
    async def main() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(300):
                await asyncio.Event().wait()
        return asyncio.get_running_loop().time()

    assert run(main()) == 1300.0


def test_what_is_due_now_gets_its_turn_while_others_are_busy() -> None:
    async def main() -> int:
        done = asyncio.Event()
        asyncio.get_running_loop().call_later(0, done.set)
        turns = 0
        while not done.is_set():
            await asyncio.sleep(0)
            turns += 1
        return turns

    assert 0 < run(main()) < 5


def test_a_deadlock_says_who_waits_where() -> None:
    async def waits_for_nobody() -> None:
        await asyncio.get_running_loop().create_future()

    async def main() -> None:
        asyncio.get_running_loop().create_task(waits_for_nobody(), name="forlorn")
        await asyncio.sleep(0.25)
        await asyncio.Event().wait()

    with pytest.raises(SimulationError) as caught:
        run(main())
    text = str(caught.value)
    assert "deadlock at 0.250000000 s" in text
    assert "main() waits in Event.wait() (locks.py:" in text
    assert "forlorn" in text
    assert "waits_for_nobody() (test_loop.py:" in text


def test_a_livelock_is_reported() -> None:
    turns = 0

    async def main() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    with pytest.raises(SimulationError, match=r"livelock at 0\.000000000 s.*\n.*main\(\)"):
        run(main())
    assert LIVELOCK - 5 < turns < LIVELOCK + 5


def test_an_executor_runs_in_the_loops_own_thread_and_takes_no_time() -> None:
    def divide(by: int) -> float:
        return 10 / by

    async def main() -> float:
        loop = asyncio.get_running_loop()
        assert await loop.run_in_executor(None, divide, 4) == 2.5
        assert await asyncio.to_thread(divide, 5) == 2
        with pytest.raises(ZeroDivisionError):
            await loop.run_in_executor(None, divide, 0)
        return loop.time()

    assert run(main()) == 1000.0


def test_a_callback_from_another_thread_needs_no_waking() -> None:
    async def main() -> bool:
        done = asyncio.Event()
        asyncio.get_running_loop().call_soon_threadsafe(done.set)
        return await done.wait()

    assert run(main())


def test_a_closed_loop_takes_no_timers() -> None:
    loop = SimLoop()
    loop.close()
    with pytest.raises(RuntimeError, match="closed"):
        loop.call_later(1, print)


def test_code_on_no_host_has_no_network() -> None:
    async def main() -> None:
        with pytest.raises(SimulationError, match="on no host"):
            await asyncio.open_connection("192.0.2.1", 7)

    run(main())


def test_tasks_stay_on_the_host_of_who_creates_them() -> None:
    with two_hosts() as world:
        loop = world.network.loop

        async def name() -> str:
            return loop.current_host().program

        async def program() -> list[str]:
            own = contextvars.Context()
            tasks = [loop.create_task(name()), loop.create_task(name(), context=own)]
            tasks.append(loop.create_task(name(), context=own, name="again"))
            tasks.append(world.server.run(name()))
            return list(await asyncio.gather(*tasks))

        assert world.on_client(program) == ["client"] * 3 + ["server"]


def test_happy_eyeballs_try_the_next_address_while_the_first_keeps_silent() -> None:
    with two_hosts("delay 20ms") as world:

        async def program() -> list[float]:
            loop = world.network.loop
            names = world.client.names
            names.add("double", bytes((192, 0, 2, 77)))
            names.add("double", bytes((192, 0, 2, 2)))
            await world.server.run(serve(echo))
            took: list[float] = []
            for options in ({"happy_eyeballs_delay": 0.25}, {}):
                began = loop.time()
                transport, _ = await loop.create_connection(asyncio.Protocol, "double", 7, **options)
                took.append(loop.time() - began)
                transport.close()
            return took

        racing, waiting = world.on_client(program)
        assert racing == pytest.approx(0.25 + 0.12)
        assert waiting > 2


def test_every_address_that_fails_can_be_told() -> None:
    with two_hosts("delay 20ms") as world:

        async def program() -> None:
            loop = world.network.loop
            world.client.names.add("double", bytes((192, 0, 2, 1)))
            world.client.names.add("double", bytes((192, 0, 2, 2)))
            for options, count in (({}, 2), ({"happy_eyeballs_delay": 0.25}, 2)):
                with pytest.raises(ExceptionGroup) as several:
                    await loop.create_connection(asyncio.Protocol, "double", 7, all_errors=True, **options)
                assert [type(error) for error in several.value.exceptions] == [ConnectionRefusedError] * count
                with pytest.raises(OSError, match="Multiple exceptions"):
                    await loop.create_connection(asyncio.Protocol, "double", 7, **options)
            with pytest.raises(ExceptionGroup):
                await loop.create_connection(asyncio.Protocol, "server", 7, all_errors=True)
            with pytest.raises(ConnectionRefusedError):
                await loop.create_connection(asyncio.Protocol, "server", 7)

        world.on_client(program)


def test_who_sleeps_for_ever_is_cancelled_or_reported() -> None:
    async def main() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.sleep(math.inf), 5)
        await asyncio.sleep(math.inf)

    with pytest.raises(SimulationError, match=r"deadlock at 5\.0+ s"):
        run(main())


def test_tasks_without_a_name_are_counted_from_one_in_each_loop() -> None:
    async def names() -> list[str]:
        tasks = [asyncio.create_task(asyncio.sleep(0)), asyncio.create_task(asyncio.sleep(0), name="named")]
        return [task.get_name() for task in (asyncio.current_task(), *tasks) if task is not None]

    assert run(names()) == run(names()) == ["Task-1", "Task-2", "named"]


def test_a_task_that_nobody_keeps_runs_to_its_end() -> None:
    ended = []

    async def wait(event: asyncio.Event) -> None:
        await event.wait()
        ended.append(True)

    async def main() -> None:
        forgotten = asyncio.Event()
        asyncio.create_task(wait(forgotten))  # noqa: RUF006  # that is what this is about
        await asyncio.sleep(1)
        kept = ref(forgotten)
        del forgotten
        gc.collect()
        event = kept()
        assert event is not None
        event.set()
        await asyncio.sleep(1)

    run(main())
    assert ended == [True]
