"""What a script is run against: our stack in virtual time, or the kernel in real time."""

from abc import ABC, abstractmethod
from collections.abc import Callable

from halfopen.base.clock import NEVER, Instant
from halfopen.packetdrill.calls import Calls
from halfopen.packetdrill.captured import Emitted
from halfopen.packetdrill.code import CodeBlocks
from halfopen.packetdrill.errors import Mismatch
from halfopen.packetdrill.info import CONSTANTS
from halfopen.packetdrill.script import Position
from halfopen.wire.packet import Packet


def _nothing() -> Instant:
    return NEVER


def _always() -> bool:
    return True


class World(ABC):
    """A host with one device, the clock that both go by, and the calls that a program makes on it.

    ``watch`` is called whenever something may have happened on the host; it says when it wants to be called next though
    nothing has (NEVER: not for that reason).
    """

    def __init__(self, calls: Calls) -> None:
        self.calls = calls
        self._blocks = CodeBlocks()
        self.watch: Callable[[], Instant] = _nothing

    def begin(self) -> None:
        """The script's own time starts now."""
        self.calls.start_time = self.now

    @property
    @abstractmethod
    def now(self) -> Instant:
        """The time."""

    @abstractmethod
    def run_while(self, goes_on: Callable[[], bool], until: Instant) -> None:
        """Lets time pass up to ``until`` as long as ``goes_on``; with all that is due then, and the host settled."""

    def run_until(self, when: Instant) -> None:
        """Lets time pass up to ``when``, all that is due included; an instant that has passed only settles the host."""
        self.run_while(_always, when)

    @abstractmethod
    def inject(self, packet: Packet, device: int = 0) -> None:
        """A datagram, or a frame, arrives at the host."""

    @abstractmethod
    def next_output(self, until: Instant) -> Emitted | None:
        """What the host has sent next, if need be waiting for it; None if it sends nothing up to ``until``."""

    @abstractmethod
    def shell(self, command: str, position: Position) -> None:
        """Runs a command of the script; Mismatch if it fails."""

    def code(self, text: str, position: Position, descriptor: int | None) -> None:
        """Runs a code block, which knows of the socket that the script calls ``descriptor``; Mismatch if it raises."""
        live = None if descriptor is None else self.calls.descriptors.get(descriptor)
        if live is None:
            raise Mismatch(position, "there is no socket under test that a code block could be about")
        try:
            facts = self.calls.posix.tcp_info(live)
        except OSError as error:
            raise Mismatch(position, f"TCP_INFO: {error.strerror}") from None
        self._blocks.run(text, {**CONSTANTS, **facts}, position)
