"""The sysctls of FreeBSD: those that change something here, and those that scripts set in passing."""

from collections.abc import Mapping
from dataclasses import replace

from halfopen.base.clock import MILLISECOND
from halfopen.packetdrill.permit import IN_SCRIPT
from halfopen.packetdrill.profiles import ICMP_RESETS
from halfopen.stack.closed_ports import SILENCE
from halfopen.stack.sysctl import Kind, Sysctl, Table, defaults, switch, whole
from halfopen.tcp.config import (
    AckConfig,
    Ecn,
    OptionsConfig,
    RetransmissionConfig,
    SecurityConfig,
)
from halfopen.tcp.congestion.algorithms import ALGORITHMS
from halfopen.tcp.congestion_config import CongestionConfig

DELAY = 40 * MILLISECOND
"""FreeBSD ``TCPTV_DELACK``."""
_BLACKHOLES = ("reset", "blackhole-syn", "blackhole", SILENCE)
_NAMES = {"newreno": "reno"}
_FREEBSD_NAMES = {ours: theirs for theirs, ours in _NAMES.items()}
"""What FreeBSD calls by another name than Linux."""


def _options(field: object) -> OptionsConfig:
    assert isinstance(field, OptionsConfig)
    return field


def _read_extensions(field: object) -> int:
    options = _options(field)
    return {(False, False): 0, (True, True): 1, (True, False): 2, (False, True): 3}[
        options.window_scaling, options.timestamps
    ]


def _write_extensions(text: str, field: object) -> OptionsConfig:
    """``rfc1323``: 0 neither, 1 both, 2 window scaling, 3 timestamps."""
    chosen = _number(text, 0, 3)
    return replace(_options(field), window_scaling=chosen in (1, 2), timestamps=chosen in (1, 3))


def _number(text: str, least: int, most: int) -> int:
    if not text.isdecimal() or not least <= int(text) <= most:
        raise ValueError(f"expected a number from {least} to {most}")
    return int(text)


def _weak(part: str) -> Kind:
    """A rule of RFC 5961 that is taken back: 1 for not having it."""

    def read(field: object) -> int:
        assert isinstance(field, SecurityConfig)
        return int(part in field.lapsed)

    def write(text: str, field: object) -> SecurityConfig:
        assert isinstance(field, SecurityConfig)
        return replace(
            field, permit=IN_SCRIPT, lapsed=field.lapsed | {part} if _number(text, 0, 1) else field.lapsed - {part}
        )

    return Kind(read, write)


def _read_blackhole(field: object) -> int:
    return _BLACKHOLES.index(str(field))


def _read_delayed(field: object) -> int:
    assert isinstance(field, AckConfig)
    return int(field.delay > 0)


def _write_delayed(text: str, field: object) -> AckConfig:
    assert isinstance(field, AckConfig)
    return replace(field, delay=(field.delay or DELAY) if _number(text, 0, 1) else 0)


def _read_cookies(field: object) -> int:
    return int(str(field) != "off")


def _write_algorithm(text: str, _: object) -> str:
    name = _NAMES.get(text, text)
    if name not in ALGORITHMS:
        raise ValueError(f"expected one of {', '.join(sorted(ALGORITHMS))}")
    return name


def _read_algorithm(field: object) -> str:
    return _FREEBSD_NAMES.get(str(field), str(field))


def _write_ecn(text: str, _: object) -> Ecn:
    """3 and 4 are Accurate ECN, with or without asking for it."""
    return _ECN[_number(text, 0, 4)]


def _read_ecn(field: object) -> int:
    return _ECN.index(field) if field in _ECN else 0


_ECN = (Ecn.OFF, Ecn.ACTIVE, Ecn.PASSIVE, Ecn.ACCURATE, Ecn.ACCURATE_PASSIVE)
_STAGES = ("", "both", "ipv4", "ipv6")
_SWITCH = switch()
_INVERSE = switch(0, 1)
_MILLISECONDS = whole(unit=MILLISECOND)
_OCTETS = whole(1)
_DEFAULT_MSS = Kind(
    lambda field: 536 if field is None else int(str(field)),
    lambda text, was: None if was is None and text == "536" else _OCTETS.write(text, was),
)

_DEFAULT_MSS_IPV6 = Kind(
    lambda field: 1220 if field is None else int(str(field)),
    lambda text, was: None if was is None and text == "1220" else _OCTETS.write(text, was),
)


def _congestion(field: object) -> CongestionConfig:
    assert isinstance(field, CongestionConfig)
    return field


def _retries(text: str, field: object) -> RetransmissionConfig:
    """For those too whose user is gone."""
    assert isinstance(field, RetransmissionConfig)
    count = _number(text, 1, 12)
    return replace(field, retries=count, orphan_retries=count)


def _read_retries(field: object) -> int:
    assert isinstance(field, RetransmissionConfig)
    return field.retries


FREEBSD_TABLE: Table = {
    "net.inet.tcp.abc_l_var": Sysctl(
        "tcp.congestion",
        Kind(
            lambda field: _congestion(field).byte_limit or 2,
            lambda text, field: replace(
                _congestion(field), byte_limit=_number(text, 0, 255) if _congestion(field).byte_limit else 0
            ),
        ),
        "segments by which an ACK opens the window in slow start",
    ),
    "net.inet.tcp.rfc3042": Sysctl("tcp.congestion.limited_transmit", _SWITCH, "limited transmit"),
    "net.inet.tcp.rfc3465": Sysctl(
        "tcp.congestion",
        Kind(
            lambda field: int(_congestion(field).byte_limit != 0),
            lambda text, field: replace(
                _congestion(field), byte_limit=(_congestion(field).byte_limit or 2) if _number(text, 0, 1) else 0
            ),
        ),
        "appropriate byte counting",
    ),
    "net.inet.tcp.v6mssdflt": Sysctl(
        "tcp.options.mss_manner.default_ipv6", _DEFAULT_MSS_IPV6, "the MSS of a peer over IPv6 that tells none"
    ),
    "kern.ipc.maxsockbuf": Sysctl("tcp.buffers.receive", _OCTETS, "the largest receive buffer"),
    "kern.ipc.soacceptqueue": Sysctl("tcp_layer.backlog", _OCTETS, "connections that wait to be accepted"),
    "kern.ipc.somaxconn": Sysctl("tcp_layer.backlog", _OCTETS, "connections that wait to be accepted"),
    "net.inet.tcp.ack_war_cnt": Sysctl("tcp.acks.challenge_count", whole(), "challenge ACKs in that time"),
    "net.inet.tcp.ack_war_timewindow": Sysctl(
        "tcp.acks.challenge_interval", _MILLISECONDS, "a time with few challenge ACKs"
    ),
    "net.inet.tcp.always_keepalive": Sysctl("tcp.keep_alive.enabled", _SWITCH, "keep-alive for all"),
    "net.inet.tcp.blackhole": Sysctl(
        "tcp_layer.closed_ports", Kind(_read_blackhole, lambda text, _: _BLACKHOLES[_number(text, 0, 3)]), "no RST"
    ),
    "net.inet.tcp.cc.algorithm": Sysctl(
        "tcp.congestion.algorithm", Kind(_read_algorithm, _write_algorithm), "congestion control"
    ),
    "net.inet.tcp.delacktime": Sysctl("tcp.acks.delay", _MILLISECONDS, "the delayed ACK timer"),
    "net.inet.tcp.delayed_ack": Sysctl("tcp.acks", Kind(_read_delayed, _write_delayed), "delay ACKs"),
    "net.inet.tcp.drop_synfin": Sysctl("tcp.listening.syn_fin", _INVERSE, "drop SYN with FIN"),
    "net.inet.tcp.ecn.enable": Sysctl("tcp.options.ecn", Kind(_read_ecn, _write_ecn), "ECN"),
    "net.inet.tcp.ecn.maxretries": Sysctl(
        "tcp.options.ecn_manner.asks_again", whole(0), "retransmissions of a SYN that ask for ECN"
    ),
    "net.inet.tcp.fast_finwait2_recycle": Sysctl(
        "tcp.closing.fin_wait_2_by_keep_alive", _INVERSE, "a short FIN-WAIT-2"
    ),
    "net.inet.tcp.fastopen.acceptany": Sysctl("tcp.fast_open.needs_no_cookie", _SWITCH, "any cookie will do"),
    "net.inet.tcp.fastopen.client_enable": Sysctl("tcp.fast_open.client", _SWITCH, "Fast Open by clients"),
    "net.inet.tcp.fastopen.server_enable": Sysctl("tcp.fast_open.may_serve", _SWITCH, "Fast Open by servers"),
    "net.inet.tcp.finwait2_timeout": Sysctl("tcp.closing.fin_wait_2", _MILLISECONDS, "FIN-WAIT-2 without a user"),
    "net.inet.tcp.icmp_may_rst": Sysctl(
        "icmp.hard_errors",
        Kind(
            lambda field: int(bool(field)),
            lambda text, _: ICMP_RESETS if _number(text, 0, 1) else frozenset(),
        ),
        "ICMP errors end attempts to connect",
    ),
    "net.inet.tcp.initcwnd_segments": Sysctl("tcp.congestion.initial_window", whole(1), "the initial window"),
    "net.inet.tcp.insecure_ack": Sysctl("tcp.security", _weak("ack"), "old ACKs count"),
    "net.inet.tcp.insecure_rst": Sysctl("tcp.security", _weak("rst"), "RST anywhere in the window counts"),
    "net.inet.tcp.insecure_syn": Sysctl("tcp.security", _weak("syn"), "SYN in the window resets"),
    "net.inet.tcp.keepcnt": Sysctl("tcp.keep_alive.count", whole(1), "keep-alive probes"),
    "net.inet.tcp.keepidle": Sysctl("tcp.keep_alive.idle", _MILLISECONDS, "idle time before keep-alive probes"),
    "net.inet.tcp.keepinit": Sysctl("tcp.timeouts.connect", _MILLISECONDS, "patience in SYN-SENT"),
    "net.inet.tcp.keepintvl": Sysctl("tcp.keep_alive.interval", _MILLISECONDS, "time between keep-alive probes"),
    "net.inet.tcp.maxunacktime": Sysctl(
        "tcp.retransmission.user_timeout",
        Kind(
            lambda field: 0 if field is None else int(str(field)) // MILLISECOND,
            lambda text, _: _number(text, 0, 2**31 - 1) * MILLISECOND or None,
        ),
        "R2 as a time",
    ),
    "net.inet.tcp.minmss": Sysctl("tcp.options.least_mss", _OCTETS, "a smaller MSS is not believed"),
    "net.inet.tcp.msl": Sysctl("tcp.closing.msl", _MILLISECONDS, "the maximum segment lifetime"),
    "net.inet.tcp.mssdflt": Sysctl("tcp.options.mss_manner.default", _DEFAULT_MSS, "the MSS of a peer that tells none"),
    "net.inet.tcp.path_mtu_discovery": Sysctl("tcp.options.mss_manner.discovers_path", _SWITCH, "path MTU discovery"),
    "net.inet.tcp.persmax": Sysctl("tcp.timeouts.persist_max", _MILLISECONDS, "the longest time between probes"),
    "net.inet.tcp.persmin": Sysctl("tcp.timeouts.persist_min", _MILLISECONDS, "the shortest time between probes"),
    "net.inet.tcp.pmtud_blackhole_detection": Sysctl(
        "tcp.timeouts.mtu_search.stages",
        Kind(lambda field: _STAGES.index(str(field)), lambda text, _: _STAGES[_number(text, 0, 3)]),
        "smaller segments where large ones go unanswered",
    ),
    "net.inet.tcp.pmtud_blackhole_mss": Sysctl("tcp.timeouts.mtu_search.stage_mss", _OCTETS, "how small at first"),
    "net.inet.tcp.v6pmtud_blackhole_mss": Sysctl(
        "tcp.timeouts.mtu_search.stage_mss_ipv6", _OCTETS, "how small at first, over IPv6"
    ),
    "net.inet.tcp.recvspace": Sysctl("tcp.buffers.receive_initial", _OCTETS, "the receive buffer"),
    "net.inet.tcp.retries": Sysctl("tcp.retransmission", Kind(_read_retries, _retries), "R2, in retransmissions"),
    "net.inet.tcp.rexmit_drop_options": Sysctl(
        "tcp.options.drops_late", _SWITCH, "the fourth SYN has an MSS option and no other"
    ),
    "net.inet.tcp.rexmit_initial": Sysctl("tcp.retransmission.rto_initial", _MILLISECONDS, "the first RTO"),
    "net.inet.tcp.rexmit_min": Sysctl("tcp.retransmission.rto_min", _MILLISECONDS, "the shortest RTO"),
    "net.inet.tcp.rexmit_slop": Sysctl("tcp.timeouts.slop", _MILLISECONDS, "added to each RTO but the first"),
    "net.inet.tcp.rfc1323": Sysctl("tcp.options", Kind(_read_extensions, _write_extensions), "options of RFC 7323"),
    "net.inet.tcp.sack.enable": Sysctl("tcp.options.sack", _SWITCH, "selective acknowledgments"),
    "net.inet.tcp.sendspace": Sysctl("tcp.buffers.send", _OCTETS, "the send buffer"),
    "net.inet.tcp.syncache.rexmtlimit": Sysctl(
        "tcp.retransmission.synack_retries", whole(0, 15), "retransmissions of a SYN,ACK"
    ),
    "net.inet.tcp.syncache.rst_on_sock_fail": Sysctl(
        "tcp.listening.overflow",
        Kind(lambda field: int(field == "reset"), lambda text, _: "reset" if _number(text, 0, 1) else "forgotten"),
        "RST if nobody accepts",
    ),
    "net.inet.tcp.syncookies": Sysctl(
        "tcp_layer.syn_cookies",
        Kind(_read_cookies, lambda text, _: "overflow" if _number(text, 0, 1) else "off"),
        "SYN cookies",
    ),
    "net.inet.tcp.syncookies_only": Sysctl(
        "tcp_layer.syn_cookies",
        Kind(
            lambda field: int(field == "always"),
            lambda text, was: "always" if _number(text, 0, 1) else "overflow" if was == "always" else was,
        ),
        "SYN cookies for everybody",
    ),
    "net.inet.tcp.tolerate_missing_ts": Sysctl("tcp.options.needs_timestamps", _INVERSE, "take what has no timestamp"),
    "net.inet.tcp.udp_tunneling_overhead": Sysctl(
        "tcp_over_udp_octets", whole(8, 1024), "what a UDP header takes of the MSS"
    ),
    "net.inet.tcp.udp_tunneling_port": Sysctl("tcp_over_udp", whole(0, 65535), "where TCP comes in UDP"),
}

FREEBSD_KEPT: Mapping[str, str] = {
    **defaults(
        "net.inet.tcp.",
        """
        blackhole_local=0 cc.abe=0 cc.abe_frlossreduce=0
        cc.available=newreno,cubic cc.newreno.beta=50 cc.newreno.beta_ecn=80 cc.cubic.hystartplusplus=0
        cc.dctcp.alpha=1024 cc.dctcp.shift_g=4 cc.dctcp.slowstart=0 cc.hystartplusplus.bblogs=0 debug=0 do_prr=1
        do_prr_conservative=0 do_lrd=1 do_tcpdrain=1
        fastopen.autokey=120 fastopen.ccache_bucket_limit=16 fastopen.ccache_buckets=2048
        fastopen.keylen=16 fastopen.maxkeys=2 fastopen.maxpsks=2 fastopen.numkeys=0
        fastopen.numpsks=0 fastopen.path_disable_time=900 fastopen.setkey= fastopen.psk_enable=0
        functions_available=freebsd functions_default=freebsd functions_inherit_listen_socket_stack=1
        hostcache.cachelimit=15360 hostcache.count=0 hostcache.enable=1 hostcache.expire=3600
        hostcache.hashsize=512 hostcache.prune=300 hostcache.purge=0 hostcache.purgenow=0
        isn_reseed_interval=0 log_debug=0 log_in_vain=0 map_limit=0 maxtcptw=27767
        msl_local=10 newcwv=0 newreno_abe_enable=0 nolocaltimewait=0 pcbcount=0
        per_cpu_timers=0
        pmtud_blackhole_activated=0 pmtud_blackhole_failed=0 pmtud_blackhole_min_activated=0 reass.cursegments=0
        reass.maxqueuelen=100 reass.maxsegments=63500 reass.overflows=0 recvbuf_auto=1 recvbuf_inc=16384
        recvbuf_max=2097152 require_unique_port=1 rfc3390=1
        rfc6191=0 rfc6675_pipe=1 sack.globalholes=0 sack.globalmaxholes=65536 sack.lrd=1 sack.maxholes=128
        sack.revised=1 sack.tso=1 sendbuf_auto=1 sendbuf_auto_lowat=0 sendbuf_inc=8192 sendbuf_max=2097152
        soreceive_stream=0 syncache.bucketlimit=30 syncache.cachelimit=15375 syncache.count=0
        syncache.hashsize=512 syncache.see_other=0 tcbhashsize=131072
        bb.disable_all=0 bb.log_auto_all=1 bb.log_auto_mode=4 bb.log_auto_ratio=0 bb.log_id_entries=0
        bb.log_id_limit=0 cc.hystartplusplus.css_growth_div=4
        cc.hystartplusplus.css_rounds=5 cc.hystartplusplus.maxrtt_thresh=16000 cc.hystartplusplus.minrtt_thresh=4000
        cc.hystartplusplus.n_rttsamples=8
        hostcache.bucketlimit=30 hpts.minsleep=250
        lro.entries=0 lro.lro_cpu_threshold=50
        maxpersistidle=7200000 pcap_packets=0
        split_limit=0 timer_race=0
        ts_offset_per_conn=1 tso=1 use_sack=1
        rack.cfg=0
        """,
    ),
    "kern.hz": "1000",
    "kern.ipc.tls.enable": "0",
    "kern.ostype": "FreeBSD",
    "net.inet.icmp.bmcastecho": "0",
    "net.inet.icmp.maskrepl": "0",
    "net.inet.icmp.quotelen": "8",
    "net.inet.ip.forwarding": "0",
    "net.inet.ip.random_id": "0",
    "net.inet.ip.redirect": "1",
    "net.inet.ip.source_address_validation": "1",
    "net.inet6.icmp6.rediraccept": "1",
    "net.inet6.ip6.auto_flowlabel": "1",
    "net.inet6.ip6.forwarding": "0",
    "net.inet6.ip6.source_address_validation": "1",
    "net.inet6.ip6.use_tempaddr": "0",
    "net.link.tun.devfs_cloning": "1",
    "kern.timecounter.alloweddeviation": "5",
    "kern.ipc.nmbclusters": "500000",
    "kern.ipc.numopensockets": "0",
    "net.inet.icmp.drop_redirect": "0",
    "net.inet.icmp.icmplim": "200",
    "net.inet.icmp.icmplim_jitter": "16",
    "net.inet.icmp.icmplim_output": "1",
    "net.inet.ip.portrange.first": "10000",
    "net.inet.ip.portrange.last": "65535",
    "net.inet.ip.rfc6864": "1",
    "net.inet.ip.ttl": "64",
    "net.inet.udp.blackhole": "0",
    "net.inet.udp.checksum": "1",
    "net.inet6.ip6.hlim": "64",
    "security.bsd.see_other_uids": "1",
}
"""Others, with their defaults: they are kept as they are set, and nothing here depends on them."""
