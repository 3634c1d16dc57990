"""Larger segments are tried on purpose (RFC 4821 7): one too large is lost alone, and nobody slows down for it."""

from typing import Final

from halfopen.base.clock import Instant
from halfopen.tcp.mtu_search import MtuProbe, MtuSearch
from halfopen.tcp.tcb import Phase, Tcb

NO_PROBE: Final = -1
"""It is not the time to try."""
NOT_YET: Final = 0
"""It is, once there is room for what has to follow: nothing else goes before."""
LEAST_WINDOW: Final = 11
"""Segments of cwnd below which nothing is tried."""
MARGIN: Final = 1
"""What a probe is followed by, beside DupThresh segments: their SACKs tell of its loss."""

_OPEN: Final = Phase.OPEN


def begin_search(tcb: Tcb, size: int, now: Instant) -> int:
    """From here on sizes between ``tcp_base_mss`` and ``size`` are tried: what segments have to begin with."""
    low = tcb.user.config.timeouts.mtu_search.base_mss + tcb.agreed.option_octets
    tcb.recovery.trials.search = MtuSearch(low, size + tcb.agreed.option_octets, now)
    return min(size, low - tcb.agreed.option_octets)


def limit_size(tcb: Tcb) -> None:
    """No segment but a probe is larger than what is known to pass; a child of Linux's listener finds out late."""
    search = tcb.recovery.trials.search
    if search is not None and search.low < tcb.congestion.mss + tcb.agreed.option_octets:
        tcb.resize(search.low - tcb.agreed.option_octets)


def probe_size(tcb: Tcb, unsent: int, free: int, now: Instant) -> int:
    """Octets of text for a probe that goes now, `NO_PROBE` or `NOT_YET` (RFC 4821 7.4, Linux ``tcp_mtu_probe``).

    ``free``: octets that congestion control lets go.
    """
    recovery, snd, congestion = tcb.recovery, tcb.snd, tcb.congestion
    search = recovery.trials.search
    if search is None or search.probe is not None or recovery.phase is not _OPEN or recovery.prr is not None:
        return NO_PROBE
    if snd.flight.sacked or congestion.cwnd < LEAST_WINDOW * snd.mss:
        return NO_PROBE
    if search.high - search.low < tcb.user.config.timeouts.mtu_search.threshold:
        _begin_again(tcb, search, now)
        return NO_PROBE
    size = (search.high + search.low) // 2 - tcb.agreed.option_octets
    needed = size + (tcb.user.config.retransmission.dupthresh + MARGIN) * snd.mss
    if unsent < needed or snd.wnd < needed or snd.queue.reach(snd.nxt, size) - snd.nxt < size:
        return NO_PROBE
    if snd.usable < needed:
        return NOT_YET
    if free < 2 * snd.mss:
        return NOT_YET if snd.nxt > snd.una else NO_PROBE
    return size


def _begin_again(tcb: Tcb, search: MtuSearch, now: Instant) -> None:
    """What is known is old: the path may take more by now (``tcp_probe_interval``)."""
    if now - search.since >= tcb.user.config.timeouts.mtu_search.interval:
        search.high = min(tcb.agreed.mss, tcb.opening.mss)
        search.low = tcb.snd.mss + tcb.agreed.option_octets
        search.since = now


def on_probe_sent(tcb: Tcb, start: int, size: int) -> None:
    """It counts as two segments: cwnd is one less until it is known what has become of it."""
    search = tcb.recovery.trials.search
    assert search is not None
    search.probe = MtuProbe(start, start + size, size)
    tcb.congestion.cwnd -= tcb.congestion.mss
    tcb.snd.flight.records[-1].pieces = 1
    tcb.count("TCPMTUProbes")


def on_probe_acknowledged(tcb: Tcb) -> None:
    """The path takes the size. The window stays what it is in octets (RFC 4821 7.6.1)."""
    search = tcb.recovery.trials.search
    if search is None or search.probe is None or tcb.snd.una < search.probe.end:
        return
    congestion, size = tcb.congestion, search.probe.size
    search.low = size + tcb.agreed.option_octets
    search.probe = None
    headers = tcb.agreed.option_octets + 20 + (40 if tcb.opening.default_mss > 536 else 20)
    before, segments = congestion.mss, congestion.cwnd // congestion.mss
    tcb.resize(size)
    congestion.cwnd = max(1, segments * (before + headers) // (size + headers)) * size
    tcb.count("TCPMTUPSuccess")


def is_probe_lost(tcb: Tcb) -> bool:
    """What is lost is the probe, and tells of no congestion (RFC 4821 7.6.2)."""
    search = tcb.recovery.trials.search
    return search is not None and search.probe is not None and tcb.snd.una == search.probe.start


def on_probe_lost(tcb: Tcb) -> None:
    """The path does not take the size: what it had goes again, in segments that get through."""
    search = tcb.recovery.trials.search
    assert search is not None and search.probe is not None
    search.high = search.probe.size - 1 + tcb.agreed.option_octets
    search.probe = None
    tcb.congestion.cwnd += tcb.congestion.mss
    tcb.count("TCPMTUPFail")
    resend_large(tcb)


def forget_probe(tcb: Tcb) -> None:
    """Something is sent again: the probe's end would prove nothing."""
    if tcb.recovery.trials.search is not None:
        tcb.recovery.trials.search.probe = None


def resend_large(tcb: Tcb) -> None:
    """What is larger than the path takes is lost, and congestion is not the reason (``tcp_simple_retransmit``).

    cwnd stays: more segments bring no more octets.
    """
    recovery, snd = tcb.recovery, tcb.snd
    flight = snd.flight
    for record in flight.records:
        if record.end - record.start > snd.mss * record.pieces:
            flight.mark_lost(record)
    if not flight.lost or recovery.phase is Phase.LOSS:
        return
    if recovery.prr is None:
        tcb.congestion.ssthresh = max(tcb.congestion.ssthresh, tcb.congestion.three_quarters())
    recovery.phase = Phase.LOSS
    recovery.point = snd.nxt
    recovery.trials.undo = recovery.prr = None
