"""Cables: what one interface puts on them comes out at all others, late, changed or not at all (netem's terms)."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol, TypeAlias

from halfopen.base.clock import Instant
from halfopen.base.counters import Counters
from halfopen.base.errors import ConfigError
from halfopen.base.impairment import PERFECT, Impairment
from halfopen.base.native import mypyc_attr
from halfopen.base.netem import parse
from halfopen.base.rng import Rng, SeededRng
from halfopen.capture.record import Direction
from halfopen.sim.lane import Lane
from halfopen.sim.match import Passing
from halfopen.sim.pump import Plug, SimPump
from halfopen.sim.rules import Delay, Drop, Duplicate, InstalledRule, Rewrite, Rule, Rules
from halfopen.sim.scheduler import Scheduler
from halfopen.stack.interface import Interface
from halfopen.wire.channel import Channel
from halfopen.wire.offload import split
from halfopen.wire.packet import Packet

Way: TypeAlias = Callable[[Packet, Instant], str | None]
"""Where a packet goes next; what is to be said of it."""


class Named(Protocol):
    """A host, by its name."""

    @property
    def name(self) -> str:
        """What the other hosts call it."""


@mypyc_attr(allow_interpreted_subclasses=True)
class Filter(ABC):
    """Looks at what reaches a host before its stack does, and may change, keep or answer it (netfilter: PREROUTING)."""

    __slots__ = ()

    @abstractmethod
    def on_arrival(self, interface: Interface, packet: Packet, now: Instant) -> Packet | None:
        """What goes on to the stack instead of ``packet``; None for nothing."""


@mypyc_attr(allow_interpreted_subclasses=True)
class Observer(ABC):
    """Sees what goes into cables and what comes out: what goes in only has been lost, or is on its way."""

    @abstractmethod
    def on_packet(
        self, when: Instant, end: "CableEnd", packet: Packet, direction: Direction, comment: str | None = None
    ) -> None:
        """``packet`` is ``"outbound"`` or ``"inbound"`` as the host at this ``end`` sees it; no super-segment.

        ``comment`` says what the network has done, or will do, to a packet that goes in: "dropped by link a-b, rule 2".
        """

    def on_fate(self, when: Instant, end: "CableEnd", packet: Packet, comment: str) -> None:  # noqa: B027
        """What befell ``packet``, which went in at ``end``, on its way; unless told, nothing is done about it."""


@mypyc_attr(allow_interpreted_subclasses=True)
class Cable:
    """Joins two interfaces or more. Each direction into it has an impairment and a fate of its own.

    A packet between two ends meets the rules, then queue, rate, loss and delay of its direction. With more ends there
    is a device in the middle, which repeats what reaches it: up to it, a packet meets what `impair` says without
    ``towards``; there, the rules, once for each host that it is handed on to; from there to host ``b``, what
    ``impair(..., towards="b")`` says.

    Counters: ``CableLost``, ``CableDuplicated``, ``CableCorrupted``, ``CableReordered``, ``CableOverlimit`` for what a
    full queue refused, ``CableDown``, and for rules ``CableRuleDropped``, ``...Delayed``, ``...Duplicated`` and
    ``...Rewritten``.

    With ``offloads`` a super-segment passes a rate as one packet, unless there are rules, or chances, or an active
    queue, or no room for all of it: it comes out when its last bit has left, its first packets later than on a wire.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        rng: SeededRng,
        impairment: Impairment = PERFECT,
        title: str = "",
        *,
        offloads: bool = False,
    ) -> None:
        self.scheduler = scheduler
        self.offloads = offloads
        self.counters = Counters()
        self.observers: list[Observer] = []
        self.ends: list[CableEnd] = []
        self.rules = Rules(lambda: self.title)
        self._rng = rng
        self._impairment = impairment
        self._title = title

    @property
    def title(self) -> str:
        """``"client-r1"``, unless it was given one."""
        return self._title or "-".join(end.pump.name for end in self.ends)

    def plug(self, pump: SimPump, interface: Interface) -> "CableEnd":
        """One more interface on this cable."""
        label = f"{pump.name}.{interface.name}"
        end = CableEnd(self, (pump, interface), self._impairment, self._rng.fork(label))
        end.others = tuple(self.ends)
        for each in self.ends:
            each.others = (*each.others, end)
        self.ends.append(end)
        pump.plug(interface, end)
        return end

    def impair(self, words: Impairment | str, towards: Named | str | None = None) -> None:
        """Packets that are sent from now on meet this, in all directions or towards one host.

        Those on their way go on as they were. ConfigError if ``words`` are not netem's.
        """
        impairment = self._understood(words)
        if towards is None:
            self._impairment = impairment
            for end in self.ends:
                end.impair(impairment)
                end.impair_egress(PERFECT)
            return
        target = self.end(towards)
        if len(target.others) == 1:
            target.others[0].impair(impairment)
        else:
            target.impair_egress(impairment)

    def rule(self, rule: Rule, towards: Named | str | None = None) -> InstalledRule:
        """Installs ``rule`` behind those that are there, until it is removed, or for a ``with``."""
        return self.rules.add(rule, None if towards is None else self.end(towards).pump.name)

    def down(self, towards: Named | str | None = None) -> None:
        """Nothing passes from now on, or nothing towards one host; what is on its way arrives."""
        for end in self.ends if towards is None else (self.end(towards),):
            end.is_up = False

    def up(self, towards: Named | str | None = None) -> None:
        """Ends what `down` began."""
        for end in self.ends if towards is None else (self.end(towards),):
            end.is_up = True

    def close(self) -> None:
        """The network has ended: rules that never matched are warned of."""
        self.rules.close()

    def end(self, host: Named | str) -> "CableEnd":
        """The end at ``host``; ConfigError if there is none."""
        name = host if isinstance(host, str) else host.name
        for end in self.ends:
            if end.pump.name == name:
                return end
        hosts = ", ".join(end.pump.name for end in self.ends)
        raise ConfigError(f"link {self.title}: {name!r} is not on it: expected one of {hosts}")

    def receivers(self, end: "CableEnd", packet: Packet) -> "Sequence[CableEnd]":
        """Where a packet that was sent at ``end`` comes out: here at all other ends; a switch knows better."""
        return end.others

    def _understood(self, words: Impairment | str) -> Impairment:
        if isinstance(words, Impairment):
            return words
        try:
            return parse(words)
        except ValueError as error:
            raise ConfigError(f"link {self.title}: {error}") from None


class CableEnd(Plug):
    """One plug of a cable, and the direction that begins there; ``label`` is ``"client.eth0"``."""

    __slots__ = ("_cable", "_egress", "_lane", "_rng", "filters", "interface", "is_up", "label", "others", "pump")

    def __init__(self, cable: Cable, plug: tuple[SimPump, Interface], impairment: Impairment, rng: SeededRng) -> None:
        self._cable = cable
        self.pump, self.interface = plug
        self.label = f"{self.pump.name}.{self.interface.name}"
        self.is_up = True
        self.others: tuple[CableEnd, ...] = ()
        self.filters: list[Filter] = []
        """Of the host here: what comes in passes them, in this order."""
        self._rng = rng
        self._lane = self._make_lane(impairment, rng, self._come_out)
        self._egress: Lane | None = None

    @property
    def title(self) -> str:
        """That of the cable."""
        return self._cable.title

    def impair(self, impairment: Impairment) -> None:
        """As `Cable.impair`, for this direction only."""
        self._lane.impair(impairment)

    def impair_egress(self, impairment: Impairment) -> None:
        """The way from the device in the middle to this end."""
        if self._egress is None:
            if impairment == PERFECT:
                return
            self._egress = self._make_lane(impairment, self._rng.fork("egress"), self.receive)
        self._egress.impair(impairment)

    @property
    def towards(self) -> str:
        """Which queue this is: ``"a-b>b"``, or ``"lan>"`` in front of a device in the middle."""
        cable = self._cable
        return f"{cable.title}>{self.others[0].pump.name if len(self.others) == 1 else ''}"

    @property
    def backlog(self) -> tuple[int, int]:
        """Packets and octets that wait for the rate of the direction that begins here."""
        return self._lane.backlog

    def send(self, packet: Packet, now: Instant) -> None:
        """Each packet of a super-segment has a fate of its own, unless all must meet the same."""
        cable, lane = self._cable, self._lane
        is_judged = len(self.others) == 1 and (bool(cable.rules.installed) or not self.others[0].is_up)
        is_whole = not packet.gso_size or (not is_judged and lane.takes_whole(packet))
        for piece in (packet,) if is_whole else split(packet, self.interface.link_octets):
            if is_judged:
                comment = self._pass_rules(piece, now, self.others[0], self._enter)
            else:
                fate = lane.admit(piece, now)
                comment = lane.said(fate) if fate and cable.observers else None
            if cable.observers:
                self._show(piece, now, "outbound", comment)

    def receive(self, packet: Packet, now: Instant) -> None:
        """``packet`` comes out here."""
        if self._cable.observers:
            self._show(packet, now, "inbound", None)
        for each in self.filters:
            passed = each.on_arrival(self.interface, packet, now)
            if passed is None:
                return
            packet = passed
        self.pump.take(self.interface, packet)

    def _show(self, packet: Packet, now: Instant, direction: Direction, comment: str | None) -> None:
        """Observers never change what happens: they see single packets also where all goes on as one."""
        for piece in self._pieces(packet, is_whole=False):
            for observer in self._cable.observers:
                observer.on_packet(now, self, piece, direction, comment)

    def concerns(self, packet: Packet) -> bool:
        """Whether the interface here has to look at it: a hub repeats to it also what is addressed to others."""
        head = packet.head
        return not self.interface.is_ethernet or bool(head[0] & 1) or head[:6] == self.interface.mac

    def hand_on(self, packet: Packet, now: Instant) -> str | None:
        """``packet`` leaves the device in the middle towards this end; what is to be said of it."""
        egress = self._egress
        if egress is None:
            self.receive(packet, now)
            return None
        fates = [egress.admit(piece, now) for piece in self._pieces(packet, is_whole=egress.takes_whole(packet))]
        return "; ".join(egress.said(fate) for fate in fates if fate) or None

    def _pieces(self, packet: Packet, *, is_whole: bool) -> Sequence[Packet]:
        return (packet,) if is_whole or not packet.gso_size else split(packet, self.interface.link_octets)

    def _make_lane(self, impairment: Impairment, rng: Rng, deliver: Callable[[Packet, Instant], None]) -> Lane:
        cable = self._cable
        channel = Channel(impairment, self.interface.link_octets, rng, cable.counters, "Cable")
        lane = Lane(cable.scheduler, channel, deliver, lambda: cable.title, self._tell)
        lane.offloads = cable.offloads
        return lane

    def _enter(self, packet: Packet, now: Instant) -> str | None:
        """What is to be said of it."""
        fate = self._lane.admit(packet, now)
        return self._lane.said(fate) if fate else None

    def _come_out(self, packet: Packet, now: Instant) -> None:
        """At the other end, or at the device in the middle."""
        cable = self._cable
        is_pair = len(self.others) == 1
        for target in cable.receivers(self, packet):
            if is_pair:
                if target._egress is None:  # noqa: SLF001  # the end of another direction of this cable
                    target.receive(packet, now)
                else:
                    self._tell(packet, now, target.hand_on(packet, now))
                continue
            for piece in self._pieces(packet, is_whole=not cable.rules.installed):
                self._tell(piece, now, self._pass_rules(piece, now, target, target.hand_on))

    def _pass_rules(self, packet: Packet, now: Instant, target: "CableEnd", way: Way) -> str | None:
        """Sends it that ``way``, if the rules allow; what is to be said of it."""
        cable = self._cable
        if not target.is_up:
            cable.counters.add("CableDown")
            return f"dropped: link {cable.title} is down"
        if not cable.rules.installed or (len(self.others) > 1 and not target.concerns(packet)):
            return way(packet, now)
        passing = Passing(packet, now, (self.pump.name, target.pump.name), self.interface.link_octets)
        verdict, rule = cable.rules.judge(passing)
        by = f"by link {cable.title}, rule {rule}"
        if isinstance(verdict, Drop):
            cable.counters.add("CableRuleDropped")
            return f"dropped {by}"
        if isinstance(verdict, Delay):
            cable.counters.add("CableRuleDelayed")
            cable.scheduler.at(now + verdict.duration, partial(self._go_late, packet, way))
            return f"delayed {by}"
        comments = []
        if isinstance(verdict, Duplicate):
            cable.counters.add("CableRuleDuplicated", verdict.copies)
            comments = [f"duplicated {by}", *(way(packet, now) for _ in range(verdict.copies))]
        elif isinstance(verdict, Rewrite):
            cable.counters.add("CableRuleRewritten")
            comments = [f"rewritten {by}"]
            packet = verdict.packet
        comments.append(way(packet, now))
        return "; ".join(comment for comment in comments if comment) or None

    def _go_late(self, packet: Packet, way: Way) -> None:
        now = self._cable.scheduler.now
        self._tell(packet, now, way(packet, now))

    def _tell(self, packet: Packet, now: Instant, comment: str | None) -> None:
        if comment:
            for observer in self._cable.observers:
                observer.on_fate(now, self, packet, comment)
