"""What the commands of a script act on: a stack, its sysctls, its one device, and a few files."""

from collections.abc import Callable
from dataclasses import dataclass, field

from halfopen.base.clock import Instant
from halfopen.packetdrill.sysctls import Sysctls
from halfopen.stack.stack import Stack
from halfopen.tcp.master_keys import Md5Key


class Failed(Exception):
    """The command would exit with a status other than 0; ``output`` is what it has printed all the same."""

    def __init__(self, message: str, output: str = "") -> None:
        super().__init__(message)
        self.output = output


@dataclass(slots=True)
class Device:
    """What commands have made of the TUN device, for whoever plays it."""

    drops: bool = False
    """Nothing leaves (a queue with room for none)."""
    paces: bool = False
    """The queue is ``fq``, which spaces packets out."""
    offloads: bool = True
    """Several segments may leave as one."""


@dataclass(slots=True)
class ShellHost:
    """Where commands are run. ``baseline`` are the counters when ``nstat`` was last asked to begin anew."""

    stack: Stack
    sysctls: Sysctls
    clock: Callable[[], Instant]
    device: Device = field(default_factory=Device)
    files: dict[str, bytes] = field(default_factory=dict)
    saved: dict[str, str] = field(default_factory=dict)
    """Values of sysctls before ``set_sysctls.py`` has changed them."""
    baseline: dict[str, int] = field(default_factory=dict)
    keys: list[Md5Key] = field(default_factory=list)
    """What ``setkey`` has added."""
