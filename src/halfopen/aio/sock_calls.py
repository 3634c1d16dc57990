"""The event loop's ``sock_...`` methods: calls on a socket, repeated until they are served."""

import asyncio
import errno
import os
import socket as kernel
from abc import abstractmethod
from asyncio.exceptions import SendfileNotAvailableError
from typing import IO, Any

from halfopen.aio.adopted import Adoptions
from halfopen.aio.connected import Connected
from halfopen.aio.host import Host
from halfopen.aio.socket_states import SocketState, StatefulSocket
from halfopen.aio.sockets import SocketAddress, plain
from halfopen.base.addresses import parse_address
from halfopen.base.octets import Buffer
from halfopen.stack.tcp_socket import TcpSocket


class SocketCalls(asyncio.BaseEventLoop):
    """For sockets whose state is ours, and those of the kernel's that stand for connections of ours.

    What is given any other socket is left to the next class.
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._adoptions = Adoptions()

    @abstractmethod
    def current_host(self) -> Host:
        """The host that the running code is on."""

    def state_of(self, sock: kernel.socket) -> SocketState | None:
        """What ``sock`` can do over our stack; None if it is the kernel's."""
        return sock.state if isinstance(sock, StatefulSocket) else self._adoptions.find(sock)

    def release(self, sock: kernel.socket) -> TcpSocket | None:
        """The connection of ``sock``, which a transport goes on with; None if it is none of ours."""
        if not isinstance(sock, StatefulSocket):
            return self._adoptions.release(sock)
        state = sock.state
        if not isinstance(state, Connected):
            raise ValueError(f"{sock!r} is not connected")
        sock.hand_over()
        return state.release()

    async def sock_connect(  # type: ignore[override]  # no Unix paths
        self, sock: kernel.socket, address: SocketAddress
    ) -> None:
        """The real handshake, on our stack; a socket of the kernel's stands for the connection afterwards."""
        if not isinstance(sock, StatefulSocket):
            await self._adopt(sock, address)
            return
        number = sock.connect_ex(address)
        state = sock.state
        if number == errno.EINPROGRESS and isinstance(state, Connected):
            await state.until_served(state.finish_connecting)
        elif number:
            raise OSError(number, f"{os.strerror(number)}: connect call failed {address}")

    async def sock_accept(self, sock: kernel.socket) -> tuple[kernel.socket, SocketAddress]:
        """A socket for the oldest connection that nobody has taken."""
        state = self.state_of(sock)
        if state is None:
            return await super().sock_accept(sock)
        accepted, address = await state.until_served(sock.accept)
        accepted.setblocking(False)
        return accepted, address

    async def sock_recv(self, sock: kernel.socket, nbytes: int) -> bytes:
        """Up to ``nbytes`` octets."""
        state = self.state_of(sock)
        if state is None:
            return await super().sock_recv(sock, nbytes)
        return await state.until_served(lambda: state.receive(nbytes))

    async def sock_recv_into(self, sock: kernel.socket, buf: Any) -> int:
        """As `sock_recv`, into a buffer."""
        state = self.state_of(sock)
        if state is None:
            return await super().sock_recv_into(sock, buf)
        target = memoryview(buf).cast("B")
        octets = await state.until_served(lambda: state.receive(len(target)))
        target[: len(octets)] = octets
        return len(octets)

    async def sock_recvfrom(self, sock: kernel.socket, bufsize: int) -> tuple[bytes, Any]:
        """A datagram, and who has sent it."""
        state = self.state_of(sock)
        if state is None:
            return await super().sock_recvfrom(sock, bufsize)
        return await state.until_served(lambda: state.receive_from(bufsize))

    async def sock_recvfrom_into(self, sock: kernel.socket, buf: Any, nbytes: int = 0) -> tuple[int, Any]:
        """As `sock_recvfrom`, into a buffer."""
        state = self.state_of(sock)
        if state is None:
            return await super().sock_recvfrom_into(sock, buf, nbytes)
        target = memoryview(buf).cast("B")
        octets, sender = await state.until_served(lambda: state.receive_from(nbytes or len(target)))
        target[: len(octets)] = octets
        return len(octets), sender

    async def sock_sendall(  # type: ignore[override]  # our buffers
        self, sock: kernel.socket, data: Buffer
    ) -> None:
        """Returns when the last octet has found room."""
        state = self.state_of(sock)
        if state is None:
            await super().sock_sendall(sock, data)
            return
        view = memoryview(data).cast("B")
        while view:
            rest = view
            view = view[await state.until_served(lambda: state.send(rest)) :]  # noqa: B023  # called before it changes

    async def sock_sendto(  # type: ignore[override]  # no Unix paths
        self, sock: kernel.socket, data: Buffer, address: SocketAddress
    ) -> int:
        """One datagram."""
        state = self.state_of(sock)
        if state is None:
            return await super().sock_sendto(sock, data, address)
        remote = (plain(parse_address(address[0])), address[1])
        return await state.until_served(lambda: state.send_to(data, remote))

    async def _sock_sendfile_native(self, sock: kernel.socket, file: IO[bytes], offset: int, count: int | None) -> int:
        """The kernel cannot send files over our connections; the stdlib then reads and sends."""
        if self.state_of(sock) is not None:
            raise SendfileNotAvailableError("a connection of ours takes no file descriptors")
        return int(await super()._sock_sendfile_native(sock, file, offset, count))  # type: ignore[misc]  # private

    async def _adopt(self, sock: kernel.socket, address: SocketAddress) -> None:
        host = self.current_host()
        local = sock.getsockname() if sock.family in (kernel.AF_INET, kernel.AF_INET6) else None
        source = (local[0], local[1]) if local is not None and local[1] else None
        tcp = await host.connect(address[0], address[1], local_addr=source)
        self._adoptions.adopt(sock, Connected(host.pump, tcp, is_established=True))
