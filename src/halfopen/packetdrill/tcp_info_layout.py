"""``struct tcp_info`` as Linux lays it out."""

import struct

_OCTETS = ("state", "ca_state", "retransmits", "probes", "backoff", "options")
_FIELDS = (
    ("I", "rto ato snd_mss rcv_mss unacked sacked lost retrans fackets last_data_sent last_ack_sent last_data_recv"),
    ("I", "last_ack_recv pmtu rcv_ssthresh rtt rttvar snd_ssthresh snd_cwnd advmss reordering rcv_rtt rcv_space"),
    ("I", "total_retrans"),
    ("Q", "pacing_rate max_pacing_rate bytes_acked bytes_received"),
    ("I", "segs_out segs_in notsent_bytes min_rtt data_segs_in data_segs_out"),
    ("Q", "delivery_rate busy_time rwnd_limited sndbuf_limited"),
    ("I", "delivered delivered_ce"),
    ("Q", "bytes_sent bytes_retrans"),
    ("I", "dsack_dups reord_seen rcv_ooopack snd_wnd rcv_wnd rehash"),
    ("H", "total_rto total_rto_recoveries"),
    ("I", "total_rto_time"),
    ("I", "received_ce delivered_e1_bytes delivered_e0_bytes delivered_ce_bytes"),
    ("I", "received_e1_bytes received_e0_bytes received_ce_bytes"),
)
_BIT_FIELDS = 8
MEMORY = ("RMEM_ALLOC", "RCVBUF", "WMEM_ALLOC", "SNDBUF", "FWD_ALLOC", "WMEM_QUEUED", "OPTMEM", "BACKLOG", "DROPS")
"""What SO_MEMINFO tells, in its order."""


def unpack_tcp_info(octets: bytes) -> dict[str, int]:
    """The members by their names, as many as the kernel has given."""
    facts = {f"tcpi_{name}": octets[at] for at, name in enumerate(_OCTETS)}
    scales, bits = octets[6], octets[7]
    facts |= {"tcpi_snd_wscale": scales & 15, "tcpi_rcv_wscale": scales >> 4}
    facts |= {"tcpi_delivery_rate_app_limited": bits & 1, "tcpi_fastopen_client_fail": bits >> 1 & 3}
    at = _BIT_FIELDS
    for code, names in _FIELDS:
        for name in names.split():
            size = struct.calcsize(code)
            if at + size > len(octets):
                return facts
            (facts[f"tcpi_{name}"],) = struct.unpack_from("=" + code, octets, at)
            at += size
    return facts


def unpack_memory_info(octets: bytes) -> dict[str, int]:
    """The numbers of SO_MEMINFO by the names of their places."""
    counts = struct.unpack_from(f"={len(octets) // 4}I", octets)
    return {f"SK_MEMINFO_{name}": count for name, count in zip(MEMORY, counts, strict=False)}
