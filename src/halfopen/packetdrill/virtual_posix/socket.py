"""What sockets of every kind have: a family, a name, options that are remembered, and calls that most kinds refuse."""

import errno
from abc import abstractmethod

from halfopen.base.addresses import IPV4_ANY, IPV6_ANY, Address
from halfopen.packetdrill.posix import Message, Received, SocketName
from halfopen.packetdrill.virtual_posix.descriptor import O_RDWR, Descriptor
from halfopen.packetdrill.virtual_posix.kernel import Kernel, failure
from halfopen.stack.tcp import Endpoint

_MAPPED = bytes(10) + b"\xff\xff"
"""Before an IPv4 address in an IPv6 one (RFC 4291 2.5.5.2)."""


class SocketDescriptor(Descriptor):
    """A socket."""

    protocol = 0

    def __init__(self, kernel: Kernel, family: int, status: int = O_RDWR) -> None:
        super().__init__(kernel, status)
        self.family = family
        self.kept: dict[str, int] = {}
        """Options that are only remembered, or that calls ask for, by name."""

    @property
    def is_ipv6(self) -> bool:
        """Whether its names are IPv6's."""
        return self.family == self.kernel.number("AF_INET6")

    @property
    def nowhere(self) -> Endpoint:
        """What a fresh socket is bound to."""
        return (IPV6_ANY if self.is_ipv6 else IPV4_ANY), 0

    def endpoint(self, name: SocketName) -> Endpoint:
        """The address on the wire that ``name`` means."""
        if name.family != self.family and not (self.is_ipv6 and name.family == self.kernel.number("AF_INET")):
            raise failure(errno.EAFNOSUPPORT)
        return unmapped(name.address), name.port

    def name(self, endpoint: Endpoint) -> SocketName:
        """How this socket names an endpoint."""
        address = endpoint[0]
        return SocketName(
            self.family, _MAPPED + address if self.is_ipv6 and len(address) == 4 else address, endpoint[1]
        )

    def bind(self, name: SocketName) -> None:
        """Takes a local address and port."""
        raise failure(errno.EOPNOTSUPP)

    def listen(self, backlog: int) -> None:
        """Takes connections from now on."""
        raise failure(errno.EOPNOTSUPP)

    def accept(self) -> "tuple[SocketDescriptor, SocketName]":
        """The oldest connection that nobody has taken."""
        raise failure(errno.EOPNOTSUPP)

    def connect(self, name: SocketName | None) -> None:
        """Has a peer from now on; with None no longer."""
        raise failure(errno.EOPNOTSUPP)

    @abstractmethod
    def receive(self, octets: int, flags: int, room: int) -> Received:
        """``recvmsg()``."""

    @abstractmethod
    def send(self, message: Message) -> int:
        """``sendmsg()``."""

    def shutdown(self, how: int) -> None:
        """Ends one direction or both."""
        raise failure(errno.ENOTCONN)

    @abstractmethod
    def set_option(self, name: str, value: bytes) -> None:
        """Sets an option."""

    @abstractmethod
    def get_option(self, name: str) -> int | bytes:
        """An option's value."""

    def read(self, octets: int) -> bytes:
        """As `receive`, but that nothing is read without a look."""
        return b"" if not octets else self.receive(octets, 0, 0).data

    def write(self, message: Message) -> int:
        """As `send`."""
        return self.send(message)

    def waits(self, flags: int) -> bool:
        """Whether a call with these flags may wait."""
        return not self.kernel.has(flags, "MSG_DONTWAIT")


def unmapped(address: Address) -> Address:
    """The IPv4 address in an IPv4-mapped one; any other as it is."""
    return address[12:] if len(address) == 16 and address.startswith(_MAPPED) else address
