"""A host of ours on a TAP device, as the options of a command have it."""

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
from halfopen.base.entropy import SystemRng
from halfopen.base.errors import ConfigError
from halfopen.capture.pcapng import Writer
from halfopen.cli import gated
from halfopen.cli.device_options import DeviceOptions
from halfopen.cli.published import published
from halfopen.links.hosts import DEFAULT_LAYER, add_interface, has_interface, in_good_order, neighbor_of, open_tap
from halfopen.links.impairment import ImpairedLink, Impairment
from halfopen.links.interfaces import LinkSettings, configure
from halfopen.links.link import Link
from halfopen.links.real_pump import RealPump
from halfopen.links.recording import RecordingLink
from halfopen.links.tuntap import TunTap
from halfopen.stack.config import StackConfig
from halfopen.stack.config_ndp import AutoconfConfig, NdpConfig
from halfopen.stack.internet import default_route
from halfopen.stack.stack import Stack

Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True)
class Attachment:
    """An open device, and whether it was made here."""

    options: DeviceOptions
    link: Link
    is_new: bool

    def make_host(self, loop: asyncio.AbstractEventLoop) -> Host:
        """Our host on the device."""
        layer = gated.LAYER if self.options.gate else DEFAULT_LAYER
        config = StackConfig(tcp_layer=layer, ndp=NdpConfig(autoconf=AutoconfConfig(accept_ra=False)))
        stack = Stack(config, SystemRng())
        interface = add_interface(stack, self.link, *self.options.addresses)
        for gateway in self.options.ways_out:
            stack.routes.add(default_route(interface, gateway))
        return Host(stack, RealPump(stack, loop, {interface: self.link}), program="halfopen")

    def hint(self) -> str:
        """How the kernel's end is set up, or has still to be."""
        name, kernels = self.link.name, self.options.neighbors
        ours = f"{' and '.join(self.options.hosts)} {'is' if len(kernels) == 1 else 'are'} on {name}"
        if self.is_new:
            ends = " and ".join(kernel.partition("/")[0] for kernel in kernels)
            return f"{ours}; the kernel's end is {ends}"
        setup = " && ".join(f"ip address replace {kernel} dev {name}" for kernel in kernels)
        return f"{ours}; for the kernel's end, if it has no address yet (as root): {setup} && ip link set {name} up"


@contextmanager
def attached(options: DeviceOptions) -> Iterator[Attachment]:
    """Opens the device, makes it where there is none, and puts what was asked for around it."""
    with ExitStack() as undo:
        file = undo.enter_context(open_for_writing(options.record)) if options.record else None
        name = options.tap or (gated.DEVICE if options.gate else "")
        is_new = not has_interface(name)
        with _advised():
            opened = gated.open_ring(options.addresses[0], name) if options.gate else open_device(options, name)
            link: Link = undo.enter_context(opened)
        if options.impair:
            link = impaired(link, options.impair)
        if file:
            link = RecordingLink(link, make_writer(file), time.monotonic_ns)
        yield Attachment(options=options, link=link, is_new=is_new)


def open_device(options: DeviceOptions, name: str) -> TunTap:
    """The TAP device; if it is made here, its kernel's end has an address for each of ours."""
    # IPv6 is off at the kernel's end of a device that was opened for an address of IPv4.
    first, *others = sorted(options.addresses, key=lambda address: ":" not in address)
    is_new = not has_interface(name)
    link = open_tap(first, name)
    if is_new and others:
        try:
            configure(link.name, LinkSettings(addresses=tuple(neighbor_of(address) for address in others)))
        except BaseException:
            link.close()
            raise
    return link


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
