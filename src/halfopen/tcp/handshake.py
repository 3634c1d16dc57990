"""Establishing a connection (RFC 9293 3.5, 3.10.7.3)."""

from typing import Final

from halfopen.base.clock import MILLISECOND, NEVER, Duration, Instant
from halfopen.base.errors import ConnectionRefused
from halfopen.tcp.accurate_ecn import CLASSIC
from halfopen.tcp.bsd_rules import keep_text
from halfopen.tcp.congestion.algorithms import make_congestion_control
from halfopen.tcp.early import settle, speaks_early
from halfopen.tcp.ecn import from_record, settle_ecn
from halfopen.tcp.events import CONNECTED
from halfopen.tcp.fast_open import Early, Request
from halfopen.tcp.half_open import SYNACK_TIMEOUT, HalfOpen
from halfopen.tcp.hasty_fin import settle_fin
from halfopen.tcp.linux_acks import Delays
from halfopen.tcp.linux_early import EarlyPackets
from halfopen.tcp.linux_memory import Memory
from halfopen.tcp.linux_receiver import begin
from halfopen.tcp.mtu_raising import begin_search
from halfopen.tcp.negotiation import LAST_WITH_OPTIONS, Agreed, agree, shared, window_shift, without_extensions
from halfopen.tcp.receiving import ReceiveSpace
from halfopen.tcp.state import Event, State, move
from halfopen.tcp.tcb import Phase, Tcb
from halfopen.tcp.timestamps import Timestamps
from halfopen.tcp.windows import WINDOWS, first_window, scaled_octets, send_limit
from halfopen.wire.tcp import ACK, RST, SYN, Segment

SOON: Final[Duration] = 4 * MILLISECOND
"""Linux repeats its SYN a few ticks after an answer to another one, ``TCP_TIMEOUT_MIN``."""

PATIENCE: Final[Duration] = 200 * MILLISECOND
"""So long the ACK of a SYN,ACK may wait (Linux ``TCP_DELACK_MAX``)."""


def start_active(tcb: Tcb, now: Instant, request: Request | None = None) -> None:
    """Active OPEN: <SEQ=ISS><CTL=SYN> is owed (RFC 9293 3.10.1), or waits for text to take along (RFC 7413 4.2.1)."""
    move(tcb, Event.ACTIVE_OPEN)
    if request is not None:
        tcb.user.early = Early(request)
    patience = tcb.user.config.fast_open.manner.patience
    tcb.owed.syn = request is None or not request.sends_text
    if not tcb.owed.syn and patience is not None:
        tcb.timers.patience = now + patience
    tcb.snd.advance(tcb.snd.iss + 1)
    tcb.recovery.progress_at = now


def on_segment_in_syn_sent(tcb: Tcb, seg: Segment, now: Instant) -> bool:
    """SEGMENT ARRIVES in SYN-SENT (RFC 9293 3.10.7.3); whether its ACK, text and FIN are to be looked at further.

    ``seg.ack`` is unwrapped, ``seg.seq`` not yet: there is nothing to unwrap it against.
    """
    snd = tcb.snd
    has_ack = bool(seg.flags & ACK)
    if has_ack and not snd.iss < seg.ack <= snd.nxt:
        if not seg.flags & RST:
            tcb.owed.reset = (seg.ack, None)
        if tcb.user.config.arrivals.order == "linux" and not tcb.recovery.retries:
            tcb.timers.retransmit = min(tcb.timers.retransmit, now + SOON)
        tcb.count("TCPBadAckInSynSent")
        return False
    if seg.flags & RST:
        if has_ack:  # of exactly our SYN (RFC 5961 3.2)
            tcb.count("AttemptFails")
            tcb.delete(ConnectionRefused("the peer answered our SYN with RST"))
        return False
    if not seg.flags & SYN:
        tcb.count("TCPNoSynInSynSent")
        return False
    take_syn(tcb, seg, now)
    if has_ack:
        move(tcb, Event.RCV_SYN_ACK)
        establish(tcb, seg, seg.window, now)
        _acknowledge(tcb, now)
    else:
        move(tcb, Event.RCV_SYN)
        tcb.owed.syn = True
        snd.update_window(tcb.rcv.irs, snd.iss, seg.window)
        if tcb.user.config.arrivals.order == "bsd":
            keep_text(tcb, seg)
    return has_ack


def _acknowledge(tcb: Tcb, now: Instant) -> None:
    """The ACK of a SYN,ACK goes at once. Linux lets it wait for text that is sure to come, or that is waited for."""
    acks, config = tcb.owed.acks, tcb.user.config
    delays = acks.delays
    if delays is not None and (config.acks.awaits_text or config.listening.defer_accept or delays.talks):
        acks.put_off(now + PATIENCE)
    else:
        acks.at_once()


def take_syn(tcb: Tcb, seg: Segment, now: Instant) -> None:
    """IRS, RCV.NXT and everything that the peer's options decide; the SYN itself is done with."""
    opening = tcb.opening
    has_dropped = opening.config.options.drops_late and tcb.recovery.retries > LAST_WITH_OPTIONS
    config = without_extensions(opening.config) if has_dropped else opening.config
    tcb.agreed = shared(agree(config, seg, opening.default_mss, opening.signature_octets))
    settle_ecn(tcb, seg)
    tcb.timestamps = None
    if tcb.agreed.timestamps and seg.options is not None and seg.options.timestamps is not None:
        tcb.timestamps = Timestamps(opening.timestamp_offset)
        tcb.timestamps.start(seg.options.timestamps[0], now)
    _begin_to_receive(tcb, seg.seq, tells_mss=seg.options is not None and seg.options.mss is not None)
    seg.seq = tcb.rcv.nxt
    seg.flags &= ~SYN
    _size_segments(tcb)


def _begin_to_receive(tcb: Tcb, irs: int, *, tells_mss: bool = True) -> None:
    """RCV.*, with the window that our SYN offers, or has offered.

    A BSD takes the smaller MSS of both, and leaves everything as it is if the answer to its SYN tells none.
    """
    buffers, agreed, mss = tcb.user.config.buffers, tcb.agreed, tcb.opening.receive_mss
    if WINDOWS[buffers.window].rounding == "up":
        mss = min(mss, agreed.mss) if tells_mss else 0
    elif not tcb.user.is_active:
        mss -= agreed.option_octets
    tcb.rcv = ReceiveSpace(irs, first_window(buffers, mss), agreed.rcv_shift, WINDOWS[buffers.window].offer)
    if WINDOWS[buffers.window].offer == "segments":
        tcb.owed.acks.delays = tcb.owed.acks.delays or Delays()
        tcb.rcv.early = EarlyPackets()
        tcb.rcv.memory = Memory(buffers, first_window(buffers, mss), tcb.opening.receive_mss)
    tcb.rcv.offer_syn()


def _size_segments(tcb: Tcb) -> None:
    """Eff.snd.MSS (MUST-16) and, from it, the initial window: one segment if the SYN was lost (RFC 5681 3.1).

    Linux forgives the first loss.
    """
    mss = min(tcb.agreed.mss, tcb.opening.mss) - tcb.agreed.option_octets
    if tcb.user.config.timeouts.mtu_search.mode > 1:
        low = begin_search(tcb, mss, tcb.user.received_at)
        if tcb.user.is_active or tcb.user.config.arrivals.order != "linux":
            mss = low
    tcb.snd.resize(mss, tcb.opening.burst)
    tcb.snd.flight.resent += tcb.recovery.retries
    tcb.bound(send_limit(tcb.user.config.buffers, mss + tcb.agreed.option_octets))
    tcb.congestion = make_congestion_control(tcb.user.config.congestion, mss)
    if tcb.recovery.retries > (tcb.user.config.arrivals.order == "linux"):
        tcb.congestion.on_lost_syn()


def establish(tcb: Tcb, seg: Segment, window: int, now: Instant) -> None:
    """ESTABLISHED: our SYN is acknowledged, by a segment that gives the first ``window``, in octets (3.10.7.4).

    The handshake is the first RTT sample, unless a SYN was sent twice (Karn, RFC 6298 3), or nobody knows when.
    """
    snd, recovery = tcb.snd, tcb.recovery
    retries = recovery.retries
    was_sent_twice = retries > 0
    was_early = speaks_early(tcb)
    if tcb.state is State.SYN_RECEIVED:
        move(tcb, Event.RCV_ACK_OF_SYN)
        was_sent_twice = was_sent_twice or tcb.user.is_active  # as SYN, and as SYN,ACK
    snd.acknowledge(snd.iss + 1)
    snd.wl = (0, 0)
    snd.update_window(seg.seq, seg.ack, window)
    if not was_sent_twice and recovery.progress_at < NEVER:
        tcb.rtt.sample(max(1, now - recovery.progress_at), now)
    tcb.rtt.on_established(retries > 0)
    recovery.retries = 0
    if not was_early:
        recovery.phase = Phase.OPEN
        recovery.point = snd.una - 1
    recovery.ecn_point = snd.una
    recovery.progress_at = recovery.sent_at = tcb.user.received_at = now
    tcb.timers.retransmit = NEVER
    keep_alive = tcb.user.config.keep_alive
    if keep_alive.enabled:
        tcb.timers.keep_alive = now + keep_alive.idle
    tcb.owed.syn = False
    if tcb.rcv.memory is not None:
        begin(tcb, tcb.rcv.memory, now)
    if not was_early:
        tcb.tell(CONNECTED)
    tcb.note(now, "ESTABLISHED")
    settle(tcb, seg, retries, now)
    settle_fin(tcb, seg, now)


def resume(tcb: Tcb, half_open: HalfOpen, now: Instant) -> None:
    """A peer of the half-open table has sent the ACK: its connection, in SYN-RECEIVED, as if it had always been one."""
    move(tcb, Event.PASSIVE_OPEN)
    move(tcb, Event.RCV_SYN)
    opening = tcb.opening
    scale = half_open.window_scale
    agreed = Agreed(
        mss=half_open.peer_mss,
        snd_shift=scale if scale is not None else 0,
        rcv_shift=window_shift(scaled_octets(opening.config.buffers)) if scale is not None else 0,
        sack=half_open.sack_permitted,
        ecn=half_open.ecn == CLASSIC,
        accurate=from_record(half_open.ecn, half_open.retransmissions),
        timestamps=half_open.ts_recent is not None,
        signature_octets=opening.signature_octets,
    )
    tcb.agreed = shared(agreed)
    _begin_to_receive(tcb, half_open.irs)
    if half_open.ts_recent is not None:
        tcb.timestamps = Timestamps(opening.timestamp_offset)
        tcb.timestamps.start(half_open.ts_recent, now)
        tcb.timestamps.last_ack_sent = tcb.rcv.nxt
    if half_open.is_challenged:
        tcb.owed.challenged_at = now
    tcb.recovery.retries = half_open.retransmissions
    is_bsd = opening.config.arrivals.order == "bsd"
    is_timed = half_open.ts_recent is not None or not is_bsd
    first_wait = opening.config.retransmission.rto_initial if is_bsd else SYNACK_TIMEOUT
    tcb.recovery.progress_at = half_open.deadline - first_wait if half_open.deadline and is_timed else NEVER
    _size_segments(tcb)
    tcb.snd.advance(tcb.snd.iss + 1)
