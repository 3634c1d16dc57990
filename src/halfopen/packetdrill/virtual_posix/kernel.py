"""What every descriptor needs to know of the host that it is on."""

import errno
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from halfopen.base.addresses import Address
from halfopen.base.clock import Instant
from halfopen.base.errors import (
    AddressInUse,
    ConfigError,
    ConnectionAborted,
    ConnectionRefused,
    ConnectionReset,
    ConnectionTimedOut,
    HalfopenError,
    NetworkUnreachable,
    NotConnected,
)
from halfopen.packetdrill.profiles import FREEBSD_DIALECT, LINUX_DIALECT
from halfopen.packetdrill.symbols import FREEBSD_SYMBOLS, LINUX_SYMBOLS
from halfopen.stack import datagram as kinds
from halfopen.stack.ports import Owner
from halfopen.stack.stack import Stack
from halfopen.stack.tcp_socket import TcpSocket
from halfopen.stack.udp import BroadcastForbidden, MessageTooLong
from halfopen.tcp.master_keys import Md5Key

_NUMBERS: dict[type[HalfopenError], int] = {
    ConnectionReset: errno.ECONNRESET,
    ConnectionTimedOut: errno.ETIMEDOUT,
    ConnectionRefused: errno.ECONNREFUSED,
    ConnectionAborted: errno.ECONNABORTED,
    NetworkUnreachable: errno.ENETUNREACH,
    AddressInUse: errno.EADDRINUSE,
    NotConnected: errno.ENOTCONN,
    ConfigError: errno.EINVAL,
    BroadcastForbidden: errno.EACCES,
    MessageTooLong: errno.EMSGSIZE,
}

_ICMP_NUMBERS = {
    kinds.NET_UNREACHABLE: errno.ENETUNREACH,
    kinds.HOST_UNREACHABLE: errno.EHOSTUNREACH,
    kinds.PROTOCOL_UNREACHABLE: errno.ENOPROTOOPT,
    kinds.PORT_UNREACHABLE: errno.ECONNREFUSED,
    kinds.FRAGMENTATION_NEEDED: errno.EMSGSIZE,
    kinds.SOURCE_ROUTE_FAILED: errno.EOPNOTSUPP,
    kinds.HOST_UNKNOWN: errno.EHOSTDOWN,
    kinds.HOST_ISOLATED: getattr(errno, "ENONET", errno.EHOSTUNREACH),
    kinds.NET_PROHIBITED: errno.ENETUNREACH,
    kinds.ADMIN_PROHIBITED: errno.EHOSTUNREACH,
    kinds.PRECEDENCE: errno.EHOSTUNREACH,
    kinds.TTL_EXCEEDED: errno.EHOSTUNREACH,
    kinds.REASSEMBLY_EXCEEDED: errno.EHOSTUNREACH,
    kinds.PARAMETER_PROBLEM: errno.EPROTO,
}
"""What Linux makes of ICMP's errors (``icmp_err_convert``)."""

_FREEBSD_ICMP_NUMBERS = {
    kinds.NET_UNREACHABLE: errno.EHOSTUNREACH,
    kinds.PROTOCOL_UNREACHABLE: errno.ECONNREFUSED,
    kinds.SOURCE_ROUTE_FAILED: errno.EHOSTUNREACH,
    kinds.HOST_UNKNOWN: errno.EHOSTUNREACH,
    kinds.HOST_ISOLATED: errno.EHOSTUNREACH,
    kinds.NET_PROHIBITED: errno.ECONNREFUSED,
    kinds.ADMIN_PROHIBITED: errno.ECONNREFUSED,
    kinds.PARAMETER_PROBLEM: errno.ENOPROTOOPT,
}
"""Where FreeBSD differs (``icmp_errmap``)."""


@dataclass(slots=True, frozen=True, kw_only=True)
class Traits:
    """How the calls of a host differ from those of others."""

    dialect: str
    symbols: Mapping[str, int]
    counts_overhead: bool
    """SO_SNDBUF and SO_RCVBUF count the kernel's own memory, too: twice what was asked for."""
    largest_buffer: int
    """What SO_SNDBUF and SO_RCVBUF may ask for (``net.core.wmem_max``)."""
    every_error_refuses: bool
    """Any ICMP error ends an attempt to connect (Linux), not only hard ones."""
    connects_in_send: bool
    """To send while a connection is under way means to wait for it, and without one EPIPE; else ENOTCONN."""
    accepted_are_alike: bool
    """What is accepted has its listener's O_NONBLOCK."""
    backlog_halves: int
    """How many connections may wait to be accepted, one beside them: so many times half of the backlog."""
    refuses_unknown_md5: bool
    """Segments with the option of TCP MD5 are dropped where there is no key for them; else it means nothing."""
    icmp_numbers: Mapping[str, int]
    """What ICMP's errors are called."""
    is_for_one: bool
    """A socket is good for one connection, or one listener: ``shutdown()`` gives neither up, ``connect()`` is possible
    once, and ``accept()`` fails with a connection that is gone."""
    error_before_end: bool
    """A reset is told before the end of the stream, and does not become EPIPE; but to write is always EPIPE then."""


LINUX_TRAITS = Traits(
    dialect=LINUX_DIALECT,
    symbols=LINUX_SYMBOLS,
    counts_overhead=True,
    largest_buffer=4 * 1024 * 1024,
    every_error_refuses=True,
    connects_in_send=True,
    accepted_are_alike=False,
    backlog_halves=2,
    refuses_unknown_md5=True,
    icmp_numbers=MappingProxyType(_ICMP_NUMBERS),
    is_for_one=False,
    error_before_end=False,
)
FREEBSD_TRAITS = Traits(
    dialect=FREEBSD_DIALECT,
    symbols=FREEBSD_SYMBOLS,
    counts_overhead=False,
    largest_buffer=2 * 1024 * 1024,
    every_error_refuses=False,
    connects_in_send=False,
    accepted_are_alike=True,
    backlog_halves=3,
    refuses_unknown_md5=False,
    icmp_numbers=MappingProxyType({**_ICMP_NUMBERS, **_FREEBSD_ICMP_NUMBERS}),
    is_for_one=True,
    error_before_end=True,
)

TRAITS: Mapping[str, Traits] = MappingProxyType({each.dialect: each for each in (LINUX_TRAITS, FREEBSD_TRAITS)})
"""By dialect."""


def _send_nothing(all_of_it: bool) -> None:
    """For a host that sends when the call is over."""


def _no_facts(tcp: TcpSocket) -> Mapping[str, int]:
    """For a host whose device counts nothing."""
    return {}


@dataclass(slots=True, frozen=True, kw_only=True)
class Kernel:
    """One host: its stack, its clock, and how its calls are."""

    stack: Stack
    clock: Callable[[], Instant]
    traits: Traits
    transmit: Callable[[bool], None] = _send_nothing
    """Has the host send what it has to, or the first packet of it, in the middle of a call."""
    traffic: Callable[[TcpSocket], Mapping[str, int]] = _no_facts
    """What TCP_INFO says of what has come and gone."""
    owner: Owner = field(default_factory=lambda: Owner("script"))
    md5_keys: dict[str, Md5Key] = field(default_factory=dict)
    """Of TCP_MD5SIG, by peer."""

    @property
    def now(self) -> Instant:
        """The time."""
        return self.clock()

    def number(self, name: str) -> int:
        """What the host's headers define ``name`` as; -1, which nothing equals, if they do not."""
        return self.traits.symbols.get(name, -1)

    def has(self, flags: int, name: str) -> bool:
        """Whether the flag of that name is set."""
        flag = self.traits.symbols.get(name, 0)
        return bool(flag) and flags & flag == flag

    def number_of(self, error: HalfopenError) -> int:
        """The number for an error of the stack's, as this host has it."""
        kind = str(error.args[0]) if error.args else ""
        number = self.traits.icmp_numbers.get(kind)
        return errno_of(error) if number is None else number

    def is_local(self, address: Address) -> bool:
        """Whether the host has the address, or any will do."""
        if not any(address):
            return True
        return any(address == each for interface in self.stack.interfaces for each, _ in interface.addresses)


def failure(number: int) -> OSError:
    """The error of a call; Python picks the subclass."""
    return OSError(number, os.strerror(number))


def errno_of(error: HalfopenError) -> int:
    """The number for an error of the stack's; of ICMP's errors the kind is told by its first word."""
    kind = str(error.args[0]) if error.args else ""
    if kind in _ICMP_NUMBERS:
        return _ICMP_NUMBERS[kind]
    return next((_NUMBERS[each] for each in type(error).__mro__ if each in _NUMBERS), errno.EIO)
