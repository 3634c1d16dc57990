"""Work that anyio gives to threads, done at once: ``def`` routes of Starlette, its files.

A real thread would take no virtual time, or any: time runs on past the timeouts of whoever waits for it.
"""

import asyncio
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from importlib import import_module
from typing import Any

from halfopen.sim.loop import SimLoop

METHOD = "run_sync_in_worker_thread"
"""Of anyio's asyncio backend: what ``anyio.to_thread.run_sync`` comes down to."""


@contextmanager
def inlined_workers() -> Iterator[None]:
    """While the block runs, `SimLoop` needs no threads of anyio's."""
    if "anyio" not in sys.modules:
        yield
        return
    backend = import_module("anyio._backends._asyncio").AsyncIOBackend
    original = vars(backend)[METHOD]

    async def run_at_once(
        cls: Any, func: Callable[..., Any], args: tuple[Any, ...], abandon_on_cancel: bool = False, limiter: Any = None
    ) -> Any:
        """As in a thread: first a checkpoint, within the limit on threads, in a copy of the context."""
        if not isinstance(asyncio.get_running_loop(), SimLoop):
            return await original.__get__(None, cls)(func, args, abandon_on_cancel, limiter)
        await cls.checkpoint()
        async with limiter or cls.current_default_thread_limiter():
            return copy_context().run(func, *args)

    setattr(backend, METHOD, classmethod(run_at_once))
    try:
        yield
    finally:
        setattr(backend, METHOD, original)
