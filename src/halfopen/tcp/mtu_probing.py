"""Path MTU black holes: who drops large packets may not say so, and only silence tells (RFC 4821 7.7, RFC 2923 2.1)."""

from typing import Final

from halfopen.base.clock import Instant
from halfopen.tcp.mtu_raising import begin_search
from halfopen.tcp.mtu_search import MtuSearchConfig
from halfopen.tcp.negotiation import DEFAULT_MSS_IPV6
from halfopen.tcp.state import State
from halfopen.tcp.tcb import Tcb

STEPS: Final = (2, 4)
"""Timeouts in a row at which FreeBSD makes segments smaller ..."""
LAST: Final = 6
"""... and from which on it has given up the idea."""


def suspect_black_hole(tcb: Tcb, now: Instant) -> None:
    """The timer has expired once more. After R1 times in a row the segments may be too large, and are made smaller."""
    config = tcb.user.config
    search, mss = config.timeouts.mtu_search, tcb.snd.mss
    if search.stages:
        _step_down(tcb, search)
        return
    if not search.mode or tcb.recovery.retries < config.retransmission.soft_retries:
        return
    size = search.base_mss if mss > search.base_mss else max(mss // 2, search.floor, config.options.least_mss)
    if tcb.recovery.trials.search is None:
        begin_search(tcb, mss, now)
    elif size < mss:
        tcb.recovery.trials.search.low = size + tcb.agreed.option_octets
    if size < mss:
        tcb.resize(size)
        tcb.count("TCPMTUPFail")


def _step_down(tcb: Tcb, search: MtuSearchConfig) -> None:
    """As FreeBSD's ``pmtud_blackhole_detection``: two sizes, two timeouts each, if full-sized segments get lost."""
    is_ipv6 = tcb.opening.default_mss == DEFAULT_MSS_IPV6
    if search.stages not in ("both", "ipv6" if is_ipv6 else "ipv4"):
        return
    if tcb.state not in (State.ESTABLISHED, State.FIN_WAIT_1):
        return
    options, choice = tcb.agreed.option_octets, tcb.user.config.options.mss_manner
    timeouts, largest = tcb.recovery.retries + 1, min(tcb.agreed.mss, tcb.opening.mss)
    size = tcb.snd.mss + options
    if timeouts in STEPS and _is_full(tcb):
        own_default = choice.default_ipv6 if is_ipv6 else choice.default
        stage = search.stage_mss_ipv6 if is_ipv6 else search.stage_mss
        size = stage if size > stage else own_default or tcb.opening.default_mss
        tcb.count("TCPMTUPFail")
    elif timeouts >= LAST:
        size = largest
    if size - options != tcb.snd.mss:
        tcb.resize(min(size, largest) - options)


def _is_full(tcb: Tcb) -> bool:
    first = tcb.snd.flight.records[0]
    return first.end - first.start >= tcb.snd.mss
