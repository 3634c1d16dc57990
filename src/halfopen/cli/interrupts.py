"""Ctrl-C as an ordinary end of a command."""

import asyncio
import signal
from collections.abc import Coroutine
from typing import TypeVar

Result = TypeVar("Result")


async def until_interrupted(name: str, work: Coroutine[object, object, Result]) -> Result | None:
    """What ``work`` returns; None if SIGINT or SIGTERM came first, on which it is cancelled and cleans up.

    ``name`` is that of its task, which stands in the port table.
    """
    loop = asyncio.get_running_loop()
    task = asyncio.create_task(work, name=name)
    interrupted = False

    def interrupt() -> None:
        nonlocal interrupted
        interrupted = True
        task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupt)
    try:
        return await task
    except asyncio.CancelledError:
        if not interrupted:
            task.cancel()
            raise
        return None
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
