"""A script in virtual time: what takes minutes there takes milliseconds here."""

from collections.abc import Callable
from typing import Final

from halfopen.base.clock import MICROSECOND, NEVER, Duration, Instant
from halfopen.base.errors import SimulationError
from halfopen.packetdrill.calls import Calls
from halfopen.packetdrill.captured import Emitted
from halfopen.packetdrill.script import Position
from halfopen.packetdrill.shell import Shell
from halfopen.packetdrill.virtual_host import PATIENCE, VirtualHost
from halfopen.packetdrill.world import World
from halfopen.wire.packet import Packet

ARRIVAL: Final[Duration] = 10 * MICROSECOND
"""What it takes a host to receive a packet: no two arrive at the same instant, nor is what one causes to be sent sent
at the same time as what the one before it did. RACK asks which was sooner."""


class VirtualWorld(World):
    """Our stack, and programs on it that are stepped by its clock."""

    def __init__(self, host: VirtualHost, calls: Calls, shell: Shell) -> None:
        super().__init__(calls)
        self._host = host
        self._shell = shell
        host.attend = self._attend

    @property
    def now(self) -> Instant:
        """The time."""
        return self._host.now

    def _attend(self) -> Instant:
        self.calls.posix.attend()
        return self.watch()

    def run_while(self, goes_on: Callable[[], bool], until: Instant) -> None:
        """From one deadline to the next; ``until`` that is NEVER ends when nothing is due any more."""
        host = self._host
        host.settle()
        self._step(goes_on, until)
        if goes_on() and host.now < until < NEVER:
            host.now = until

    def next_output(self, until: Instant) -> Emitted | None:
        """What the stack has sent next; time passes up to ``until``, or to the instant at which it was sent."""
        output = self._host.output
        if not output:
            self.run_while(lambda: not output, until)
        return output.popleft() if output else None

    def _step(self, goes_on: Callable[[], bool], until: Instant) -> None:
        rounds, instant = 0, self._host.now
        while goes_on() and self._host.step(until):
            rounds, instant = (rounds + 1 if self._host.now == instant else 0), self._host.now
            if rounds > PATIENCE:
                raise SimulationError("time stands still: something is due again and again at one instant")

    def inject(self, packet: Packet, device: int = 0) -> None:
        """The stack receives it, and what follows from that at once follows."""
        self._host.now += ARRIVAL
        self._host.receive(packet, device)
        self._host.settle()

    def shell(self, command: str, position: Position) -> None:
        """An emulated command; nothing outside of the script is touched."""
        self._shell.run(command, position)
        device = self._shell.host.device
        self._host.set_device(drops=device.drops, offloads=device.offloads)
        self._host.set_pace(enabled=device.paces)
        self._host.settle()
