"""What can be chosen about a connection, grouped by topic. Every group is frozen: connections share one default.

Defaults are Linux's where the RFCs leave room, and stricter where a known attack speaks for it; each says so.
"""

from dataclasses import dataclass, field, fields
from enum import Enum
from typing import Final

from halfopen.base.clock import MILLISECOND, MINUTE, SECOND, Duration
from halfopen.base.errors import ConfigError
from halfopen.base.permit import Permit
from halfopen.tcp.congestion_config import CongestionConfig
from halfopen.tcp.fast_open_config import FastOpenConfig as FastOpenConfig
from halfopen.tcp.linux_config import LinuxReceiverConfig, LinuxRetransmissionConfig
from halfopen.tcp.mss_config import MssManner
from halfopen.tcp.mtu_search import MtuSearchConfig


class Ecn(Enum):
    """Explicit congestion notification (RFC 3168): never, when the peer asks (Linux's default), or asking ourselves.

    From `ACCURATE` on a peer that asks for Accurate ECN (RFC 9768) gets that; ourselves we ask for it, for the classic
    kind, or for neither. The numbers are those of Linux's ``tcp_ecn``.
    """

    OFF = 0
    ACTIVE = 1
    PASSIVE = 2
    ACCURATE = 3
    ACCURATE_IF_ASKED = 4
    ACCURATE_PASSIVE = 5


@dataclass(slots=True, frozen=True, kw_only=True)
class EcnConfig:
    """How ECN copes with paths that spoil it, and how much of it is told (RFC 3168 6.1.1.1, RFC 9768 3)."""

    fallback: bool = True
    """A SYN that nothing has come of is sent again without it, and nonsense ends it (``tcp_ecn_fallback``)."""
    checks_unmarked: bool = True
    """Of a SYN,ACK without CE as well it is checked whether it has seen our SYN as it was sent (RFC 9768 3.2.2.3)."""
    asks_again: int | None = None
    """How often a SYN that nothing has come of asks again (FreeBSD ``ecn.maxretries``); None: not at all (RFC 3168
    6.1.1.1), or once if for Accurate ECN (RFC 9768 3.1.4.1)."""
    is_hasty: bool = True
    """Congestion that has been seen is told at once (Linux), else with the next ACK there is."""
    marks_acks: bool = True
    """With Accurate ECN all segments are ECN-capable (Linux), else new text only, as RFC 3168 6.1.4 has it."""
    option: int = 2
    """The option with counters of octets goes never (0), when something has changed or is due (1), wherever it fits
    (2), also where it does not seem to get through (3; ``tcp_ecn_option``)."""
    beacon: int = 3
    """How often in a round trip it is due (``tcp_ecn_option_beacon``)."""

    def __post_init__(self) -> None:
        if not 0 <= self.option <= 3 or self.beacon < 0:
            raise ConfigError(f"option is 0 to 3 and beacon at least 0, not {self.option} and {self.beacon}")


@dataclass(slots=True, frozen=True, kw_only=True)
class OptionsConfig:
    """Which options a SYN of ours offers and accepts."""

    mss: int | None = None
    """What no segment is to exceed, the peer's, by the MSS option, nor ours (``TCP_MAXSEG``); None takes what the
    interface's MTU allows (RFC 9293 3.7.1), and a larger one than that means nothing."""
    mss_manner: MssManner = field(default_factory=MssManner)
    least_mss: int = 48
    """No MSS option makes us send less (Linux ``tcp_min_snd_mss``; FreeBSD ``minmss`` has 216): smaller ones would turn
    one octet into one packet, CVE-2019-11479."""
    window_scaling: bool = True
    timestamps: bool = True
    sack: bool = True
    dsack: bool = True
    """Octets that came twice are reported too (RFC 2883, Linux ``tcp_dsack``)."""
    ecn: Ecn = Ecn.PASSIVE
    ecn_manner: EcnConfig = field(default_factory=EcnConfig)
    drops_late: bool = False
    """From the third retransmission on a SYN has no option but the MSS (FreeBSD ``rexmit_drop_options``)."""
    layout: str = "aligned"
    """How a SYN carries them: ``"aligned"``, as Linux; ``"dense"``, as the BSDs (`halfopen.wire.tcp_options.emit`)."""
    needs_timestamps: bool = False
    """What comes without the timestamps agreed on is dropped, RST apart (RFC 7323 3.2; FreeBSD
    ``tolerate_missing_ts=0``). Linux takes it."""

    def __post_init__(self) -> None:
        _check_choice("layout", self.layout, ("aligned", "dense"))


@dataclass(slots=True, frozen=True, kw_only=True)
class BufferConfig:
    """Octets a connection may hold."""

    receive: int = 6 * 1024 * 1024
    """The largest receive window and queue; also chooses the window scale (Linux ``tcp_rmem[2]``)."""
    receive_initial: int = 512 * 1024
    """The receive window to start with; it doubles while the peer fills it (Linux ``tcp_rmem[1]``, auto-tuning)."""
    scale_for: int = 0
    """The window scale can express at least so much, however small the buffer (FreeBSD ``kern.ipc.maxsockbuf``)."""
    send: int = 4 * 1024 * 1024
    """Octets in flight at most, for they stay here until they are acknowledged; and octets queued above which SEND
    should wait, though the asyncio face keeps to less (Linux ``tcp_wmem[2]``, ``SO_SNDBUF``)."""
    send_initial: int = 16384
    """What a program may queue at first, where that is to grow with the congestion window (Linux ``tcp_wmem[1]``)."""
    window_clamp: int | None = None
    """No larger window is offered, whatever the buffer has (``TCP_WINDOW_CLAMP``)."""
    unsent_low: int | None = None
    """SEND should wait while so many octets have never been sent (``TCP_NOTSENT_LOWAT``)."""
    window: str = "steady"
    """What is offered of the buffer: a key of `halfopen.tcp.windows.WINDOWS`."""
    linux: LinuxReceiverConfig = field(default_factory=LinuxReceiverConfig)
    """If it is ``"linux"``: more about that."""
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
class TimeoutConfig:
    """Where hosts differ in what a timeout is."""

    rto_min_of: str = "variance"
    """What `RetransmissionConfig.rto_min` bounds: 4 * RTTVAR (``"variance"``, as Linux), or all of the RTO
    (``"whole"``, RFC 6298 2.4)."""
    times_sacked: bool = True
    """What is selectively acknowledged gives samples of the round trip; FreeBSD waits until SND.UNA moves."""
    slop: Duration = 0
    """Added to every RTO but the first (FreeBSD ``rexmit_slop``)."""
    mtu_search: MtuSearchConfig = field(default_factory=MtuSearchConfig)
    """What a timeout says of the path MTU."""
    connect: Duration | None = None
    """An attempt to connect ends then, however many SYNs have been sent (FreeBSD ``keepinit``, ``TCP_KEEPINIT``)."""
    persist_min: Duration = 0
    """Between probes of a closed window lies an RTO, but at least this time (FreeBSD ``persmin``, 5 s) ..."""
    persist_max: Duration = 120 * SECOND
    """... and at most this one (``persmax``, 60 s)."""
    persist_from: str = "rto"
    """What the time between probes is made of: the RTO (``"rto"``), or SRTT and RTTVAR as ``"bsd"`` has it."""
    probes_with_text: bool = False
    """A probe of a closed window has the next octet, as RFC 9293 3.8.6.1 says and the BSDs do; else none."""

    frto: bool = False
    """After a timeout new text is tried first, to find out whether anything was lost (RFC 5682, Linux ``tcp_frto``)."""
    linux: LinuxRetransmissionConfig = field(default_factory=LinuxRetransmissionConfig)
    """Which of Linux's liberties are taken in backoff, and in what is sent again."""

    def __post_init__(self) -> None:
        _check_choice("rto_min_of", self.rto_min_of, ("variance", "whole"))
        _check_choice("persist_from", self.persist_from, ("rto", "bsd"))


@dataclass(slots=True, frozen=True, kw_only=True)
class AckConfig:
    """When segments are acknowledged and data is sent (RFC 9293 3.8.6)."""

    delay: Duration = 40 * MILLISECOND
    """The delayed ACK timer; MUST-40 allows 500 ms."""
    quick: int = 16
    """Segments at the start that are acknowledged at once, so that the peer's window grows (Linux quickack)."""
    switched: int = 0
    """How often ``TCP_QUICKACK`` was set. Each time `quick` holds anew, though it may be what it was."""
    second: str = "full"
    """Which second segment is acknowledged at once: the second ``"full"`` one's worth of octets, or the second of
    ``"any"`` size, as the BSDs do."""
    manner: str = "steady"
    """How long an ACK waits: ``"steady"``, always for `delay`; ``"linux"``, as `halfopen.tcp.linux_acks` has it."""
    nagle: bool = True
    nagle_for: str = "any"
    """What a segment that is not full waits for: ``"any"`` text in flight (RFC 9293 3.7.4), what is ``"small"`` itself
    (Minshall's variant, Linux), or any ``"earlier"`` than the call at hand (the BSDs)."""
    cork: bool = False
    """Segments that are not full wait until `patience` is out, or this is taken back (Linux ``TCP_CORK``)."""
    awaits_text: bool = False
    """SEND waits for the connection: the ACK of the SYN,ACK waits for its text (Linux ``sk_write_pending``)."""
    patience: str = "fixed"
    """For how long: 200 ms, or an RTO if that is longer (``"rto"``, Linux), or as long as a closed window is waited for
    before it is probed (``"persist"``, the BSDs)."""
    challenge_interval: Duration = 500 * MILLISECOND
    """At most one challenge ACK per connection in this time (RFC 5961 7; Linux ``tcp_invalid_ratelimit``)."""
    challenge_count: int = 1
    """Or so many (FreeBSD ``ack_war_cnt`` in ``ack_war_timewindow``); 0: they are not limited."""

    def __post_init__(self) -> None:
        _check_choice("second", self.second, ("full", "any"))
        _check_choice("manner", self.manner, ("steady", "linux"))
        _check_choice("nagle_for", self.nagle_for, ("any", "small", "earlier"))
        _check_choice("patience", self.patience, ("fixed", "rto", "persist"))


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
    fin_wait_2_by_keep_alive: bool = False
    """Instead it is given up as one whose keep-alive probes go unanswered (FreeBSD ``fast_finwait2_recycle=0``)."""
    linger: Duration | None = None
    """None: close returns and data is sent in peace. 0: close resets. Otherwise unsent data gets this long."""
    is_deaf: bool = False
    """The user reads no more, though he has not closed: what comes behind our FIN is refused (``SHUT_RD``, Linux)."""
    discards_unwanted: bool = False
    """Instead it is acknowledged and thrown away, and the peer has no longer to close than if he had (the BSDs)."""
    repeats_fin: bool = False
    """Until our FIN is acknowledged every ACK is a FIN again, but for challenges, as from the BSDs."""
    resets_unread: bool = True
    """A user who closes and has not read all resets the connection (RFC 2525 2.17); with a BSD only what comes then
    does."""
    reset: str = "bare"
    """What the RST of an abort has beside its numbers: nothing (``"bare"``), timestamps (``"stamped"``, the BSDs), or
    timestamps, SACK blocks and the window (``"full"``, Linux)."""

    def __post_init__(self) -> None:
        _check_choice("reset", self.reset, ("bare", "stamped", "full"))


@dataclass(slots=True, frozen=True, kw_only=True)
class ListeningConfig:
    """How connections are accepted (RFC 9293 3.10.7.2)."""

    defer_accept: Duration = 0
    """How long after its SYN a peer that has sent no text is not yet handed to the user (``TCP_DEFER_ACCEPT``)."""
    syn_fin: bool = False
    """A SYN with FIN is one without (FreeBSD ``drop_synfin=0``), else it is dropped."""
    refuses_second_syn: bool = False
    """In SYN-RECEIVED a SYN in the window is answered by RST, as by Linux, when the peer returns to LISTEN."""
    complete_cookies: bool = False
    """No option is lost by a SYN cookie, whether there are timestamps or not (FreeBSD)."""
    overflow: str = "wait"
    """Who would be the next to be accepted, but finds no place: has to ``"wait"``, and SYNs are not answered
    meanwhile; is sent a ``"reset"``, or is told nothing but ``"forgotten"`` (FreeBSD ``rst_on_sock_fail``)."""

    def __post_init__(self) -> None:
        _check_choice("overflow", self.overflow, ("wait", "reset", "forgotten"))


@dataclass(slots=True, frozen=True, kw_only=True)
class SecurityConfig:
    """Rules that keep strangers out. Each can be taken back for teaching, if there is a `permit` to do so.

    The permit is asked for every connection, and its error goes to whoever has handed in the segment or call.
    """

    permit: Permit | None = field(default=None, compare=False)
    rfc5961: bool = True
    """RST and SYN have to be exact, or are challenged, and ACKs have to be recent; else RFC 793 3.9 holds."""
    lapsed: frozenset[str] = frozenset()
    """Which parts of `rfc5961` alone do not hold: ``"rst"``, ``"syn"``, ``"ack"`` (FreeBSD ``insecure_rst`` ...)."""
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

    def __post_init__(self) -> None:
        _check_choice("challenge_limit", self.challenge_limit, ("connection", "host", "none"))
        _check_choice("overlap", self.overlap, ("first", "last"))
        weak = [each.name for each in fields(self)[1:] if each.init and getattr(self, each.name) != each.default]
        if weak and self.permit is None:
            raise ConfigError(f"{', '.join(weak)}: no host without a permit may be so weak; only the lab has one")

    @property
    def is_weak(self) -> bool:
        """Some rule does not hold."""
        return self != ALL_RULES

    def lacks(self, part: str) -> bool:
        """Whether a part of RFC 5961 does not hold."""
        return not self.rfc5961 or part in self.lapsed

    def allowed(self) -> "SecurityConfig | None":
        """None if there is nothing weak about it; itself if it is permitted here and now."""
        if not self.is_weak or self.permit is None:
            return None
        self.permit.check("a host that takes back a rule of TCP's security")
        return self


@dataclass(slots=True, frozen=True, kw_only=True)
class ArrivalConfig:
    """How segments are looked at (RFC 9293 3.10.7)."""

    order: str = "rfc9293"
    """``"rfc9293"``; ``"bsd"``: that of 4.4BSD (`halfopen.tcp.bsd_rules`, `halfopen.tcp.syncache`); or ``"linux"``,
    with what Linux does besides (`halfopen.tcp.linux_rules`)."""

    def __post_init__(self) -> None:
        _check_choice("order", self.order, ("rfc9293", "bsd", "linux"))


def _check_choice(name: str, chosen: str, choices: tuple[str, ...]) -> None:
    if chosen not in choices:
        raise ConfigError(f"{name} is one of {', '.join(choices)}, not {chosen!r}")


ALL_RULES: Final = SecurityConfig()


@dataclass(slots=True, frozen=True, kw_only=True)
class TcpConfig:
    """Everything about a connection."""

    options: OptionsConfig = field(default_factory=OptionsConfig)
    buffers: BufferConfig = field(default_factory=BufferConfig)
    retransmission: RetransmissionConfig = field(default_factory=RetransmissionConfig)
    timeouts: TimeoutConfig = field(default_factory=TimeoutConfig)
    congestion: CongestionConfig = field(default_factory=CongestionConfig)
    acks: AckConfig = field(default_factory=AckConfig)
    keep_alive: KeepAliveConfig = field(default_factory=KeepAliveConfig)
    closing: ClosingConfig = field(default_factory=ClosingConfig)
    listening: ListeningConfig = field(default_factory=ListeningConfig)
    fast_open: FastOpenConfig = field(default_factory=FastOpenConfig)
    security: SecurityConfig = field(default_factory=SecurityConfig)
    arrivals: ArrivalConfig = field(default_factory=ArrivalConfig)


DEFAULT: Final = TcpConfig()
