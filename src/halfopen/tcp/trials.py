"""What is being found out about the path, and has not been answered yet (RFC 8985 7, RFC 3522, RFC 3708, RFC 4821)."""

from dataclasses import dataclass

from halfopen.base.native import mypyc_attr
from halfopen.tcp.mtu_search import MtuSearch


@mypyc_attr(acyclic=True)
class Undo:
    """How to find out that a retransmission was needless (RFC 3522 by timestamps, RFC 3708 by D-SACK)."""

    __slots__ = ("end", "first", "is_open", "latest", "octets", "start", "timestamp", "tries_new")

    def __init__(self, start: int, end: int, first: int, timestamp: int | None) -> None:
        self.start = start
        """SND.UNA when the first retransmission was due, and `end` SND.NXT: of what is outside it tells nothing."""
        self.end = end
        self.first = first
        """Where the first retransmission begins. What lies before it may have been sent again in an earlier episode."""
        self.timestamp = timestamp
        """TSval of the first retransmission, if timestamps are in use."""
        self.latest = timestamp
        """TSval when the timer last expired: what echoes an older one is no round trip (Karn)."""
        self.is_open = False
        """A timeout, and whether it was needless may still turn out (F-RTO, RFC 5682)."""
        self.tries_new = False
        """New text goes ahead of what may be lost."""
        self.octets = 0
        """Retransmitted and not yet reported as duplicates."""


@dataclass(slots=True, frozen=True)
class TailProbe:
    """A tail loss probe that has been sent (RFC 8985 7.1)."""

    end: int
    """TLP.end_seq: SND.NXT then."""
    is_retransmission: bool
    """TLP.is_retrans: if it was new data, an ACK of it proves nothing about losses."""


@mypyc_attr(acyclic=True)
class Trials:
    """Questions to the path, of which each ACK may be the answer; None if there is none."""

    __slots__ = ("probe", "search", "undo")

    def __init__(self) -> None:
        self.probe: TailProbe | None = None
        """Has the end of the flight been lost?"""
        self.undo: Undo | None = None
        """Had what was sent again been lost?"""
        self.search: MtuSearch | None = None
        """Do larger segments get through?"""
