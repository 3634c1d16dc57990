"""Who waits for what when nothing happens any more, and who keeps time from passing."""

import asyncio
from collections.abc import Callable, Iterable
from types import CoroutineType
from typing import Any

HostName = Callable[["asyncio.Task[Any]"], str | None]
"""Which host a task is on."""


def nowhere(task: "asyncio.Task[Any]") -> str | None:
    """For a loop that knows no hosts."""
    return None


def who_waits(loop: asyncio.AbstractEventLoop, host_of: HostName = nowhere) -> str:
    """A line for each task that is not done, oldest first: its name, its host, what it runs, where it stands."""
    tasks = sorted(asyncio.all_tasks(loop), key=lambda task: (len(task.get_name()), task.get_name()))
    return "\n".join(_line(task, host_of, "waits in") for task in tasks) or "  no task is left"


def who_spins(ready: Iterable[asyncio.Handle], host_of: HostName = nowhere) -> str:
    """A line for each task, or else callback, that is ready to run once more without any time having passed."""
    lines: dict[str, None] = {}
    for handle in ready:
        callback: Any = handle._callback  # type: ignore[attr-defined]  # noqa: SLF001  # private to the stdlib, and nowhere else
        task = getattr(callback, "__self__", None)
        lines[_line(task, host_of, "is in") if isinstance(task, asyncio.Task) else f"  {callback!r}"] = None
    return "\n".join(lines) or "  nobody"


def place(task: "asyncio.Task[Any]", verb: str = "waits in") -> str:
    """``"main() waits in StreamReader.read() (streams.py:710)"``: the outermost coroutine, and the innermost."""
    outermost = task.get_coro()
    if not isinstance(outermost, CoroutineType):
        return f"{verb} {outermost!r}"
    innermost = outermost
    while isinstance(innermost.cr_await, CoroutineType):
        innermost = innermost.cr_await
    frame = innermost.cr_frame
    where = f"{innermost.__qualname__}()"
    if frame is not None:
        where += f" ({frame.f_code.co_filename.rpartition('/')[2]}:{frame.f_lineno})"
    return f"{outermost.__qualname__}() {verb} {where}"


def _line(task: "asyncio.Task[Any]", host_of: HostName, verb: str) -> str:
    host = host_of(task)
    return f"  {task.get_name()}{f' on {host}' if host else ''} {place(task, verb)}"
