"""A script in real time against the Linux kernel, in a network namespace made for it. Needs root."""

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from select import select

from halfopen.base.addresses import Address, Prefix, format_address
from halfopen.base.clock import MILLISECOND, SECOND, Instant
from halfopen.links.interfaces import LinkSettings, configure, set_sysctl
from halfopen.links.namespaces import Namespace
from halfopen.links.tuntap import TunTap
from halfopen.packetdrill.addressing import Addressing
from halfopen.packetdrill.calls import Calls
from halfopen.packetdrill.captured import Emitted, destination_of
from halfopen.packetdrill.errors import Mismatch, Unsupported
from halfopen.packetdrill.script import Position
from halfopen.packetdrill.settings import Settings
from halfopen.packetdrill.shell_words import NotUnderstood, parse_shell
from halfopen.packetdrill.world import World
from halfopen.wire.packet import Packet

GLANCE = MILLISECOND // 2
"""How often programs are asked whether their calls have returned."""

BATCH = 64

_SWITCHES = frozenset({"-w", "-q", "-e", "-n"})


def monotonic() -> Instant:
    """The clock that the kernel's timers go by."""
    return time.monotonic_ns()


@contextmanager
def kernel_device(settings: Settings) -> Iterator[TunTap]:
    """A TUN in a namespace where there is nothing else, laid out as the script has it; this thread is inside."""
    with Namespace() as namespace, namespace.enter(), TunTap("tun0", "ip", mtu=settings.mtu) as link:
        for family in ("default", "tun0"):
            set_sysctl(f"net/ipv6/conf/{family}/accept_dad", "0")
            set_sysctl(f"net/ipv6/conf/{family}/router_solicitations", "0")
        configure(link.name, _layout(settings.addressing))
        yield link


def _layout(addressing: Addressing) -> LinkSettings:
    gateway = addressing.gateway
    if gateway == addressing.local or gateway not in Prefix.of(addressing.local, addressing.prefix_length):
        gateway = _neighbor(addressing.local)
    return LinkSettings(
        addresses=(f"{format_address(addressing.local)}/{addressing.prefix_length}",),
        routes=(("default", format_address(gateway)),),
        txqueuelen=5000,
        ipv6=addressing.is_ipv6,
        probe=False,
    )


def _neighbor(address: Address) -> Address:
    """Another address of the same network."""
    return (int.from_bytes(address, "big") ^ 3).to_bytes(len(address), "big")


class KernelWorld(World):
    """The kernel at one end of a TUN, the script at the other; sockets are real ones."""

    def __init__(self, link: TunTap, calls: Calls, remote: Address) -> None:
        super().__init__(calls)
        self._link = link
        self._remote = remote
        self._output: deque[Emitted] = deque()
        self._descriptors = [link.fileno()]

    @property
    def now(self) -> Instant:
        """The time."""
        return monotonic()

    def run_while(self, goes_on: Callable[[], bool], until: Instant) -> None:
        """Waits for packets and for calls that return."""
        while True:
            self._read()
            self.calls.posix.attend()
            wake = self.watch()
            self._read()
            now = monotonic()
            if not goes_on() or now >= until:
                return
            pause = max(0, min(until, wake, now + GLANCE) - now)
            select(self._descriptors, [], [], pause / SECOND)

    def _read(self) -> None:
        now = monotonic()
        for packet in self._link.read(BATCH):
            if destination_of(packet.head) == self._remote:
                self._output.append(Emitted(now, packet))

    def inject(self, packet: Packet, device: int = 0) -> None:
        """The kernel takes it from the device."""
        self._link.write(packet)

    def next_output(self, until: Instant) -> Emitted | None:
        """What the kernel has sent next."""
        output = self._output
        if not output:
            self.run_while(lambda: not output, until)
        return output.popleft() if output else None

    def shell(self, command: str, position: Position) -> None:
        """Sysctls of the namespace, written where they are kept; nothing else is ever done to a real machine."""
        try:
            pipelines = parse_shell(command)
        except NotUnderstood as error:
            raise Unsupported(position, str(error)) from None
        for pipeline in pipelines:
            if len(pipeline.commands) != 1 or pipeline.commands[0].words[0] != "sysctl":
                raise Unsupported(position, f"against the kernel only sysctl is run, not {command!r}")
            for word in pipeline.commands[0].words[1:]:
                if word not in _SWITCHES:
                    _write_sysctl(word, position)


def _write_sysctl(assignment: str, position: Position) -> None:
    name, equals, value = assignment.partition("=")
    path = name.replace(".", "/")
    if not equals or not path.startswith(("net/ipv4/", "net/ipv6/")) or ".." in name.split("/"):
        raise Unsupported(position, f"against the kernel only net.ipv4 and net.ipv6 are set, not {assignment!r}")
    try:
        set_sysctl(path, value)
    except OSError as error:
        raise Mismatch(position, f"sysctl {assignment}: {error.strerror}") from None
