"""Text that arrives at a Linux: when it is acknowledged, and what it does to the window.

Stands in the place of the usual rules where the configuration wants so, for a peer that is to see no difference.
"""

from typing import Final

from halfopen.base.clock import NEVER, Instant
from halfopen.tcp.ack_policy import LEAST_FULL
from halfopen.tcp.linux_acks import Delays
from halfopen.tcp.linux_early import DROPPED, EarlyPackets
from halfopen.tcp.linux_memory import Memory, Packet
from halfopen.tcp.state import CAN_RECEIVE
from halfopen.tcp.tcb import Tcb
from halfopen.wire.tcp import FIN, PSH, RST, SYN, Segment

WORTH_GROWING: Final = 128
"""Octets of the smallest segment in order that widens the window."""
_LEAST_FULL: Final = 88
"""``TCP_MIN_MSS``."""


def advertised_mss(tcb: Tcb) -> int:
    """What the peer's segments have of text at most, by our MSS option (``advmss``)."""
    return tcb.opening.receive_mss - tcb.agreed.option_octets


def begin(tcb: Tcb, memory: Memory, now: Instant) -> None:
    """The connection stands (``tcp_init_buffer_space``, ``tcp_initialize_rcv_mss``)."""
    mss, window = advertised_mss(tcb), tcb.snd.wnd
    memory.tuning.begin(min(memory.threshold, memory.wnd), mss, tcb.rcv.queue.start, now)
    theirs = min(tcb.snd.mss, window // 2 if window > LEAST_FULL else window)  # tcp_bound_to_half_wnd()
    tcb.owed.acks.assume(max(_LEAST_FULL, min(mss, theirs, memory.wnd // 2, LEAST_FULL)))


def accepts(tcb: Tcb, seg: Segment, length: int) -> bool:
    """Whether the sequence number will do (``tcp_sequence``).

    Only an empty buffer takes what goes beyond the window, but for a FIN: that takes no room.
    """
    rcv = tcb.rcv
    end = seg.seq + length
    if end <= rcv.nxt and (length or end < rcv.told):
        return False
    end -= seg.flags & FIN
    if end <= rcv.edge or (seg.seq <= rcv.edge and not len(rcv.queue)):
        return True
    if not seg.flags & (RST | SYN):
        tcb.count("BeyondWindow")
    return False


def refuses(tcb: Tcb, seg: Segment, memory: Memory) -> bool:
    """Whether text is dropped unseen: there is no window, or its buffer is full (``tcp_data_queue``).

    To an empty buffer more may come than the window said.
    """
    rcv, acks = tcb.rcv, tcb.owed.acks
    if seg.seq >= rcv.edge or not rcv.wnd:
        if seg.seq <= rcv.nxt:
            tcb.count("TCPZeroWindowDrop")
        acks.rush(memory.wnd // (2 * acks.full_size))
        acks.duplicate()
        return True
    if memory.has_room() or _makes_room(tcb, seg.seq, memory):
        return False
    if seg.seq > rcv.nxt:
        tcb.count("TCPOFODrop")
        return True
    memory.is_refusing = True
    acks.at_once()
    if memory.is_empty:
        return False
    tcb.count("TCPRcvQDrop")
    return True


def _makes_room(tcb: Tcb, seq: int, memory: Memory) -> bool:
    """``tcp_prune_queue``: first what costs nobody anything."""
    early, rcv = tcb.rcv.early, tcb.rcv
    assert isinstance(early, EarlyPackets)
    tcb.count("PruneCalled")
    assert tcb.owed.acks.delays is not None
    tcb.owed.acks.delays.quick = 0
    memory.relent(advertised_mss(tcb))
    if not memory.has_room():
        for _ in range(early.compact(memory) + memory.compact(rcv.queue.start)):
            tcb.count("TCPRcvCollapsed")
        if not memory.has_room():
            if early.prune(seq, memory):
                tcb.count("OfoPruned")
            if not memory.has_room():
                tcb.count("RcvPruned")
                return False
    return True


def on_text(tcb: Tcb, seg: Segment, moved: int, now: Instant) -> None:
    """Text has been taken, in order if it ``moved`` RCV.NXT (``tcp_event_data_recv``, ``__tcp_ack_snd_check``)."""
    rcv, acks = tcb.rcv, tcb.owed.acks
    memory, delays, early = rcv.memory, acks.delays, rcv.early
    assert memory is not None
    assert delays is not None  # both or none: `halfopen.tcp.handshake`
    assert isinstance(early, EarlyPackets)
    before = acks.full_size
    advertised = advertised_mss(tcb)
    size = seg.gso_size or seg.octets
    _on_echo(tcb, seg, memory, now)
    acks.measure(size, bool(seg.flags & PSH), advertised)
    if size >= before and size != before:
        memory.measure(seg.octets)
    if not moved:
        _on_early(tcb, seg, memory, now)
        return
    end = seg.seq + seg.octets
    rcv.edge = max(rcv.edge, rcv.nxt)
    memory.put(Packet(seg.seq, end, seg.octets))
    memory.tuning.on_window(end, memory.wnd, now)
    delays.on_text(now, memory.wnd // (2 * acks.full_size), tcb.rtt.rto)
    is_worth = seg.octets >= WORTH_GROWING
    if is_worth and memory.grow(seg.octets, (advertised, acks.full_size)):
        delays.quick |= 1
    early.release(end, memory)
    if not seg.flags & FIN:
        acknowledge(tcb, memory, delays, now)


def _on_echo(tcb: Tcb, seg: Segment, memory: Memory, now: Instant) -> None:
    timestamps = tcb.timestamps
    if timestamps is not None and seg.options is not None and seg.options.timestamps is not None:
        echoed = seg.options.timestamps[1]
        memory.tuning.on_echo(
            echoed,
            timestamps.elapsed(echoed, now),
            is_full=seg.octets >= tcb.owed.acks.full_size,
            is_read=memory.is_empty,
        )


def on_bare_fin(tcb: Tcb, seg: Segment, memory: Memory, now: Instant) -> None:
    """A FIN without text, ahead of a hole: it has a place there, too."""
    if memory.has_room() or _makes_room(tcb, seg.seq, memory):
        _on_early(tcb, seg, memory, now)
    else:
        tcb.count("TCPOFODrop")


def _on_early(tcb: Tcb, seg: Segment, memory: Memory, now: Instant) -> None:
    """A segment ahead of a hole (``tcp_data_queue_ofo``)."""
    rcv, acks = tcb.rcv, tcb.owed.acks
    early, delays = rcv.early, acks.delays
    assert isinstance(early, EarlyPackets)
    assert delays is not None
    early.counted += -(-seg.octets // seg.gso_size) if seg.gso_size else 1
    tcb.count("TCPOFOQueue")
    charge = early.keep(Packet(seg.seq, seg.seq + seg.length, seg.octets), memory)
    if charge == DROPPED:
        tcb.count("TCPOFOMerge")
    else:
        if tcb.agreed.sack and memory.grow(seg.octets, (advertised_mss(tcb), acks.full_size)):
            delays.quick |= 1
        memory.used += charge
    memory.adapt(memory.tuning.taken, early.reach - rcv.nxt)
    _answer_early(tcb, memory, delays, now)


def _answer_early(tcb: Tcb, memory: Memory, delays: Delays, now: Instant) -> None:
    """The first three duplicate ACKs make the peer send again; those after them can wait for each other.

    They only tell more of the same by SACK (``__tcp_ack_snd_check``).
    """
    rcv, acks, early, linux = tcb.rcv, tcb.owed.acks, tcb.rcv.early, tcb.user.config.buffers.linux
    assert isinstance(early, EarlyPackets)
    waits = tcb.agreed.sack and not early.has_many and not delays.is_quick
    trip = min(memory.tuning.rtt, tcb.rtt.srtt or memory.tuning.rtt)
    wait = min(linux.compress_delay, trip * linux.compress_percent // 100)
    if not waits or not wait or delays.compressed >= linux.compress_most or not delays.repeats_itself(rcv.nxt):
        acks.duplicate()
        return
    delays.compressed += 1
    acks.deadline = min(acks.deadline, now + wait)


def acknowledge(tcb: Tcb, memory: Memory, delays: Delays, now: Instant) -> None:
    """One ACK is owed for text or FIN in order: now, or a little later (``__tcp_ack_snd_check``)."""
    rcv, acks = tcb.rcv, tcb.owed.acks
    is_much = rcv.nxt - rcv.told > acks.full_size
    if is_much and memory.is_tight():
        delays.quick = 0
    can_open = is_much and memory.select(acks.full_size, 1 << rcv.shift) >= memory.wnd
    if can_open or delays.is_quick or rcv.early.blocks:
        acks.at_once()
        if memory.is_tight():
            delays.quick = 0
    else:
        delay(tcb, delays, now)


def on_fin(tcb: Tcb, memory: Memory, now: Instant) -> None:
    """The peer has said all: our user is expected to answer (``tcp_fin``)."""
    delays = tcb.owed.acks.delays
    assert delays is not None
    delays.talks = True
    acknowledge(tcb, memory, delays, now)


def delay(tcb: Tcb, delays: Delays, now: Instant) -> None:
    """An ACK is owed, but may wait; one that has waited for most of the time goes now (``tcp_send_delayed_ack``)."""
    acks, wait = tcb.owed.acks, delays.wait(tcb.rtt.srtt)
    if acks.deadline <= now + wait // 4:
        acks.at_once()
    else:
        acks.deadline = min(acks.deadline, now + wait)


def on_read(tcb: Tcb, memory: Memory, now: Instant) -> None:
    """The user has taken text: the ACK that waits may be worth sending, or the window (``tcp_cleanup_rbuf``)."""
    rcv, acks = tcb.rcv, tcb.owed.acks
    delays = acks.delays
    assert delays is not None
    memory.take(rcv.queue.start, rcv.nxt, now)
    if acks.deadline < NEVER:
        drained = memory.is_empty and (delays.pushed > 1 or (delays.pushed and not delays.talks))
        if rcv.nxt - rcv.told > acks.full_size or drained:
            acks.at_once()
    if tcb.state in CAN_RECEIVE and 2 * rcv.wnd <= memory.clamp:
        window = memory.select(acks.full_size, 1 << rcv.shift)
        if window and window >= 2 * rcv.wnd:
            acks.at_once()
