"""What is known of a peer whose SYN was answered, and of nothing else."""

from dataclasses import dataclass
from typing import Final

from halfopen.base.clock import NEVER, Instant

MAX_BAD_ACKS: Final = 7
"""So many wrong ACKs of one peer are counted."""


@dataclass(slots=True, init=False)
class HalfOpen:
    """A peer whose SYN was answered: what its connection will need, should the handshake complete.

    ``ts_recent`` is the SYN's TSval, if timestamps are in use. Its window is not kept: the ACK brings a newer one. The
    last four are the table's.
    """

    flow: bytes
    irs: int
    iss: int
    peer_mss: int
    window_scale: int | None
    sack_permitted: bool
    ecn: int
    """0, or in the terms of `halfopen.tcp.accurate_ecn`."""
    ts_recent: int | None
    is_challenged: bool
    """A challenge ACK has been sent since the last SYN-ACK (RFC 5961 7)."""
    retransmissions: int
    """How often the SYN-ACK was sent again."""
    bad_acks: int
    """How often an ACK came that was not of our SYN, at most `MAX_BAD_ACKS`."""
    deadline: Instant
    """When it is to be sent again, or given up; NEVER: the table has given it up; 0: it was in no table."""

    def __init__(
        self,
        flow: bytes,
        irs: int,
        iss: int,
        peer_mss: int,
        window_scale: int | None = None,
        sack_permitted: bool = False,
        ecn: int = 0,
        ts_recent: int | None = None,
        is_challenged: bool = False,
        retransmissions: int = 0,
        bad_acks: int = 0,
        deadline: Instant = 0,
    ) -> None:
        self.flow = flow
        self.irs = irs
        self.iss = iss
        self.peer_mss = peer_mss
        self.window_scale = window_scale
        self.sack_permitted = sack_permitted
        self.ecn = ecn
        self.ts_recent = ts_recent
        self.is_challenged = is_challenged
        self.retransmissions = retransmissions
        self.bad_acks = bad_acks
        self.deadline = deadline

    @property
    def is_dropped(self) -> bool:
        """The last SYN-ACK went unanswered, the record is gone."""
        return self.deadline == NEVER
