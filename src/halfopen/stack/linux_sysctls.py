"""The sysctls of Linux, where ours has the same thing."""

from dataclasses import replace
from typing import Final

from halfopen.base.clock import MICROSECOND, MILLISECOND, SECOND
from halfopen.stack.ports import PortRange
from halfopen.stack.sysctl import Kind, Sysctl, Table, numbers, switch, whole
from halfopen.tcp.config import BufferConfig, Ecn
from halfopen.tcp.congestion.algorithms import ALGORITHMS

LINUX_ORPHAN_RETRIES: Final = 8
"""What Linux takes a ``tcp_orphan_retries`` of 0 for."""

LINUX_MINIMUM: Final = 4096
"""The first of ``tcp_rmem`` and ``tcp_wmem``, for when memory is short: ours never is, so it is not kept."""

UNLIMITED: Final = 2**32 - 1


def _write_ecn(text: str, _: object) -> Ecn:
    if text not in ("0", "1", "2", "3", "4", "5"):
        raise ValueError("expected 0 (never), 1 (asking for it), 2 (when the peer asks), or 3 to 5 for Accurate ECN")
    return Ecn(int(text))


def _write_algorithm(text: str, _: object) -> str:
    if text not in ALGORITHMS:
        raise ValueError(f"expected one of {', '.join(sorted(ALGORITHMS))}")
    return text


def _write_receive(text: str, field: object) -> BufferConfig:
    _, initial, largest = numbers(text, "minimum, initial, maximum")
    return replace(_buffers(field), receive_initial=initial, receive=largest)


def _write_send(text: str, field: object) -> BufferConfig:
    _, initial, largest = numbers(text, "minimum, initial, maximum")
    return replace(_buffers(field), send_initial=initial, send=largest)


def _buffers(field: object) -> BufferConfig:
    assert isinstance(field, BufferConfig)
    return field


def _write_range(text: str, field: object) -> PortRange:
    low, high = numbers(text, "lowest, highest")
    return replace(_ports(field), low=low, high=high)


def _write_reserved(text: str, _: object) -> frozenset[int]:
    """``"8080,9148-9150"``"""
    ports: set[int] = set()
    for word in text.replace(",", " ").split():
        low, _, high = word.partition("-")
        if not (low.isdecimal() and (high or low).isdecimal() and 0 < int(low) <= int(high or low) <= 0xFFFF):
            raise ValueError("expected ports and ranges of them such as 8080,9148-9150")
        ports.update(range(int(low), int(high or low) + 1))
    return frozenset(ports)


def _read_reserved(field: object) -> str:
    assert isinstance(field, frozenset)
    return ",".join(map(str, sorted(field)))


def _ports(field: object) -> PortRange:
    assert isinstance(field, PortRange)
    return field


_SECONDS: Final = whole(1, 32767, SECOND)
_MILLISECONDS: Final = whole(unit=MILLISECOND)
_SWITCH: Final = switch()
_RETRIES: Final = whole(0, 255)
_ORPHANS: Final = Kind(lambda field: int(str(field)), lambda text, _: _RETRIES.write(text, _) or LINUX_ORPHAN_RETRIES)
_ECN: Final = Kind(lambda field: field.value if isinstance(field, Ecn) else 0, _write_ecn)
_ALGORITHM: Final = Kind(str, _write_algorithm)
_RECEIVE: Final = Kind(
    lambda field: f"{LINUX_MINIMUM} {_buffers(field).receive_initial} {_buffers(field).receive}", _write_receive
)
_SEND: Final = Kind(lambda field: f"{LINUX_MINIMUM} {_buffers(field).send_initial} {_buffers(field).send}", _write_send)
_RANGE: Final = Kind(lambda field: f"{_ports(field).low} {_ports(field).high}", _write_range)
_RESERVED: Final = Kind(_read_reserved, _write_reserved)
_LOW_WATER: Final = Kind(
    lambda field: UNLIMITED if field is None else int(str(field)),
    lambda text, _: None if text == str(UNLIMITED) else whole(1).write(text, _),
)
_RATE: Final = Kind(
    lambda field: SECOND // int(str(field)), lambda text, _: SECOND // int(str(whole(1, SECOND).write(text, _)))
)

LINUX_TABLE: Final[Table] = {
    "net.core.somaxconn": Sysctl("tcp_layer.backlog", whole(1), "connections that wait to be accepted, per listener"),
    "net.ipv4.conf.all.rp_filter": Sysctl(
        "ip.ingress_filter", _SWITCH, "a router forwards only what came by the way back to its source"
    ),
    "net.ipv4.icmp_echo_ignore_all": Sysctl("icmp.echo", switch(0, 1), "do not answer ping"),
    "net.ipv4.icmp_echo_ignore_broadcasts": Sysctl(
        "icmp.echo_broadcast", switch(0, 1), "do not answer ping to a broadcast address"
    ),
    "net.ipv4.icmp_msgs_burst": Sysctl("icmp.error_burst", whole(1), "ICMP errors that may be sent at once"),
    "net.ipv4.icmp_msgs_per_sec": Sysctl("icmp.error_interval", _RATE, "ICMP errors a second"),
    "net.ipv4.ip_forward": Sysctl("ip.forwarding", _SWITCH, "be a router"),
    "net.ipv4.ip_local_port_range": Sysctl("ports", _RANGE, "ephemeral ports: lowest, highest"),
    "net.ipv4.ip_local_reserved_ports": Sysctl("ports.excluded", _RESERVED, "ports that are never ephemeral"),
    "net.ipv4.ipfrag_high_thresh": Sysctl("fragments.memory", whole(1), "octets of fragments held"),
    "net.ipv4.ipfrag_time": Sysctl("fragments.timeout", _SECONDS, "seconds that fragments are held"),
    "net.ipv4.neigh.default.base_reachable_time_ms": Sysctl(
        "arp.reachable", _MILLISECONDS, "how long a neighbour counts as reachable, on average"
    ),
    "net.ipv4.neigh.default.delay_first_probe_time": Sysctl(
        "arp.delay", _SECONDS, "how long traffic may confirm a stale neighbour before it is probed"
    ),
    "net.ipv4.neigh.default.gc_stale_time": Sysctl("arp.stale", _SECONDS, "unused neighbours are forgotten then"),
    "net.ipv4.neigh.default.gc_thresh3": Sysctl("arp.table_size", whole(1), "neighbours at most"),
    "net.ipv4.neigh.default.mcast_solicit": Sysctl("arp.solicits", whole(1, 255), "ARP requests before giving up"),
    "net.ipv4.neigh.default.retrans_time_ms": Sysctl("arp.retransmit", _MILLISECONDS, "time between ARP requests"),
    "net.ipv4.neigh.default.unres_qlen": Sysctl("arp.queue_packets", whole(1), "packets that wait for one neighbour"),
    "net.ipv4.route.min_pmtu": Sysctl("ip.pmtu_min", whole(68, 65535), "a smaller path MTU is not believed"),
    "net.ipv4.route.mtu_expires": Sysctl("ip.pmtu_lifetime", _SECONDS, "a larger path MTU is tried then"),
    "net.ipv4.tcp_congestion_control": Sysctl("tcp.congestion.algorithm", _ALGORITHM, "congestion control"),
    "net.ipv4.tcp_early_retrans": Sysctl("tcp.retransmission.tail_loss_probe", switch(3), "tail loss probe: 3 or 0"),
    "net.ipv4.tcp_ecn": Sysctl(
        "tcp.options.ecn", _ECN, "ECN: 0 never, 1 ask for it, 2 when the peer asks; 3 to 5 Accurate ECN"
    ),
    "net.ipv4.tcp_fin_timeout": Sysctl("tcp.closing.fin_wait_2", _SECONDS, "seconds in FIN-WAIT-2 without a user"),
    "net.ipv4.tcp_invalid_ratelimit": Sysctl(
        "tcp.acks.challenge_interval", _MILLISECONDS, "time between challenge ACKs of a connection"
    ),
    "net.ipv4.tcp_keepalive_intvl": Sysctl("tcp.keep_alive.interval", _SECONDS, "seconds between keep-alive probes"),
    "net.ipv4.tcp_keepalive_probes": Sysctl(
        "tcp.keep_alive.count", whole(1, 127), "keep-alive probes before the peer counts as dead"
    ),
    "net.ipv4.tcp_keepalive_time": Sysctl("tcp.keep_alive.idle", _SECONDS, "idle seconds before keep-alive probes"),
    "net.ipv4.tcp_max_syn_backlog": Sysctl("tcp_layer.half_open", whole(1), "half-open peers, per listener"),
    "net.ipv4.tcp_max_tw_buckets": Sysctl("tcp_layer.time_wait", whole(), "connections in TIME-WAIT at most"),
    "net.ipv4.tcp_notsent_lowat": Sysctl("tcp.buffers.unsent_low", _LOW_WATER, "unsent octets that make SEND wait"),
    "net.ipv4.tcp_orphan_retries": Sysctl(
        "tcp.retransmission.orphan_retries", _ORPHANS, "retransmissions when the user has closed; 0 means 8"
    ),
    "net.ipv4.tcp_recovery": Sysctl("tcp.retransmission.rack", _SWITCH, "RACK loss detection"),
    "net.ipv4.tcp_reordering": Sysctl("tcp.retransmission.dupthresh", whole(1, 300), "duplicate ACKs that mean loss"),
    "net.ipv4.tcp_retries1": Sysctl("tcp.retransmission.soft_retries", _RETRIES, "R1, in retransmissions"),
    "net.ipv4.tcp_retries2": Sysctl("tcp.retransmission.retries", _RETRIES, "R2, in retransmissions"),
    "net.ipv4.tcp_rmem": Sysctl("tcp.buffers", _RECEIVE, "receive buffer: minimum (not kept), initial, maximum"),
    "net.ipv4.tcp_rto_max_ms": Sysctl(
        "tcp.retransmission.rto_max", whole(1000, 120000, MILLISECOND), "longest retransmission timeout"
    ),
    "net.ipv4.tcp_rto_min_us": Sysctl(
        "tcp.retransmission.rto_min", whole(1, 10**6, MICROSECOND), "shortest retransmission timeout"
    ),
    "net.ipv4.tcp_sack": Sysctl("tcp.options.sack", _SWITCH, "selective acknowledgments"),
    "net.ipv4.tcp_slow_start_after_idle": Sysctl(
        "tcp.congestion.restart_after_idle", _SWITCH, "begin with slow start again after a pause"
    ),
    "net.ipv4.tcp_syn_retries": Sysctl("tcp.retransmission.syn_retries", whole(1, 127), "retransmissions of a SYN"),
    "net.ipv4.tcp_synack_retries": Sysctl(
        "tcp.retransmission.synack_retries", _RETRIES, "retransmissions of a SYN,ACK"
    ),
    "net.ipv4.tcp_timestamps": Sysctl("tcp.options.timestamps", _SWITCH, "timestamps option"),
    "net.ipv4.tcp_window_scaling": Sysctl("tcp.options.window_scaling", _SWITCH, "window scale option"),
    "net.ipv4.tcp_wmem": Sysctl("tcp.buffers", _SEND, "send buffer: minimum (not kept), initial, maximum"),
}
