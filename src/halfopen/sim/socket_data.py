"""The part of `SimSocket` that moves data, and how long it would wait for it."""

import socket as kernel
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from halfopen.aio.host import Host
from halfopen.aio.names import Name
from halfopen.aio.socket_states import SocketState
from halfopen.aio.sockets import plain
from halfopen.base.addresses import IPV4_BROADCAST
from halfopen.base.errors import SimulationError
from halfopen.base.octets import Buffer
from halfopen.sim.loop import SimLoop
from halfopen.sim.socket_names import SocketNames
from halfopen.stack.tcp import Endpoint

T = TypeVar("T")

MSG_DONTWAIT: int = getattr(kernel, "MSG_DONTWAIT", 0x40)


class SocketData(SocketNames):
    """Sends and receives, as far as that can be done at once."""

    def __init__(self, host: Host, loop: SimLoop, state: SocketState, proto: int) -> None:
        super().__init__(host, loop, state, proto)
        self._timeout = kernel.getdefaulttimeout()

    def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
        """Up to ``bufsize`` octets; none at the end of the stream."""
        peek = bool(flags & kernel.MSG_PEEK)
        return self._serve("recv", lambda: self._state.receive(bufsize, peek), flags)

    def recvfrom(self, bufsize: int, flags: int = 0, /) -> tuple[bytes, Any]:
        """As `recv`, and who has sent the datagram."""
        peek = bool(flags & kernel.MSG_PEEK)
        return self._serve("recvfrom", lambda: self._state.receive_from(bufsize, peek), flags)

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        """As `recv`, into a buffer."""
        return self.recvfrom_into(buffer, nbytes, flags)[0]

    def recvfrom_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> tuple[int, Any]:
        """As `recvfrom`, into a buffer."""
        target = memoryview(buffer).cast("B")
        octets, sender = self.recvfrom(nbytes or len(target), flags)
        target[: len(octets)] = octets
        return len(octets), sender

    def recvmsg(self, bufsize: int, ancbufsize: int = 0, flags: int = 0, /) -> tuple[bytes, list[Any], int, Any]:
        """As `recvfrom`; there is no ancillary data."""
        octets, sender = self.recvfrom(bufsize, flags)
        return octets, [], 0, sender

    def send(self, data: Any, flags: int = 0, /) -> int:
        """Takes what there is room for; how many octets."""
        return self._serve("send", lambda: self._state.send(octets_of(data)), flags)

    def sendall(self, data: Any, flags: int = 0, /) -> None:
        """Takes all, or as much as there is room for before the error."""
        view = memoryview(data).cast("B")
        while view:
            view = view[self.send(view, flags) :]

    def sendto(self, data: Any, *flags_and_address: Any) -> int:
        """One datagram to an address."""
        remote = self._endpoint(flags_and_address[-1])
        return self._serve("sendto", lambda: self._state.send_to(octets_of(data), remote))

    def sendmsg(
        self, buffers: Iterable[Any], ancdata: Iterable[Any] = (), flags: int = 0, address: Any = None, /
    ) -> int:
        """The buffers as one; there is no ancillary data."""
        data = b"".join(bytes(buffer) for buffer in buffers)
        return self.send(data, flags) if address is None else self.sendto(data, flags, address)

    def sendfile(self, file: Any, offset: int = 0, count: int | None = None) -> int:
        """Reads and sends in turn."""
        file.seek(offset)
        data = file.read() if count is None else file.read(count)
        self.sendall(data)
        return len(data)

    @property
    def timeout(self) -> float | None:
        """As `gettimeout`."""
        return self._timeout

    def settimeout(self, value: float | None, /) -> None:
        """0 never waits. Anything else would, for the real world's time, and is an error once it had to."""
        if value is not None and value < 0:
            raise ValueError("Timeout value out of range")
        self._timeout = value

    def gettimeout(self) -> float | None:
        """As `settimeout` was told; None is for ever."""
        return self._timeout

    def setblocking(self, flag: bool, /) -> None:
        """`settimeout` with None or 0."""
        self._timeout = None if flag else 0.0

    def getblocking(self) -> bool:
        """Whether it would wait."""
        return self._timeout != 0

    def get_inheritable(self) -> bool:
        """There are no child processes."""
        return False

    def set_inheritable(self, inheritable: bool) -> None:
        """There are no child processes."""

    def _endpoint(self, address: Any, passive: bool = False) -> Endpoint:
        """``(host, port)`` as it is given to the socket module, by the names of this host."""
        if not isinstance(address, tuple) or len(address) < 2:
            raise TypeError(f"{self.family.name} address must be tuple, not {type(address).__name__}")
        name: Name = address[0]
        port = int(address[1])
        if not 0 <= port <= 0xFFFF:
            raise OverflowError("port must be 0-65535.")
        if name in ("<broadcast>", b"<broadcast>"):
            return IPV4_BROADCAST, port
        host, family = self._host, self.family
        found = host.resolve(name, family) if passive else host.destinations(name, family)
        return plain(found[0]), port

    def _serve(self, name: str, call: Callable[[], T], flags: int = 0) -> T:
        self._open_state()
        try:
            return call()
        except BlockingIOError:
            if self._timeout == 0 or flags & MSG_DONTWAIT:
                raise
        raise would_block(name)


def octets_of(data: Any) -> Buffer:
    """``data`` as octets, whatever buffer it is."""
    return data if isinstance(data, (bytes, bytearray)) else memoryview(data).cast("B")


def would_block(name: str) -> SimulationError:
    """The error of a call that has to wait and may."""
    return SimulationError(
        f"socket.{name}() would wait, and in virtual time nothing happens while the only thread stands still: "
        "await the event loop's methods, or make the socket non-blocking"
    )
