"""Who waits for what, when nothing happens any more."""

import asyncio
from types import CoroutineType
from typing import Any


def who_waits(loop: asyncio.AbstractEventLoop) -> str:
    """A line for each task that is not done, oldest first: its name, what it runs, where it stands."""
    tasks = sorted(asyncio.all_tasks(loop), key=lambda task: (len(task.get_name()), task.get_name()))
    return "\n".join(f"  {task.get_name()} {place(task)}" for task in tasks) or "  no task is left"


def place(task: asyncio.Task[Any]) -> str:
    """``"main() waits in StreamReader.read() (streams.py:710)"``: the outermost coroutine, and the innermost."""
    outermost = task.get_coro()
    if not isinstance(outermost, CoroutineType):
        return f"waits in {outermost!r}"
    innermost = outermost
    while isinstance(innermost.cr_await, CoroutineType):
        innermost = innermost.cr_await
    frame = innermost.cr_frame
    where = f"{innermost.__qualname__}()"
    if frame is not None:
        where += f" ({frame.f_code.co_filename.rpartition('/')[2]}:{frame.f_lineno})"
    return f"{outermost.__qualname__}() waits in {where}"
