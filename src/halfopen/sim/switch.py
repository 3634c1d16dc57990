"""A switch: it learns behind which port a station is, and sends there only (IEEE 802.1D 7.7 to 7.9)."""

from collections.abc import Sequence

from halfopen.base.addresses import Mac
from halfopen.base.clock import SECOND, Instant
from halfopen.base.impairment import PERFECT, Impairment
from halfopen.base.rng import SeededRng
from halfopen.sim.cable import Cable, CableEnd, Named
from halfopen.sim.pump import SimPump
from halfopen.sim.scheduler import Scheduler
from halfopen.stack.interface import Interface
from halfopen.wire.packet import Packet

AGEING = 300 * SECOND
"""A station that has been silent for so long is forgotten (IEEE 802.1D 7.9.2)."""

STATIONS = 8192
"""What fits into the table, as in common switches: no more are learnt, and what goes to them is flooded."""


class Switch(Cable):
    """A cable with a switch in the middle: each host is at a port of its own.

    What goes to a station that was heard of goes to its port; all else to all ports. A rate of the words is that of
    each port's wire, into the switch and out of it, with a queue before both.

    Counters, besides the cable's: ``SwitchForwarded``, ``SwitchFlooded``, ``SwitchFiltered`` for what would have gone
    back to where it came from, and ``SwitchTableFull``.
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
        super().__init__(scheduler, rng, impairment, title, offloads=offloads)
        self._stations: dict[Mac, tuple[CableEnd, Instant]] = {}

    def plug(self, pump: SimPump, interface: Interface) -> CableEnd:
        """One more port."""
        end = super().plug(pump, interface)
        self._limit(end)
        return end

    def impair(self, words: Impairment | str, towards: Named | str | None = None) -> None:
        """As a cable's; without ``towards`` its rate is also that of the way out of each port."""
        super().impair(words, towards)
        for end in self.ends if towards is None else ():
            self._limit(end)

    def port_of(self, station: Mac) -> str | None:
        """The host at the port where ``station`` was heard of last; None if that is too long ago."""
        known = self._known(station)
        return known.pump.name if known is not None else None

    def receivers(self, end: CableEnd, packet: Packet) -> Sequence[CableEnd]:
        """The port of the station that the frame is for; all others if nobody knows, or it is for many."""
        destination, source = packet.head[:6], packet.head[6:12]
        if len(source) < 6 or not end.interface.is_ethernet:
            return super().receivers(end, packet)
        self._learn(source, end)
        known = None if destination[0] & 1 else self._known(destination)
        if known is end:
            self.counters.add("SwitchFiltered")
            return ()
        if known is not None:
            self.counters.add("SwitchForwarded")
            return (known,)
        self.counters.add("SwitchFlooded")
        return super().receivers(end, packet)

    def _learn(self, source: Mac, end: CableEnd) -> None:
        """A group address is nobody's (IEEE 802.1D 7.8)."""
        if source[0] & 1:
            return
        if source not in self._stations and len(self._stations) >= STATIONS:
            now = self.scheduler.now
            self._stations = {mac: seen for mac, seen in self._stations.items() if now - seen[1] < AGEING}
            if len(self._stations) >= STATIONS:
                self.counters.add("SwitchTableFull")
                return
        self._stations[source] = (end, self.scheduler.now)

    def _known(self, station: Mac) -> CableEnd | None:
        end, when = self._stations.get(station, (None, 0))
        return end if self.scheduler.now - when < AGEING else None

    def _limit(self, end: CableEnd) -> None:
        """The way out of a port has the rate and the queue of the way in, but loses and delays nothing again."""
        words = self._impairment
        if words.rate:
            end.impair_egress(Impairment(rate=words.rate, queue=words.queue))
