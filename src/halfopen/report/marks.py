"""What is drawn on a time-sequence graph."""

from dataclasses import dataclass
from enum import Enum

from halfopen.base.clock import Instant


class Kind(Enum):
    """What a mark stands for; the value is how a legend puts it."""

    DATA = "segment sent"
    RETRANSMISSION = "R: retransmission"
    PROBE = "P: keep-alive or window probe"
    SACK = "S: SACK block"
    DSACK = "D: duplicate SACK"
    DUPLICATE_ACK = "duplicate ACK"
    PUSH = "PSH"
    SYN = "S: SYN"
    FIN = "F: FIN"
    RESET = "X: RST"
    OUT_OF_ORDER = "O: arrived out of order"
    MARKED = "C: congestion experienced (ECN)"
    LOST = "lost, or corrupted on its way"
    ZERO_WINDOW = "Z: zero window"


@dataclass(slots=True, frozen=True)
class Mark:
    """Something at ``when`` that covers the sequence numbers from ``low`` to ``high``; a point where they are equal."""

    kind: Kind
    when: Instant
    low: int
    high: int
    text: str
