"""Neighbor Discovery messages as packets and frames, and which address of ours says them."""

from halfopen.base.addresses import Address, Mac, is_link_local
from halfopen.stack.interface import Interface
from halfopen.wire import ethernet, icmpv6, ipv6, ndp
from halfopen.wire.ipv6 import Ipv6
from halfopen.wire.packet import Packet


def make_packet(source: Address, destination: Address, message: ndp.Message) -> Packet:
    """From ``source`` to ``destination``, with the hop limit that shows that nobody has forwarded it."""
    octets = icmpv6.emit(ndp.emit(message), source, destination)
    header = Ipv6(source, destination, ipv6.PROTOCOL_ICMPV6, ndp.HOP_LIMIT)
    return Packet(ipv6.emit(header, len(octets)) + octets)


def make_frame(interface: Interface, mac: Mac, packet: Packet) -> Packet:
    """The packet for one link address."""
    return Packet(ethernet.emit(mac, interface.mac, ethernet.ETHERTYPE_IPV6) + packet.head)


def make_group_frame(interface: Interface, source: Address, group: Address, message: ndp.Message) -> Packet:
    """A message to all members of a group on the link."""
    return make_frame(interface, ipv6.multicast_mac(group), make_packet(source, group, message))


def link_local_of(interface: Interface) -> Address | None:
    """The interface's link-local address, once it may be used."""
    for address, _ in interface.addresses:
        if len(address) == 16 and is_link_local(address):
            return address
    return None


def source_towards(interface: Interface, target: Address, preferred: Address | None = None) -> Address | None:
    """An address of ours on the interface to ask from (RFC 4861 7.2.2): ``preferred`` if it is one of them."""
    addresses = [address for address, _ in interface.addresses if len(address) == 16]
    if preferred in addresses:
        return preferred
    if is_link_local(target):
        return link_local_of(interface)
    return interface.address_towards(target) or link_local_of(interface) or next(iter(addresses), None)
