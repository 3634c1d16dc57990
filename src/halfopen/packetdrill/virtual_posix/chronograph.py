"""How long there has been text to send, and what has held it up (Linux ``tcp_chrono_start``)."""

from typing import Final

from halfopen.base.clock import MICROSECOND, Instant
from halfopen.tcp.in_network import room
from halfopen.tcp.sending import SendSpace
from halfopen.tcp.tcb import Tcb

IDLE: Final = 0
BUSY: Final = 1
WINDOW: Final = 2
"""The peer's window is closed, or too small."""
BUFFER: Final = 3
"""There was no room for more (SO_SNDBUF). What is higher goes before what is lower."""


class Chronograph:
    """Looks at a connection whenever something has happened to it."""

    __slots__ = ("_nxt", "_since", "_spent", "kind")

    def __init__(self) -> None:
        self.kind = IDLE
        self._since: Instant = 0
        self._spent = [0, 0, 0, 0]
        self._nxt = 0

    def observe(self, tcb: Tcb, now: Instant, *, lacks_room: bool) -> None:
        """``lacks_room``: the user has found the send queue full, and still does."""
        kind, snd = self.kind, tcb.snd
        has_sent, self._nxt = snd.nxt > self._nxt, snd.nxt
        if _is_empty(snd):
            kind = IDLE
        else:
            kind = max(kind, BUSY)
            if kind != BUFFER:
                kind = WINDOW if _waits_for_window(tcb) else BUSY
            elif not lacks_room:
                kind = BUSY
            if has_sent and lacks_room and not snd.unsent and not tcb.congestion.was_filled:
                kind = BUFFER
        if kind != self.kind:
            self._spent[self.kind] += now - self._since
            self.kind, self._since = kind, now

    def facts(self, now: Instant) -> dict[str, int]:
        """As ``TCP_INFO`` has them, in microseconds."""
        spent = list(self._spent)
        spent[self.kind] += now - self._since
        return {
            "tcpi_busy_time": sum(spent[BUSY:]) // MICROSECOND,
            "tcpi_rwnd_limited": spent[WINDOW] // MICROSECOND,
            "tcpi_sndbuf_limited": spent[BUFFER] // MICROSECOND,
        }


def _is_empty(snd: SendSpace) -> bool:
    """Nothing of the user's waits to be sent or acknowledged."""
    return snd.queue.start >= snd.queue.stop


def _waits_for_window(tcb: Tcb) -> bool:
    """Congestion control would let a segment go, and the peer does not."""
    snd = tcb.snd
    unsent, free = snd.unsent, room(tcb)
    return unsent > 0 and free >= min(unsent, snd.mss) and snd.usable < min(unsent, free)
