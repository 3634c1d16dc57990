"""What ``ping`` and ``traceroute`` say of errors, and whom they ask, in both versions of IP (iputils)."""

from dataclasses import dataclass

from halfopen.aio.host import Host
from halfopen.base.addresses import Address, format_address
from halfopen.stack import datagram as kinds

WORDS = {
    kinds.NET_UNREACHABLE: "Destination Net Unreachable",
    kinds.HOST_UNREACHABLE: "Destination Host Unreachable",
    kinds.PROTOCOL_UNREACHABLE: "Destination Protocol Unreachable",
    kinds.PORT_UNREACHABLE: "Destination Port Unreachable",
    kinds.FRAGMENTATION_NEEDED: "Frag needed and DF set",
    kinds.SOURCE_ROUTE_FAILED: "Source Route Failed",
    kinds.ADMIN_PROHIBITED: "Packet filtered",
    kinds.PRECEDENCE: "Packet filtered",
    kinds.TTL_EXCEEDED: "Time to live exceeded",
    kinds.REASSEMBLY_EXCEEDED: "Frag reassembly time exceeded",
    kinds.PARAMETER_PROBLEM: "Parameter problem",
}
IPV6_WORDS = {
    kinds.NET_UNREACHABLE: "Destination unreachable: No route",
    kinds.HOST_UNREACHABLE: "Destination unreachable: Address unreachable",
    kinds.PORT_UNREACHABLE: "Destination unreachable: Port unreachable",
    kinds.ADMIN_PROHIBITED: "Destination unreachable: Administratively prohibited",
    kinds.PRECEDENCE: "Destination unreachable: Administratively prohibited",
    kinds.FRAGMENTATION_NEEDED: "Packet too big",
    kinds.TTL_EXCEEDED: "Time exceeded: Hop limit",
    kinds.REASSEMBLY_EXCEEDED: "Time exceeded: Defragmentation failure",
    kinds.PARAMETER_PROBLEM: "Parameter problem",
}
NOTES = {
    kinds.NET_UNREACHABLE: " !N",
    kinds.HOST_UNREACHABLE: " !H",
    kinds.PROTOCOL_UNREACHABLE: " !P",
    kinds.FRAGMENTATION_NEEDED: " !F",
    kinds.SOURCE_ROUTE_FAILED: " !S",
    kinds.ADMIN_PROHIBITED: " !X",
    kinds.PRECEDENCE: " !X",
}


@dataclass(slots=True, frozen=True)
class Target:
    """Whom to ask: the name that was given, and what it was found to mean."""

    name: str
    address: Address

    @classmethod
    def of(cls, host: Host, name: str, family: int = 0) -> "Target":
        """The best address of ``name`` as seen from ``host``; of ``family``, if it is not 0. `socket.gaierror`."""
        return cls(name, host.destinations(name, family)[0])


def words_of(kind: str, source: str) -> str:
    """What ping says of an error that ``source`` has told."""
    return (IPV6_WORDS if ":" in source else WORDS).get(kind, kind)


def headers_octets(address: str) -> int:
    """Of IP, and of ICMP's echo or UDP: they are of one length."""
    return 48 if ":" in address else 28


def named(host: Host, address: Address) -> str:
    """``"server (192.0.2.2)"``, or the address alone."""
    name = host.names.name_of(address)
    text = format_address(address)
    return f"{name} ({text})" if name else text
