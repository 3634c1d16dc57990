"""The port that a socket is bound to before it listens or connects."""

import errno

from halfopen.base.errors import AddressInUse, HalfopenError
from halfopen.packetdrill.virtual_posix.kernel import Kernel, errno_of, failure
from halfopen.stack.ports import Owner, any_address
from halfopen.stack.tcp import Endpoint
from halfopen.stack.tcp_socket import TcpListener


class Reservation:
    """An address and port, kept from others until they are given back."""

    def __init__(self, kernel: Kernel, nowhere: Endpoint) -> None:
        self._kernel = kernel
        self.endpoint = nowhere
        self._owner: Owner | None = None

    @property
    def is_taken(self) -> bool:
        """Whether ``bind()`` has been called."""
        return bool(self.endpoint[1])

    def take(self, endpoint: Endpoint, *, shares: bool, frees: bool) -> None:
        """Reserves ``endpoint``, port 0 being any; sockets that ``shares`` (SO_REUSEADDR) do so unless one listens."""
        address, port = endpoint
        if not frees and not self._kernel.is_local(address):
            raise failure(errno.EADDRNOTAVAIL)
        owner = Owner("script")
        try:
            port = self._kernel.stack.ports.bind("tcp", address, port, owner)
            self._owner = owner
        except AddressInUse:
            if not shares or self._is_listened_to(port):
                raise failure(errno.EADDRINUSE) from None
        except HalfopenError as error:
            raise failure(errno_of(error)) from error
        self.endpoint = (address, port)

    def _is_listened_to(self, port: int) -> bool:
        sockets = self._kernel.stack.tcp.sockets()
        return any(isinstance(each, TcpListener) and each.port == port for each in sockets)

    def for_peer(self, remote: Endpoint) -> Endpoint:
        """The endpoint in the family of ``remote``: any address of one's own is any of that family's."""
        address, port = self.endpoint
        return (address if len(address) == len(remote[0]) else any_address(remote[0])), port

    def give_back(self) -> None:
        """Others may have the port; harmless when repeated."""
        if self._owner is not None and self._kernel.stack.ports.owner_of("tcp", *self.endpoint) is self._owner:
            self._kernel.stack.ports.release("tcp", *self.endpoint)
        self._owner = None
