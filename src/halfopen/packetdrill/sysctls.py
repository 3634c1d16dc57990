"""``sysctl`` for scripts: what a name changes about the host, by the dialect that the script is in."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from halfopen.base.errors import ConfigError
from halfopen.packetdrill.freebsd_sysctls import FREEBSD_KEPT, FREEBSD_TABLE
from halfopen.packetdrill.linux_sysctls import LINUX_KEPT, LINUX_TABLE
from halfopen.packetdrill.profiles import FREEBSD_DIALECT, LINUX_DIALECT
from halfopen.stack import sysctl
from halfopen.stack.config import StackConfig
from halfopen.stack.stack import Stack
from halfopen.stack.sysctl import Table
from halfopen.stack.tcp_socket import TcpListener, TcpSocket
from halfopen.tcp.config import TcpConfig

AT_BIRTH = ("tcp.buffers", "tcp.congestion.", "tcp.options", "tcp.keep_alive.enabled")
"""What a socket takes from the host when it is made, and keeps ..."""
ALIVE = ("tcp.options.needs_timestamps", "tcp.options.dsack", "tcp.congestion.hystart")
"""... but for these."""


@dataclass(slots=True, frozen=True)
class Names:
    """The sysctls of one kernel: those that mean something here, and those that are kept only."""

    table: Table
    kept: Mapping[str, str]


BY_DIALECT: Mapping[str, Names] = {
    LINUX_DIALECT: Names(LINUX_TABLE, LINUX_KEPT),
    FREEBSD_DIALECT: Names(FREEBSD_TABLE, FREEBSD_KEPT),
}


class UnknownSysctl(ConfigError):
    """Neither means anything here, nor is known not to."""


class Sysctls:
    """The sysctls of a stack. What is set counts at once, also for connections that have not chosen otherwise."""

    __slots__ = ("_kept", "_names", "_stack", "_watchers")

    def __init__(self, stack: Stack, dialect: str) -> None:
        self._stack = stack
        self._names = BY_DIALECT[dialect]
        self._kept = dict(self._names.kept)
        self._watchers: dict[str, Callable[[str], None]] = {}

    def watch(self, name: str, told: Callable[[str], None]) -> None:
        """From now on ``told`` hears of each value that ``name``, which is kept only, is set to."""
        self._watchers[name] = told

    def read(self, name: str) -> str:
        """What ``sysctl -n name`` prints; UnknownSysctl."""
        dotted = name.replace("/", ".")
        if dotted in self._names.table:
            return str(sysctl.read(self._names.table, self._stack.config, dotted)).replace(" ", "\t")
        if dotted in self._kept:
            return self._kept[dotted]
        raise UnknownSysctl(f"there is no sysctl {name!r} here")

    def write(self, name: str, value: str) -> None:
        """``sysctl name=value``; UnknownSysctl, or ConfigError if the value cannot be meant."""
        dotted = name.replace("/", ".")
        if dotted in self._names.table:
            self._apply(dotted, value)
        elif dotted in self._kept:
            self._kept[dotted] = value
            if dotted in self._watchers:
                self._watchers[dotted](value)
        else:
            raise UnknownSysctl(f"there is no sysctl {name!r} here")

    def _apply(self, name: str, value: str) -> None:
        table, stack = self._names.table, self._stack
        before = stack.config
        after = sysctl.write(table, before, name, value)
        stack.configure(after)
        path = table[name].path
        if not path.startswith("tcp.") or (path.startswith(AT_BIRTH) and path not in ALIVE):
            return
        for each in stack.tcp.sockets():
            each.configure(_rewritten(table, before, each, name, value))


def _rewritten(table: Table, host: StackConfig, socket: TcpListener | TcpSocket, name: str, value: str) -> TcpConfig:
    """The socket's own configuration, with the host's new value unless it had chosen another than the host's old."""
    own = replace(host, tcp=socket.config)
    if sysctl.read(table, own, name) != sysctl.read(table, host, name):
        return socket.config
    return sysctl.write(table, own, name, value).tcp
