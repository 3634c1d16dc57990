"""Addresses are what they are on the wire: packed octets, 6 for a MAC, 4 for IPv4, 16 for IPv6.

Packed octets compare, hash and slice at the speed of C and need no wrapper per packet; these functions parse and show
them. `Prefix` is the one class, for routes and interfaces.
"""

import ipaddress
from dataclasses import dataclass
from typing import Final, TypeAlias

Mac: TypeAlias = bytes
"""6 octets."""

Address: TypeAlias = bytes
"""4 octets (IPv4) or 16 (IPv6), in network order."""

MAC_BROADCAST: Final[Mac] = b"\xff" * 6
MAC_ZERO: Final[Mac] = bytes(6)
IPV4_ANY: Final[Address] = bytes(4)
IPV4_BROADCAST: Final[Address] = b"\xff" * 4
IPV6_ANY: Final[Address] = bytes(16)


def parse_mac(text: str) -> Mac:
    """``"02:00:5e:10:00:01"`` (or with ``-``) to 6 octets; ValueError says what was wrong."""
    parts = text.replace("-", ":").split(":")
    try:
        if len(parts) != 6 or not all(part.isalnum() and len(part) <= 2 for part in parts):
            raise ValueError
        return bytes(int(part, 16) for part in parts)
    except ValueError:
        raise ValueError(f"{text!r} is not a MAC address such as '02:00:5e:10:00:01'") from None


def format_mac(mac: Mac) -> str:
    """Six hexadecimal octets with colons."""
    return ":".join(f"{octet:02x}" for octet in mac)


def parse_address(text: str) -> Address:
    """``"192.0.2.1"`` or ``"2001:db8::1"`` to packed octets; ValueError says what was wrong."""
    try:
        if "%" in text:  # A zone would be lost without a word.
            raise ValueError
        return ipaddress.ip_address(text).packed
    except ValueError:
        raise ValueError(f"{text!r} is not an IPv4 or IPv6 address") from None


def format_address(address: Address) -> str:
    """The canonical text form (RFC 5952 for IPv6)."""
    if len(address) == 4:
        return f"{address[0]}.{address[1]}.{address[2]}.{address[3]}"
    return str(ipaddress.IPv6Address(address))


def is_multicast(address: Address) -> bool:
    """224.0.0.0/4 (RFC 5771) or ff00::/8 (RFC 4291)."""
    return address[0] >> 4 == 0xE if len(address) == 4 else address[0] == 0xFF


def is_loopback(address: Address) -> bool:
    """127.0.0.0/8 or ::1."""
    return address[0] == 127 if len(address) == 4 else address == b"\0" * 15 + b"\1"


def is_unspecified(address: Address) -> bool:
    """0.0.0.0 or ::."""
    return not any(address)


def is_link_local(address: Address) -> bool:
    """169.254.0.0/16 (RFC 3927) or fe80::/10."""
    if len(address) == 4:
        return address[0] == 169 and address[1] == 254
    return address[0] == 0xFE and address[1] & 0xC0 == 0x80


def is_reserved_v4(address: Address) -> bool:
    """240.0.0.0/4 (RFC 1112), which includes the limited broadcast address; False for IPv6."""
    return len(address) == 4 and address[0] >= 240


def is_valid_source(address: Address) -> bool:
    """May stand as the source of a packet from the wire: no multicast, reserved, loopback or 0/8 (RFC 1122 3.2.1.3)."""
    if len(address) == 4:
        return 0 < address[0] < 224 and address[0] != 127
    return not (is_multicast(address) or is_loopback(address) or is_unspecified(address))


@dataclass(slots=True, frozen=True)
class Prefix:
    """A network: `network` with all host bits zero, and `length` bits that matter."""

    network: Address
    length: int

    @classmethod
    def parse(cls, text: str) -> "Prefix":
        """``"192.0.2.0/24"``; ValueError if host bits are set or the text is no prefix."""
        try:
            parsed = ipaddress.ip_network(text)
        except ValueError as error:
            raise ValueError(f"{text!r} is not a network prefix such as '192.0.2.0/24': {error}") from None
        return cls(parsed.network_address.packed, parsed.prefixlen)

    @classmethod
    def of(cls, address: Address, length: int) -> "Prefix":
        """The prefix of ``length`` bits that ``address`` lies in."""
        bits = 8 * len(address)
        if not 0 <= length <= bits:
            raise ValueError(f"a prefix of an address of {bits} bits cannot have {length}")
        keep = ((1 << length) - 1) << (bits - length)
        return cls((int.from_bytes(address, "big") & keep).to_bytes(len(address), "big"), length)

    def __contains__(self, address: object) -> bool:
        if not isinstance(address, bytes) or len(address) != len(self.network):
            return False
        shift = 8 * len(address) - self.length
        return int.from_bytes(address, "big") >> shift == int.from_bytes(self.network, "big") >> shift

    @property
    def broadcast(self) -> Address:
        """The directed broadcast address of an IPv4 network; meaningless for /31, /32 and IPv6."""
        host_bits = (1 << (8 * len(self.network) - self.length)) - 1
        return (int.from_bytes(self.network, "big") | host_bits).to_bytes(len(self.network), "big")

    def __str__(self) -> str:
        return f"{format_address(self.network)}/{self.length}"


def parse_interface(text: str) -> tuple[Address, Prefix]:
    """``"192.0.2.1/24"`` to the address and the network that it is on; ValueError says what was wrong."""
    address, slash, length = text.partition("/")
    if not slash or not length.isdecimal():
        raise ValueError(f"{text!r} is not an interface address such as '192.0.2.1/24'")
    packed = parse_address(address)
    return packed, Prefix.of(packed, int(length))
