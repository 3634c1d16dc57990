"""Path MTU black holes: who drops large packets may not say so, and only silence tells (RFC 4821 7.7, RFC 2923 2.1).

# Unlike RFC 4821 7.3 and Linux's ``tcp_mtu_probing=2``, larger segments are never tried on purpose: the size that ICMP
# or the first black hole has led to stays, until the host forgets what it knows of the path (RFC 1191 6.3).
"""

from halfopen.tcp.tcb import Tcb


def suspect_black_hole(tcb: Tcb) -> None:
    """The timer has expired once more. After R1 times in a row the segments may be too large, and are made smaller."""
    config = tcb.user.config
    search, mss = config.timeouts.mtu_search, tcb.snd.mss
    if not search.mode or tcb.recovery.retries < config.retransmission.soft_retries:
        return
    size = search.base_mss if mss > search.base_mss else max(mss // 2, search.floor, config.options.least_mss)
    if size < mss:
        tcb.resize(size)
        tcb.count("TCPMTUPFail")
