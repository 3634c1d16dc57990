"""Stateless address autoconfiguration: addresses out of advertised prefixes (RFC 4862 5.3 and 5.5, RFC 8981)."""

from collections import deque
from dataclasses import dataclass
from typing import Final

from halfopen.base.addresses import Address, Prefix, is_link_local, parse_address
from halfopen.base.clock import NEVER, SECOND, Duration, Instant
from halfopen.base.counters import Counters
from halfopen.base.rng import Rng
from halfopen.stack import identifiers
from halfopen.stack.config_ndp import AutoconfConfig
from halfopen.stack.interface import Interface
from halfopen.wire.ndp_options import INFINITE, PrefixInformation

LINK_LOCAL: Final = Prefix(parse_address("fe80::"), 64)

TWO_HOURS: Final[Duration] = 7200 * SECOND
"""What nobody who sends us false advertisements can take from the life of an address (RFC 4862 5.5.3 (e))."""

RETRIES: Final = 3
"""Identifiers that are tried after one that was in use (RFC 7217 6: IDGEN_RETRIES; RFC 8981: TEMP_IDGEN_RETRIES)."""

REGENERATE_ADVANCE: Final[Duration] = 5 * SECOND
"""So much before a temporary address is deprecated there is another (RFC 8981 3.8)."""


@dataclass(slots=True, eq=False)
class AutoAddress:
    """An address that has configured itself; ``tries`` counts the identifiers that were in use."""

    interface: Interface
    address: Address
    prefix: Prefix
    preferred_until: Instant = NEVER
    valid_until: Instant = NEVER
    is_temporary: bool = False
    created: Instant = 0
    tries: int = 0
    is_renewed: bool = False


class Autoconfiguration:
    """The addresses that one host has formed by itself, with their lifetimes."""

    __slots__ = ("_config", "_counters", "_expired", "_formed", "_known", "_rng", "_secret", "earliest")

    def __init__(self, config: AutoconfConfig, rng: Rng, counters: Counters) -> None:
        self._config = config
        self._rng = rng
        self._counters = counters
        self._secret = config.secret or rng.octets(32)
        self._known: dict[tuple[str, Address], AutoAddress] = {}
        self._formed: deque[AutoAddress] = deque()
        self._expired: deque[AutoAddress] = deque()
        self.earliest: Instant = NEVER
        """When an address expires, or a temporary one is to be followed by another."""

    def form_link_local(self, interface: Interface, now: Instant) -> None:
        """fe80::/64 and an identifier (RFC 4862 5.3)."""
        self._form(AutoAddress(interface, b"", LINK_LOCAL, created=now))

    def poll_formed(self) -> AutoAddress | None:
        """An address that is to be used once it is known to be ours alone."""
        return self._formed.popleft() if self._formed else None

    def poll_expired(self) -> AutoAddress | None:
        """An address whose time is over."""
        return self._expired.popleft() if self._expired else None

    def is_formed(self, interface: Interface, address: Address) -> bool:
        """Whether ``address`` has been formed here: nobody has configured it."""
        return (interface.name, address) in self._known

    def is_deprecated(self, address: Address, now: Instant) -> bool:
        """Whether nothing new should begin from ``address`` (RFC 4862 5.5.4)."""
        return any(each.preferred_until <= now for each in self._known.values() if each.address == address)

    def is_temporary(self, address: Address) -> bool:
        """Whether ``address`` is one of RFC 8981."""
        return any(each.is_temporary for each in self._known.values() if each.address == address)

    def on_prefix(self, interface: Interface, information: PrefixInformation, now: Instant) -> None:
        """A prefix that a router advertises (RFC 4862 5.5.3)."""
        prefix = information.prefix
        if not self._config.autoconf or not information.autonomous or is_link_local(prefix.network):
            return
        if information.preferred > information.valid or prefix.length != 64:
            self._counters.add("NdpPrefixesIgnored")
            return
        same = [each for each in self._known.values() if each.interface is interface and each.prefix == prefix]
        if same:
            for each in same:
                self._refresh(each, information, now)
        elif information.valid:
            self._begin(interface, information, now)
        self._note()

    def on_conflict(self, interface: Interface, address: Address, now: Instant) -> None:
        """Somebody else has an address that we have formed: another identifier, a few times (RFC 7217 6)."""
        lost = self._known.pop((interface.name, address), None)
        if lost is None:
            return
        is_fixed = self._config.identifier == "eui64" and not lost.is_temporary
        if is_fixed or lost.tries >= RETRIES:
            self._counters.add("NdpAutoconfigurationFailed")
            return
        lost.tries += 1
        self._form(lost)

    def on_deadline(self, now: Instant) -> None:
        """Ends what is over, and has temporary addresses followed by new ones in time."""
        for each in list(self._known.values()):
            if each.valid_until <= now:
                del self._known[each.interface.name, each.address]
                self._expired.append(each)
            elif self._renewal(each) <= now:
                each.is_renewed = True
                self._form_temporary(each.interface, each.prefix, self._bounds_of(each), now)
        self._note()

    def _begin(self, interface: Interface, information: PrefixInformation, now: Instant) -> None:
        if sum(each.interface is interface for each in self._known.values()) >= self._config.max_addresses:
            self._counters.add("NdpTooManyAddresses")
            return
        preferred, valid = until(information.preferred, now), until(information.valid, now)
        self._form(AutoAddress(interface, b"", information.prefix, preferred, valid, created=now))
        if self._config.use_tempaddr:
            self._form_temporary(interface, information.prefix, (preferred, valid), now)

    def _form_temporary(
        self, interface: Interface, prefix: Prefix, bounds: tuple[Instant, Instant], now: Instant
    ) -> None:
        """It lives as long as its prefix, but not longer than is good for it (RFC 8981 3.4)."""
        desync = self._rng.below(max(1, self._config.temp_prefered_lft * 2 // 5))
        preferred = min(bounds[0], now + self._config.temp_prefered_lft - desync)
        valid = min(bounds[1], now + self._config.temp_valid_lft)
        if preferred - now > REGENERATE_ADVANCE:
            self._form(AutoAddress(interface, b"", prefix, preferred, valid, True, now))

    def _bounds_of(self, temporary: AutoAddress) -> tuple[Instant, Instant]:
        """How long the prefix of a temporary address lives: as long as the stable one beside it."""
        for each in self._known.values():
            if each.interface is temporary.interface and each.prefix == temporary.prefix and not each.is_temporary:
                return each.preferred_until, each.valid_until
        return 0, 0

    def _refresh(self, each: AutoAddress, information: PrefixInformation, now: Instant) -> None:
        """The lifetimes anew; a short one only as far as nobody can do harm by it (RFC 4862 5.5.3 (e))."""
        preferred, valid = until(information.preferred, now), until(information.valid, now)
        if each.is_temporary:
            preferred = min(preferred, each.created + self._config.temp_prefered_lft)
            valid = min(valid, each.created + self._config.temp_valid_lft)
        each.preferred_until = preferred
        if valid > now + TWO_HOURS or valid > each.valid_until:
            each.valid_until = valid
        elif each.valid_until > now + TWO_HOURS:
            each.valid_until = now + TWO_HOURS

    def _form(self, each: AutoAddress) -> None:
        if each.is_temporary:
            identifier = identifiers.temporary(self._rng)
        elif self._config.identifier == "eui64":
            identifier = identifiers.eui64(each.interface.mac)
        else:
            identifier = identifiers.stable(each.prefix, each.interface.name, each.tries, self._secret)
        each.address = identifiers.make_address(each.prefix, identifier)
        self._known[each.interface.name, each.address] = each
        self._formed.append(each)
        self._note()

    def _renewal(self, each: AutoAddress) -> Instant:
        if not each.is_temporary or each.is_renewed:
            return NEVER
        return each.preferred_until - REGENERATE_ADVANCE

    def _note(self) -> None:
        deadlines = (min(each.valid_until, self._renewal(each)) for each in self._known.values())
        self.earliest = min(deadlines, default=NEVER)


def until(lifetime: int, now: Instant) -> Instant:
    """The end of so many seconds from now on."""
    return NEVER if lifetime == INFINITE else now + lifetime * SECOND
