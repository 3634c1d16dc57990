"""The sysctls of Linux that only scripts set, beside those of `halfopen.stack.linux_sysctls`."""

from collections.abc import Mapping
from dataclasses import replace
from struct import Struct

from halfopen.base.clock import SECOND
from halfopen.stack.linux_sysctls import LINUX_TABLE as COMMON
from halfopen.stack.sysctl import Kind, Sysctl, Table, defaults, switch, whole
from halfopen.tcp.fast_open_config import FastOpenConfig

_COOKIES = ("off", "overflow", "always")

_CLIENT, _SERVER, _CLIENT_NO_COOKIE, _SERVER_NO_COOKIE, _EVERY_LISTENER = 1, 2, 4, 0x200, 0x400
_KEY = Struct("<4I")
_NO_KEY = bytes(_KEY.size)


def _read_fast_open(field: object) -> int:
    assert isinstance(field, FastOpenConfig)
    bits = _CLIENT * field.client | _SERVER * field.may_serve | _CLIENT_NO_COOKIE * field.sends_no_cookie
    return bits | _SERVER_NO_COOKIE * field.needs_no_cookie | _EVERY_LISTENER * field.server


def _write_fast_open(text: str, field: object) -> FastOpenConfig:
    assert isinstance(field, FastOpenConfig)
    bits = int(text, 0)
    return replace(
        field,
        client=bool(bits & _CLIENT),
        may_serve=bool(bits & _SERVER),
        sends_no_cookie=bool(bits & _CLIENT_NO_COOKIE),
        needs_no_cookie=bool(bits & _SERVER_NO_COOKIE),
        server=bool(bits & _EVERY_LISTENER),
    )


def _read_keys(field: object) -> str:
    assert isinstance(field, tuple)
    return ",".join("-".join(f"{word:08x}" for word in _KEY.unpack(key)) for key in field or (_NO_KEY,))


def _write_keys(text: str, _: object) -> tuple[bytes, ...]:
    keys = tuple(_KEY.pack(*(int(word, 16) for word in key.split("-"))) for key in text.split(","))
    return () if keys == (_NO_KEY,) else keys


MODULE_PARAMETERS: Table = {
    "tcp_cubic.hystart_detect": Sysctl("tcp.congestion.hystart", whole(0, 3), "what ends CUBIC's first slow start"),
}
"""``MODULE.NAME`` is ``/sys/module/MODULE/parameters/NAME``."""

LINUX_TABLE: Table = {
    **COMMON,
    **MODULE_PARAMETERS,
    "net.ipv4.tcp_dsack": Sysctl("tcp.options.dsack", switch(), "report what came twice"),
    "net.ipv4.tcp_comp_sack_delay_ns": Sysctl(
        "tcp.buffers.linux.compress_delay", whole(), "nanoseconds that duplicate ACKs wait for each other"
    ),
    "net.ipv4.tcp_comp_sack_nr": Sysctl("tcp.buffers.linux.compress_most", whole(0, 255), "how many of them wait"),
    "net.ipv4.tcp_comp_sack_rtt_percent": Sysctl(
        "tcp.buffers.linux.compress_percent", whole(1, 1000), "for what part of a round trip at most"
    ),
    "net.ipv4.tcp_early_retrans": Sysctl(
        "tcp.retransmission.tail_loss_probe",
        Kind(lambda field: 3 if field else 0, lambda text, _: whole(0, 4).write(text, _) in (3, 4)),
        "tail loss probe: 3 or 4",
    ),
    "net.ipv4.tcp_mtu_probing": Sysctl("tcp.timeouts.mtu_search.mode", whole(0, 2), "smaller segments after timeouts"),
    "net.ipv4.tcp_base_mss": Sysctl("tcp.timeouts.mtu_search.base_mss", whole(1, 65535), "the first smaller size"),
    "net.ipv4.tcp_probe_interval": Sysctl(
        "tcp.timeouts.mtu_search.interval", whole(1, 2**31 - 1, SECOND), "until larger segments are tried again"
    ),
    "net.ipv4.tcp_probe_threshold": Sysctl("tcp.timeouts.mtu_search.threshold", whole(1, 65535), "sizes that differ"),
    "net.ipv4.tcp_mtu_probe_floor": Sysctl("tcp.timeouts.mtu_search.floor", whole(1, 65535), "the smallest size"),
    "net.ipv4.tcp_frto": Sysctl(
        "tcp.timeouts.frto",
        Kind(lambda field: 2 if field else 0, lambda text, _: bool(whole(0, 255).write(text, _))),
        "new text tells whether a timeout was needless",
    ),
    "net.ipv4.tcp_pacing_ss_ratio": Sysctl("tcp.congestion.pace.start_percent", whole(1, 1000), "pace in slow start"),
    "net.ipv4.tcp_pacing_ca_ratio": Sysctl("tcp.congestion.pace.percent", whole(1, 1000), "pace later"),
    "net.ipv4.tcp_tso_rtt_log": Sysctl("tcp.congestion.pace.near_shift", whole(0, 31), "bursts to near peers"),
    "net.ipv4.tcp_syn_linear_timeouts": Sysctl("tcp.timeouts.linux.syn_linear", whole(0, 127), "SYNs without backoff"),
    "net.ipv4.tcp_thin_linear_timeouts": Sysctl(
        "tcp.timeouts.linux.thin_linear", switch(), "timeouts of thin streams without backoff"
    ),
    "net.ipv4.tcp_ecn_fallback": Sysctl("tcp.options.ecn_manner.fallback", switch(), "ECN is given up where it fails"),
    "net.ipv4.tcp_ecn_option": Sysctl("tcp.options.ecn_manner.option", whole(0, 3), "the option of Accurate ECN"),
    "net.ipv4.tcp_ecn_option_beacon": Sysctl("tcp.options.ecn_manner.beacon", whole(0, 63), "it goes in a round trip"),
    "net.ipv4.tcp_fastopen": Sysctl("tcp.fast_open", Kind(_read_fast_open, _write_fast_open), "bits of Fast Open"),
    "net.ipv4.tcp_fastopen_key": Sysctl(
        "tcp.fast_open.keys", Kind(_read_keys, _write_keys), "the key of Fast Open's cookies, and one before it"
    ),
    "net.ipv4.tcp_moderate_rcvbuf": Sysctl(
        "tcp.buffers.linux.moderates", switch(), "receive buffers grow with what is read"
    ),
    "net.ipv4.tcp_fastopen_blackhole_timeout_sec": Sysctl(
        "tcp.fast_open.manner.blackhole", whole(unit=SECOND), "no Fast Open after signs of a path that swallows it"
    ),
    "net.ipv4.tcp_min_snd_mss": Sysctl("tcp.options.least_mss", whole(48, 65535), "a smaller MSS is not believed"),
    "net.ipv4.tcp_min_tso_segs": Sysctl("tcp.congestion.least_burst", whole(1, 65535), "segments of a burst at least"),
    "net.ipv4.tcp_recovery": Sysctl(
        "tcp.retransmission.rack",
        Kind(lambda field: 1 if field else 0, lambda text, _: bool(int(str(whole(0, 7).write(text, _))) & 1)),
        "RACK loss detection is bit 0",
    ),
    "net.ipv4.tcp_rfc1337": Sysctl("tcp.security.rfc1337", switch(), "RST does not end TIME-WAIT"),
    "net.ipv4.tcp_shrink_window": Sysctl(
        "tcp.buffers.linux.shrinks", switch(), "a window is taken back when memory is short"
    ),
    "net.ipv4.tcp_syncookies": Sysctl(
        "tcp_layer.syn_cookies",
        Kind(lambda field: _COOKIES.index(str(field)), lambda text, _: _COOKIES[int(str(whole(0, 2).write(text, _)))]),
        "SYN cookies: 0 never, 1 when the table is full, 2 for everybody",
    ),
    "net.ipv4.tcp_syn_retries": Sysctl("tcp.retransmission.syn_retries", whole(0, 127), "retransmissions of a SYN"),
}
"""With the same effect as there."""

LINUX_KEPT: Mapping[str, str] = {
    **defaults(
        "net.ipv4.",
        """
        ip_default_ttl=64 ip_forward_use_pmtu=0 ip_no_pmtu_disc=0 ip_nonlocal_bind=0 tcp_abort_on_overflow=0
        tcp_adv_win_scale=1 tcp_app_win=31 tcp_autocorking=1 tcp_backlog_ack_defer=1
        tcp_challenge_ack_limit=2147483647
        tcp_comp_sack_slack_ns=100000 tcp_fack=0
        tcp_fwmark_accept=0 tcp_l3mdev_accept=0
        tcp_limit_output_bytes=4194304 tcp_low_latency=0 tcp_max_orphans=65536 tcp_max_reordering=300
        tcp_max_ssthresh=0 tcp_min_rtt_wlen=300
        tcp_no_metrics_save=0 tcp_no_ssthresh_metrics_save=1
        tcp_pingpong_thresh=1 tcp_plb_enabled=0 tcp_plb_cong_thresh=128
        tcp_plb_idle_rehash_rounds=3 tcp_plb_rehash_rounds=12 tcp_plb_suspend_rto_sec=60
        tcp_rcvbuf_low_rtt=1000 tcp_reflect_tos=0
        tcp_retrans_collapse=1
         tcp_rto_min_us=200000 tcp_stdurg=0
        tcp_thin_dupack=0 tcp_tso_win_divisor=3 tcp_tw_reuse=2
        tcp_tw_reuse_delay=1000 tcp_tw_recycle=0 tcp_workaround_signed_windows=0 tcp_available_congestion_control=
        tcp_allowed_congestion_control= tcp_child_ehash_entries=0 tcp_migrate_req=0 tcp_early_demux=1
        fwmark_reflect=0 icmp_echo_enable_probe=0 icmp_ratelimit=1000 icmp_ratemask=6168 ping_group_range=0
        tcp_mem=188319
        """,
    ),
    "net.core.busy_poll": "0",
    "net.core.busy_read": "0",
    "net.core.default_qdisc": "fq",
    "net.core.high_order_alloc_disable": "0",
    "net.core.netdev_max_backlog": "1000",
    "net.core.optmem_max": "131072",
    "net.core.rmem_default": "212992",
    "net.core.rmem_max": "4194304",
    "net.core.wmem_default": "212992",
    "net.core.wmem_max": "4194304",
    "net.ipv4.conf.all.accept_local": "0",
    "net.ipv4.conf.default.rp_filter": "0",
    "net.ipv4.conf.tun0.rp_filter": "0",
    "net.ipv6.bindv6only": "0",
    "net.ipv6.conf.all.disable_ipv6": "0",
    "net.ipv6.conf.default.disable_ipv6": "0",
    "net.ipv6.auto_flowlabels": "1",
    "net.ipv6.flowlabel_reflect": "0",
    "net.ipv6.flowlabel_state_ranges": "0",
    "net.ipv6.icmp.ratelimit": "1000",
    "net.mptcp.enabled": "1",
}
"""Others, with their defaults: they are kept as they are set, and nothing here depends on them."""

SCRIPT_DEFAULTS: Mapping[str, str] = {
    "net.ipv4.tcp_rmem": "4096 540000 15728640",
    "net.ipv4.tcp_wmem": "4096 262144 4194304",
    "net.ipv4.tcp_timestamps": "1",
    "net.ipv4.tcp_sack": "1",
    "net.ipv4.tcp_dsack": "1",
    "net.ipv4.tcp_fack": "0",
    "net.ipv4.tcp_frto": "2",
    "net.ipv4.tcp_reordering": "3",
    "net.ipv4.tcp_syn_retries": "5",
    "net.ipv4.tcp_synack_retries": "5",
    "net.ipv4.tcp_congestion_control": "cubic",
    "net.ipv4.tcp_slow_start_after_idle": "0",
    "net.ipv4.tcp_early_retrans": "4",
    "net.ipv4.tcp_recovery": "1",
    "net.ipv4.tcp_tso_win_divisor": "3",
    "net.ipv4.tcp_ecn": "0",
    "net.ipv4.tcp_ecn_option": "2",
    "net.ipv4.tcp_pacing_ss_ratio": "200",
    "net.ipv4.tcp_pacing_ca_ratio": "120",
    "net.ipv4.tcp_notsent_lowat": "4294967295",
    "net.ipv4.tcp_fastopen": "0x70403",
    "net.ipv4.tcp_fastopen_key": "a1a1a1a1-b2b2b2b2-c3c3c3c3-d4d4d4d4",
    "net.ipv4.tcp_syncookies": "1",
}
"""What ``defaults.sh`` of the suites sets."""
