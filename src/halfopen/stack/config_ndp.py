"""What can be chosen about Neighbor Discovery and address configuration; a group of `halfopen.stack.config`."""

from dataclasses import dataclass, field

from halfopen.base.addresses import Prefix
from halfopen.base.clock import SECOND, Duration
from halfopen.base.errors import ConfigError
from halfopen.wire.ndp_options import PrefixInformation

IDENTIFIERS = ("stable", "eui64")


@dataclass(slots=True, frozen=True, kw_only=True)
class AdvertiseConfig:
    """What a router says of itself on one interface (RFC 4861 6.2.1; radvd's names).

    The ``prefixes`` are advertised as on-link and for addresses; ``mtu``, ``reachable_time``, ``retransmit_time`` and
    ``hop_limit`` of 0 say nothing. ``preference`` is -1, 0 or 1 (RFC 4191). A ``lifetime`` of 0 is no default router.
    """

    interface: str
    prefixes: tuple[str, ...] = ()
    valid_lifetime: Duration = 2_592_000 * SECOND
    preferred_lifetime: Duration = 604_800 * SECOND
    min_interval: Duration = 200 * SECOND
    max_interval: Duration = 600 * SECOND
    lifetime: Duration = 1800 * SECOND
    hop_limit: int = 64
    mtu: int = 0
    reachable_time: Duration = 0
    retransmit_time: Duration = 0
    preference: int = 0

    def __post_init__(self) -> None:
        where = f"advertisements on {self.interface}"
        if not 4 * SECOND <= self.max_interval <= 1800 * SECOND:
            raise ConfigError(f"{where}: max_interval is from 4 to 1800 s (RFC 4861 6.2.1)")
        if not 3 * SECOND <= self.min_interval <= self.max_interval * 3 // 4:
            raise ConfigError(f"{where}: min_interval is from 3 s to three quarters of max_interval (RFC 4861 6.2.1)")
        if self.lifetime and not self.max_interval <= self.lifetime <= 9000 * SECOND:
            raise ConfigError(f"{where}: lifetime is 0, or from max_interval to 9000 s (RFC 4861 6.2.1)")
        if self.preferred_lifetime > self.valid_lifetime:
            raise ConfigError(f"{where}: preferred_lifetime exceeds valid_lifetime")
        if self.preference not in (-1, 0, 1):
            raise ConfigError(f"{where}: preference is -1, 0 or 1 (RFC 4191 2.2), not {self.preference}")
        self.informations()

    def informations(self) -> tuple[PrefixInformation, ...]:
        """The prefixes as they are told to hosts."""
        valid, preferred = self.valid_lifetime // SECOND, self.preferred_lifetime // SECOND
        try:
            parsed = [Prefix.parse(text) for text in self.prefixes]
        except ValueError as error:
            raise ConfigError(f"advertisements on {self.interface}: {error}") from None
        if any(len(prefix.network) != 16 for prefix in parsed):
            raise ConfigError(f"advertisements on {self.interface}: prefixes are of IPv6")
        return tuple(PrefixInformation(prefix, valid, preferred) for prefix in parsed)


@dataclass(slots=True, frozen=True, kw_only=True)
class RouterConfig:
    """A router: it says that it is one, advertises itself where it is told to, and takes no advice from others."""

    advertise: tuple[AdvertiseConfig, ...] = ()


@dataclass(slots=True, frozen=True, kw_only=True)
class AutoconfConfig:
    """Stateless address configuration (RFC 4862) and router discovery, as a host; names of ``net.ipv6.conf``."""

    dad_transmits: int = 1
    """Solicitations before an address is used (DupAddrDetectTransmits); 0: none, and no waiting."""
    accept_ra: bool = True
    """Believe router advertisements, and ask for them."""
    autoconf: bool = True
    """Form addresses from the prefixes that routers advertise."""
    accept_redirects: bool = True
    """Follow redirects of the current first hop."""
    router_solicitations: int = 3
    """MAX_RTR_SOLICITATIONS."""
    max_addresses: int = 16
    """Formed for each interface."""
    max_routes: int = 32
    """Learnt from the routers of each interface; default routers and on-link prefixes count as well."""
    identifier: str = "stable"
    """How interface identifiers are made (Linux ``addr_gen_mode``).

    ``"stable"``: opaque, the same for one prefix and different for others (RFC 7217). ``"eui64"``: the MAC address.
    """
    secret: bytes = b""
    """For stable identifiers; random if empty, so that they are stable for as long as the host runs only."""
    use_tempaddr: bool = False
    """Form temporary addresses as well, and prefer them (RFC 8981)."""
    temp_valid_lft: Duration = 2 * 86_400 * SECOND
    temp_prefered_lft: Duration = 86_400 * SECOND
    """Linux's spelling."""

    def __post_init__(self) -> None:
        if self.identifier not in IDENTIFIERS:
            raise ConfigError(f"identifier is one of {', '.join(IDENTIFIERS)}, not {self.identifier!r}")
        if self.temp_prefered_lft > self.temp_valid_lft:
            raise ConfigError("temp_prefered_lft exceeds temp_valid_lft")


@dataclass(slots=True, frozen=True, kw_only=True)
class NdpConfig:
    """Neighbor Discovery (RFC 4861). What ARP has as well is named as in `halfopen.stack.config.ArpConfig`."""

    table_size: int = 1024
    queue_packets: int = 512
    queue_octets: int = 1024 * 1024
    solicits: int = 3
    """MAX_MULTICAST_SOLICIT and MAX_UNICAST_SOLICIT."""
    retransmit: Duration = 1 * SECOND
    """RETRANS_TIMER (Linux ``retrans_time_ms``), unless a router says otherwise."""
    reachable: Duration = 30 * SECOND
    """REACHABLE_TIME (Linux ``base_reachable_time_ms``), unless a router says otherwise."""
    delay: Duration = 5 * SECOND
    """DELAY_FIRST_PROBE_TIME."""
    stale: Duration = 60 * SECOND
    trust_claims: bool = True
    """Let an advertisement with the override flag, or a solicitation, overwrite an entry (RFC 4861 7.2.3, 7.2.5).

    Without it the known owner is asked first, as ARP does here: a deviation that ND poisoning does not like.
    """
    learn_from_requests: bool = True
    """Create an entry for whoever asks for us (RFC 4861 7.2.3)."""
    autoconf: AutoconfConfig = field(default_factory=AutoconfConfig)
    router: RouterConfig | None = None
    """None: a host."""
