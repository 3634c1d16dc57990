"""A host of a simulated network, and the programs on it."""

import asyncio
from collections.abc import Coroutine
from contextvars import copy_context
from typing import Any, TypeVar

from halfopen.aio.host import Host
from halfopen.aio.names import Names
from halfopen.sim.loop import CURRENT_HOST, SimLoop
from halfopen.sim.pump import SimPump
from halfopen.stack.stack import Stack

T = TypeVar("T")


class SimHost(Host):
    """A stack with a name; programs started by `run` see its network as theirs."""

    def __init__(self, stack: Stack, loop: SimLoop, name: str, names: Names) -> None:
        self.loop = loop
        self.sim_pump = SimPump(stack, loop, name)
        super().__init__(stack, self.sim_pump, names, program=name)

    @property
    def name(self) -> str:
        """What the other hosts call it."""
        return self.sim_pump.name

    def run(self, program: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Starts a program on this host, as a task that may be awaited from anywhere."""
        context = copy_context()
        context.run(CURRENT_HOST.set, self)
        return self.loop.create_task(program, context=context)

    def power_off(self) -> None:
        """No FIN, no RST: the host is silent from now on. Its programs hear nothing of it and wait for ever."""
        self.pump.close()
