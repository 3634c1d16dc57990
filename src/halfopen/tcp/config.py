"""What can be chosen about a connection, grouped by topic. Every group is frozen: connections share one default.

Defaults are Linux's where the RFCs leave room, and stricter where a known attack speaks for it; each says so.
"""

from dataclasses import dataclass, field, fields
from enum import Enum

from halfopen.base.clock import MILLISECOND, MINUTE, SECOND, Duration
from halfopen.base.errors import ConfigError
from halfopen.base.permit import Permit


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
class SecurityConfig:
    """Rules that keep strangers out. Each can be taken back for teaching, if there is a `permit` to do so.

    The permit is asked for every connection, and its error goes to whoever has handed in the segment or call.
    """

    permit: Permit | None = None
    rfc5961: bool = True
    """RST and SYN have to be exact, or are challenged, and ACKs have to be recent; else RFC 793 3.9 holds."""
    challenge_limit: str = "connection"
    """What challenge ACKs are limited by: ``"connection"``; ``"host"``, 100 a second for all connections together, as
    Linux 3.6 (CVE-2016-5696); ``"none"``: two ends may go on answering each other (an ACK storm)."""
    byte_counting: bool = True
    """The window grows by octets that are acknowledged (RFC 3465), else by ACKs, however small (Savage 1999)."""
    icmp_sequence_check: bool = True
    """ICMP errors have to quote what is in flight (RFC 5927 4.1)."""
    delayed_pmtu: bool = True
    """Where segments have got through so far, a smaller path MTU is believed when they no longer do (RFC 5927 7.2)."""
    soft_icmp_errors: bool = True
    """No ICMP error ends a connection that stands (RFC 5927 5.2), else hard ones do (RFC 1122 4.2.3.9)."""
    rfc1337: bool = True
    """RST does not end TIME-WAIT."""
    overlap: str = "first"
    """Of octets that come twice ahead of a hole the ``"first"`` stay, or the ``"last"``."""
    bounds: bool = True
    """No segments are asked of us that carry next to nothing, and small early ones are charged for what they cost."""
    legacy_alloc_before_flags: bool = False
    """A full listener drops every segment before its flags are looked at, SYN,ACKs too, as 4.2BSD: it cannot even
    refuse what it did not ask for."""
    is_weak: bool = field(init=False, repr=False)

    def __post_init__(self) -> None:
        _check_choice("challenge_limit", self.challenge_limit, ("connection", "host", "none"))
        _check_choice("overlap", self.overlap, ("first", "last"))
        weak = [each.name for each in fields(self)[1:] if each.init and getattr(self, each.name) != each.default]
        object.__setattr__(self, "is_weak", bool(weak))
        if weak and self.permit is None:
            raise ConfigError(f"{', '.join(weak)}: no host without a permit may be so weak; only the lab has one")

    def allowed(self) -> "SecurityConfig | None":
        """None if there is nothing weak about it; itself if it is permitted here and now."""
        if not self.is_weak or self.permit is None:
            return None
        self.permit.check("a host that takes back a rule of TCP's security")
        return self


def _check_choice(name: str, chosen: str, choices: tuple[str, ...]) -> None:
    if chosen not in choices:
        raise ConfigError(f"{name} is one of {', '.join(choices)}, not {chosen!r}")


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
    security: SecurityConfig = field(default_factory=SecurityConfig)


DEFAULT = TcpConfig()
