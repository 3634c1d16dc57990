"""Sockets of a simulated run: what the `socket` module is while it lasts."""

import socket as kernel
from collections.abc import Iterator
from contextlib import contextmanager
from socket import socket as real_socket

from halfopen.sim import lookups
from halfopen.sim.aliases import Pair, replaced
from halfopen.sim.loop import SimLoop
from halfopen.sim.sim_socket import SimSocket
from halfopen.sim.stage import Stage
from halfopen.sim.tls_sockets import tls_sockets
from halfopen.sim.worker_threads import inlined_workers

__all__ = ["PAIRS", "STAGE", "SimSocket", "SocketClass", "serving", "simulated_sockets"]


class _Switch(type):
    """Makes `socket.socket` what it is to whom: a simulated one in the simulation, a real one elsewhere."""

    def __call__(cls, family: int = -1, type: int = -1, proto: int = -1, fileno: int | None = None) -> kernel.socket:
        """AF_INET and AF_INET6 are simulated; Unix sockets and descriptors that exist are not."""
        if fileno is None and family in SIMULATED and STAGE.current() is not None:
            return SimSocket(family, type, proto)
        return real_socket(family, type, proto, fileno)

    def __instancecheck__(cls, instance: object) -> bool:
        """Every socket is what programs call one."""
        return isinstance(instance, real_socket)

    def __subclasscheck__(cls, subclass: type) -> bool:
        """As for instances."""
        return issubclass(subclass, real_socket)


class SocketClass(real_socket, metaclass=_Switch):
    """What stands for `socket.socket` while a simulation runs."""


STAGE: Stage[SimLoop] = Stage("the sockets")
"""The process has one `socket` module."""

SIMULATED = frozenset((-1, kernel.AF_INET, kernel.AF_INET6))


PAIRS: tuple[Pair, ...] = ((real_socket, SocketClass), *lookups.PAIRS)
"""What is replaced by what. `create_connection` and `create_server` of that module follow from the rest."""


@contextmanager
def simulated_sockets(loop: SimLoop) -> Iterator[None]:
    """While the block runs, `socket` works on the simulated network, and so do threads of anyio's: at once."""
    with serving(loop), replaced(PAIRS):
        yield


@contextmanager
def serving(loop: SimLoop) -> Iterator[None]:
    """What stands second in `PAIRS` works on the simulated network of ``loop``."""
    with STAGE.held_by(loop), lookups.LOOKUPS.stage.held_by(loop.current_host), inlined_workers(), tls_sockets():
        yield
