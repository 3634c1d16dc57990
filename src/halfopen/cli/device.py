"""A host of ours on a TAP device: the options that commands share, and what becomes of them."""

import asyncio
import errno
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeVar

import click

from halfopen.aio.host import Host
from halfopen.aio.loop import LoopOverStack
from halfopen.base.addresses import Address, format_address, parse_interface
from halfopen.base.entropy import SystemRng
from halfopen.base.errors import ConfigError
from halfopen.capture.pcapng import Writer
from halfopen.cli import gated
from halfopen.cli.parameters import device_name, host_address, interface_address, network_impairment
from halfopen.cli.published import published
from halfopen.links.hosts import DEFAULT_LAYER, has_interface, in_good_order, make_host, neighbor_of, open_tap
from halfopen.links.impairment import ImpairedLink, Impairment
from halfopen.links.link import Link
from halfopen.links.recording import RecordingLink

Result = TypeVar("Result")
Command = TypeVar("Command", bound=Callable[..., object])

DEFAULT_ADDRESS = "192.0.2.2/24"


@dataclass(frozen=True, kw_only=True)
class DeviceOptions:
    """What the user has said about the host and its device."""

    address: str
    tap: str | None
    gateway: Address | None
    impair: Impairment | None
    record: Path | None
    gate: bool = False
    """On rings, with a gate in front of the server."""

    def __post_init__(self) -> None:
        if self.gate and (self.impair is not None or self.record is not None or ":" in self.address):
            raise click.UsageError("--gate is for IPv4, and sees frames before anybody: without --impair and --record")
        if self.gateway is None:
            return
        ours, prefix = parse_interface(self.address)
        reserved = (ours, prefix.network) if len(ours) == 16 else (ours, prefix.network, prefix.broadcast)
        if self.gateway not in prefix or self.gateway in reserved:
            wrong = f"{format_address(self.gateway)!r} is not another host in the network of {self.address}"
            expected = f"expected one such as {neighbor_of(self.address).partition('/')[0]}"
            raise click.BadParameter(f"{wrong}: {expected}", param_hint="'--gateway'")


OPTIONS = (
    click.option(
        "--address",
        type=interface_address,
        metavar="ADDRESS/LENGTH",
        default=DEFAULT_ADDRESS,
        show_default=True,
        help="Address of our host, of IPv4 or IPv6, with the length of its network's prefix.",
    ),
    click.option(
        "--tap",
        type=device_name,
        metavar="DEVICE",
        help="TAP device to make, or one that exists and that you may open.",
    ),
    click.option(
        "--gateway",
        type=host_address,
        metavar="ADDRESS",
        help="Our host's way out of its network.  [default: the kernel's end]",
    ),
    click.option(
        "--impair",
        type=network_impairment,
        metavar="WORDS",
        help='What the network does to packets, both ways, in the words of netem, such as "loss 1% delay 10ms".',
    ),
    click.option("--record", type=click.Path(path_type=Path), help="Write a capture (pcapng) to this file."),
)


def device_options(command: Command) -> Command:
    """Adds the options to ``command``, which gets them as keyword arguments for `DeviceOptions`."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


@dataclass(frozen=True, kw_only=True)
class Attachment:
    """An open device, and whether it was made here."""

    options: DeviceOptions
    link: Link
    is_new: bool

    def make_host(self, loop: asyncio.AbstractEventLoop) -> Host:
        """Our host on the device."""
        layer = gated.LAYER if self.options.gate else DEFAULT_LAYER
        host = make_host(loop, self.link, self.options.address, self.options.gateway, layer)
        host.program = "halfopen"
        return host

    def hint(self) -> str:
        """How the kernel's end is set up, or has still to be."""
        ours, kernel = self.options.address.partition("/")[0], neighbor_of(self.options.address)
        if self.is_new:
            return f"{ours} is on {self.link.name}; the kernel's end is {kernel.partition('/')[0]}"
        setup = f"ip address replace {kernel} dev {self.link.name} && ip link set {self.link.name} up"
        return f"{ours} is on {self.link.name}; for the kernel's end, if it has no address yet (as root): {setup}"


@contextmanager
def attached(options: DeviceOptions) -> Iterator[Attachment]:
    """Opens the device, makes it where there is none, and puts what was asked for around it."""
    with ExitStack() as undo:
        file = undo.enter_context(open_for_writing(options.record)) if options.record else None
        name = options.tap or (gated.DEVICE if options.gate else "")
        is_new = not has_interface(name)
        with _advised():
            opened = gated.open_ring(options.address, name) if options.gate else open_tap(options.address, name)
            link: Link = undo.enter_context(opened)
        if options.impair:
            link = impaired(link, options.impair)
        if file:
            link = RecordingLink(link, make_writer(file), time.monotonic_ns)
        yield Attachment(options=options, link=link, is_new=is_new)


@contextmanager
def _advised() -> Iterator[None]:
    """What the library tells programs to do, told to somebody at a shell."""
    try:
        yield
    except PermissionError as error:
        if error.errno != errno.EPERM:
            raise
        raise ConfigError(f"{error.strerror}; 'unshare --user --map-root-user --net' starts a shell in one") from None


def impaired(link: Link, impairment: Impairment) -> Link:
    """``link`` behind a network that does the same in both directions."""
    return ImpairedLink(link, rng=SystemRng(), clock=time.monotonic_ns, inbound=impairment, outbound=impairment)


def make_writer(file: BinaryIO) -> Writer:
    """A capture whose times are those of the monotonic clock, as of today."""
    return Writer(file, time.time_ns() - time.monotonic_ns(), system="Linux")


def open_for_writing(path: Path) -> BinaryIO:
    """A new file; a usage error names it if it cannot be made."""
    try:
        return path.open("wb")
    except OSError as error:
        raise click.UsageError(f"{path} cannot be written: {error.strerror}; expected the name of a new file") from None


def run_on_device(options: DeviceOptions, main: Callable[[Host, Attachment], Awaitable[Result]]) -> Result:
    """Runs ``main`` in a loop over our host, whose ports others can see meanwhile; then lets connections end."""
    with attached(options) as attachment:
        hosts: list[Host] = []

        def make_loop() -> LoopOverStack:
            loop = LoopOverStack(attachment.make_host)
            hosts.append(loop.current_host())
            return loop

        async def run() -> Result:
            async with published(hosts[0]), in_good_order(hosts[0]):
                return await main(hosts[0], attachment)

        with asyncio.Runner(loop_factory=make_loop) as runner:
            return runner.run(run())
