"""A FIN that does not wait for the handshake, as the BSDs send it to whoever has not answered yet (``TF_NEEDFIN``).

To a SYN that has left it is added as a segment of its own, with no ACK, for there is nothing to acknowledge; a SYN that
still has to leave, or leaves again, has it in its flags.
"""

from halfopen.base.clock import Instant
from halfopen.tcp.receiving import MAX_FIELD
from halfopen.tcp.recovery import on_ack
from halfopen.tcp.retransmission import arm
from halfopen.tcp.sent import FINAL
from halfopen.tcp.state import State
from halfopen.tcp.tcb import Tcb
from halfopen.wire.tcp import FIN, Segment


def is_hasty(tcb: Tcb) -> bool:
    """Whether the user has closed before the handshake is complete, and has it said at once."""
    is_bsd = tcb.user.config.arrivals.order == "bsd"
    return is_bsd and tcb.snd.fin and tcb.user.early is None and not len(tcb.snd.queue)


def fin_alone(tcb: Tcb, now: Instant) -> Segment | None:
    """<SEQ=SND.NXT><CTL=FIN> in SYN-SENT, once."""
    snd, opening = tcb.snd, tcb.opening
    if tcb.state is not State.SYN_SENT or not is_hasty(tcb) or snd.nxt > snd.queue.stop:
        return None
    window = min(tcb.rcv.limit, MAX_FIELD)
    segment = Segment(opening.local_port, opening.remote_port, seq=snd.nxt & 0xFFFFFFFF, flags=FIN, window=window)
    _note_sent(tcb, now)
    return segment


def add_fin(tcb: Tcb, syn: Segment, now: Instant) -> None:
    """The SYN that leaves has the FIN as well."""
    if not is_hasty(tcb):
        return
    syn.flags |= FIN
    if tcb.snd.nxt == tcb.snd.queue.stop:
        _note_sent(tcb, now)


def settle_fin(tcb: Tcb, seg: Segment, now: Instant) -> None:
    """ESTABLISHED: ``seg`` has acknowledged our SYN, and perhaps the FIN behind it."""
    snd = tcb.snd
    if not is_hasty(tcb) or snd.una == snd.nxt:
        return
    if seg.ack > snd.una:
        on_ack(tcb, seg, now)
    arm(tcb, now)


def _note_sent(tcb: Tcb, now: Instant) -> None:
    snd = tcb.snd
    snd.flight.sent(snd.nxt, snd.nxt + 1, now, FINAL)
    snd.advance(snd.nxt + 1)
