"""What can be chosen about a connection, grouped by topic. Every group is frozen: connections share one default.

Defaults are Linux's where the RFCs leave room, and stricter where a known attack speaks for it; each says so.
"""

from dataclasses import dataclass, field
from enum import Enum

from halfopen.base.clock import MILLISECOND, MINUTE, SECOND, Duration


class Ecn(Enum):
    """Explicit congestion notification (RFC 3168): never, when the peer asks (Linux's default), or asking ourselves."""

    OFF = 0
    ACTIVE = 1
    PASSIVE = 2


@dataclass(slots=True, frozen=True, kw_only=True)
class OptionsConfig:
    """Which options a SYN of ours offers and accepts."""

    mss: int | None = None
    """What no segment is to exceed, the peer's, by the MSS option, nor ours (``TCP_MAXSEG``); None takes what the
    interface's MTU allows (RFC 9293 3.7.1), and a larger one than that means nothing."""
    window_scaling: bool = True
    timestamps: bool = True
    sack: bool = True
    ecn: Ecn = Ecn.PASSIVE


@dataclass(slots=True, frozen=True, kw_only=True)
class BufferConfig:
    """Octets a connection may hold."""

    receive: int = 6 * 1024 * 1024
    """The largest receive window and queue; also chooses the window scale (Linux ``tcp_rmem[2]``)."""
    receive_initial: int = 512 * 1024
    """The receive window to start with; it doubles while the peer fills it (Linux ``tcp_rmem[1]``, auto-tuning)."""
    send: int = 4 * 1024 * 1024
    """Octets in flight at most, for they stay here until they are acknowledged; and octets queued above which SEND
    should wait, though the asyncio face keeps to less (Linux ``tcp_wmem[2]``, ``SO_SNDBUF``)."""
    window_clamp: int | None = None
    """No larger window is offered, whatever the buffer has (``TCP_WINDOW_CLAMP``)."""
    unsent_low: int | None = None
    """SEND should wait while so many octets have never been sent (``TCP_NOTSENT_LOWAT``)."""
    largest_window: int = field(init=False, repr=False)
    """`receive`, but no more than the clamp."""

    def __post_init__(self) -> None:
        clamp = self.window_clamp
        object.__setattr__(self, "largest_window", self.receive if clamp is None else min(self.receive, clamp))

    @property
    def first_window(self) -> int:
        """`receive_initial`, but no more than the clamp."""
        return min(self.receive_initial, self.largest_window)


@dataclass(slots=True, frozen=True, kw_only=True)
class RetransmissionConfig:
    """When a segment counts as lost (RFC 6298, RFC 8985) and when the peer does (RFC 9293 3.8.3)."""

    rto_initial: Duration = 1 * SECOND
    rto_min: Duration = 200 * MILLISECOND
    """As Linux and the BSDs, whose clocks are fine like ours.

    # Deviation: RFC 6298 2.4 wants 1 s.
    """
    rto_max: Duration = 120 * SECOND
    syn_retries: int = 7
    """SYN retransmissions before giving up: 247 s in all. MUST-23 wants 3 minutes; Linux has 6, 127 s."""
    synack_retries: int = 5
    retries: int = 15
    """R2 in retransmissions of data, 924 s with an RTO of 200 ms (Linux ``tcp_retries2``)."""
    soft_retries: int = 3
    """R1: the route is suspected and the user told (Linux ``tcp_retries1``, SHLD-10)."""
    user_timeout: Duration | None = None
    """R2 as time without an acknowledgment, instead of `retries` (RFC 9293 3.10.2, RFC 5482, ``TCP_USER_TIMEOUT``)."""
    orphan_retries: int = 8
    """`retries` once the user has closed (Linux ``tcp_orphan_retries``)."""
    tail_loss_probe: bool = True
    rack: bool = True
    dupthresh: int = 3


@dataclass(slots=True, frozen=True, kw_only=True)
class CongestionConfig:
    """Congestion control (RFC 5681, RFC 9438)."""

    algorithm: str = "cubic"
    """A key of `halfopen.tcp.congestion.algorithms.ALGORITHMS`."""
    initial_window: int = 10
    """Segments (RFC 6928)."""
    restart_after_idle: bool = True
    """RFC 5681 4.1 (Linux ``tcp_slow_start_after_idle``)."""


@dataclass(slots=True, frozen=True, kw_only=True)
class AckConfig:
    """When segments are acknowledged and data is sent (RFC 9293 3.8.6)."""

    delay: Duration = 40 * MILLISECOND
    """The delayed ACK timer; MUST-40 allows 500 ms."""
    quick: int = 16
    """Segments at the start that are acknowledged at once, so that the peer's window grows (Linux quickack)."""
    switched: int = 0
    """How often ``TCP_QUICKACK`` was set. Each time `quick` holds anew, though it may be what it was."""
    nagle: bool = True
    cork: bool = False
    """Segments that are not full wait for 200 ms, or until this is taken back (Linux ``TCP_CORK``)."""
    challenge_interval: Duration = 500 * MILLISECOND
    """At most one challenge ACK per connection in this time (RFC 5961 7; Linux ``tcp_invalid_ratelimit``)."""


@dataclass(slots=True, frozen=True, kw_only=True)
class KeepAliveConfig:
    """Keep-alive (RFC 9293 3.8.4), off by default (MUST-25)."""

    enabled: bool = False
    idle: Duration = 7200 * SECOND
    interval: Duration = 75 * SECOND
    count: int = 9


@dataclass(slots=True, frozen=True, kw_only=True)
class ClosingConfig:
    """How connections end (RFC 9293 3.6)."""

    msl: Duration = 30 * SECOND
    """TIME-WAIT lasts two of these. RFC 9293 suggests 2 minutes; Linux waits 60 s in all."""
    fin_wait_2: Duration = 1 * MINUTE
    """How long a connection whose user is gone waits for the peer's FIN (Linux ``tcp_fin_timeout``)."""
    linger: Duration | None = None
    """None: close returns and data is sent in peace. 0: close resets. Otherwise unsent data gets this long."""


@dataclass(slots=True, frozen=True, kw_only=True)
class ListeningConfig:
    """How connections are accepted (RFC 9293 3.10.7.2)."""

    defer_accept: Duration = 0
    """How long after its SYN a peer that has sent no text is not yet handed to the user (``TCP_DEFER_ACCEPT``)."""


@dataclass(slots=True, frozen=True, kw_only=True)
class TcpConfig:
    """Everything about a connection."""

    options: OptionsConfig = field(default_factory=OptionsConfig)
    buffers: BufferConfig = field(default_factory=BufferConfig)
    retransmission: RetransmissionConfig = field(default_factory=RetransmissionConfig)
    congestion: CongestionConfig = field(default_factory=CongestionConfig)
    acks: AckConfig = field(default_factory=AckConfig)
    keep_alive: KeepAliveConfig = field(default_factory=KeepAliveConfig)
    closing: ClosingConfig = field(default_factory=ClosingConfig)
    listening: ListeningConfig = field(default_factory=ListeningConfig)


DEFAULT = TcpConfig()
