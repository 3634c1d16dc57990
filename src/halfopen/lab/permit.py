"""The lab's leave to be insecure: in the simulated network, and nowhere else."""

import asyncio

from halfopen.base.errors import SimulationError
from halfopen.base.permit import Permit
from halfopen.sim.loop import SimLoop


class SimulationOnly(Permit):
    """Permits what runs in the loop of a simulation."""

    __slots__ = ()

    def check(self, what: str) -> None:
        """SimulationError outside of a simulated network."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            loop = None
        if not isinstance(loop, SimLoop):
            raise SimulationError(f"{what}: this works in the simulated network only")


SIMULATION_ONLY = SimulationOnly()
