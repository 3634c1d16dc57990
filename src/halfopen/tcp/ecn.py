"""ECN on a connection, classic (RFC 3168) or accurate (RFC 9768): what is asked for, marked, seen and heard."""

from dataclasses import replace
from typing import Final

from halfopen.base.clock import Instant
from halfopen.tcp.accurate_ecn import (
    ACCURATE,
    ACE_RECEIVE,
    ACE_SEND,
    CEP_START,
    CLASSIC,
    MAX_ACE_DELTA,
    OPTION_RECEIVE,
    OPTION_SEND,
    SUSPECT,
    AccurateEcn,
    ace_of,
    fitting_counters,
    reflect,
    with_ace,
)
from halfopen.tcp.config import Ecn
from halfopen.tcp.negotiation import Agreed
from halfopen.tcp.sent import Delivery
from halfopen.tcp.seqnum import wrap
from halfopen.tcp.tcb import Tcb
from halfopen.wire.ecn import CE, ECT_0, NOT_ECT
from halfopen.wire.tcp import AE, CWR, ECE, Segment
from halfopen.wire.tcp_options import MAXIMUM_OCTETS, Options

OFTEN, ALWAYS = 2, 3
"""Of `EcnConfig.option`."""
QUICK_ACKS: Final = 2
"""So many segments are acknowledged at once when congestion has been seen: the peer's window may be small."""
LAST_ACCURATE_ANSWER: Final = 1
"""How often a SYN,ACK is sent again before it says nothing of ECN any more (RFC 9768 3.1.4.2)."""


def asking_flags(tcb: Tcb) -> int:
    """What the SYN to send now asks for, by its flags; nothing, if that did not get through.

    A classic one asks once (RFC 3168 6.1.1.1), one for Accurate ECN twice (RFC 9768 3.1.4.1).
    """
    options = tcb.user.config.options
    tries, again = tcb.recovery.retries if options.ecn_manner.fallback else 0, options.ecn_manner.asks_again
    if options.ecn is Ecn.ACCURATE:
        return AE | CWR | ECE if tries <= (1 if again is None else again) else 0
    return CWR | ECE if options.ecn in (Ecn.ACTIVE, Ecn.ACCURATE_IF_ASKED) and tries <= (again or 0) else 0


def answering_flags(ecn: int, retransmissions: int) -> int:
    """The flags of a SYN,ACK: what came with the SYN, or ECE for the classic kind (RFC 9768 3.1.1, RFC 3168 6.1.1)."""
    if not ecn & ACCURATE:
        return ECE if ecn else 0
    return reflect(ecn & 3) if retransmissions <= LAST_ACCURATE_ANSWER else 0


def to_record(agreed: Agreed) -> int:
    """What a SYN has led to, for `halfopen.tcp.half_open.HalfOpen.ecn`."""
    if agreed.accurate is not None:
        return ACCURATE | agreed.accurate.feedback.previous
    return CLASSIC if agreed.ecn else 0


def from_record(ecn: int, retransmissions: int) -> AccurateEcn | None:
    """The same, once the SYN,ACK has been answered.

    If a SYN or SYN,ACK without the flags was seen or sent in between, nothing of ours is ECN-capable (RFC 9768 3.1.5).
    """
    if not ecn & ACCURATE:
        return None
    accurate = AccurateEcn(ecn & 3)
    if ecn & SUSPECT:
        accurate.fail(ACE_RECEIVE)
    if retransmissions > LAST_ACCURATE_ANSWER:
        accurate.fail(ACE_SEND)
    return accurate


def settle_ecn(tcb: Tcb, seg: Segment) -> None:
    """The peer has answered our SYN: who has sent one without the flags must not be ECN-capable (RFC 3168 6.1.1).

    How ``seg``, the answer, came has been looked at, and counts as no text's does.
    """
    agreed = tcb.agreed
    if agreed.accurate is not None and agreed.accurate.handshake is not None:
        seg.ecn = NOT_ECT
    if asking_flags(tcb):
        return
    if agreed.ecn:
        tcb.agreed = replace(agreed, ecn=False)
    if agreed.accurate is not None:
        agreed.accurate.fail(ACE_SEND)


def on_third_ack(tcb: Tcb, seg: Segment) -> None:
    """Our SYN,ACK has been acknowledged."""
    if tcb.agreed.accurate is not None:
        tcb.agreed.accurate.on_third_ack(seg, tcb.user.config.options.ecn_manner.fallback)


def fit(tcb: Tcb, now: Instant) -> None:
    """Segments have as much less text as the option takes that is due now; at one instant they do not grow again."""
    accurate = tcb.agreed.accurate
    if accurate is None:
        return
    size = tcb.congestion.mss
    if _owes_option(tcb, accurate, now):
        free = MAXIMUM_OCTETS - tcb.agreed.option_octets
        count = fitting_counters(free, accurate.feedback.least, 0)
        size -= 2 + 3 * count + 3 & ~3 if count >= 0 else 0
    if size < tcb.snd.mss or (size > tcb.snd.mss and now != accurate.feedback.sent_at):
        tcb.snd.resize(size, tcb.opening.burst)


def _owes_option(tcb: Tcb, accurate: AccurateEcn, now: Instant) -> bool:
    manner = tcb.user.config.options.ecn_manner
    if not manner.option or not accurate.account.seen:
        return False
    if accurate.failures & OPTION_SEND and manner.option < ALWAYS:
        return False
    return manner.option >= OFTEN or accurate.feedback.is_due(manner.beacon, tcb.rtt.srtt, now)


def mark_new_text(tcb: Tcb, segment: Segment) -> None:
    """New text says that we understand ECN, and once, that we have slowed down (RFC 3168 6.1.2)."""
    if tcb.agreed.ecn and segment.octets:
        segment.ecn = ECT_0
        if tcb.owed.cwr:
            tcb.owed.cwr = False
            segment.flags |= CWR


def mark(tcb: Tcb, segment: Segment, now: Instant) -> None:
    """Accurate ECN is on every segment: the ACE field, the option if it is due, and ECT(0) (RFC 9768 3.2).

    # Unlike RFC 3168 6.1.4, and like Linux: on bare ACKs and retransmissions too, whose marks the field can tell.
    """
    accurate = tcb.agreed.accurate
    if accurate is None:
        return
    feedback = accurate.feedback
    if accurate.handshake is not None and not segment.octets:
        segment.flags |= reflect(accurate.handshake)
    else:
        segment.flags = with_ace(segment.flags, feedback.packets + CEP_START)
        feedback.pending = 0
    accurate.handshake = None
    if accurate.may_mark and (
        tcb.user.config.options.ecn_manner.marks_acks or (segment.octets and segment.seq == wrap(tcb.snd.nxt))
    ):
        segment.ecn = ECT_0
    if not _owes_option(tcb, accurate, now):
        return
    options = segment.options if segment.options is not None else Options()
    if feedback.put(options, MAXIMUM_OCTETS - tcb.agreed.signature_octets, now):
        segment.options = options
        duplicate = _duplicate_in(options, segment.ack)
        if duplicate is not None:
            feedback.told_duplicate = duplicate


def _duplicate_in(options: Options, ack: int) -> int | None:
    """Where the D-SACK begins, if the first block is one: below the ACK's number, or within the second (RFC 2883 4)."""
    if not options.sack:
        return None
    left, right = options.sack[0]
    if 0 < (ack - left & 0xFFFFFFFF) < 0x80000000:
        return left
    if len(options.sack) > 1:
        outer_left, outer_right = options.sack[1]
        if (left - outer_left & 0xFFFFFFFF) + (outer_right - right & 0xFFFFFFFF) < 0x80000000:
            return left
    return None


def see(tcb: Tcb, seg: Segment) -> bool:
    """The IP header's ECN field of an acceptable segment; whether its text, if any, is acknowledged at once."""
    accurate = tcb.agreed.accurate
    if accurate is None:
        return tcb.agreed.ecn and _see_classic(tcb, seg)
    packets = -(-seg.octets // seg.gso_size) if seg.gso_size else 1
    if seg.ecn == CE:
        tcb.count("InCEPkts")
    _note_capable(tcb, seg)
    is_change = accurate.feedback.see(seg.ecn, packets, seg.octets)
    is_worth = is_change and tcb.user.config.options.ecn_manner.is_hasty
    return is_worth or accurate.feedback.pending >= MAX_ACE_DELTA


def _see_classic(tcb: Tcb, seg: Segment) -> bool:
    """ECN-Echo from the first CE until the peer's CWR (RFC 3168 6.1.3); of text only, as nothing else may be marked.

    Text without a codepoint, from who has sent some with, is probably a retransmission (Linux).
    """
    if seg.flags & CWR:
        tcb.owed.ece = False
    if not seg.octets:
        return False
    if seg.ecn == CE:
        tcb.count("InCEPkts")
    is_new = seg.ecn == CE and not tcb.owed.ece
    if tcb.user.config.options.ecn_manner.is_hasty and (is_new or (seg.ecn == NOT_ECT and tcb.agreed.ecn_seen)):
        tcb.owed.acks.hasten(QUICK_ACKS)
    tcb.owed.ece = tcb.owed.ece or seg.ecn == CE
    _note_capable(tcb, seg)
    return bool(seg.flags & CWR)


def _note_capable(tcb: Tcb, seg: Segment) -> None:
    if seg.ecn != NOT_ECT and not tcb.agreed.ecn_seen:
        tcb.agreed = replace(tcb.agreed, ecn_seen=True)


def on_repeated_syn_ack(tcb: Tcb, seg: Segment) -> None:
    """The third ACK seems to be lost, if nothing has come since: it is repeated as it was (RFC 9768 3.2.2.1)."""
    accurate = tcb.agreed.accurate
    if accurate is not None and seg.seq + 1 == tcb.rcv.nxt:
        accurate.handshake = accurate.answered


def on_duplicate(tcb: Tcb, seg: Segment) -> None:
    """All of the text has been here before. If an option has gone with the D-SACK for it, that ACK seems to be lost.

    Twice the same says that options do not get through, and from now on none is sent (RFC 9768 3.2.3.2.2).
    """
    accurate = tcb.agreed.accurate
    if accurate is not None and accurate.feedback.told_duplicate == wrap(seg.seq):
        accurate.fail(OPTION_SEND)


def hear(tcb: Tcb, seg: Segment, delivery: Delivery) -> bool:
    """Whether an ACK says that packets of ours came with CE, and how many (RFC 3168 6.1.2, RFC 9768 3.2.2.5)."""
    accurate = tcb.agreed.accurate
    if accurate is not None:
        return _hear_accurate(tcb, accurate, seg, delivery)
    if not (tcb.agreed.ecn and seg.flags & ECE):
        return False
    tcb.agreed = replace(tcb.agreed, ce_delivered=tcb.agreed.ce_delivered + _packets(tcb, delivery))
    return True


def _packets(tcb: Tcb, delivery: Delivery) -> int:
    return -(-max(0, delivery.acked + delivery.sacked) // tcb.snd.mss)


def _hear_accurate(tcb: Tcb, accurate: AccurateEcn, seg: Segment, delivery: Delivery) -> bool:
    """An ACK that tells of nothing new, nor has a later timestamp, may have been overtaken by others."""
    account, options = accurate.account, seg.options
    octets = max(0, delivery.acked + delivery.sacked)
    is_overtaken = options is None or options.timestamps is None or account.is_overtaken(options.timestamps[0])
    if accurate.failures & ACE_RECEIVE or (not octets and is_overtaken):
        return False
    marked = account.octets[CE]
    is_certain = False
    if not accurate.failures & OPTION_RECEIVE:
        if not account.meet(options):
            accurate.fail(OPTION_RECEIVE)
        is_certain = account.take_octets(options, octets)
    field = ace_of(seg.flags)
    if not account.has_feedback and delivery.acked:
        account.has_feedback = True
        if not field and (options is None or not options.sack):
            accurate.fail(ACE_RECEIVE)
            return False
    sizes = (account.octets[CE] - marked, octets, tcb.congestion.mss) if is_certain else None
    return account.take_packets(field, _packets(tcb, delivery), sizes) > 0
