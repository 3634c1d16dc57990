"""The timers of one connection, as deadlines; NEVER when off. They own no clock: who has one compares."""

from enum import Enum

from halfopen.base.clock import NEVER, Instant
from halfopen.base.enums import quick
from halfopen.base.native import mypyc_attr


@quick
class Retransmit(Enum):
    """What the one timer for unacknowledged data stands for; the reasons exclude each other (RFC 8985 7.2, 6.3)."""

    RTO = "retransmission timeout"
    PROBE = "tail loss probe"
    REORDER = "RACK reordering"
    PERSIST = "zero window probe"


@mypyc_attr(acyclic=True)
class Timers:
    """Deadlines. Each is set by the rule that needs it, and by nothing else."""

    __slots__ = ("keep_alive", "linger", "pace", "patience", "retransmit", "retransmit_for", "wait")

    def __init__(self) -> None:
        self.retransmit: Instant = NEVER
        self.retransmit_for = Retransmit.RTO
        self.keep_alive: Instant = NEVER
        self.wait: Instant = NEVER
        """2 MSL in TIME-WAIT; how long FIN-WAIT-2 lasts without a user."""
        self.linger: Instant = NEVER
        """When what the peer has not acknowledged is given up, after a close with a linger time."""
        self.pace: Instant = NEVER
        """The next burst may go (`halfopen.tcp.pacing`)."""
        self.patience: Instant = NEVER
        """The sender's silly window override (RFC 9293 3.8.6.2.1)."""

    def next_deadline(self) -> Instant:
        """The earliest; NEVER if all are off."""
        earliest = self.retransmit
        if self.keep_alive < earliest:
            earliest = self.keep_alive
        if self.wait < earliest:
            earliest = self.wait
        if self.linger < earliest:
            earliest = self.linger
        if self.pace < earliest:
            earliest = self.pace
        return self.patience if self.patience < earliest else earliest

    def stop(self) -> None:
        """Turns all of them off."""
        self.retransmit = self.keep_alive = self.wait = self.linger = self.pace = self.patience = NEVER
