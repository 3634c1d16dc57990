"""Multicast Listener Discovery, the listener's part: telling routers and switches of the groups that we are in.

Version 2 (RFC 3810), any-source only. Neighbor Discovery joins the groups of its addresses; a switch that looks at
reports would keep solicitations from us without (RFC 4861 7.2.1).
"""

from dataclasses import dataclass, field
from typing import Final

from halfopen.base.addresses import IPV6_ANY, Address, is_link_local, parse_address
from halfopen.base.clock import MILLISECOND, NEVER, SECOND, Duration, Instant
from halfopen.base.counters import Counters
from halfopen.base.errors import Malformed
from halfopen.base.rng import Rng
from halfopen.stack.datagram import Datagram
from halfopen.stack.interface import Interface
from halfopen.stack.ndp_output import link_local_of, make_frame
from halfopen.stack.nud import Transmissions
from halfopen.wire import icmpv6, ipv6, ipv6_headers, mld
from halfopen.wire.icmpv4 import Icmp
from halfopen.wire.ipv6 import HOP_BY_HOP_OPTIONS, PROTOCOL_ICMPV6, Ipv6
from halfopen.wire.packet import Packet

ROUTERS: Final = parse_address("ff02::16")
"""All MLDv2-capable routers (RFC 3810 11)."""
HOP_LIMIT: Final = 1
ROBUSTNESS: Final = 2
"""How often a change is told (RFC 3810 9.1)."""
UNSOLICITED_INTERVAL: Final[Duration] = 1 * SECOND
"""Within which it is told again (RFC 3810 9.11)."""
_ALERT: Final = ((ipv6_headers.OPTION_ROUTER_ALERT, bytes(2)),)


@dataclass(slots=True, eq=False)
class Membership:
    """The groups of one interface, and what is still to be said about them."""

    interface: Interface
    groups: dict[Address, int] = field(default_factory=dict)
    """With how many wants each."""
    changes: dict[Address, tuple[int, int]] = field(default_factory=dict)
    """Type of record, and how often it is still to be sent."""
    change_at: Instant = NEVER
    asked: set[Address] = field(default_factory=set)
    answer_at: Instant = NEVER


class ListenerReports:
    """The memberships of one host, on all its Ethernet interfaces; says nothing if it is not enabled."""

    __slots__ = ("_counters", "_memberships", "_output", "_rng", "earliest", "enabled")

    def __init__(self, output: Transmissions, rng: Rng, counters: Counters) -> None:
        self.enabled = False
        self._output = output
        self._rng = rng
        self._counters = counters
        self._memberships: dict[str, Membership] = {}
        self.earliest: Instant = NEVER
        """When the next report is due."""

    def join(self, interface: Interface, group: Address, now: Instant) -> None:
        """One more reason to be in ``group``; the first one is told (RFC 3810 6.1)."""
        if not self.enabled or not interface.is_ethernet:
            return
        membership = self._memberships.setdefault(interface.name, Membership(interface))
        wants = membership.groups.get(group, 0)
        membership.groups[group] = wants + 1
        if not wants:
            self._change(membership, group, mld.TO_EXCLUDE, now)

    def leave(self, interface: Interface, group: Address, now: Instant | None) -> None:
        """One reason less; that there is none any more is told, or found out by the next query."""
        membership = self._memberships.get(interface.name)
        if membership is None or group not in membership.groups:
            return
        membership.groups[group] -= 1
        if not membership.groups[group]:
            del membership.groups[group]
            membership.changes.pop(group, None)
            if now is not None:
                self._change(membership, group, mld.TO_INCLUDE, now)

    def on_query(self, datagram: Datagram, message: Icmp, now: Instant) -> None:
        """A router asks; all of it is answered at once, in the time given (RFC 3810 6.2); raises Malformed."""
        if not self.enabled:
            self._counters.add("Icmp6InMulticastListenersIgnored")
            return
        group, delay = mld.parse_query(message)
        if not is_link_local(datagram.source) or datagram.ttl != HOP_LIMIT:
            raise Malformed("MldBadSource")
        membership = self._memberships.get(datagram.interface.name)
        if membership is None:
            return
        membership.asked |= {each for each in membership.groups if group in (IPV6_ANY, each)}
        if membership.asked:
            due = now + self._rng.below(delay * MILLISECOND + 1)
            membership.answer_at = min(membership.answer_at, due)
            self._note()

    def on_deadline(self, now: Instant) -> None:
        """Sends the reports that are due."""
        for membership in self._memberships.values():
            if membership.change_at <= now:
                self._tell_changes(membership, now)
            if membership.answer_at <= now:
                answer = [(mld.IS_EXCLUDE, group) for group in sorted(membership.asked & membership.groups.keys())]
                membership.asked.clear()
                membership.answer_at = NEVER
                self._send(membership.interface, answer)
        self._note()

    def _change(self, membership: Membership, group: Address, kind: int, now: Instant) -> None:
        membership.changes[group] = (kind, ROBUSTNESS)
        membership.change_at = now
        self._note()

    def _tell_changes(self, membership: Membership, now: Instant) -> None:
        records = [(kind, group) for group, (kind, _) in membership.changes.items()]
        left = {group: (kind, times - 1) for group, (kind, times) in membership.changes.items() if times > 1}
        membership.changes = left
        membership.change_at = now + self._rng.below(UNSOLICITED_INTERVAL) if left else NEVER
        self._send(membership.interface, records)

    def _send(self, interface: Interface, records: list[tuple[int, Address]]) -> None:
        """From the link-local address, or from none while there is none (RFC 3590)."""
        if not records:
            return
        source = link_local_of(interface) or IPV6_ANY
        octets = icmpv6.emit(mld.emit_report(records), source, ROUTERS)
        octets = ipv6_headers.emit_options(PROTOCOL_ICMPV6, _ALERT) + octets
        packet = Packet(ipv6.emit(Ipv6(source, ROUTERS, HOP_BY_HOP_OPTIONS, HOP_LIMIT), len(octets)) + octets)
        self._counters.add("MldReportsSent")
        self._output.append((interface, make_frame(interface, ipv6.multicast_mac(ROUTERS), packet)))

    def _note(self) -> None:
        self.earliest = min((min(each.change_at, each.answer_at) for each in self._memberships.values()), default=NEVER)
