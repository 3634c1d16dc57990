"""Interface identifiers: the half of an IPv6 address that its host chooses (RFC 7136, RFC 7217, RFC 8981)."""

from collections.abc import Callable
from hashlib import blake2b
from typing import Final

from halfopen.base.addresses import Address, Mac, Prefix
from halfopen.base.rng import Rng

IDENTIFIER_OCTETS: Final = 8

_ANYCAST_FLOOR: Final = bytes.fromhex("fdffffffffffff80")
_ANYCAST_CEILING: Final = bytes.fromhex("fdffffffffffffff")


def eui64(mac: Mac) -> bytes:
    """The modified EUI-64 of a MAC address (RFC 4291 appendix A), which tells everybody who it is."""
    return bytes((mac[0] ^ 2,)) + mac[1:3] + b"\xff\xfe" + mac[3:]


def stable(prefix: Prefix, interface: str, counter: int, secret: bytes) -> bytes:
    """F(Prefix, Net_Iface, Network_ID, DAD_Counter, secret_key) of RFC 7217 5, without the optional Network_ID.

    A reserved identifier (RFC 5453) is passed over, as if it had been found in use.
    """
    key, network, name = secret[:64], prefix.network, interface.encode()

    def digest(counter: int) -> bytes:
        material = b"|".join((network, name, counter.to_bytes(4, "big")))
        return blake2b(material, key=key, digest_size=IDENTIFIER_OCTETS, person=b"RFC 7217").digest()

    return first_usable(digest, counter)


def first_usable(make: Callable[[int], bytes], counter: int) -> bytes:
    """What ``make`` makes of ``counter``, or of the next number for which it is not reserved."""
    while is_reserved(identifier := make(counter)):
        counter += 1
    return identifier


def temporary(rng: Rng) -> bytes:
    """A random one (RFC 8981 3.3.1)."""
    while is_reserved(identifier := rng.octets(IDENTIFIER_OCTETS)):
        pass
    return identifier


def is_reserved(identifier: bytes) -> bool:
    """Subnet-router anycast, and the anycast identifiers of RFC 2526 (RFC 5453)."""
    return not any(identifier) or _ANYCAST_FLOOR <= identifier <= _ANYCAST_CEILING


def make_address(prefix: Prefix, identifier: bytes) -> Address:
    """The address of ``identifier`` in a prefix of 64 bits."""
    return prefix.network[:IDENTIFIER_OCTETS] + identifier
