"""Ports, and whom they belong to: what is bound, how ephemeral ports are chosen, and the table that ``ss`` prints.

Every listening port and every connection has a named `Owner`. Bindings are kept here; the rows of the listing come from
the transports, which alone know states and queues.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2s
from typing import Final

from halfopen.base.addresses import IPV4_ANY, IPV6_ANY, Address, format_address, is_unspecified
from halfopen.base.errors import AddressInUse, ConfigError
from halfopen.base.native import mypyc_attr
from halfopen.base.rng import Rng
from halfopen.stack.datagram import Transport


@dataclass(slots=True, frozen=True)
class Owner:
    """Who has a port: a task, and the process and program behind it where they are known."""

    name: str
    pid: int | None = None
    program: str | None = None

    def __str__(self) -> str:
        pid = f",pid={self.pid}" if self.pid is not None else ""
        task = f",task={self.name}" if self.program is not None else ""
        return f'users:(("{self.program or self.name}"{pid}{task}))'


NOBODY: Final = Owner("-")


@dataclass(slots=True, frozen=True, kw_only=True)
class PortRange:
    """Which ports may be ephemeral: as wide a range as there is (RFC 6056 3.2), without those that others count on."""

    low: int = 1024
    high: int = 65535
    excluded: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        if not 0 < self.low <= self.high <= 0xFFFF:
            raise ConfigError(f"a range of ports lies within 1-65535, not {self.low}-{self.high}")


@mypyc_attr(allow_interpreted_subclasses=True)
class PortChooser(ABC):
    """How ephemeral ports are chosen (RFC 6056 3.3)."""

    @abstractmethod
    def choose(self, endpoints: bytes, is_free: Callable[[int], bool]) -> int | None:
        """A port for which ``is_free``; None after the whole range has been tried (RFC 6056 3.3.1).

        ``endpoints`` are the octets of both addresses and the remote port: what the port must be unique with.
        """


class DoubleHashPorts(PortChooser):
    """Algorithm 4, double-hash port selection (RFC 6056 3.3.4): one hash gives the offset, another the counter.

    Towards one endpoint ports go up by small steps, so that a port comes back as late as possible; seen from anywhere
    else they tell nothing.
    """

    __slots__ = ("_counters", "_keyed", "_range")

    COUNTERS = 256
    """TABLE_LENGTH of the RFC, which suggests at least 10."""

    def __init__(self, rng: Rng, ports: PortRange | None = None) -> None:
        self._keyed = blake2s(key=rng.octets(32), digest_size=16)
        self._counters = [rng.below(0x10000) for _ in range(self.COUNTERS)]
        self._range = ports or PortRange()

    def choose(self, endpoints: bytes, is_free: Callable[[int], bool]) -> int | None:
        """The next port of this endpoint's own sequence that is free."""
        keyed = self._keyed.copy()
        keyed.update(endpoints)
        digest = keyed.digest()
        offset, slot = int.from_bytes(digest[:8], "big"), digest[8]
        low, excluded = self._range.low, self._range.excluded
        count = self._range.high - low + 1
        for _ in range(count):
            port = low + (offset + self._counters[slot]) % count
            self._counters[slot] += 1
            if port not in excluded and is_free(port):
                return port
        return None


@dataclass(slots=True, frozen=True, kw_only=True)
class PortRow:
    """One line of the listing, with the columns of ``ss -tunap``."""

    netid: str
    state: str
    recv_q: int
    send_q: int
    local: Address
    local_port: int
    remote: Address
    remote_port: int
    owner: Owner


@mypyc_attr(allow_interpreted_subclasses=True)
class PortSource(Transport):
    """A transport that can say which of its ports are in use."""

    @abstractmethod
    def rows(self) -> Iterable[PortRow]:
        """One row for each listening port, connection or socket."""


class PortTable:
    """Which ports are bound, by whom; hands out ephemeral ones."""

    __slots__ = ("_bound", "_chooser", "_sources")

    def __init__(self, chooser: PortChooser) -> None:
        self._bound: dict[tuple[str, int], dict[Address, Owner]] = {}
        self._chooser = chooser
        self._sources: list[PortSource] = []

    def bind(self, protocol: str, address: Address, port: int, owner: Owner) -> int:
        """Gives ``port`` to ``owner`` and returns it; port 0 means any that is free.

        The unspecified address stands for all addresses of its family and so conflicts with each. Raises AddressInUse.
        """
        if not 0 <= port <= 0xFFFF:
            raise ConfigError(f"a port is a number from 0 to 65535, not {port}")
        if port == 0:
            return self._bind_ephemeral(protocol, address, owner)
        for taken, holder in self._bound.get((protocol, port), {}).items():
            if _conflict(taken, address):
                raise AddressInUse(f"{protocol} {format_endpoint(address, port)} is in use by {holder.name}")
        self._bound.setdefault((protocol, port), {})[address] = owner
        return port

    def bind_both(self, protocol: str, port: int, owner: Owner) -> int:
        """Gives ``port`` on all addresses of both versions to ``owner`` and returns it; raises AddressInUse."""
        port = self.bind(protocol, IPV6_ANY, port, owner)
        try:
            return self.bind(protocol, IPV4_ANY, port, owner)
        except AddressInUse:
            self.release(protocol, IPV6_ANY, port)
            raise

    def release(self, protocol: str, address: Address, port: int) -> None:
        """The port is free again; harmless when repeated."""
        holders = self._bound.get((protocol, port), {})
        holders.pop(address, None)
        if not holders:
            self._bound.pop((protocol, port), None)

    def release_all(self, pid: int) -> None:
        """Whatever the process ``pid`` has bound is free again."""
        bound = [
            (protocol, address, port)
            for (protocol, port), holders in self._bound.items()
            for address, owner in holders.items()
            if owner.pid == pid
        ]
        for binding in bound:
            self.release(*binding)

    def owner_of(self, protocol: str, address: Address, port: int) -> Owner | None:
        """Who has bound ``port`` for packets to ``address``."""
        holders = self._bound.get((protocol, port), {})
        return holders.get(address) or holders.get(any_address(address))

    def choose(self, protocol: str, endpoints: bytes, is_free: Callable[[int], bool]) -> int:
        """An ephemeral port that nobody has bound and for which ``is_free`` (RFC 6056 3.3); raises AddressInUse."""
        bound = self._bound
        port = self._chooser.choose(endpoints, lambda port: (protocol, port) not in bound and is_free(port))
        if port is None:
            raise AddressInUse(f"no ephemeral {protocol} port is free")
        return port

    def add_source(self, source: PortSource) -> None:
        """From now on the listing includes what ``source`` knows."""
        self._sources.append(source)

    def listing(self) -> list[PortRow]:
        """All ports in use: listening ones first, then by local port."""
        rows = [row for source in self._sources for row in source.rows()]
        return sorted(
            rows, key=lambda row: (row.netid, row.state != "LISTEN", row.local_port, row.remote, row.remote_port)
        )

    def _bind_ephemeral(self, protocol: str, address: Address, owner: Owner) -> int:
        port = self.choose(protocol, address, lambda port: True)
        return self.bind(protocol, address, port, owner)


def any_address(address: Address) -> Address:
    """The unspecified address of the family of ``address``."""
    return IPV4_ANY if len(address) == 4 else IPV6_ANY


def format_endpoint(address: Address, port: int) -> str:
    """``192.0.2.1:80``, ``[2001:db8::1]:80``; ``*`` for an unspecified remote port."""
    text = format_address(address)
    return f"{text if len(address) == 4 else f'[{text}]'}:{port or '*'}"


def format_listing(rows: Sequence[PortRow]) -> str:
    """The rows as ``ss -tunap`` prints them."""
    table = [("Netid", "State", "Recv-Q", "Send-Q", "Local Address:Port", "Peer Address:Port", "Process")]
    for row in rows:
        local, remote = format_endpoint(row.local, row.local_port), format_endpoint(row.remote, row.remote_port)
        table.append((row.netid, row.state, str(row.recv_q), str(row.send_q), local, remote, str(row.owner)))
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = (" ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in table)
    return "\n".join(line.rstrip() for line in lines)


def _conflict(first: Address, second: Address) -> bool:
    if len(first) != len(second):
        return False
    return first == second or is_unspecified(first) or is_unspecified(second)
