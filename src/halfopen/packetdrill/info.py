"""``TCP_INFO`` for scripts: a connection's facts by the names and in the units of Linux and of FreeBSD."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from halfopen.base.clock import MICROSECOND, MILLISECOND, Instant
from halfopen.packetdrill.bsd_info import FREEBSD_STATES, bsd_facts
from halfopen.packetdrill.profiles import FREEBSD_DIALECT
from halfopen.stack.tcp_socket import TcpSocket
from halfopen.tcp.bursts import rate
from halfopen.tcp.congestion.base import INFINITE
from halfopen.tcp.linux_early import EarlyPackets
from halfopen.tcp.scoreboard import Flight
from halfopen.tcp.sent import AGAIN, IN_FLIGHT, LOST, MISSED, SACKED
from halfopen.tcp.state import State
from halfopen.tcp.tcb import Phase, Tcb
from halfopen.tcp.timers import Retransmit
from halfopen.wire.ecn import CE, ECT_0, ECT_1

LINUX_STATES: Final[Mapping[State, int]] = {
    State.ESTABLISHED: 1,
    State.SYN_SENT: 2,
    State.SYN_RECEIVED: 3,
    State.FIN_WAIT_1: 4,
    State.FIN_WAIT_2: 5,
    State.TIME_WAIT: 6,
    State.CLOSED: 7,
    State.CLOSE_WAIT: 8,
    State.LAST_ACK: 9,
    State.LISTEN: 10,
    State.CLOSING: 11,
}

OPEN, DISORDER, CWR, RECOVERY, LOSS = range(5)
"""Linux's TCP_CA_*."""

CONSTANTS: Final[Mapping[str, int]] = {
    "TCP_ESTABLISHED": 1,
    "TCP_SYN_SENT": 2,
    "TCP_SYN_RECV": 3,
    "TCP_FIN_WAIT1": 4,
    "TCP_FIN_WAIT2": 5,
    "TCP_TIME_WAIT": 6,
    "TCP_CLOSE": 7,
    "TCP_CLOSE_WAIT": 8,
    "TCP_LAST_ACK": 9,
    "TCP_LISTEN": 10,
    "TCP_CLOSING": 11,
    "TCP_CA_Open": OPEN,
    "TCP_CA_Disorder": DISORDER,
    "TCP_CA_CWR": CWR,
    "TCP_CA_Recovery": RECOVERY,
    "TCP_CA_Loss": LOSS,
    "TCPI_OPT_TIMESTAMPS": 1,
    "TCPI_OPT_SACK": 2,
    "TCPI_OPT_WSCALE": 4,
    "TCPI_OPT_ECN": 8,
    "TCPI_OPT_ECN_SEEN": 16,
    "TCPI_OPT_SYN_DATA": 32,
    "TCPI_OPT_USEC_TS": 64,
    "TCPI_OPT_TFO_CHILD": 128,
    **{f"TCPI_{state.name}": number for state, number in FREEBSD_STATES.items()},
    **{
        f"SK_MEMINFO_{name}": number
        for number, name in enumerate(
            ("RMEM_ALLOC", "RCVBUF", "WMEM_ALLOC", "SNDBUF", "FWD_ALLOC", "WMEM_QUEUED", "OPTMEM", "BACKLOG", "DROPS")
        )
    },
}
"""What code blocks may name beside the fields."""


def tcp_info(socket: TcpSocket, dialect: str, now: Instant) -> dict[str, int]:
    """The members of ``struct tcp_info``, with their prefix; 0 where nothing of the kind is kept."""
    tcb = socket.connection.tcb
    facts = _handshake(tcb) | _sending(tcb, now) | _receiving(tcb, now) | _accurate_ecn(tcb)
    facts |= {"tcpi_pmtu": socket.path.mtu, "tcpi_notsent_bytes": socket.unsent_octets}
    if dialect == FREEBSD_DIALECT:
        facts |= bsd_facts(tcb, facts)
    elif tcb.state is State.SYN_SENT:
        facts |= _opening(tcb)
    return facts


def code_fields(socket: TcpSocket, dialect: str, now: Instant) -> dict[str, int]:
    """What a code block sees as variables."""
    return {**CONSTANTS, **tcp_info(socket, dialect, now)}


def _handshake(tcb: Tcb) -> dict[str, int]:
    agreed = tcb.agreed
    scales = agreed.snd_shift or agreed.rcv_shift
    options = (tcb.timestamps is not None) | agreed.sack << 1 | bool(scales) << 2 | _ecn_bits(tcb) << 3
    early = tcb.user.early
    if early is not None:
        options |= early.is_acknowledged << 5 | early.is_child << 7
    return {
        "tcpi_state": LINUX_STATES[tcb.state],
        "tcpi_ca_state": _recovery_state(tcb),
        "tcpi_options": options,
        "tcpi_snd_wscale": agreed.snd_shift,
        "tcpi_rcv_wscale": agreed.rcv_shift,
        "tcpi_fastopen_client_fail": early.failure if early is not None else 0,
        "tcpi_delivery_rate_app_limited": 0,
    }


def _recovery_state(tcb: Tcb) -> int:
    recovery = tcb.recovery
    if recovery.phase is Phase.LOSS:
        return LOSS
    if recovery.phase is Phase.RECOVERY:
        return RECOVERY
    if recovery.prr is not None:
        return CWR
    return DISORDER if tcb.snd.flight.sacked or recovery.dupacks else OPEN


def _segments(octets: int, mss: int) -> int:
    return -(-octets // mss)


def _sending(tcb: Tcb, now: Instant) -> dict[str, int]:
    snd, rtt, recovery, congestion = tcb.snd, tcb.rtt, tcb.recovery, tcb.congestion
    mss = max(1, snd.mss)
    acked = max(0, snd.una - snd.iss - 1)
    is_infinite = congestion.ssthresh >= INFINITE
    rack = recovery.rack
    flight = _count(snd.flight)
    delivered = (snd.una > snd.iss) + snd.flight.delivered
    return {
        "tcpi_retransmits": min(recovery.retries, 255),
        "tcpi_probes": 0 if recovery.retries else tcb.owed.unanswered,
        "tcpi_backoff": rtt.backoffs,
        "tcpi_rto": _timeout(tcb) // MICROSECOND,
        "tcpi_snd_mss": congestion.mss,
        "tcpi_unacked": flight.all,
        "tcpi_sacked": flight.sacked if tcb.agreed.sack else recovery.dupacks,
        "tcpi_lost": flight.lost,
        "tcpi_retrans": flight.again,
        "tcpi_fackets": 0,
        "tcpi_last_data_sent": (now - recovery.sent_at) // MILLISECOND,
        "tcpi_last_ack_sent": 0,
        "tcpi_rtt": rtt.srtt // MICROSECOND,
        "tcpi_rttvar": rtt.rttvar // MICROSECOND,
        "tcpi_snd_ssthresh": INFINITE if is_infinite else congestion.ssthresh // mss,
        "tcpi_snd_cwnd": congestion.cwnd // mss,
        "tcpi_advmss": min(tcb.opening.mss, tcb.user.config.options.mss or tcb.opening.mss) - tcb.agreed.option_octets,
        "tcpi_reordering": max(tcb.user.config.retransmission.dupthresh, _segments(rack.extent, mss) if rack else 0),
        "tcpi_reord_seen": rack.reordering_seen if rack else 0,
        "tcpi_total_retrans": snd.flight.resent,
        "tcpi_min_rtt": rtt.min_rtt // MICROSECOND,
        "tcpi_bytes_acked": acked,
        "tcpi_bytes_sent": max(0, min(snd.nxt, snd.queue.stop) - snd.iss - 1),
        "tcpi_delivered": delivered,
        "tcpi_snd_wnd": snd.wnd,
        "tcpi_pacing_rate": rate(tcb) if rtt.srtt else 0,
        "tcpi_max_pacing_rate": tcb.user.config.congestion.pace.largest_rate or (1 << 64) - 1,
        "tcpi_delivery_rate": 0,
        "tcpi_busy_time": 0,
        "tcpi_rwnd_limited": 0,
        **dict.fromkeys(_UNCOUNTED, 0),
        "tcpi_sndbuf_limited": 0,
        "tcpi_dsack_dups": rack.duplicates if rack else 0,
    }


def _opening(tcb: Tcb) -> dict[str, int]:
    """What Linux says before there is an answer: its SYN is a segment in flight, lost with its text by a timeout."""
    unacked = 1 + _count(tcb.snd.flight).all
    retries = tcb.recovery.retries
    if not retries:
        return {"tcpi_unacked": unacked}
    lost = {"tcpi_unacked": unacked, "tcpi_lost": unacked, "tcpi_retrans": 1, "tcpi_total_retrans": retries}
    return lost | {"tcpi_ca_state": LOSS, "tcpi_snd_cwnd": 1}


def _timeout(tcb: Tcb) -> int:
    """The RTO; probes of a closed window come less and less often without it (Linux)."""
    rtt = tcb.rtt
    return rtt.rto >> rtt.backoffs if tcb.timers.retransmit_for is Retransmit.PERSIST else rtt.rto


_UNCOUNTED: Final = (
    "tcpi_segs_out",
    "tcpi_segs_in",
    "tcpi_data_segs_out",
    "tcpi_data_segs_in",
    "tcpi_bytes_retrans",
    "tcpi_rehash",
    "tcpi_total_rto",
    "tcpi_total_rto_recoveries",
    "tcpi_total_rto_time",
)
"""What only the device can count, or nobody does."""


class _Count(NamedTuple):
    """Segments in flight: all, of which so many have arrived, were lost, or are on their way once more."""

    all: int
    sacked: int
    lost: int
    again: int


def _count(flight: Flight) -> _Count:
    sacked = lost = again = 0
    for each in flight.records:
        sacked += each.pieces * (each.condition == SACKED)
        lost += each.pieces * (each.condition == LOST or (each.condition == IN_FLIGHT and bool(each.marks & MISSED)))
        again += each.pieces * (each.condition == IN_FLIGHT and bool(each.marks & AGAIN))
    return _Count(sum(each.pieces for each in flight.records), sacked, lost, again)


def _ecn_bits(tcb: Tcb) -> int:
    agreed = tcb.agreed
    return int(agreed.ecn or agreed.accurate is not None) | agreed.ecn_seen << 1


def _accurate_ecn(tcb: Tcb) -> dict[str, int]:
    """What RFC 9768 counts; of the classic kind how many segments were delivered whose ACKs had ECN-Echo."""
    accurate = tcb.agreed.accurate
    delivered, received = ([0] * 4, [0] * 4)
    if accurate is not None:
        delivered, received = accurate.account.octets, accurate.feedback.octets
    return {
        "tcpi_delivered_ce": tcb.agreed.ce_delivered if accurate is None else accurate.account.packets,
        "tcpi_received_ce": 0 if accurate is None else accurate.feedback.packets,
        "tcpi_delivered_e1_bytes": delivered[ECT_1],
        "tcpi_delivered_e0_bytes": delivered[ECT_0],
        "tcpi_delivered_ce_bytes": delivered[CE],
        "tcpi_received_e1_bytes": received[ECT_1],
        "tcpi_received_e0_bytes": received[ECT_0],
        "tcpi_received_ce_bytes": received[CE],
        "tcpi_ecn_mode": int(tcb.agreed.ecn) if accurate is None else 2,
        "tcpi_accecn_opt_seen": 0 if accurate is None else accurate.account.seen,
        "tcpi_accecn_fail_mode": 0 if accurate is None else accurate.failures,
    }


def _receiving(tcb: Tcb, now: Instant) -> dict[str, int]:
    rcv, delays = tcb.rcv, tcb.owed.acks.delays
    since = (now - tcb.user.received_at) // MILLISECOND
    return {
        "tcpi_ato": (tcb.user.config.acks.delay if delays is None else delays.ato) // MICROSECOND,
        "tcpi_rcv_mss": tcb.owed.acks.full_size,
        "tcpi_last_data_recv": since,
        "tcpi_last_ack_recv": since,
        "tcpi_rcv_ssthresh": rcv.limit,
        "tcpi_rcv_rtt": 0,
        "tcpi_rcv_space": rcv.limit,
        "tcpi_rcv_wnd": rcv.wnd,
        "tcpi_rcv_ooopack": 0,
        "tcpi_bytes_received": max(0, rcv.queue.stop - rcv.irs - 1),
        **_buffer(tcb),
    }


def _buffer(tcb: Tcb) -> dict[str, int]:
    """How the buffer grows, where that is Linux's affair."""
    memory, early = tcb.rcv.memory, tcb.rcv.early
    if memory is None or not isinstance(early, EarlyPackets):
        return {}
    return {
        "tcpi_rcv_ssthresh": memory.threshold,
        "tcpi_rcv_rtt": memory.tuning.rtt // MICROSECOND,
        "tcpi_rcv_space": memory.tuning.taken,
        "tcpi_rcv_ooopack": early.counted,
    }
