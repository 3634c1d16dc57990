"""What a passive OPEN is told, and what it makes of SYNs (RFC 9293 3.10.1, 3.10.7.2)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from halfopen.base.clock import Instant
from halfopen.base.counters import Counters
from halfopen.base.trace import SILENT, TraceSink
from halfopen.tcp.accurate_ecn import ACCURATE, CLASSIC, handshake_option
from halfopen.tcp.challenges import ChallengeBudget
from halfopen.tcp.config import DEFAULT, TcpConfig
from halfopen.tcp.cookies import Cookies, date
from halfopen.tcp.ecn import answering_flags, to_record
from halfopen.tcp.fast_open import FastOpenServer
from halfopen.tcp.half_open import HalfOpen, HalfOpenTable
from halfopen.tcp.isn import IsnGenerator
from halfopen.tcp.metrics import NO_METRICS, Metrics, with_metrics
from halfopen.tcp.negotiation import DEFAULT_MSS, agree, answer
from halfopen.tcp.proven import ProvenPeers
from halfopen.tcp.seqnum import signed_difference, wrap
from halfopen.tcp.tcb import Opening
from halfopen.tcp.timestamps import clock_value
from halfopen.tcp.windows import syn_window
from halfopen.wire.tcp import ACK, SYN, Segment
from halfopen.wire.tcp_options import TIMESTAMPS_OCTETS


@dataclass(slots=True, frozen=True, kw_only=True)
class PathLimits:
    """What the host knows about the path to one peer; the fields are those of `halfopen.tcp.tcb.Opening`."""

    mss: int = 1460
    burst: int = 0
    default_mss: int = DEFAULT_MSS
    timestamp_offset: int = 0
    signature_octets: int = 0
    metrics: Metrics = NO_METRICS
    """What the host's routes say of it."""

    @property
    def receive_mss(self) -> int:
        """Our MSS option, if the user wants no smaller one."""
        return self.mss if self.metrics.advertised_mss is None else self.metrics.advertised_mss

    def configured(self, config: TcpConfig) -> TcpConfig:
        """``config`` as it is to be for this path."""
        return with_metrics(config, self.metrics, self.receive_mss)


Paths: TypeAlias = Callable[[bytes], PathLimits]
"""From a flow to what is known about its path. A pure look-up: it is handed in, and calls nothing back."""


@dataclass(slots=True, frozen=True, kw_only=True)
class Admission:
    """Who gets into the half-open table, and stays there."""

    always_cookies: bool = False
    """Nobody (Linux ``tcp_syncookies=2``)."""
    sealed: bool = False
    """Each SYN,ACK of the table has a cookie for ISS too: who has to leave it can still complete its handshake."""
    proven_reserve: float = 0.0
    """Which share of the places is for proven peers only."""
    bad_ack_budget: int | None = None
    """After so many wrong ACKs a half-open peer is forgotten."""
    fast_open: FastOpenServer | None = None
    """Who judges SYNs with text, if the configuration wants any."""


@dataclass(slots=True, frozen=True, kw_only=True)
class Listening:
    """What a passive OPEN needs to know (RFC 9293 3.10.1)."""

    port: int
    isn: IsnGenerator
    paths: Paths
    table: HalfOpenTable
    cookies: Cookies | None = None
    """For SYNs that the table has refused; if `Admission.sealed`, for all."""
    proven: ProvenPeers | None = None
    """Who may take the last places of the table; None: anybody."""
    admission: Admission = Admission()
    backlog: int = 4096
    """Connections that may wait in `poll_accept`; above, the ACK that would complete one more is dropped."""
    challenges: ChallengeBudget | None = None
    config: TcpConfig = DEFAULT
    counters: Counters
    trace: TraceSink = SILENT


def kept_from(listening: Listening, flow: bytes, now: Instant) -> int:
    """How many places of each bucket the peer of ``flow`` must leave to others."""
    if listening.proven is None or listening.proven.knows(flow, now):
        return 0
    return int(listening.table.ways * listening.admission.proven_reserve)


def make_record(listening: Listening, flow: bytes, syn: Segment, limits: PathLimits) -> HalfOpen:
    """What its SYN says of a peer, as far as we agree; there is no ISS yet."""
    agreed = agree(listening.config, syn, limits.default_mss)
    options = syn.options
    scaled = listening.config.options.window_scaling and options is not None and options.window_scale is not None
    timestamps = options.timestamps if options is not None and agreed.timestamps else None
    return HalfOpen(
        flow=flow,
        irs=syn.seq,
        iss=0,
        peer_mss=min(agreed.mss, 0xFFFF),
        window_scale=agreed.snd_shift if scaled else None,
        sack_permitted=agreed.sack,
        ecn=to_record(agreed),
        ts_recent=timestamps[0] if timestamps is not None else None,
    )


def choose_iss(listening: Listening, record: HalfOpen, now: Instant) -> int:
    """ISS for a peer that shall have a place in the table: a cookie if all are to be one.

    After a connection that is in TIME-WAIT only one above its numbers will do (RFC 1122 4.2.2.13 (a)).
    """
    cookies = listening.cookies
    if cookies is None or not listening.admission.sealed:
        return listening.isn.next(record.flow, now)
    cookie, least = cookies.bake(record, now), listening.isn.least(record.flow)
    if least is not None and signed_difference(cookie, least) < 0:
        return listening.isn.next(record.flow, now)
    return cookie


def syn_ack(listening: Listening, record: HalfOpen, now: Instant, limits: PathLimits | None = None) -> Segment:
    """<SEQ=ISS><ACK=RCV.NXT><CTL=SYN,ACK>; ``limits`` are the path's, if they are at hand.

    They are for the first, which alone has the option of Accurate ECN: some paths may not like it (RFC 9768 3.2.3.2.2).
    """
    is_first = limits is not None
    stamps = None
    if limits is None:
        limits = listening.paths(record.flow)
    if record.ts_recent is not None:
        stamps = (clock_value(limits.timestamp_offset, now), record.ts_recent)
    scaled = record.window_scale is not None
    options = answer(listening.config, limits.receive_mss, stamps, record.sack_permitted, scaled)
    if is_first and record.ecn & ACCURATE and listening.config.options.ecn_manner.option:
        handshake_option(options)
    return Segment(
        listening.port,
        _remote_port(record.flow),
        seq=wrap(record.iss),
        ack=wrap(record.irs + 1),
        flags=SYN | ACK | answering_flags(record.ecn, record.retransmissions),
        window=syn_window(
            limits.configured(listening.config).buffers, limits.receive_mss - (TIMESTAMPS_OCTETS if stamps else 0)
        ),
        options=options,
    )


def bake(cookies: Cookies, record: HalfOpen, now: Instant) -> None:
    """The peer itself is to keep its record: what that cannot say, without timestamps all but an MSS, is given up."""
    if record.ts_recent is None:
        record.window_scale = None
        record.sack_permitted = False
        record.ecn = 0
    record.ecn &= CLASSIC
    record.iss = cookies.bake(record, now)


def recall(listening: Listening, flow: bytes, ack: Segment, now: Instant) -> tuple[HalfOpen, PathLimits] | None:
    """The record that an ACK brings back in a cookie, and what is known of its path; None if it brings none."""
    if listening.cookies is None:
        return None
    record = listening.cookies.check(flow, ack, now)
    if record is None:
        return None
    limits = listening.paths(flow)
    return (record, limits) if date(record, ack, clock_value(limits.timestamp_offset, now), now) else None


def make_opening(listening: Listening, record: HalfOpen, limits: PathLimits) -> Opening:
    """What the connection is to know that a record becomes."""
    return Opening(
        local_port=listening.port,
        remote_port=_remote_port(record.flow),
        iss=record.iss,
        mss=limits.mss,
        burst=limits.burst,
        default_mss=limits.default_mss,
        advertised_mss=limits.metrics.advertised_mss,
        timestamp_offset=limits.timestamp_offset,
        challenges=listening.challenges,
        signature_octets=limits.signature_octets,
        config=limits.configured(listening.config),
        counters=listening.counters,
        trace=listening.trace,
    )


def _remote_port(flow: bytes) -> int:
    return int.from_bytes(flow[-4:-2], "big")
