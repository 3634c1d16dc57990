"""What a passive OPEN is told, and what it makes of SYNs (RFC 9293 3.10.1, 3.10.7.2)."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeAlias

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
from halfopen.wire.tcp_options import TIMESTAMPS_OCTETS, Options


@dataclass(slots=True, init=False)
class PathLimits:
    """What the host knows about the path to one peer; the fields are those of `halfopen.tcp.tcb.Opening`."""

    mss: int
    burst: int
    default_mss: int
    timestamp_offset: int
    signature_octets: int
    metrics: Metrics
    """What the host's routes say of it."""

    def __init__(
        self,
        mss: int = 1460,
        burst: int = 0,
        default_mss: int = DEFAULT_MSS,
        timestamp_offset: int = 0,
        signature_octets: int = 0,
        metrics: Metrics = NO_METRICS,
    ) -> None:
        self.mss = mss
        self.burst = burst
        self.default_mss = default_mss
        self.timestamp_offset = timestamp_offset
        self.signature_octets = signature_octets
        self.metrics = metrics

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
    """Which share of the places is for proven peers only ..."""
    proven: ProvenPeers | None = None
    """... whom these know; None: there is no such share."""
    bad_ack_budget: int | None = None
    """After so many wrong ACKs a half-open peer is forgotten."""
    fast_open: FastOpenServer | None = None
    """Who judges SYNs with text, if the configuration wants any."""


class Forms:
    """What SYNs that say the same have in common, and SYN,ACKs on paths that are alike: worked out once, then kept."""

    __slots__ = ("answers", "records")

    def __init__(self) -> None:
        self.records: dict[int, HalfOpen] = {}
        self.answers: dict[int, tuple[Options, int]] = {}
        """Options without timestamps' values, and the window."""


FORMS_KEPT: Final = 1024
"""Of each kind: peers can make up more."""


@dataclass(slots=True, frozen=True, kw_only=True)
class Listening:
    """What a passive OPEN needs to know (RFC 9293 3.10.1)."""

    port: int
    isn: IsnGenerator
    paths: Paths
    table: HalfOpenTable
    cookies: Cookies | None = None
    """For SYNs that the table has refused; if `Admission.sealed`, for all."""
    admission: Admission = Admission()
    backlog: int = 4096
    """Connections that may wait in `poll_accept`; above, the ACK that would complete one more is dropped."""
    challenges: ChallengeBudget | None = None
    config: TcpConfig = DEFAULT
    counters: Counters
    trace: TraceSink = SILENT
    forms: Forms = field(default_factory=Forms, init=False, compare=False, repr=False)


def kept_from(listening: Listening, flow: bytes, now: Instant) -> int:
    """How many places of each bucket the peer of ``flow`` must leave to others."""
    proven = listening.admission.proven
    if proven is None or proven.knows(flow, now):
        return 0
    return int(listening.table.ways * listening.admission.proven_reserve)


def make_record(listening: Listening, flow: bytes, syn: Segment, limits: PathLimits) -> HalfOpen:
    """What its SYN says of a peer, as far as we agree; there is no ISS yet."""
    options, known = syn.options, listening.forms.records
    said = syn.flags << 4 | syn.ecn
    if options is not None:
        said = said << 9 | (0 if options.window_scale is None else options.window_scale + 1)
        said = said << 18 | (options.mss or 0) << 2 | options.sack_permitted << 1 | (options.timestamps is not None)
    form = known.get(said << 16 | limits.default_mss)
    if form is None:
        if len(known) >= FORMS_KEPT:
            known.clear()
        form = known[said << 16 | limits.default_mss] = _make_form(listening.config, syn, limits.default_mss)
    stamps = options.timestamps if options is not None and form.ts_recent is not None else None
    return HalfOpen(
        flow,
        syn.seq,
        0,
        form.peer_mss,
        form.window_scale,
        form.sack_permitted,
        form.ecn,
        stamps[0] if stamps is not None else None,
    )


def _make_form(config: TcpConfig, syn: Segment, default_mss: int) -> HalfOpen:
    """The record of nobody: what all have in common who send such SYNs."""
    agreed = agree(config, syn, default_mss)
    scaled = config.options.window_scaling and syn.options is not None and syn.options.window_scale is not None
    return HalfOpen(
        b"",
        0,
        0,
        peer_mss=min(agreed.mss, 0xFFFF),
        window_scale=agreed.snd_shift if scaled else None,
        sack_permitted=agreed.sack,
        ecn=to_record(agreed),
        ts_recent=0 if agreed.timestamps else None,
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
    form, window = _answer_form(listening, record, limits)
    options = form.copy()
    options.timestamps = stamps
    if is_first and record.ecn & ACCURATE and listening.config.options.ecn_manner.option:
        handshake_option(options)
    return Segment(
        listening.port,
        _remote_port(record.flow),
        seq=wrap(record.iss),
        ack=wrap(record.irs + 1),
        flags=SYN | ACK | answering_flags(record.ecn, record.retransmissions),
        window=window,
        options=options,
    )


def _answer_form(listening: Listening, record: HalfOpen, limits: PathLimits) -> tuple[Options, int]:
    """Options and window of SYN,ACKs to such peers; what a route says for itself is looked up each time."""
    known, is_stamped = listening.forms.answers, record.ts_recent is not None
    said = limits.receive_mss << 3 | is_stamped << 2 | record.sack_permitted << 1 | (record.window_scale is not None)
    form = known.get(said) if limits.metrics is NO_METRICS else None
    if form is not None:
        return form
    mss, scaled = limits.receive_mss, record.window_scale is not None
    options = answer(listening.config, mss, None, record.sack_permitted, scaled)
    buffers, told = limits.configured(listening.config).buffers, min(mss, listening.config.options.mss or mss)
    window = syn_window(buffers, told - (TIMESTAMPS_OCTETS if is_stamped else 0))
    if limits.metrics is NO_METRICS and len(known) < FORMS_KEPT:
        known[said] = options, window
    return options, window


def challenge(listening: Listening, record: HalfOpen, now: Instant) -> Segment:
    """<SEQ=ISS+1><ACK=RCV.NXT><CTL=ACK>, with what the SYN,ACK has, but for the options that belong to it."""
    segment = syn_ack(listening, record, now)
    assert segment.options is not None
    segment.seq = wrap(record.iss + 1)
    segment.flags = ACK
    segment.options = Options(timestamps=segment.options.timestamps)
    return segment


def bake(cookies: Cookies, record: HalfOpen, now: Instant) -> None:
    """The peer itself is to keep its record: what that cannot say, without timestamps all but an MSS, is given up."""
    if record.ts_recent is None and not cookies.is_complete:
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
