"""Text before the handshake is complete (RFC 7413 4.2): what Fast Open adds to SYN, SYN,ACK and the ACK of them."""

from halfopen.base.clock import Instant
from halfopen.tcp.events import CONNECTED, READABLE
from halfopen.tcp.fast_open import NOT_ACKNOWLEDGED, RETRANSMITTED, CookieOption, Early, Request, cookie_option
from halfopen.tcp.recovery import on_ack
from halfopen.tcp.retransmission import arm, restart_rto
from halfopen.tcp.sent import PUSHED, Delivery
from halfopen.tcp.state import State
from halfopen.tcp.tcb import Cause, Phase, Tcb
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
        tcb.user.early.is_acknowledged = True
        tcb.user.reading = True
        tcb.tell(READABLE)


def begin_without_text(tcb: Tcb) -> bool:
    """The SYN of a user who has nothing to say does not wait any longer; False if none does."""
    early = tcb.user.early
    if early is None or not early.is_deferred:
        return False
    early.is_deferred = False
    tcb.owed.syn = True
    return True


def speaks_early(tcb: Tcb) -> bool:
    """SYN-RECEIVED, but text goes already."""
    early = tcb.user.early
    return early is not None and early.is_child and tcb.state is State.SYN_RECEIVED


def is_nobodys(tcb: Tcb) -> bool:
    """Nobody has accepted it yet, and its handshake is not complete: Linux lets any ICMP error end it."""
    early = tcb.user.early
    return (
        early is not None and not early.is_accepted and tcb.user.config.arrivals.order == "linux" and speaks_early(tcb)
    )


def ends_early(tcb: Tcb) -> bool:
    """The FIN does not wait for the ACK of our SYN (RFC 9293 3.10.4). That of a user who only sends no more does on
    Linux."""
    return tcb.snd.fin and (tcb.user.is_gone or tcb.user.config.arrivals.order != "linux")


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


def syn_room(tcb: Tcb, request: Request) -> int:
    """What a SYN takes: the server's MSS, by what it was last time; all the room for options is left (as Linux)."""
    opening, config = tcb.opening, tcb.user.config
    unknown = opening.mss if config.fast_open.manner.assumes_mss else opening.default_mss
    most = min(opening.mss, request.mss or unknown, config.options.mss or opening.mss)
    return max(0, most - MAXIMUM_OCTETS)


def suspect_path(tcb: Tcb, now: Instant) -> None:
    """A sign that the path swallows connections with Fast Open (Linux ``tcp_fastopen_active_disable``)."""
    early = tcb.user.early
    if (
        early is not None
        and early.request is not None
        and early.was_sent
        and tcb.user.config.fast_open.manner.blackhole
    ):
        early.request.cookies.suspect(now)
        tcb.count("TCPFastOpenBlackhole")


def _add_text(tcb: Tcb, early: Early, request: Request, syn: Segment, now: Instant) -> None:
    snd = tcb.snd
    count = min(snd.unsent, syn_room(tcb, request))
    if count <= 0:
        return
    syn.payload = snd.queue.peek(snd.nxt, count)
    syn.octets = early.octets = count
    snd.flight.sent(snd.nxt, snd.nxt + count, now, snd.queue.ends_at(snd.nxt + count) | PUSHED)
    snd.advance(snd.nxt + count)


def settle(tcb: Tcb, seg: Segment, retries: int, now: Instant) -> None:
    """ESTABLISHED: ``seg`` has acknowledged our SYN, and perhaps the text that went with it or after it.

    What a SYN,ACK leaves out is sent again at once: the server has not taken it, no congestion has lost it (4.2.1). So
    is what followed a SYN,ACK that had to be sent again: without it nobody could take that. Linux waits for an RTO
    there, and has no probe for the tail.
    """
    snd, early = tcb.snd, tcb.user.early
    if early is None:
        return
    if early.request is not None:
        _learn(tcb, early.request, seg, retries, now)
    elif seg.ack > snd.una:
        on_ack(tcb, seg, now)
    is_patient = early.request is None and tcb.user.config.arrivals.order == "linux"
    if snd.nxt > snd.una and (tcb.user.is_active or retries) and not is_patient:
        snd.flight.mark_all_lost()
        tcb.owed.cause = Cause.SYN
        if tcb.user.config.arrivals.order == "linux":
            tcb.recovery.phase, tcb.recovery.point = Phase.LOSS, snd.nxt
    arm(tcb, now)
    if is_patient and snd.nxt > snd.una:
        restart_rto(tcb, now)


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
        if not early.is_acknowledged:
            early.failure = RETRANSMITTED if retries else NOT_ACKNOWLEDGED
        tcb.count("TCPFastOpenActive" if early.is_acknowledged else "TCPFastOpenActiveFail")
    answer = cookie_option(seg.options) if request.option is not None else None
    if retries and early.octets and not has_text and answer is None:
        request.cookies.lose(request, now)
    elif seg.options is not None and seg.options.mss is not None:
        request.cookies.learn(request, seg.options.mss, answer, retries > 0)
