"""Ethernet II frames (RFC 894): two addresses and an EtherType; preamble and check sequence stay with the hardware."""

from struct import Struct
from typing import Final

from halfopen.base.addresses import Mac
from halfopen.base.errors import Malformed

HEADER_OCTETS: Final = 14

ETHERTYPE_IPV4: Final = 0x0800
ETHERTYPE_ARP: Final = 0x0806
ETHERTYPE_IPV6: Final = 0x86DD
ETHERTYPE_VLAN: Final = 0x8100
"""IEEE 802.1Q customer tag; not understood here."""
ETHERTYPE_SERVICE_VLAN: Final = 0x88A8
"""IEEE 802.1ad service tag; not understood here."""

_HEADER: Final = Struct("!6s6sH")


def parse(data: bytes) -> tuple[Mac, Mac, int]:
    """Destination, source and EtherType of the frame; below 1536 the last is an IEEE 802.3 length and no EtherType."""
    if len(data) < HEADER_OCTETS:
        raise Malformed("EthernetTruncated")
    destination, source, ethertype = _HEADER.unpack_from(data)
    if ethertype in (ETHERTYPE_VLAN, ETHERTYPE_SERVICE_VLAN):
        raise Malformed("EthernetVlanTagged")
    return destination, source, ethertype


def emit(destination: Mac, source: Mac, ethertype: int) -> bytes:
    """The 14 octets in front of a frame's payload."""
    return _HEADER.pack(destination, source, ethertype)
