"""All of a simulation's isolation at once: clocks, entropy, signals, sockets, and a fence around them."""

from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager

from halfopen.aio.host import Host
from halfopen.base.rng import SeededRng
from halfopen.sim import clocks, entropy, fence, signals, sockets
from halfopen.sim.aliases import replaced
from halfopen.sim.fence import Fence
from halfopen.sim.loop import CURRENT_HOST, SimLoop

PAIRS = (*clocks.PAIRS, *entropy.PAIRS, *signals.PAIRS, *sockets.PAIRS, *fence.PAIRS)


class Isolation:
    """What a process shows to the programs of one simulation, as often as they run.

    ``allow`` lets kinds of escapes through the fence: ``"thread"``, ``"socket"`` and the others of `fence.HINTS`.
    """

    __slots__ = ("_allow", "_entries", "_fence", "_loop", "_rng")

    def __init__(self, loop: SimLoop, rng: SeededRng, allow: Collection[str] = ()) -> None:
        self._loop = loop
        self._rng = rng
        self._allow = fence.kinds(allow)
        self._entries = 0
        self._fence: Fence | None = None

    @contextmanager
    def entered(self) -> Iterator[Fence]:
        """While the block runs, the process is the simulation's. SimulationError if it is another's already.

        Each time the dice are others, but the same in every process. Who is inside already stays there.
        """
        if self._fence is not None:
            yield self._fence
            return
        self._entries += 1
        rng = self._rng.fork(f"entry {self._entries}")
        with ExitStack() as inside:
            inside.enter_context(clocks.ticking(self._loop.scheduler))
            inside.enter_context(entropy.rolling(rng))
            inside.enter_context(signals.SIGNALS.stage.held_by(signals.HostSignals(self._loop.signals, current_host)))
            inside.enter_context(sockets.serving(self._loop))
            inside.enter_context(replaced(PAIRS))
            self._fence = inside.enter_context(fence.guarding(self._allow))
            inside.callback(self._leave)
            yield self._fence

    def _leave(self) -> None:
        self._fence = None


@contextmanager
def isolated(loop: SimLoop, rng: SeededRng, allow: Collection[str] = ()) -> Iterator[Fence]:
    """`Isolation`, entered once: while the block runs, the process is the simulation's of ``loop``."""
    with Isolation(loop, rng, allow).entered() as guard:
        yield guard


def current_host() -> Host | None:
    """The host that the running code is on, if it is on one."""
    return CURRENT_HOST.get(None)
