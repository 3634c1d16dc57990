"""The worlds that a script can be run in, opened as its options say."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial

from halfopen.base.errors import ConfigError
from halfopen.packetdrill import bursts as burst_rules
from halfopen.packetdrill.bursts import BurstRules
from halfopen.packetdrill.calls import Calls
from halfopen.packetdrill.kernel_world import KernelWorld, kernel_device, monotonic
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
    with kernel_device(settings) as link:
        calls = Calls(posix=RealPosix(), clock=monotonic, addressing=settings.addressing, tolerance=settings.tolerance)
        try:
            yield KernelWorld(link, calls, settings.addressing.remote)
        finally:
            calls.close_all()


def _virtual(settings: Settings, options: RunOptions) -> World:
    profile = options.profile
    host = VirtualHost(settings, profile)
    calls = Calls(
        posix=VirtualPosix(host.stack, host.clock, profile),
        clock=host.clock,
        symbols=SYMBOLS[profile.dialect],
        addressing=settings.addressing,
        tolerance=settings.tolerance,
    )
    sysctls = Sysctls(host.stack, profile.dialect)
    if profile.pushes_bursts:
        for name, rule in burst_rules.SYSCTLS.items():
            sysctls.watch(name, partial(_set_rule, host.bursts, rule))
    shell = Shell(ShellHost(host.stack, sysctls, host.clock))
    return VirtualWorld(host, calls, shell)


def _set_rule(rules: BurstRules, name: str, value: str) -> None:
    """ConfigError if that is no number."""
    if not value.isdecimal():
        raise ConfigError(f"a number is needed, not {value!r}")
    setattr(rules, name, int(value))
