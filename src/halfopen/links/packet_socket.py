"""AF_PACKET over a veth pair: the way to the kernel where there is no /dev/net/tun (packet(7)).

::

    namespace of the programs        [ k0 ]======veth======[ h0 ]--PacketSocket   our stack
                        192.0.2.1/24                          no address, no IPv6

The kernel's own stack sits on ``h0`` as well. It stays silent there: the interface has no address, and frames for our
MAC, which differs from that of ``h0``, are somebody else's to it.
"""

import errno
import socket
from struct import Struct

from halfopen.base.addresses import Mac, format_mac
from halfopen.base.errors import ConfigError
from halfopen.links.device import READ_OCTETS, DeviceLink, our_mac
from halfopen.links.interfaces import LinkSettings, add_veth, configure
from halfopen.links.tuntap import ask_device
from halfopen.wire.packet import CHECKSUM_PARTIAL, CHECKSUM_VERIFIED, Packet

ETH_P_ALL = 0x0003
SOL_PACKET = 263
PACKET_ADD_MEMBERSHIP = 1
PACKET_STATISTICS = 6
PACKET_AUXDATA = 8
PACKET_VNET_HDR = 15
PACKET_IGNORE_OUTGOING = 23
PACKET_MR_PROMISC = 1
SO_RCVBUFFORCE = 33

TP_STATUS_CSUMNOTREADY = 1 << 3
TP_STATUS_CSUM_VALID = 1 << 7

RECEIVE_BUFFER = 16 << 20
"""Holds some hundred super-segments; the default holds three."""

_MEMBERSHIP = Struct("=iHH8s")
_AUXDATA = Struct("=IIIHHHH")
_STATISTICS = Struct("=II")


class PacketSocket(DeviceLink):
    """Our host at the interface ``name``, which is best one end of a veth pair that nobody else uses.

    Without ``offload`` (or where the kernel lacks ``PACKET_VNET_HDR``) super-segments of the other end would arrive
    longer than any MTU: switch them off there with `interfaces.set_offloads`. Unfinished checksums are recognised
    either way.
    """

    def __init__(self, name: str, *, mac: Mac | None = None, offload: bool = True) -> None:
        self._socket = open_packet_socket(name)
        try:
            device = ask_device(name)
            if mac == device.mac:
                raise ConfigError(
                    f"{format_mac(mac)} is the MAC of {name} itself: the kernel would answer to it as well"
                )
            join_interface(self._socket, name)
            vnet = offload and enable_option(self._socket, PACKET_VNET_HDR)
            if not vnet:
                enable_option(self._socket, PACKET_AUXDATA)
        except BaseException:
            self._socket.close()
            raise
        super().__init__(device, "ethernet", mac or our_mac(device.mac), self._socket.fileno(), vnet)

    def read(self, limit: int) -> list[Packet]:
        """One system call a frame, until there is none; then asks what the kernel had to drop meanwhile."""
        packets = super().read(limit) if self.checksum_offload else self._read_plain(limit)
        if len(packets) < limit:
            self._count_overruns()
        return packets

    def _read_plain(self, limit: int) -> list[Packet]:
        packets: list[Packet] = []
        for _ in range(limit):
            try:
                data, ancillary, _, _ = self._socket.recvmsg(READ_OCTETS, socket.CMSG_SPACE(_AUXDATA.size))
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno != errno.ENETDOWN:
                    raise
                self.counters.add("LinkDown")
                break
            if len(data) == READ_OCTETS:
                self.counters.add("LinkTruncated")
                continue
            status = _AUXDATA.unpack_from(ancillary[0][2])[0] if ancillary else 0
            packets.append(marked(data, status))
        return packets

    def _count_overruns(self) -> None:
        """What found the receive buffer full; the kernel forgets the figure as it tells it."""
        drops = _STATISTICS.unpack(self._socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, _STATISTICS.size))[1]
        if drops:
            self.counters.add("LinkOverrun", drops)

    def close(self) -> None:
        """Closes the socket; the interface stays."""
        self._fd = -1
        self._socket.close()


def open_veth(name: str, kernel_end: str, namespace_fd: int | None = None, *, mtu: int = 1500) -> PacketSocket:
    """Makes a veth pair and opens our end; ``kernel_end``, in another namespace if one is given, has no address yet.

    Both ends are made in the namespace of this thread.
    """
    add_veth(name, kernel_end, namespace_fd)
    configure(name, LinkSettings(mtu=mtu, ipv6=False))
    return PacketSocket(name)


def open_packet_socket(name: str) -> socket.socket:
    """A packet socket that is bound to nothing yet; ``name`` is for the advice in its errors."""
    try:
        # Protocol 0: nothing arrives, from whichever interface, before it is bound to the right one.
        return socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, 0)
    except PermissionError as error:
        raise PermissionError(
            error.errno,
            f"cannot open a packet socket on {name}: it needs CAP_NET_RAW; run as root, or inside a namespace of your "
            "own (enter_private_namespace)",
        ) from None


def join_interface(packet_socket: socket.socket, name: str) -> None:
    """Binds to the interface, and takes what is sent to our MAC as well as to that of the device."""
    try:
        packet_socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER)
    except PermissionError:
        packet_socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    packet_socket.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
    membership = _MEMBERSHIP.pack(socket.if_nametoindex(name), PACKET_MR_PROMISC, 0, b"")
    packet_socket.setsockopt(SOL_PACKET, PACKET_ADD_MEMBERSHIP, membership)
    packet_socket.bind((name, ETH_P_ALL))


def enable_option(packet_socket: socket.socket, option: int) -> bool:
    """Switches an option of AF_PACKET on; False if this kernel does not have it."""
    try:
        packet_socket.setsockopt(SOL_PACKET, option, 1)
    except OSError as error:
        if error.errno not in (errno.ENOPROTOOPT, errno.EINVAL):
            raise
        return False
    return True


def marked(data: bytes, status: int) -> Packet:
    """A frame with the marks that ``struct tpacket_auxdata`` tells of it."""
    if status & TP_STATUS_CSUMNOTREADY and (place := _checksum_place(data)) is not None:
        return Packet(data, (), CHECKSUM_PARTIAL, *place)
    if status & TP_STATUS_CSUM_VALID:
        return Packet(data, (), CHECKSUM_VERIFIED)
    return Packet(data)


def _checksum_place(data: bytes) -> tuple[int, int] | None:
    """(start, offset) of the transport checksum of an unfragmented TCP or UDP packet behind Ethernet; None for others.

    An unfinished checksum is always one of these: the kernel leaves none unfinished behind IPv6 extension headers.
    """
    offsets = {socket.IPPROTO_TCP: 16, socket.IPPROTO_UDP: 6}
    if data[12:14] == b"\x08\x00" and len(data) >= 34:
        start, protocol = 14 + ((data[14] & 0x0F) << 2), data[23]
    elif data[12:14] == b"\x86\xdd" and len(data) >= 54:
        start, protocol = 54, data[20]
    else:
        return None
    offset = offsets.get(protocol)
    return None if offset is None or start + offset + 2 > len(data) else (start, offset)
