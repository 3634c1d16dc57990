"""Text that arrives at a Linux: when it is acknowledged, and what it does to the window.

Stands in the place of the usual rules where the configuration wants so, for a peer that is to see no difference.
"""

from halfopen.base.clock import NEVER, Instant
from halfopen.tcp.linux_acks import Delays
from halfopen.tcp.linux_memory import Memory
from halfopen.tcp.tcb import Tcb
from halfopen.wire.tcp import FIN, PSH, Segment


def refuses(tcb: Tcb, seg: Segment, memory: Memory) -> bool:
    """Whether text is dropped unseen: it goes beyond the window, or its buffer is full (``tcp_data_queue``).

    To an empty buffer more may come than the window said.
    """
    rcv, acks = tcb.rcv, tcb.owed.acks
    if seg.seq + seg.octets > rcv.edge and seg.seq < rcv.edge:
        if not memory.is_empty:
            tcb.count("TCPBeyondWindow")
            acks.duplicate()
            return True
        rcv.edge = seg.seq + seg.octets
    if seg.seq > rcv.nxt or memory.has_room():
        return False
    memory.is_refusing = True
    acks.at_once()
    if memory.is_empty:
        return False
    tcb.count("TCPRcvQDrop")
    return True


def on_text(tcb: Tcb, seg: Segment, moved: int, now: Instant) -> None:
    """Text has been taken, in order if it ``moved`` RCV.NXT (``tcp_event_data_recv``, ``__tcp_ack_snd_check``)."""
    rcv, acks = tcb.rcv, tcb.owed.acks
    memory, delays = rcv.memory, acks.delays
    assert memory is not None
    assert delays is not None  # both or none: `halfopen.tcp.handshake`
    before = acks.full_size
    advertised = tcb.opening.receive_mss
    size = seg.gso_size or seg.octets
    acks.measure(size, bool(seg.flags & PSH), advertised)
    if size >= before and size != before:
        memory.measure(seg.octets)
    if moved:
        memory.put(seg.seq, seg.seq + seg.octets, rcv.nxt, is_early=False)
        delays.on_text(now, memory.wnd // (2 * acks.full_size), tcb.rtt.rto)
    elif seg.seq > rcv.nxt:
        memory.put(seg.seq, seg.seq + seg.octets, rcv.nxt, is_early=True)
    if memory.grow(seg.octets, (advertised, acks.full_size)):
        delays.quick |= 1
    if moved and not seg.flags & FIN:
        acknowledge(tcb, memory, delays, now)


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


def on_read(tcb: Tcb, memory: Memory) -> None:
    """The user has taken text: the ACK that waits may be worth sending, or the window (``tcp_cleanup_rbuf``)."""
    rcv, acks = tcb.rcv, tcb.owed.acks
    delays = acks.delays
    assert delays is not None
    memory.take(rcv.queue.start)
    if acks.deadline < NEVER:
        drained = memory.is_empty and (delays.pushed > 1 or (delays.pushed and not delays.talks))
        if rcv.nxt - rcv.told > acks.full_size or drained:
            acks.at_once()
    if 2 * rcv.wnd <= memory.clamp:
        window = memory.select(acks.full_size, 1 << rcv.shift)
        if window and window >= 2 * rcv.wnd:
            acks.at_once()
