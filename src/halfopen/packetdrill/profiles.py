"""The hosts that scripts are written for, as configurations of our one stack.

A script changes from there on what its own sysctls and commands change (`halfopen.packetdrill.sysctls`). Nothing below
this module asks what it is to look like: every difference is a named choice of `StackConfig`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from halfopen.base.clock import MILLISECOND, SECOND
from halfopen.packetdrill.permit import IN_SCRIPT
from halfopen.stack import datagram as kinds
from halfopen.stack.config import IcmpConfig, IpConfig, StackConfig, TcpLayerConfig
from halfopen.tcp.config import (
    AckConfig,
    ArrivalConfig,
    BufferConfig,
    ClosingConfig,
    EcnConfig,
    KeepAliveConfig,
    ListeningConfig,
    OptionsConfig,
    RetransmissionConfig,
    SecurityConfig,
    TcpConfig,
    TimeoutConfig,
)
from halfopen.tcp.congestion_config import CongestionConfig
from halfopen.tcp.fast_open_config import FastOpenConfig, FastOpenManner
from halfopen.tcp.linux_config import LinuxRetransmissionConfig

LINUX_DIALECT = "linux"
FREEBSD_DIALECT = "freebsd"

_MTUS: Mapping[str, int] = MappingProxyType({"ipv4": 1500, "ipv6": 1520, "ipv4-mapped-ipv6": 1500})
"""So that the MSS is 1460 for both versions, as Linux's scripts count on."""
_PLAIN_MTUS: Mapping[str, int] = MappingProxyType({"ipv4": 1500, "ipv6": 1500, "ipv4-mapped-ipv6": 1500})


@dataclass(slots=True, frozen=True, kw_only=True)
class Profile:
    """A host as scripts know it: how it behaves, and which dialect, numbers and names its calls have."""

    name: str
    dialect: str
    stack: StackConfig
    mtu: Mapping[str, int]
    """Of the TUN device, by IP version."""
    gso_octets: int = 0
    """The largest super-segment that the device takes; it cuts it up, and PSH stays with the last piece. 0: none."""
    pushes_bursts: bool = False
    """Bursts are as long as Linux makes them, and every one has PSH."""


_BELIEVES_PMTU = SecurityConfig(permit=IN_SCRIPT, delayed_pmtu=False)
"""Kernels believe at once what ICMP says of the path MTU, if it quotes what is in flight."""

LINUX = Profile(
    name="linux",
    dialect=LINUX_DIALECT,
    mtu=_MTUS,
    gso_octets=65535,
    pushes_bursts=True,
    stack=StackConfig(
        tcp=TcpConfig(
            buffers=BufferConfig(
                receive_initial=131072,
                receive=32 * 1024 * 1024,
                send=4 * 1024 * 1024,
                window="linux",
                scale_for=4 * 1024 * 1024,
            ),
            retransmission=RetransmissionConfig(syn_retries=6),
            timeouts=TimeoutConfig(frto=True, linux=LinuxRetransmissionConfig(syn_linear=4, gathers=False)),
            congestion=CongestionConfig(whole_segments=True, defers=True),
            options=OptionsConfig(ecn_manner=EcnConfig(checks_unmarked=False)),
            acks=AckConfig(manner="linux", nagle_for="small", patience="rto"),
            closing=ClosingConfig(reset="full"),
            fast_open=FastOpenConfig(manner=FastOpenManner(patience=None, assumes_mss=True, minds_losses=False)),
            listening=ListeningConfig(refuses_second_syn=True),
            security=SecurityConfig(permit=IN_SCRIPT, delayed_pmtu=False, rfc1337=False),
            arrivals=ArrivalConfig(order="linux"),
        ),
    ),
)
"""Linux 6, with its own defaults; most scripts begin by setting what they count on."""

ICMP_RESETS = frozenset(
    {kinds.PROTOCOL_UNREACHABLE, kinds.PORT_UNREACHABLE, kinds.NET_PROHIBITED, kinds.ADMIN_PROHIBITED}
)
"""ICMP errors that end an attempt to connect (FreeBSD ``icmp_may_rst``)."""

FREEBSD = Profile(
    name="freebsd",
    dialect=FREEBSD_DIALECT,
    mtu=_PLAIN_MTUS,
    stack=StackConfig(
        ip=IpConfig(pmtu_min=256),
        icmp=IcmpConfig(hard_errors=ICMP_RESETS),
        tcp=TcpConfig(
            options=OptionsConfig(
                layout="dense",
                least_mss=216,
                needs_timestamps=True,
                ecn_manner=EcnConfig(asks_again=1, is_hasty=False, marks_acks=False, option=0),
            ),
            buffers=BufferConfig(receive_initial=65536, receive=2 * 1024 * 1024, send=32768, window="bsd"),
            retransmission=RetransmissionConfig(
                rto_min=30 * MILLISECOND,
                rto_max=64 * SECOND,
                syn_retries=12,
                synack_retries=3,
                retries=12,
                orphan_retries=12,
                tail_loss_probe=False,
                rack=False,
            ),
            timeouts=TimeoutConfig(
                rto_min_of="whole",
                times_sacked=False,
                slop=200 * MILLISECOND,
                probes_with_text=True,
                connect=75 * SECOND,
                persist_from="bsd",
                persist_min=5 * SECOND,
                persist_max=60 * SECOND,
            ),
            acks=AckConfig(
                delay=40 * MILLISECOND,
                quick=0,
                second="any",
                nagle_for="earlier",
                patience="persist",
                challenge_interval=1 * SECOND,
                challenge_count=5,
            ),
            congestion=CongestionConfig(byte_limit=2),
            keep_alive=KeepAliveConfig(enabled=True, count=8),
            fast_open=FastOpenConfig(may_serve=False),
            closing=ClosingConfig(
                msl=30 * SECOND,
                fin_wait_2=60 * SECOND,
                reset="stamped",
                fin_wait_2_by_keep_alive=True,
                repeats_fin=True,
                resets_unread=False,
                discards_unwanted=True,
            ),
            listening=ListeningConfig(syn_fin=True, overflow="reset", complete_cookies=True),
            security=_BELIEVES_PMTU,
            arrivals=ArrivalConfig(order="bsd"),
        ),
        tcp_layer=TcpLayerConfig(backlog=128),
    ),
)
"""FreeBSD 14 and later, with its base TCP stack."""

PROFILES: Mapping[str, Profile] = MappingProxyType({each.name: each for each in (LINUX, FREEBSD)})
"""By name."""
