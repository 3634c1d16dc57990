"""Where the usual hosts of a scenario live, in either version of IP."""

from dataclasses import dataclass

from halfopen.base.addresses import Address, Prefix
from halfopen.wire.ethernet import ETHERTYPE_IPV4, ETHERTYPE_IPV6

CLIENT, SERVER = "192.0.2.1", "198.51.100.2"
ATTACKER = "203.0.113.1"
"""If it is remote; else the tenth address of the segment that it is on."""
SPOOFED = "203.0.113.128/25"
"""Nobody's: where floods claim to come from."""

_UPLINK = "203.0.113.16/30"
_SEGMENTS = {"192.0.2": "2001:db8:1::", "198.51.100": "2001:db8:2::", "203.0.113": "2001:db8:3::"}

_IPV4, _IPV6 = ETHERTYPE_IPV4.to_bytes(2, "big"), ETHERTYPE_IPV6.to_bytes(2, "big")


@dataclass(frozen=True, slots=True)
class Places:
    """Addresses and networks as text; ``spoofed`` and ``uplink`` are networks, ``whole`` is how long an address is."""

    version: int
    client: str
    server: str
    attacker: str
    spoofed: str
    uplink: str
    whole: int

    def at(self, text: str) -> str:
        """``"192.0.2.1/24"`` as the interface address of the host that has it: itself, or ``"2001:db8:1::1/64"``."""
        if self.version == 4:
            return text
        segment, _, number = text.partition("/")[0].rpartition(".")
        return f"{_SEGMENTS[segment]}{int(number):x}/64"

    def nobodys(self, count: int) -> list[Address]:
        """The first ``count`` addresses that floods claim to come from."""
        network = Prefix.parse(self.spoofed).network
        first = int.from_bytes(network, "big") + 1
        return [(first + number).to_bytes(len(network), "big") for number in range(count)]


IPV4_PLACES = Places(4, CLIENT, SERVER, ATTACKER, SPOOFED, _UPLINK, 32)
IPV6_PLACES = Places(6, "2001:db8:1::1", "2001:db8:2::2", "2001:db8:3::1", "2001:db8:5::/64", "2001:db8:4::/64", 128)
PLACES = {4: IPV4_PLACES, 6: IPV6_PLACES}

_SPOOFED = tuple(Prefix.parse(places.spoofed) for places in PLACES.values())


def is_spoofed(address: Address) -> bool:
    """Whether it is one of a flood's."""
    return address in _SPOOFED[0] or address in _SPOOFED[1]


def ends_in(head: bytes, offset: int) -> tuple[Address, Address]:
    """Source and destination in the header of IP that begins at ``offset``, of whatever version."""
    if head[offset] >> 4 == 6:
        return head[offset + 8 : offset + 24], head[offset + 24 : offset + 40]
    return head[offset + 12 : offset + 16], head[offset + 16 : offset + 20]


def is_ip(frame: bytes) -> bool:
    """Whether an Ethernet frame carries IP."""
    return frame[12:14] in (_IPV4, _IPV6)


def ethertype_of(head: bytes) -> bytes:
    """What a frame says that carries a datagram, whose ``head`` begins with IP."""
    return _IPV6 if head[0] >> 4 == 6 else _IPV4
