"""What a passive OPEN is told, and what it makes of SYNs (RFC 9293 3.10.1, 3.10.7.2)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from halfopen.base.clock import Instant
from halfopen.base.counters import Counters
from halfopen.base.trace import SILENT, TraceSink
from halfopen.tcp.challenges import ChallengeBudget
from halfopen.tcp.config import DEFAULT, TcpConfig
from halfopen.tcp.cookies import Cookies
from halfopen.tcp.half_open import HalfOpen, HalfOpenTable
from halfopen.tcp.isn import IsnGenerator
from halfopen.tcp.negotiation import DEFAULT_MSS, agree, answer
from halfopen.tcp.proven import ProvenPeers
from halfopen.tcp.seqnum import wrap
from halfopen.tcp.tcb import Opening
from halfopen.tcp.timestamps import clock_value
from halfopen.wire.tcp import ACK, ECE, SYN, Segment


@dataclass(slots=True, frozen=True, kw_only=True)
class PathLimits:
    """What the host knows about the path to one peer; the fields are those of `halfopen.tcp.tcb.Opening`."""

    mss: int = 1460
    burst: int = 0
    default_mss: int = DEFAULT_MSS
    timestamp_offset: int = 0
    signature_octets: int = 0


Paths: TypeAlias = Callable[[bytes], PathLimits]
"""From a flow to what is known about its path. A pure look-up: it is handed in, and calls nothing back."""


@dataclass(slots=True, frozen=True, kw_only=True)
class Admission:
    """Who gets into the half-open table, and stays there."""

    always_cookies: bool = False
    """Nobody (Linux ``tcp_syncookies=2``)."""
    proven_reserve: float = 0.0
    """Which share of the places is for proven peers only."""
    bad_ack_budget: int | None = None
    """After so many wrong ACKs a half-open peer is forgotten."""


@dataclass(slots=True, frozen=True, kw_only=True)
class Listening:
    """What a passive OPEN needs to know (RFC 9293 3.10.1)."""

    port: int
    isn: IsnGenerator
    paths: Paths
    table: HalfOpenTable
    cookies: Cookies | None = None
    """For SYNs that the table has refused."""
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


def make_record(listening: Listening, flow: bytes, syn: Segment, now: Instant) -> HalfOpen:
    """What its SYN says of a peer, as far as we agree, and an ISS."""
    limits = listening.paths(flow)
    agreed = agree(listening.config, syn, limits.default_mss)
    options = syn.options
    scaled = listening.config.options.window_scaling and options is not None and options.window_scale is not None
    timestamps = options.timestamps if options is not None and agreed.timestamps else None
    return HalfOpen(
        flow=flow,
        irs=syn.seq,
        iss=listening.isn.next(flow, now),
        peer_mss=min(agreed.mss, 0xFFFF),
        window_scale=agreed.snd_shift if scaled else None,
        sack_permitted=agreed.sack,
        ecn=agreed.ecn,
        ts_recent=timestamps[0] if timestamps is not None else None,
    )


def syn_ack(listening: Listening, record: HalfOpen, now: Instant, value: int | None = None) -> Segment:
    """<SEQ=ISS><ACK=RCV.NXT><CTL=SYN,ACK>; ``value`` is a TSval that is not our clock's."""
    limits = listening.paths(record.flow)
    stamp = None
    if record.ts_recent is not None:
        stamp = (clock_value(limits.timestamp_offset, now) if value is None else value, record.ts_recent)
    scaled = record.window_scale is not None
    return Segment(
        listening.port,
        _remote_port(record.flow),
        seq=wrap(record.iss),
        ack=wrap(record.irs + 1),
        flags=SYN | ACK | (ECE if record.ecn else 0),
        window=min(listening.config.buffers.first_window, 0xFFFF),
        options=answer(listening.config, limits.mss, stamp, record.sack_permitted, scaled),
    )


def bake(listening: Listening, cookies: Cookies, record: HalfOpen, now: Instant) -> Segment:
    """A SYN,ACK that says all that is to be known of the peer; without timestamps it has room for an MSS only."""
    baked = cookies.bake(record, now)
    record.iss = baked.iss
    if baked.value is None:
        record.window_scale = None
        record.sack_permitted = record.ecn = False
    return syn_ack(listening, record, now, baked.value)


def make_opening(listening: Listening, record: HalfOpen, limits: PathLimits) -> Opening:
    """What the connection is to know that a record becomes."""
    return Opening(
        local_port=listening.port,
        remote_port=_remote_port(record.flow),
        iss=record.iss,
        mss=limits.mss,
        burst=limits.burst,
        default_mss=limits.default_mss,
        timestamp_offset=limits.timestamp_offset,
        challenges=listening.challenges,
        signature_octets=limits.signature_octets,
        config=listening.config,
        counters=listening.counters,
        trace=listening.trace,
    )


def _remote_port(flow: bytes) -> int:
    return int.from_bytes(flow[-4:-2], "big")
