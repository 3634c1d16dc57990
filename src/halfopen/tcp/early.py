"""Text before the handshake is complete (RFC 7413 4.2): what Fast Open adds to SYN, SYN,ACK and the ACK of them."""

from halfopen.base.clock import Instant
from halfopen.tcp.events import CONNECTED, READABLE
from halfopen.tcp.fast_open import CookieOption, Early, Request, cookie_option
from halfopen.tcp.recovery import on_ack
from halfopen.tcp.retransmission import arm
from halfopen.tcp.scoreboard import Delivery
from halfopen.tcp.state import State
from halfopen.tcp.tcb import Cause, Tcb
from halfopen.wire import tcp_options
from halfopen.wire.tcp import Segment
from halfopen.wire.tcp_options import MAXIMUM_OCTETS


def begin_at_server(tcb: Tcb, syn: Segment, answer: CookieOption | None, now: Instant) -> None:
    """A SYN with a cookie that is good: its text can be read, and answered, before the handshake is complete (4.2.2).

    ``syn`` has been resumed from; SYN,ACK, with ``answer`` on it, acknowledges SYN and text.
    """
    tcb.user.early = Early(answer=answer)
    tcb.snd.update_window(tcb.rcv.irs, tcb.snd.iss, syn.window)
    tcb.snd.acknowledge(tcb.snd.nxt)  # the cookie is as good as that: our SYN takes no room in the windows
    tcb.owed.syn = True
    tcb.recovery.progress_at = now
    tcb.tell(CONNECTED)
    if tcb.rcv.accept(tcb.rcv.nxt, syn.payload, syn.octets):
        tcb.user.reading = True
        tcb.tell(READABLE)


def speaks_early(tcb: Tcb) -> bool:
    """SYN-RECEIVED, but text goes already."""
    early = tcb.user.early
    return early is not None and early.is_child and tcb.state is State.SYN_RECEIVED


def enrich(tcb: Tcb, syn: Segment, now: Instant) -> None:
    """The first SYN gets its cookie, or asks for one, and text; the first SYN,ACK its answer. Later ones have neither.

    What a firewall has dropped for its option or its text comes through like that (4.1.3.1).
    """
    early = tcb.user.early
    if early is None:
        return
    option, early.answer = early.answer, None
    request = early.request
    if request is not None and tcb.state is State.SYN_SENT and not tcb.recovery.retries:
        option = request.option
        if request.sends_text:
            _add_text(tcb, early, request, syn, now)
    if option is not None and syn.options is not None:
        syn.options.fast_open = option
        if tcp_options.length(syn.options) > MAXIMUM_OCTETS:
            syn.options.fast_open = None


def _add_text(tcb: Tcb, early: Early, request: Request, syn: Segment, now: Instant) -> None:
    """As much as the server's MSS takes, by what it was last time; all the room for options is left (as Linux)."""
    snd, opening = tcb.snd, tcb.opening
    most = min(opening.mss, request.mss or opening.default_mss) - MAXIMUM_OCTETS
    count = min(snd.unsent, most)
    if count <= 0:
        return
    syn.payload = snd.queue.peek(snd.nxt, count)
    syn.octets = early.octets = count
    snd.flight.sent(snd.nxt, snd.nxt + count, now)
    snd.advance(snd.nxt + count)


def settle(tcb: Tcb, seg: Segment, retries: int, now: Instant) -> None:
    """ESTABLISHED: ``seg`` has acknowledged our SYN, and perhaps the text that went with it or after it.

    What a SYN,ACK leaves out is sent again at once: the server has not taken it, no congestion has lost it (4.2.1). So
    is what followed a SYN,ACK that had to be sent again: without it nobody could take that.
    """
    snd, early = tcb.snd, tcb.user.early
    if early is None:
        return
    if early.request is not None:
        _learn(tcb, early.request, seg, retries, now)
    elif seg.ack > snd.una:
        on_ack(tcb, seg, now)
    if snd.nxt > snd.una and (tcb.user.is_active or retries):
        snd.flight.mark_all_lost()
        tcb.owed.cause = Cause.SYN
    arm(tcb, now)


def _learn(tcb: Tcb, request: Request, seg: Segment, retries: int, now: Instant) -> None:
    """What the server says of our text, and of cookies."""
    snd, early = tcb.snd, tcb.user.early
    assert early is not None
    has_text = seg.ack > snd.una
    if has_text:
        snd.flight.acknowledge(seg.ack, Delivery())
        snd.acknowledge(seg.ack)
    if early.octets:
        early.is_acknowledged = snd.una == snd.nxt
        tcb.count("TCPFastOpenActive" if early.is_acknowledged else "TCPFastOpenActiveFail")
    answer = cookie_option(seg.options) if request.option is not None else None
    if retries and early.octets and not has_text and answer is None:
        request.cookies.lose(request, now)
    elif seg.options is not None and seg.options.mss is not None:
        request.cookies.learn(request, seg.options.mss, answer, now)
