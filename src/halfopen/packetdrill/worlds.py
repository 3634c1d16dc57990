"""The worlds that a script can be run in, opened as its options say."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from halfopen.packetdrill.calls import Calls
from halfopen.packetdrill.kernel_world import KernelWorld, kernel_device, monotonic
from halfopen.packetdrill.link_host import LinkHost
from halfopen.packetdrill.link_kernel import LinkKernelWorld, kernel_links
from halfopen.packetdrill.profiles import FREEBSD_DIALECT, LINUX_DIALECT
from halfopen.packetdrill.real_posix import RealPosix
from halfopen.packetdrill.settings import RunOptions, Settings
from halfopen.packetdrill.shell import Shell
from halfopen.packetdrill.shell_host import ShellHost
from halfopen.packetdrill.symbols import FREEBSD_SYMBOLS, LINUX_SYMBOLS
from halfopen.packetdrill.sysctls import Sysctls
from halfopen.packetdrill.virtual_host import VirtualHost
from halfopen.packetdrill.virtual_posix.host import VirtualPosix
from halfopen.packetdrill.virtual_world import VirtualWorld
from halfopen.packetdrill.world import World

SYMBOLS: Mapping[str, Mapping[str, int]] = {LINUX_DIALECT: LINUX_SYMBOLS, FREEBSD_DIALECT: FREEBSD_SYMBOLS}
"""By dialect."""


@contextmanager
def open_world(settings: Settings, options: RunOptions) -> Iterator[World]:
    """A world in which nothing has happened yet; when it is left, its program has ended and its host is gone."""
    if options.against == "stack":
        yield _virtual(settings, options)
        return
    if settings.link is not None:
        with kernel_links(settings, settings.link) as links:
            calls = Calls(
                posix=RealPosix(), clock=monotonic, addressing=settings.addressing, tolerance=settings.tolerance
            )
            try:
                yield LinkKernelWorld(links, calls, settings.addressing.remote)
            finally:
                calls.close_all()
        return
    with kernel_device(settings) as link:
        calls = Calls(posix=RealPosix(), clock=monotonic, addressing=settings.addressing, tolerance=settings.tolerance)
        try:
            yield KernelWorld(link, calls, settings.addressing.remote)
        finally:
            calls.close_all()


def _virtual(settings: Settings, options: RunOptions) -> World:
    profile = options.profile
    link = settings.link
    host = VirtualHost(settings, profile) if link is None else LinkHost(settings, profile, link)
    calls = Calls(
        posix=VirtualPosix(host.stack, host.clock, profile, host),
        clock=host.clock,
        symbols=SYMBOLS[profile.dialect],
        addressing=settings.addressing,
        tolerance=settings.tolerance,
    )
    sysctls = Sysctls(host.stack, profile.dialect)
    if profile.dialect == FREEBSD_DIALECT:
        sysctls.watch("net.inet.tcp.hostcache.purgenow", lambda _: host.stack.ip.forget_path_mtus())
    shell = Shell(ShellHost(host.stack, sysctls, host.clock))
    return VirtualWorld(host, calls, shell)
