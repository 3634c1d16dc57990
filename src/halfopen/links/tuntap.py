"""TUN and TAP devices: the Linux kernel is the peer (Documentation/networking/tuntap.rst)."""

import errno
import fcntl
import os
import socket
from struct import Struct
from typing import ClassVar

from halfopen.base.addresses import MAC_ZERO, Mac, format_mac
from halfopen.base.errors import ConfigError
from halfopen.links.device import Device, DeviceLink, our_mac
from halfopen.links.link import LinkKind
from halfopen.links.offload import VNET_OCTETS

DEVICE = "/dev/net/tun"
NAME_OCTETS = 15
"""IFNAMSIZ less the final zero."""

TUNSETIFF = 0x400454CA
TUNSETOFFLOAD = 0x400454D0
TUNSETVNETHDRSZ = 0x400454D8
SIOCGIFMTU = 0x8921
SIOCSIFMTU = 0x8922
SIOCGIFHWADDR = 0x8927

IFF_TUN = 0x0001
IFF_TAP = 0x0002
IFF_MULTI_QUEUE = 0x0100
IFF_NO_PI = 0x1000
IFF_VNET_HDR = 0x4000

TUN_F_CSUM = 0x01
TUN_F_TSO4 = 0x02
TUN_F_TSO6 = 0x04
TUN_F_TSO_ECN = 0x08

# USO is not asked for: the kernel then cuts UDP super-datagrams itself, and every datagram arrives as one packet.
_OFFLOADS = (
    TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN,
    TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6,
    TUN_F_CSUM,
)
"""From the best down; a kernel without one of them refuses the whole set."""

_IFREQ_FLAGS = Struct("16sH22x")
_IFREQ_INT = Struct("16si20x")
_IFREQ_SOCKADDR = Struct("16sH6s16x")
_INT = Struct("i")

_ADVICE = {
    errno.ENOENT: f"there is no {DEVICE}: load the module with 'modprobe tun', or use a veth pair (PacketSocket)",
    errno.ENODEV: f"{DEVICE} has no driver behind it: load the module with 'modprobe tun'",
    errno.EACCES: f"{DEVICE} may not be opened by this user: 'chmod 0666 {DEVICE}' as root, or run as root",
    errno.EPERM: "a TUN/TAP device needs CAP_NET_ADMIN: run as root, or inside a namespace of your own "
    "(enter_private_namespace)",
    errno.EBUSY: "it is open in another process: choose another name",
    errno.E2BIG: "it has as many queues as the kernel gives one device",
    errno.EINVAL: "a device of this name exists and is of another kind, or of another number of queues: choose another "
    "name",
}


class TunTap(DeviceLink):
    """One TUN (kind ``"ip"``) or TAP (kind ``"ethernet"``) device, made if it does not exist and gone when closed.

    It is the kernel's interface ``name``, which may hold ``%d`` or be empty, then the kernel chooses. The addresses
    that `interfaces.configure` gives it are the kernel's, ours are the stack's. Offloads that the kernel refuses are
    done without, and counted, down to ``offload=False``: complete checksums and frames of MTU size. ``offloads`` are
    the TUN_F_... flags in force. ``mtu`` is set on the device; without, the device's is taken as it is now.
    """

    _sharing: ClassVar[int] = 0
    """The flags of a device that others open as well."""

    def __init__(
        self,
        name: str = "",
        kind: LinkKind = "ethernet",
        *,
        mac: Mac | None = None,
        mtu: int | None = None,
        offload: bool = True,
    ) -> None:
        if len(name.encode()) > NAME_OCTETS:
            raise ConfigError(f"device name {name!r} is too long: at most {NAME_OCTETS} octets")
        if kind not in ("ethernet", "ip"):
            raise ConfigError(f"a link of kind {kind!r} is not known: expected 'ethernet' (TAP) or 'ip' (TUN)")
        fd = _open_device(name)
        try:
            name, vnet = _attach(fd, name, self._sharing | (IFF_TAP if kind == "ethernet" else IFF_TUN), offload)
            self.offloads = _accepted_offloads(fd) if vnet else 0
            if mtu is not None:
                set_mtu(name, mtu)
            device = ask_device(name)
            if mac == device.mac:
                raise ConfigError(f"{format_mac(mac)} is the MAC of the kernel's end of {name}: ours must differ")
        except BaseException:
            os.close(fd)
            raise
        ours = MAC_ZERO if kind == "ip" else mac or our_mac(device.mac)
        super().__init__(device, kind, ours, fd, vnet)
        self.kernel_mac = device.mac
        if offload and self.offloads != _OFFLOADS[0]:
            self.counters.add("LinkOffloadRefused")


class TunTapQueue(TunTap):
    """One queue of a device that has several: as many as are open, in this process or in others.

    All are opened alike, by the name of the first, with the same ``offload``: those settings are the device's, and whom
    the kernel gives another layout reads nonsense. The kernel spreads flows over the queues by a hash that is the same
    for both directions, and sends what belongs to a flow to the queue that has last written for it. So several
    processes, each with a host of its own, can share an address and listen at the same port, as long as

    * all are there before the first peer comes, and stay: with the number of queues the shares change, and a
      connection whose segments come to another process is reset by it (a host that is silent towards strangers,
      ``closed_ports``, does not, but knows no more of it than the other);
    * connections are opened by peers. Those opened here find their way back while they are busy; after some seconds
      without a packet from us only the hash counts, which knows nothing of who opened them;
    * it is a TUN. Neighbour discovery on a TAP is answered to one process, which tells the others nothing.
    """

    _sharing = IFF_MULTI_QUEUE


def _open_device(name: str) -> int:
    try:
        return os.open(DEVICE, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise _explained(error, name) from None


def _attach(fd: int, name: str, flags: int, offload: bool) -> tuple[str, bool]:
    """Makes or joins the device; gives its name, and whether it has a virtio_net_hdr."""
    flags |= IFF_NO_PI
    for vnet in (IFF_VNET_HDR, 0) if offload else (0,):
        try:
            answer = fcntl.ioctl(fd, TUNSETIFF, _IFREQ_FLAGS.pack(name.encode(), flags | vnet))
        except OSError as error:
            if vnet and error.errno == errno.EINVAL:
                continue
            raise _explained(error, name) from None
        return _IFREQ_FLAGS.unpack(answer)[0].rstrip(b"\0").decode(), bool(vnet)
    raise AssertionError("unreachable: the last attempt returns or raises")


def _accepted_offloads(fd: int) -> int:
    """Asks for the best offloads that the kernel has; 0 if it takes none, then it only gives complete packets.

    What we write may have all of them whatever the answer is: the header alone decides that.
    """
    fcntl.ioctl(fd, TUNSETVNETHDRSZ, _INT.pack(VNET_OCTETS))
    for offloads in _OFFLOADS:
        try:
            fcntl.ioctl(fd, TUNSETOFFLOAD, offloads)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
        else:
            return offloads
    return 0


def ask_device(name: str) -> Device:
    """The kernel's interface ``name`` in the network namespace of this thread; ConfigError if there is none."""
    request = _IFREQ_INT.pack(name.encode(), 0)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        try:
            mtu = _IFREQ_INT.unpack(fcntl.ioctl(control, SIOCGIFMTU, request))[1]
            mac = _IFREQ_SOCKADDR.unpack(fcntl.ioctl(control, SIOCGIFHWADDR, request))[2]
        except OSError as error:
            if error.errno != errno.ENODEV:
                raise
            raise ConfigError(f"there is no interface {name!r} in this network namespace") from None
    return Device(name, mac, mtu)


def set_mtu(name: str, mtu: int) -> None:
    """Sets the MTU of the kernel's interface ``name``; ConfigError if the device does not have it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        try:
            fcntl.ioctl(control, SIOCSIFMTU, _IFREQ_INT.pack(name.encode(), mtu))
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            raise ConfigError(f"{name} cannot have an MTU of {mtu}: expected 68 to 65521") from None


def _explained(error: OSError, name: str) -> OSError:
    """The same OSError, with one line that says what to do about it."""
    advice = _ADVICE.get(error.errno or 0, error.strerror or str(error))
    return type(error)(error.errno, f"cannot open TUN/TAP device {name or 'of any name'}: {advice}")
