"""What comes with a transmit timestamp about its connection (SOF_TIMESTAMPING_OPT_STATS), as netlink attributes."""

import struct
from collections.abc import Mapping

from halfopen.tcp.sending import SendSpace

_ATTRIBUTES = (
    ("Q", "BUSY", "busy_time"),
    ("Q", "RWND_LIMITED", "rwnd_limited"),
    ("Q", "SNDBUF_LIMITED", "sndbuf_limited"),
    ("Q", "DATA_SEGS_OUT", "data_segs_out"),
    ("Q", "TOTAL_RETRANS", "total_retrans"),
    ("Q", "PACING_RATE", "pacing_rate"),
    ("Q", "DELIVERY_RATE", "delivery_rate"),
    ("I", "SND_CWND", "snd_cwnd"),
    ("I", "REORDERING", "reordering"),
    ("I", "MIN_RTT", "min_rtt"),
    ("B", "RECUR_RETRANS", "retransmits"),
    ("B", "DELIVERY_RATE_APP_LMT", "delivery_rate_app_limited"),
    ("I", "SND_SSTHRESH", "snd_ssthresh"),
    ("I", "DELIVERED", "delivered"),
    ("I", "DELIVERED_CE", "delivered_ce"),
    ("I", "SNDQ_SIZE", "sndq_size"),
    ("B", "CA_STATE", "ca_state"),
    ("Q", "BYTES_SENT", "bytes_sent"),
    ("Q", "BYTES_RETRANS", "bytes_retrans"),
    ("I", "DSACK_DUPS", "dsack_dups"),
    ("I", "REORD_SEEN", "reord_seen"),
    ("I", "SRTT", "srtt"),
    ("H", "TIMEOUT_REHASH", "timeout_rehash"),
    ("I", "BYTES_NOTSENT", "notsent_bytes"),
    ("Q", "EDT", "edt"),
    ("I", "REHASH", "rehash"),
)
"""In Linux's order (``tcp_get_timestamping_opt_stats``)."""
_HEAD = struct.Struct("=HH")


def pack_stats(facts: Mapping[str, int], snd: SendSpace, numbers: Mapping[str, int]) -> bytes:
    """The attributes; ``facts`` are those of ``TCP_INFO``, ``numbers`` what the host calls TCP_NLA_*."""
    waiting = snd.queue.stop - snd.queue.start
    facts = {**facts, "tcpi_sndq_size": waiting, "tcpi_srtt": facts["tcpi_rtt"] << 3}
    packed = bytearray()
    for code, name, fact in _ATTRIBUTES:
        limit = (1 << 8 * struct.calcsize(code)) - 1
        value = struct.pack("=" + code, min(facts.get(f"tcpi_{fact}", 0), limit))
        packed += _HEAD.pack(_HEAD.size + len(value), numbers[f"TCP_NLA_{name}"])
        packed += value + bytes(-len(value) % 4)
    return bytes(packed)
