"""One direction of a cable: what goes in comes out when its time has come."""

from collections.abc import Callable

from halfopen.base.clock import NEVER, Instant
from halfopen.base.impairment import CoDel, Impairment, Red
from halfopen.sim.scheduler import Event, Scheduler
from halfopen.wire.channel import CORRUPTED, DUPLICATED, LOST, REORDERED, Channel
from halfopen.wire.packet import Packet
from halfopen.wire.queues import DROPPED, MARKED, OVERLIMIT

_QUEUES = {Red: "red", CoDel: "codel"}

BATCH = 64
"""Packets taken off a lane at a time."""


class Lane:
    """A `Channel` that an event of the scheduler empties."""

    __slots__ = ("_channel", "_deliver", "_event", "_scheduler", "_tell", "_title", "offloads")

    def __init__(
        self,
        scheduler: Scheduler,
        channel: Channel,
        deliver: Callable[[Packet, Instant], None],
        title: Callable[[], str],
        tell: Callable[[Packet, Instant, str], None],
    ) -> None:
        self._scheduler = scheduler
        self._channel = channel
        self._deliver = deliver
        self._title = title
        self._tell = tell
        channel.tell = self._on_fate
        self.offloads = False
        """A rate takes super-segments as they are, where nothing looks at their packets."""
        self._event: Event | None = None

    @property
    def backlog(self) -> tuple[int, int]:
        """Packets and octets that wait for the rate."""
        return self._channel.backlog(self._scheduler.now)

    def takes_whole(self, packet: Packet) -> bool:
        """Whether a super-segment may be admitted as it is."""
        channel = self._channel
        return channel.takes_whole(packet) or (self.offloads and channel.serialises_whole(packet, self._scheduler.now))

    def impair(self, impairment: Impairment) -> None:
        """What is sent from now on meets this; what is on its way goes on as it was."""
        self._channel.impair(impairment)

    def admit(self, packet: Packet, now: Instant) -> int:
        """Takes one packet, or a super-segment that may pass whole; its fate so far."""
        channel, event = self._channel, self._event
        fate = channel.admit(packet, now)
        if event is None or channel.next_deadline() < event.when:
            self._plan()
        return fate

    def _on_fate(self, packet: Packet, fate: int) -> None:
        self._tell(packet, self._scheduler.now, self.said(fate))

    def said(self, fate: int) -> str:
        """What is to be said of a fate."""
        title, impairment = self._title(), self._channel.impairment
        queue = _QUEUES.get(type(impairment.queue))
        at = f"{queue} of" if queue else "link"
        said = {
            DROPPED: f"dropped by {at} {title}",
            OVERLIMIT: f"dropped: queue of {title} full",
            MARKED: f"marked CE by {at} {title}",
            LOST: f"lost by link {title} ({impairment.loss_words})",
            DUPLICATED: f"duplicated by link {title}",
            CORRUPTED: f"corrupted by link {title}",
            REORDERED: f"reordered by link {title}",
        }
        return "; ".join(words for bit, words in said.items() if fate & bit)

    def _plan(self) -> None:
        """One event waits for the first packet on its way; a packet that overtakes needs an earlier one."""
        if self._event is not None:
            self._event.cancel()
        deadline = self._channel.next_deadline()
        self._event = self._scheduler.at(deadline, self._on_due) if deadline < NEVER else None

    def _on_due(self) -> None:
        now, deliver = self._scheduler.now, self._deliver
        self._event = None
        is_more = True
        while is_more:
            packets = self._channel.due(now, BATCH)
            for packet in packets:
                deliver(packet, now)
            is_more = len(packets) == BATCH
        self._wait()

    def _wait(self) -> None:
        """For the next packet, unless whoever took the last ones has sent some, and waits already."""
        if self._event is None:
            deadline = self._channel.next_deadline()
            if deadline < NEVER:
                self._event = self._scheduler.at(deadline, self._on_due)
