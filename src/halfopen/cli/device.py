"""A host of ours on a TAP device: the options that commands share, and what becomes of them."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeVar

import click

from halfopen.aio.host import Host
from halfopen.aio.loop import LoopOverStack
from halfopen.base.addresses import Address, format_address, format_mac, parse_interface
from halfopen.base.entropy import SystemRng
from halfopen.capture.pcapng import Writer
from halfopen.cli.parameters import device_name, host_address, interface_address, network_impairment
from halfopen.cli.published import published
from halfopen.links.impairment import ImpairedLink, Impairment
from halfopen.links.interfaces import LinkSettings, configure
from halfopen.links.link import Link
from halfopen.links.real_pump import RealPump
from halfopen.links.recording import RecordingLink
from halfopen.links.tuntap import TunTap
from halfopen.stack.config import InterfaceConfig, StackConfig
from halfopen.stack.interface import Interface, Offloads
from halfopen.stack.internet import default_route
from halfopen.stack.stack import Stack

Result = TypeVar("Result")
Command = TypeVar("Command", bound=Callable[..., object])

DEFAULT_ADDRESS = "192.0.2.2/24"
FAREWELL = 1.0
"""Seconds that connections get to end in good order when a command does."""


@dataclass(frozen=True, kw_only=True)
class DeviceOptions:
    """What the user has said about the host and its device."""

    address: str
    tap: str | None
    gateway: Address | None
    impair: Impairment | None
    record: Path | None

    @property
    def kernel_address(self) -> str:
        """What the kernel's end of a device of our making gets: the first address of the network that is not ours."""
        ours, prefix = parse_interface(self.address)
        first = int.from_bytes(prefix.network, "big") + 1
        chosen = first + 1 if ours == first.to_bytes(4, "big") else first
        return f"{format_address(chosen.to_bytes(4, 'big'))}/{prefix.length}"


OPTIONS = (
    click.option(
        "--address",
        type=interface_address,
        metavar="ADDRESS/LENGTH",
        default=DEFAULT_ADDRESS,
        show_default=True,
        help="Address of our host, with the length of its network's prefix.",
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
        """Our host on the device; the way out of its network leads over the kernel."""
        stack = Stack(StackConfig(), SystemRng())
        interface = add_interface(stack, self.link, self.options.address)
        gateway = self.options.gateway or parse_interface(self.options.kernel_address)[0]
        stack.routes.add(default_route(interface, gateway))
        return Host(stack, RealPump(stack, loop, {interface: self.link}), program="halfopen")

    def hint(self) -> str:
        """How the kernel's end is set up, or has still to be."""
        ours, kernel = self.options.address.partition("/")[0], self.options.kernel_address
        if self.is_new:
            return f"{ours} is on {self.link.name}; the kernel's end is {kernel.partition('/')[0]}"
        setup = f"ip address replace {kernel} dev {self.link.name} && ip link set {self.link.name} up"
        return f"{ours} is on {self.link.name}; for the kernel's end, if it has no address yet (as root): {setup}"


def add_interface(stack: Stack, link: Link, *addresses: str) -> Interface:
    """An interface of ``stack`` that has what ``link`` has."""
    offloads = Offloads(checksum=link.checksum_offload, gso_octets=link.gso_octets)
    mac = format_mac(link.mac) if link.kind == "ethernet" else None
    config = InterfaceConfig(
        name=link.name, kind=link.kind, addresses=addresses, mac=mac, mtu=link.mtu, offloads=offloads
    )
    return stack.add_interface(config, time.monotonic_ns())


@contextmanager
def attached(options: DeviceOptions) -> Iterator[Attachment]:
    """Opens the device, makes it where there is none, and puts what was asked for around it."""
    with ExitStack() as undo:
        file = undo.enter_context(open_for_writing(options.record)) if options.record else None
        is_new = options.tap not in {name for _, name in socket.if_nameindex()}
        link: Link = undo.enter_context(TunTap(options.tap or ""))
        if is_new:
            configure(link.name, LinkSettings(addresses=(options.kernel_address,), ipv6=False))
        if options.impair:
            link = impaired(link, options.impair)
        if file:
            link = RecordingLink(link, make_writer(file), time.monotonic_ns)
        yield Attachment(options=options, link=link, is_new=is_new)


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


@asynccontextmanager
async def in_good_order(host: Host) -> AsyncIterator[None]:
    """Afterwards connections get a moment to end: a host that vanishes leaves its peers waiting."""
    try:
        yield
    finally:
        deadline = time.monotonic() + FAREWELL
        while time.monotonic() < deadline and not is_quiet(host):
            await asyncio.sleep(0.005)


def is_quiet(host: Host) -> bool:
    """Whether no connection is left that still has something to say."""
    return all(row.netid != "tcp" or row.state in ("LISTEN", "TIME-WAIT") for row in host.stack.ports.listing())
