"""What can be chosen about a host, in groups, each frozen. TCP's choices are in `halfopen.tcp.config`."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from halfopen.base.clock import MILLISECOND, MINUTE, SECOND, Duration
from halfopen.base.errors import ConfigError
from halfopen.base.permit import Permit
from halfopen.stack import datagram as kinds
from halfopen.stack import identification
from halfopen.stack.closed_ports import POLICIES, RST_RATE
from halfopen.stack.config_ipv6 import Ipv6Config
from halfopen.stack.config_ndp import NdpConfig
from halfopen.stack.interface import ETHERNET, IP, Offloads
from halfopen.stack.ports import PortRange
from halfopen.tcp.config import TcpConfig
from halfopen.tcp.eviction import EVICTIONS
from halfopen.tcp.half_open import MAX_BAD_ACKS
from halfopen.tcp.isn import IsnGenerator
from halfopen.tcp.keyed import KEYED_HASHES
from halfopen.tcp.master_keys import MasterKey, Md5Key
from halfopen.wire.ipv6 import MINIMUM_MTU


def _check(name: str, chosen: str, choices: Iterable[str]) -> None:
    if chosen not in choices:
        raise ConfigError(f"{name} is one of {', '.join(choices)}, not {chosen!r}")


@dataclass(slots=True, frozen=True, kw_only=True)
class InterfaceConfig:
    """One interface: ``kind`` is ``"ethernet"`` (TAP, AF_PACKET, a cable) or ``"ip"`` (TUN).

    ``addresses`` are of the form ``"192.0.2.1/24"``. An Ethernet interface without ``mac`` gets a random, locally
    administered one. With ``probe`` its addresses are in use once nobody has objected (RFC 5227 2.1, RFC 4862 5.4),
    else at once.
    """

    name: str
    kind: str
    addresses: tuple[str, ...] = ()
    mac: str | None = None
    mtu: int = 1500
    offloads: Offloads = field(default_factory=Offloads)
    forwarding: bool = True
    probe: bool = False
    ipv6: bool | None = None
    """Whether an Ethernet interface has IPv6, and with it a link-local address; None: if `addresses` has one."""

    def __post_init__(self) -> None:
        if self.kind not in (ETHERNET, IP):
            raise ConfigError(f"interface {self.name}: the kind is {ETHERNET!r} or {IP!r}, not {self.kind!r}")
        if not 68 <= self.mtu <= 65535:
            raise ConfigError(f"interface {self.name}: an MTU is from 68 (RFC 791) to 65535, not {self.mtu}")
        if self.has_ipv6 and self.mtu < MINIMUM_MTU:
            raise ConfigError(f"interface {self.name}: with IPv6 an MTU is at least 1280 (RFC 8200 5), not {self.mtu}")

    @property
    def has_ipv6(self) -> bool:
        """Whether IPv6 is used on the interface."""
        return any(":" in address for address in self.addresses) if self.ipv6 is None else self.ipv6


@dataclass(slots=True, frozen=True, kw_only=True)
class ArpConfig:
    """The neighbour table: names and defaults of Linux's ``net.ipv4.neigh``."""

    table_size: int = 1024
    queue_packets: int = 512
    """Packets that wait for one neighbour; the oldest go first (RFC 1122 2.3.2.2 wants the latest kept).

    Enough for the SYN-ACKs to a neighbour that opens some hundred connections before we know it.
    """
    queue_octets: int = 1024 * 1024
    """For all neighbours together."""
    solicits: int = 3
    """Requests before a neighbour counts as unreachable (Linux ``mcast_solicit``, ``ucast_solicit``)."""
    retransmit: Duration = 1 * SECOND
    """Between requests: not more than one a second to one address (RFC 1122 2.3.2.1)."""
    reachable: Duration = 30 * SECOND
    """How long a confirmation holds, times a random 0.5 to 1.5 (RFC 4861 10)."""
    delay: Duration = 5 * SECOND
    """How long traffic may confirm a stale neighbour before it is probed (RFC 4861 10)."""
    stale: Duration = 60 * SECOND
    """An entry that nobody has used for this long is forgotten (Linux ``gc_stale_time``)."""
    trust_claims: bool = False
    """Let an unasked-for claim overwrite an entry, as RFC 826's merge does and ARP poisoning wants.

    Without it such a claim only has the old owner asked; if he is silent, the new one is found by a fresh request.
    """
    learn_from_requests: bool = False
    """Create an entry for whoever asks for us (RFC 826): saves a request when answering, and lets anyone plant one."""
    defend: bool = True
    """Never give up an address in conflict (RFC 5227 2.4 (c)); else at the second conflict within 10 s (2.4 (b))."""


@dataclass(slots=True, frozen=True, kw_only=True)
class IpConfig:
    """IPv4, and what both versions share: forwarding and path MTU discovery."""

    forwarding: bool = False
    ingress_filter: bool = False
    """Forward only what came by the interface that its source is reached by (RFC 3704 strict; Linux ``rp_filter``)."""
    pmtu_min: int = 552
    """A smaller path MTU is not believed (Linux ``min_pmtu``): it would be an attack, or not worth it. At least 68."""
    pmtu_lifetime: Duration = 10 * MINUTE
    """After which a larger one is tried (RFC 1191 6.3)."""
    pmtu_entries: int = 1024
    loopback_mtu: int = 65535
    ip_id: str = "zero"
    """How datagrams are numbered that nobody may fragment (RFC 6864 4.1): a key of
    `halfopen.stack.identification.POLICIES`, or ``"global"``: one counter for all, for which there has to be a permit.
    """
    permit: Permit | None = None

    def __post_init__(self) -> None:
        if self.pmtu_min < 68:
            raise ConfigError(f"pmtu_min is at least 68 (RFC 1191 3), not {self.pmtu_min}")
        _check("ip_id", self.ip_id, (*identification.POLICIES, "global"))
        if self.ip_id == "global" and self.permit is None:
            raise ConfigError("ip_id 'global': no host without a permit may be so weak; only the lab has one")


@dataclass(slots=True, frozen=True, kw_only=True)
class FragmentConfig:
    """Reassembly (RFC 815, RFC 1122 3.3.2)."""

    timeout: Duration = 60 * SECOND
    """RFC 1122 3.3.2: between 60 and 120 s (Linux: 30)."""
    memory: int = 4 * 1024 * 1024
    """Octets of all fragments held, overhead included; the oldest datagrams go first."""
    fragments: int = 128
    """Of one datagram: 64 KB in pieces of 512 octets; more are an attack (CVE-2018-5391)."""
    overlap: str = "drop"
    """A key of `halfopen.stack.fragments.OVERLAP_POLICIES`."""


_PROHIBITED: Final = {kinds.NET_PROHIBITED, kinds.ADMIN_PROHIBITED}
HARD: Final = frozenset({kinds.PROTOCOL_UNREACHABLE, kinds.PORT_UNREACHABLE, kinds.PRECEDENCE, *_PROHIBITED})
"""Errors that end an attempt to connect (RFC 1122 4.2.3.9, code 4 apart); Linux takes "prohibited" for one as well."""


@dataclass(slots=True, frozen=True, kw_only=True)
class IcmpConfig:
    """ICMP (RFC 792, RFC 1122 3.2.2)."""

    hard_errors: frozenset[str] = HARD
    """Those that we are told of and that end an attempt to connect."""
    error_interval: Duration = 1 * MILLISECOND
    """On average one error in this time (Linux ``icmp_msgs_per_sec`` 1000) ..."""
    error_burst: int = 50
    """... and this many at once (Linux ``icmp_msgs_burst``)."""
    echo: bool = True
    """Answer echo requests."""
    echo_broadcast: bool = False
    """Also those to a broadcast or multicast address (RFC 1122 3.2.2.6 allows both; Linux does not either)."""
    echo_multicast: bool = True
    """Also those to an IPv6 group (RFC 4443 4.2; Linux answers them too)."""
    accept_redirects: bool = False
    """Follow an IPv4 redirect of the current first hop (RFC 1122 3.2.2.2); for IPv6 `AutoconfConfig` says so.

    Off: whoever can send as the router takes over what leaves the link. Linux believes them on hosts.
    """
    reply_queue: int = 256
    """Answers to our own echo requests that wait to be polled."""
    ttl: int = 64


@dataclass(slots=True, frozen=True, kw_only=True)
class TcpLayerConfig:
    """What is chosen about TCP for a host as a whole."""

    backlog: int = 4096
    """Connections that wait to be accepted, per listener (Linux ``net.core.somaxconn``)."""
    half_open: int = 1024
    """Half-open peers, per listener (Linux ``tcp_max_syn_backlog``)."""
    syn_cookies: str = "overflow"
    """SYN,ACKs that are cookies (RFC 4987 3.6; Linux ``tcp_syncookies`` 0 to 2).

    ``"overflow"``: for SYNs that find the half-open table full; nobody in it has to go (RFC 4987 3.7). ``"always"``:
    there is no table. ``"off"``: `eviction` says who goes.
    """
    eviction: str = "oldest"
    """A key of `halfopen.tcp.eviction.EVICTIONS`; counts with cookies off."""
    proven_reserve: float = 0.0
    """Which share of the half-open table only peers may fill that have completed a handshake within the hour.

    Linux: a quarter, with cookies off. Here none, for it is room that new clients miss in peace already, and with
    cookies nobody is turned away (`halfopen.tcp.proven`).
    """
    keyed_hash: str = "blake2s"
    """What cookies and the offsets of timestamp clocks are made with: one of `halfopen.tcp.keyed.KEYED_HASHES`.

    A SYN gate (`halfopen.links.syn_gate`) needs ``"siphash"``.
    """
    bad_ack_budget: int | None = None
    """After how many wrong ACKs, 1 to 7, a half-open peer is forgotten: that many guesses at our ISS has a SYN.

    RFC 9293 3.10.7.4 allows any number, and so does this: a budget lets whoever knows the four-tuple cancel a
    handshake, our ISNs leave a guess one chance in 2^32, and where an ISN can be foreseen one guess is enough.
    """
    closed_ports: str = "reset"
    """What is said where nobody listens: a key of `halfopen.stack.closed_ports.POLICIES`."""
    rst_rate: int = RST_RATE
    """RSTs a second from closed ports, if `closed_ports` is ``"limit"``."""
    time_wait: int = 65536
    """TIME-WAIT records in all; above, a connection ends without (Linux ``tcp_max_tw_buckets``)."""
    isn: IsnGenerator | None = None
    """Chooses initial sequence numbers; None is RFC 6528's way with a secret of this host's.

    Then those of SYN,ACKs are cookies, unless `syn_cookies` is off, also while there is room for records.
    """
    keys: tuple[MasterKey | Md5Key, ...] = ()
    """What opens between the ends that they name is signed (RFC 5925); further ones by `TcpLayer.add_key`."""

    def __post_init__(self) -> None:
        if min(self.backlog, self.half_open) < 1 or self.time_wait < 0:
            raise ConfigError("backlog and half_open are at least 1, time_wait at least 0")
        if not 0 <= self.proven_reserve < 1:
            raise ConfigError(f"proven_reserve is a share, from 0 to less than 1, not {self.proven_reserve}")
        if self.bad_ack_budget is not None and not 1 <= self.bad_ack_budget <= MAX_BAD_ACKS:
            raise ConfigError(f"bad_ack_budget is from 1 to {MAX_BAD_ACKS}, or None, not {self.bad_ack_budget}")
        if self.rst_rate < 1:
            raise ConfigError(f"rst_rate is at least 1, not {self.rst_rate}; closed_ports 'blackhole' sends none")
        _check("closed_ports", self.closed_ports, POLICIES)
        _check("syn_cookies", self.syn_cookies, ("off", "overflow", "always"))
        _check("eviction", self.eviction, EVICTIONS)
        _check("keyed_hash", self.keyed_hash, KEYED_HASHES)


@dataclass(slots=True, frozen=True, kw_only=True)
class StackConfig:
    """Everything about a host."""

    ip: IpConfig = field(default_factory=IpConfig)
    ipv6: Ipv6Config = field(default_factory=Ipv6Config)
    arp: ArpConfig = field(default_factory=ArpConfig)
    ndp: NdpConfig = field(default_factory=NdpConfig)
    fragments: FragmentConfig = field(default_factory=FragmentConfig)
    icmp: IcmpConfig = field(default_factory=IcmpConfig)
    ports: PortRange = field(default_factory=PortRange)
    """Which ports may be ephemeral."""
    tcp: TcpConfig = field(default_factory=TcpConfig)
    """For connections and listeners that are not given a configuration of their own."""
    tcp_layer: TcpLayerConfig = field(default_factory=TcpLayerConfig)
    tcp_over_udp: int = 0
    """The UDP port where TCP comes as well, in datagrams (FreeBSD ``udp_tunneling_port``); 0: none."""
    tcp_over_udp_octets: int = 8
    """By how much the MSS is smaller there (FreeBSD ``udp_tunneling_overhead``)."""
