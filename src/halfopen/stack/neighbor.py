"""The neighbour table: which link address an IP address has, and how sure we are (Linux's NUD states, RFC 4861 7.3).

Nothing here is sent: `halfopen.stack.arp` and `halfopen.stack.ndp` ask and listen. An entry lives like this::

    (none) --use--> INCOMPLETE --answer--> REACHABLE --30 s--> STALE --use--> DELAY --5 s--> PROBE --3 s--> (none)
                         |3 s                   ^                               |              |
                         v                      +------- the transport gets on with it, or an answer
                       FAILED --1 s--> (none)
"""

from collections import deque
from collections.abc import Iterator
from enum import Enum
from itertools import islice
from typing import Final, TypeAlias

from halfopen.base.addresses import Address, Mac
from halfopen.base.clock import NEVER, Duration, Instant
from halfopen.stack.config import ArpConfig
from halfopen.stack.config_ndp import NdpConfig
from halfopen.stack.interface import Interface
from halfopen.wire import ethernet
from halfopen.wire.packet import Packet


class NeighborState(Enum):
    """How sure we are of an entry; the names of Linux's ``NUD_*``."""

    INCOMPLETE = "incomplete"
    REACHABLE = "reachable"
    STALE = "stale"
    DELAY = "delay"
    PROBE = "probe"
    FAILED = "failed"
    PERMANENT = "permanent"


INCOMPLETE: Final = NeighborState.INCOMPLETE
REACHABLE: Final = NeighborState.REACHABLE
STALE: Final = NeighborState.STALE
DELAY: Final = NeighborState.DELAY
PROBE: Final = NeighborState.PROBE
FAILED: Final = NeighborState.FAILED
PERMANENT: Final = NeighborState.PERMANENT


NeighborSettings: TypeAlias = ArpConfig | NdpConfig
"""Their fields of the same names mean the same."""


class Neighbor:
    """One entry. ``header`` is the ready-made link header; until ``fast_until`` packets may go out with it unseen.

    REACHABLE becomes STALE by the clock alone, when ``fast_until`` has passed. ``deadline`` is that of the next
    request, or of the verdict. A forgotten entry has no header: whoever still holds it has to ask again.
    IPv6 neighbours say whether they are routers.
    """

    __slots__ = (
        "address",
        "deadline",
        "fast_until",
        "header",
        "interface",
        "is_router",
        "mac",
        "queue",
        "reachable_time",
        "requests",
        "state",
        "used",
    )

    def __init__(self, interface: Interface, address: Address, reachable_time: Duration, now: Instant) -> None:
        self.interface = interface
        self.address = address
        self.reachable_time = reachable_time
        self.state = INCOMPLETE
        self.mac: Mac = b""
        self.header = b""
        self.fast_until: Instant = 0
        self.deadline: Instant = NEVER
        self.requests = 0
        self.used = now
        self.queue: deque[Packet] = deque()
        self.is_router = False

    def bind(self, mac: Mac) -> None:
        """The neighbour has this link address."""
        self.mac = mac
        ethertype = ethernet.ETHERTYPE_IPV4 if len(self.address) == 4 else ethernet.ETHERTYPE_IPV6
        self.header = ethernet.emit(mac, self.interface.mac, ethertype)

    def confirm(self, now: Instant) -> None:
        """Packets have reached it: REACHABLE again, if its link address is known."""
        if self.state is PERMANENT or not self.header:
            return
        self.state = REACHABLE
        self.fast_until = now + self.reachable_time
        self.deadline = NEVER
        self.used = now

    def suspect(self) -> None:
        """The entry may be out of date, and the next packet has to look at it."""
        self.state = STALE
        self.fast_until = 0
        self.deadline = NEVER

    def state_at(self, now: Instant) -> NeighborState:
        """The state, with the change from REACHABLE to STALE that no timer makes."""
        return STALE if self.state is REACHABLE and now >= self.fast_until else self.state

    def forget(self) -> None:
        """The entry is out of the table: whoever has kept it must look it up again."""
        self.state = FAILED
        self.header = b""
        self.fast_until = 0
        self.deadline = NEVER

    def __repr__(self) -> str:
        return f"Neighbor({self.address.hex()}, {self.state.value}, {self.mac.hex()})"


class NeighborTable:
    """Entries by interface and address: bounded, with a deadline that is asked for cheaply and often."""

    __slots__ = ("_config", "_entries", "_queued_octets", "_reachable_time", "earliest")

    def __init__(self, config: NeighborSettings, reachable_time: Duration) -> None:
        self._config = config
        self._reachable_time = reachable_time
        self._entries: dict[tuple[str, Address], Neighbor] = {}
        self.earliest: Instant = NEVER
        """When `pop_due` may have something; it may turn out to be nothing."""
        self._queued_octets = 0

    def get(self, interface: Interface, address: Address) -> Neighbor | None:
        """The entry, if there is one."""
        return self._entries.get((interface.name, address))

    def create(self, interface: Interface, address: Address, now: Instant) -> Neighbor | None:
        """A new entry in place of none; None if the table is full of entries that are in use."""
        if len(self._entries) >= self._config.table_size and not self._make_room(now):
            return None
        entry = Neighbor(interface, address, self._reachable_time, now)
        self._entries[interface.name, address] = entry
        self._note(now + self._config.stale)
        return entry

    def add_permanent(self, interface: Interface, address: Address, mac: Mac) -> Neighbor:
        """An entry that no packet changes and no time ends (``ip neigh add ... nud permanent``)."""
        entry = self.get(interface, address) or Neighbor(interface, address, self._reachable_time, 0)
        entry.state = PERMANENT
        entry.bind(mac)
        entry.fast_until = NEVER
        entry.deadline = NEVER
        self._entries[interface.name, address] = entry
        return entry

    def set_deadline(self, entry: Neighbor, when: Instant) -> None:
        """The entry wants to be looked at, at ``when``."""
        entry.deadline = when
        self._note(when)

    def enqueue(self, entry: Neighbor, packet: Packet) -> int:
        """Keeps a packet until the address is known; returns how many had to go instead, the oldest first."""
        entry.queue.append(packet)
        self._queued_octets += packet.octets
        dropped = 0
        while entry.queue and (
            len(entry.queue) > self._config.queue_packets or self._queued_octets > self._config.queue_octets
        ):
            self._queued_octets -= entry.queue.popleft().octets
            dropped += 1
        return dropped

    def drain(self, entry: Neighbor) -> list[Packet]:
        """Takes all packets that wait for the entry."""
        packets = list(entry.queue)
        entry.queue.clear()
        self._queued_octets -= sum(packet.octets for packet in packets)
        return packets

    def remove(self, entry: Neighbor) -> None:
        """Forgets the entry, and what waits for it."""
        self.drain(entry)
        self._entries.pop((entry.interface.name, entry.address), None)
        entry.forget()

    def pop_due(self, now: Instant) -> list[Neighbor]:
        """Entries whose deadline has come; those that nobody uses any more are forgotten."""
        due: list[Neighbor] = []
        self.earliest = NEVER
        for entry in list(self._entries.values()):
            if entry.deadline <= now:
                due.append(entry)
            elif entry.deadline == NEVER and entry.state is not PERMANENT:
                self._expire(entry, now)
            else:
                self._note(entry.deadline)
        return due

    def __iter__(self) -> Iterator[Neighbor]:
        return iter(self._entries.values())

    def __len__(self) -> int:
        return len(self._entries)

    def _note(self, when: Instant) -> None:
        self.earliest = min(self.earliest, when)

    def _expire(self, entry: Neighbor, now: Instant) -> None:
        """Ages an entry that waits for nothing (RFC 1122 2.3.2.1)."""
        idle_since = max(entry.used, entry.fast_until)
        if idle_since + self._config.stale <= now:
            self.remove(entry)
        else:
            self._note(idle_since + self._config.stale)

    def _make_room(self, now: Instant) -> bool:
        """Forgets an entry that is in doubt. A few are looked at and put last: a scan through us costs little."""
        for key in list(islice(self._entries, 16)):
            entry = self._entries[key]
            if entry.state_at(now) is STALE or entry.state is FAILED:
                self.remove(entry)
                return True
            self._entries[key] = self._entries.pop(key)
        return False
