"""Address Resolution Protocol for IPv4 over Ethernet (RFC 826)."""

from dataclasses import dataclass
from struct import Struct
from typing import Final

from halfopen.base.addresses import Address, Mac
from halfopen.base.errors import Malformed
from halfopen.wire.ethernet import ETHERTYPE_IPV4

OCTETS: Final = 28

REQUEST: Final = 1
REPLY: Final = 2

_HARDWARE_ETHERNET: Final = 1
_FORMAT: Final = (_HARDWARE_ETHERNET, ETHERTYPE_IPV4, 6, 4)
_PACKET: Final = Struct("!HHBBH6s4s6s4s")


@dataclass(slots=True)
class Arp:
    """One packet: ar$op, ar$sha, ar$spa, ar$tha and ar$tpa in the RFC's names; ``operation`` may be any."""

    operation: int
    sender_mac: Mac
    sender_address: Address
    target_mac: Mac
    target_address: Address


def parse(data: bytes, offset: int) -> Arp:
    """Checks hardware and protocol space and the address lengths ("Packet Reception", RFC 826); padding is ignored."""
    if len(data) - offset < OCTETS:
        raise Malformed("ArpTruncated")
    fields = _PACKET.unpack_from(data, offset)
    if fields[:4] != _FORMAT:
        raise Malformed("ArpBadFormat")
    return Arp(*fields[4:])


def emit(arp: Arp) -> bytes:
    """28 octets, without the padding that a short Ethernet frame gets."""
    return _PACKET.pack(*_FORMAT, arp.operation, arp.sender_mac, arp.sender_address, arp.target_mac, arp.target_address)
