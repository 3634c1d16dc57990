"""SEGMENT ARRIVES (RFC 9293 3.10.7): the steps, in the order that is the specification.

CLOSED is `resets`, LISTEN `listener`, SYN-SENT `handshake`, TIME-WAIT `time_wait`.
"""

from collections.abc import Callable
from functools import cache
from typing import Final, TypeAlias

from halfopen.base.clock import Instant
from halfopen.base.errors import ConnectionAborted, ConnectionReset
from halfopen.tcp import bsd_rules, linux_receiver, linux_rules
from halfopen.tcp.acceptance import check_paws, check_rst, check_sequence, check_syn
from halfopen.tcp.bsd_rules import check_timestamps_present, open_window, trim
from halfopen.tcp.closing import on_fin, on_fin_acknowledged
from halfopen.tcp.config import SecurityConfig
from halfopen.tcp.early import speaks_early
from halfopen.tcp.ecn import on_third_ack, see
from halfopen.tcp.events import READABLE, URGENT
from halfopen.tcp.handshake import establish, on_segment_in_syn_sent, take_syn
from halfopen.tcp.old_rules import believe_rst, charge_nothing, excuse_old_ack, prefer_latest, reset_for_syn
from halfopen.tcp.reassembly import PIECE_OCTETS
from halfopen.tcp.receiving import ReceiveSpace
from halfopen.tcp.recovery import on_ack
from halfopen.tcp.resets import reset_for
from halfopen.tcp.seqnum import unwrap
from halfopen.tcp.state import CAN_RECEIVE, Event, State, move
from halfopen.tcp.tcb import Tcb
from halfopen.tcp.verdict import CONTINUE, STOP, Verdict
from halfopen.tcp.windows import largest_window
from halfopen.wire.tcp import ACK, AE, CWR, ECE, FIN, PSH, RST, SYN, URG, Segment

Step: TypeAlias = Callable[[Tcb, Segment, Instant], Verdict]
"""One check of a segment."""

# Compiled, a member is looked up by its name each time, and a constant is not.
MOST_MERGED: Final = 64
"""Duplicates are counted in no super-segment beyond so many: what it is made of is the word of a device."""

_CLOSED: Final = State.CLOSED
_ESTABLISHED: Final = State.ESTABLISHED
_SYN_RECEIVED: Final = State.SYN_RECEIVED
_SYN_SENT: Final = State.SYN_SENT


def check_simultaneous(tcb: Tcb, seg: Segment, now: Instant) -> Verdict:
    """The peer's SYN in SYN-RECEIVED, which stands one octet left of the window (RFC 9293 Appendix A.2).

    With an ACK of our SYN it is the answer that a simultaneous open ends with (MUST-10): the SYN has been taken
    already, the rest is as in SYN-SENT. Alone it is a retransmission: our SYN,ACK was lost.

    SECURITY: who sends a SYN,ACK with another IRS knows our ISS; the SYN that brought us here need not have been the
    peer's, for it took no knowledge at all. So that one is forgotten, or anybody could end our attempts to connect.
    """
    is_ours = tcb.user.is_active or speaks_early(tcb)
    if tcb.state is not State.SYN_RECEIVED or not is_ours or seg.flags & (SYN | RST) != SYN:
        return CONTINUE
    is_known = seg.seq == tcb.rcv.irs
    if tcb.user.is_active and seg.flags & ACK and tcb.snd.una < seg.ack <= tcb.snd.nxt:
        if is_known:
            seg.flags &= ~SYN
            seg.seq += 1
        else:
            tcb.count("TCPSynReplaced")
            take_syn(tcb, seg, now)
            tcb.owed.acks.at_once()
        establish(tcb, seg, seg.window, now)
        _finish_syn_ack(tcb, seg, now)
    elif is_known:
        tcb.owed.syn = True
    else:
        return CONTINUE
    return STOP


def check_ack(tcb: Tcb, seg: Segment, now: Instant) -> Verdict:
    """Fifth, check the ACK field; acceptable is SND.UNA - MAX.SND.WND <= SEG.ACK <= SND.NXT (RFC 5961 5, MAY-12)."""
    if not seg.flags & ACK:
        tcb.count("TCPNoAck")
        return STOP
    snd = tcb.snd
    if tcb.state is _SYN_RECEIVED:
        return _complete_handshake(tcb, seg, now)
    if seg.ack > snd.nxt:
        tcb.count("TCPAckUnsentData")
        tcb.challenge(now)
        return STOP
    if seg.ack < snd.una - snd.max_wnd:
        tcb.count("TCPAckTooOld")
        tcb.challenge(now)
        return CONTINUE if tcb.user.config.arrivals.order == "linux" and linux_rules.was_predicted(tcb, seg) else STOP
    _believe(tcb, seg, now)
    if seg.ack < snd.una:
        tcb.count("TCPOldAck")
        return CONTINUE
    on_ack(tcb, seg, now)
    if snd.fin and snd.fin_is_acknowledged:
        on_fin_acknowledged(tcb, now)
        if tcb.state is State.CLOSED:
            return STOP
    return CONTINUE


def _complete_handshake(tcb: Tcb, seg: Segment, now: Instant) -> Verdict:
    snd = tcb.snd
    if not snd.iss < seg.ack <= snd.nxt:
        tcb.owed.reset = (seg.ack, None)
        tcb.count("TCPBadAckInSynReceived")
        return STOP
    establish(tcb, seg, seg.window << tcb.agreed.snd_shift, now)
    on_third_ack(tcb, seg)
    _believe(tcb, seg, now)
    if snd.fin:
        move(tcb, Event.CLOSE)
    if tcb.rcv.early.blocks and not seg.octets and tcb.rcv.present():
        _tell_readable(tcb)
    if snd.fin_is_acknowledged:  # it had been sent before the handshake was complete
        on_fin_acknowledged(tcb, now)
    return CONTINUE


def _believe(tcb: Tcb, seg: Segment, now: Instant) -> None:
    """Sequence number and ACK prove that the peer has sent this: it is alive, and its clock may move TS.Recent.

    Not sooner: a forged timestamp would have PAWS refuse all that is genuine (CVE-2005-0356), and a forged sign of life
    keep a dead peer's connection (MUST-26).
    """
    tcb.user.received_at = now
    tcb.owed.unanswered = 0
    timestamps = tcb.timestamps
    if timestamps is not None and seg.options is not None and seg.options.timestamps is not None:
        timestamps.update(seg.options.timestamps[0], seg.seq, now)


def check_urgent(tcb: Tcb, seg: Segment, now: Instant) -> Verdict:
    """Sixth, check the URG bit: RCV.UP <- max(RCV.UP, SEG.UP), and the user hears of it (MUST-32).

    The pointer names the octet after the urgent data (MUST-62), which stays in line (RFC 6093).
    """
    if seg.flags & URG and tcb.state in CAN_RECEIVE:
        position = seg.seq + seg.urgent
        if position > tcb.rcv.up and position > tcb.rcv.queue.start:
            tcb.rcv.up = position
            tcb.tell_once(URGENT)
    return CONTINUE


def process_text(tcb: Tcb, seg: Segment, now: Instant) -> Verdict:
    """Seventh, process the segment text."""
    is_urgent = see(tcb, seg)
    if not seg.octets:
        return CONTINUE
    if tcb.state not in CAN_RECEIVE:
        tcb.count("TCPTextAfterFin")
        return CONTINUE
    if _is_refused(tcb):
        _refuse_text(tcb, seg)
        return STOP
    rcv, memory = tcb.rcv, tcb.rcv.memory
    if memory is not None and linux_receiver.refuses(tcb, seg, memory):
        return CONTINUE
    had_hole, pieces = bool(rcv.early.blocks), rcv.early.pieces
    moved = rcv.accept(seg.seq, seg.payload, seg.octets)
    if memory is not None:
        _finish_as_linux(tcb, seg, moved, (had_hole and not rcv.early.blocks) or is_urgent, now)
        return CONTINUE
    if seg.seq < rcv.edge < seg.seq + seg.octets:
        tcb.count("TCPBeyondWindow")
    if not moved:
        tcb.owed.acks.duplicate(_duplicates(tcb, seg))
        tcb.count(_fate(rcv, seg, pieces))
        return CONTINUE
    _tell_readable(tcb)
    if had_hole or rcv.early.duplicate is not None or is_urgent:
        tcb.owed.acks.at_once()
    rcv.grow(largest_window(tcb.user.config.buffers))
    tcb.owed.acks.on_text(moved, seg.gso_size or seg.octets, tcb.full_size, now, tcb.user.config.acks)
    return CONTINUE


def _finish_as_linux(tcb: Tcb, seg: Segment, moved: int, is_urgent: bool, now: Instant) -> None:
    if moved:
        _tell_readable(tcb)
        if is_urgent:
            tcb.owed.acks.at_once()
    linux_receiver.on_text(tcb, seg, moved, now)


def _duplicates(tcb: Tcb, seg: Segment) -> int:
    """How many ACKs text that moved nothing is owed: a peer without SACK counts them, as if none had been merged."""
    if tcb.agreed.sack or not seg.gso_size:
        return 1
    return min(-(-seg.octets // seg.gso_size), MOST_MERGED)


def _is_refused(tcb: Tcb) -> bool:
    """Whether text comes for a user who is gone, or says that he reads no more, where that matters."""
    closing = tcb.user.config.closing
    is_deaf = tcb.state is not _ESTABLISHED and closing.is_deaf and not closing.discards_unwanted
    return tcb.user.is_gone or is_deaf


def _tell_readable(tcb: Tcb) -> None:
    closing = tcb.user.config.closing
    if closing.is_deaf and closing.discards_unwanted:
        tcb.rcv.queue.clear()
        return
    if not tcb.user.reading:
        tcb.user.reading = True
        tcb.tell(READABLE)


def _fate(rcv: ReceiveSpace, seg: Segment, pieces: int) -> str:
    """The counter for text that has not moved RCV.NXT; ``pieces`` is how many were held before it came."""
    if seg.seq <= rcv.nxt:
        return "TCPZeroWindowDrop"
    if rcv.early.pieces > pieces:
        return "TCPOFOQueue"
    if rcv.fin is not None and seg.seq >= rcv.fin:
        return "TCPTextAfterFin"
    return "TCPOFODrop" if rcv.early.pieces * PIECE_OCTETS > rcv.limit else "TCPDuplicateText"


def _refuse_text(tcb: Tcb, seg: Segment) -> None:
    """Text for a user who has closed (SHLD-3, RFC 2525 2.17): <SEQ=SEG.ACK><CTL=RST>, as from a CLOSED port.

    That is the peer's RCV.NXT: it need not have got all that we have sent, and takes a RST nowhere else (RFC 5961 3.2).
    """
    tcb.count("TCPAbortOnData")
    tcb.owed.reset = (seg.ack, None)
    if not tcb.user.is_gone:
        tcb.delete(ConnectionReset("text came for a user who reads no more"))
        return
    is_unfinished = len(tcb.snd.queue) > 0
    tcb.delete(ConnectionAborted("text came for a user who had closed, and his may be lost") if is_unfinished else None)


def check_fin(tcb: Tcb, seg: Segment, now: Instant) -> Verdict:
    """Eighth, check the FIN bit: it counts when all text before it is here."""
    rcv = tcb.rcv
    if seg.flags & FIN and tcb.state in CAN_RECEIVE:
        rcv.take_fin(seg.seq + seg.octets)
    if rcv.fin is not None and tcb.state in CAN_RECEIVE and rcv.reach_fin():
        on_fin(tcb, now)
    elif seg.flags & FIN and not seg.octets and rcv.fin is not None and rcv.nxt <= rcv.fin:
        if rcv.memory is not None:
            linux_receiver.on_bare_fin(tcb, seg, rcv.memory, now)
        else:
            tcb.owed.acks.duplicate()  # ahead of a hole; had it text, that has been answered
    return CONTINUE


SEGMENT_ARRIVES: Final[tuple[Step, ...]] = (
    check_simultaneous,
    check_paws,
    check_sequence,
    check_rst,
    check_syn,
    check_ack,
    check_urgent,
    process_text,
    check_fin,
)
"""What happens to a segment in SYN-RECEIVED and the states after it, in order, until a step says STOP."""

_PREDICTABLE: Final = ~(PSH | AE | CWR | ECE)
"""All flags but those that every segment may have."""


BSD_ARRIVES: Final[tuple[Step, ...]] = (
    open_window,
    bsd_rules.check_ack_of_syn,
    bsd_rules.check_rst,
    bsd_rules.check_syn,
    bsd_rules.check_paws,
    trim,
    bsd_rules.take_early,
    bsd_rules.take_probe,
    bsd_rules.check_ghost_ack,
    check_ack,
    check_urgent,
    process_text,
    check_fin,
)
"""The same in 4.4BSD's order."""

LINUX_ARRIVES: Final[tuple[Step, ...]] = (
    linux_rules.check_crossed_syn,
    check_simultaneous,
    linux_rules.check_old_ack,
    check_paws,
    linux_rules.believe_stale_rst,
    check_sequence,
    linux_rules.believe_rst_behind_sack,
    linux_rules.suspect_stray_rst,
    check_rst,
    check_syn,
    check_ack,
    check_urgent,
    process_text,
    check_fin,
)
"""Linux's, which are nearly those of RFC 9293."""

ORDERS: Final = {"rfc9293": SEGMENT_ARRIVES, "bsd": BSD_ARRIVES, "linux": LINUX_ARRIVES}
"""By name, as in `halfopen.tcp.config.ArrivalConfig.order`."""


@cache
def steps_for(order: str, needs_timestamps: bool, weak: SecurityConfig | None) -> tuple[Step, ...]:
    """The steps in the order that is configured, with the rules of old where they are allowed."""
    steps = ORDERS[order]
    if needs_timestamps:
        steps = (check_timestamps_present, *steps)
    return steps if weak is None else make_steps(weak, steps)


def make_steps(security: SecurityConfig, steps: tuple[Step, ...] = SEGMENT_ARRIVES) -> tuple[Step, ...]:
    """``steps`` with the rules of old where ``security`` wants them."""
    old: dict[Step, tuple[Step, ...]] = {}
    if security.lacks("rst"):
        old[check_rst] = (believe_rst,)
    if security.lacks("syn"):
        old[check_syn] = (reset_for_syn,)
    if security.lacks("ack"):
        old[check_ack] = (excuse_old_ack,)
    old[process_text] = (prefer_latest,) * (security.overlap == "last") + (charge_nothing,) * (not security.bounds)
    return tuple(each for step in steps for each in (*old.get(step, ()), step))


def on_segment(tcb: Tcb, seg: Segment, now: Instant) -> None:
    """SEGMENT ARRIVES for a connection (RFC 9293 3.10.7.3, 3.10.7.4).

    The segment is used up: its numbers are unwrapped in place.
    """
    state = tcb.state
    if state is _CLOSED:
        _answer_in_closed(tcb, seg)
        return
    seg.ack = unwrap(seg.ack, tcb.snd.una)
    if state is _SYN_SENT:
        if on_segment_in_syn_sent(tcb, seg, now):
            _finish_syn_ack(tcb, seg, now)
        return
    rcv = tcb.rcv
    seg.seq = unwrap(seg.seq, rcv.nxt)
    steps = SEGMENT_ARRIVES
    if not tcb.user.is_plain:
        config = tcb.user.config
        steps = steps_for(config.arrivals.order, config.options.needs_timestamps, tcb.user.weak)
    elif seg.seq == rcv.nxt and seg.flags & _PREDICTABLE == ACK and state is _ESTABLISHED and rcv.fin is None:
        # What everybody expects next, as in Van Jacobson's prediction: these are the steps that it concerns.
        if check_paws(tcb, seg, now) and check_ack(tcb, seg, now):
            process_text(tcb, seg, now)
        return
    for step in steps:
        if not step(tcb, seg, now):
            return


def _finish_syn_ack(tcb: Tcb, seg: Segment, now: Instant) -> None:
    """What a SYN,ACK carries beyond its SYN (RFC 9293 3.10.7.3, end of the fourth step)."""
    if tcb.snd.fin:
        move(tcb, Event.CLOSE)
    if tcb.snd.fin_is_acknowledged:
        on_fin_acknowledged(tcb, now)
    if tcb.user.config.arrivals.order == "linux":
        return  # what else it carries has to come again
    for step in (check_urgent, process_text, check_fin):
        if not step(tcb, seg, now):
            return


def _answer_in_closed(tcb: Tcb, seg: Segment) -> None:
    reset = reset_for(seg)
    if reset is not None:
        tcb.owed.reset = (reset.seq, reset.ack if reset.flags & ACK else None)
