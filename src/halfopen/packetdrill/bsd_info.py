"""``struct tcp_info`` as FreeBSD fills it (``tcp_fill_info()``): octets, not segments, and options counted in."""

from collections.abc import Mapping
from typing import Final

from halfopen.base.clock import MICROSECOND
from halfopen.tcp.config import TcpConfig
from halfopen.tcp.state import State
from halfopen.tcp.tcb import Tcb

FREEBSD_STATES: Final[Mapping[State, int]] = {
    State.CLOSED: 0,
    State.LISTEN: 1,
    State.SYN_SENT: 2,
    State.SYN_RECEIVED: 3,
    State.ESTABLISHED: 4,
    State.CLOSE_WAIT: 5,
    State.FIN_WAIT_1: 6,
    State.CLOSING: 7,
    State.LAST_ACK: 8,
    State.FIN_WAIT_2: 9,
    State.TIME_WAIT: 10,
}
LARGEST_WINDOW: Final = 65535 << 14
"""``TCP_MAXWIN << TCP_MAX_WINSHIFT``: cwnd and ssthresh to begin with."""
OPTION_SACK: Final = 2
_OPTION_ECN, _OPTION_EARLY, _OPTION_ACCURATE = 8, 0x20, 0x40
_COMMON_OPTIONS: Final = 7


def bsd_facts(tcb: Tcb, facts: Mapping[str, int]) -> dict[str, int]:
    """What FreeBSD says otherwise than ``facts``, and what it alone says."""
    mss = tcb.snd.mss + tcb.agreed.option_octets
    options = facts["tcpi_options"] & _COMMON_OPTIONS
    if tcb.state is State.SYN_SENT:
        options = OPTION_SACK if tcb.user.config.options.sack else 0
    options |= _OPTION_ECN if tcb.agreed.ecn else 0
    options |= _OPTION_ACCURATE if tcb.agreed.accurate is not None else 0
    options |= _OPTION_EARLY if tcb.user.config.fast_open.connect or tcb.user.early is not None else 0
    return {
        "tcpi_state": FREEBSD_STATES[tcb.state],
        "tcpi_options": options,
        "tcpi_snd_cwnd": tcb.congestion.cwnd,
        "tcpi_snd_ssthresh": min(tcb.congestion.ssthresh, LARGEST_WINDOW),
        "tcpi_snd_mss": mss,
        "tcpi_rcv_mss": mss,
        "tcpi_rcv_space": tcb.rcv.wnd,
        "tcpi_snd_nxt": tcb.snd.nxt & 0xFFFFFFFF,
        "tcpi_snd_una": tcb.snd.una & 0xFFFFFFFF,
        "tcpi_snd_max": tcb.snd.nxt & 0xFFFFFFFF,
        "tcpi_rcv_nxt": tcb.rcv.nxt & 0xFFFFFFFF,
        "tcpi_rcv_adv": tcb.rcv.edge & 0xFFFFFFFF,
        "tcpi_dupacks": tcb.recovery.dupacks,
        "tcpi_snd_rexmitpack": facts["tcpi_total_retrans"],
        "tcpi_rcv_numsacks": min(len(tcb.rcv.early.blocks), 6),
        "tcpi_snd_zerowin": 0,
    }


def fresh_facts(state: State, config: TcpConfig, mss: int) -> dict[str, int]:
    """Of a socket that has no connection, or not yet: what its control block begins with."""
    own = {
        "tcpi_state": FREEBSD_STATES[state],
        "tcpi_options": OPTION_SACK if config.options.sack else 0,
        "tcpi_rto": config.retransmission.rto_initial // MICROSECOND,
        "tcpi_rttvar": config.retransmission.rto_initial // 4 // MICROSECOND,
        "tcpi_snd_mss": mss,
        "tcpi_rcv_mss": mss,
        "tcpi_snd_cwnd": LARGEST_WINDOW,
        "tcpi_snd_ssthresh": LARGEST_WINDOW,
    }
    return dict.fromkeys(_FIELDS, 0) | own


_FIELDS: Final = tuple(
    f"tcpi_{name}"
    for name in (
        *("ca_state", "retransmits", "probes", "backoff", "snd_wscale", "rcv_wscale", "ato", "unacked", "sacked"),
        *("lost", "retrans", "fackets", "last_data_sent", "last_ack_sent", "last_data_recv", "last_ack_recv"),
        *("pmtu", "rcv_ssthresh", "rtt", "advmss", "reordering", "rcv_rtt", "rcv_space", "snd_wnd", "snd_bwnd"),
        *("snd_nxt", "rcv_nxt", "toe_tid", "snd_rexmitpack", "rcv_ooopack", "snd_zerowin", "delivered_ce"),
        *("received_ce", "total_tlp", "total_tlp_bytes", "snd_una", "snd_max", "rcv_numsacks", "rcv_adv", "dupacks"),
    )
)
