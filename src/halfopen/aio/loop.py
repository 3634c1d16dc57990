"""An event loop whose networking is ours, so that unmodified asyncio programs run over our stack."""

import asyncio
import socket as kernel
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import IO, Any

from halfopen.aio.adopted import Adoptions
from halfopen.aio.host import ConnectOptions, Host, ServeOptions, TlsOptions, make_tls
from halfopen.aio.names import AddressInfo, Hints, Name, port_number
from halfopen.aio.sockets import SocketAddress
from halfopen.aio.transport import StackTransport
from halfopen.base.octets import Buffer

FILE_BLOCK = 256 * 1024
"""Octets of a file that are read at once."""


class StackNetworking(asyncio.BaseEventLoop):
    """The methods of an event loop that reach for the network, served by `current_host`.

    Arguments that choose between families or race addresses are accepted and mean nothing: addresses are tried in turn.
    ``start_tls`` is the stdlib's own.
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._adoptions = Adoptions()

    @abstractmethod
    def current_host(self) -> Host:
        """The host that the running code is on."""

    # typeshed has overloads for what may be combined; here one signature takes what programs pass.

    async def getaddrinfo(  # type: ignore[override]  # the address families are not told apart
        self,
        host: Name,
        port: int | str | bytes | None,
        *,
        family: int = 0,
        type: int = 0,
        proto: int = 0,
        flags: int = 0,
    ) -> list[AddressInfo]:
        """By the host's own table; `socket.gaierror` for what is not in it."""
        hints = Hints(family=family, kind=type, proto=proto, flags=flags)
        return self.current_host().names.address_info(host, port, hints)

    async def getnameinfo(self, sockaddr: SocketAddress, flags: int = 0) -> tuple[str, str]:
        """By the host's own table, else numbers."""
        return self.current_host().names.name_info(sockaddr, flags)

    async def create_connection(
        self, protocol_factory: Callable[[], Any], host: Name = None, port: int | str | None = None, **options: Any
    ) -> tuple[asyncio.Transport, Any]:
        """To ``host``, or over a connection that `sock_connect` has made."""
        sock: kernel.socket | None = options.get("sock")
        if sock is None:
            chosen = ConnectOptions(config=None, local_addr=options.get("local_addr"), **_tls_of(options))
            return await self.current_host().create_connection(protocol_factory, host, port_number(port), **chosen)
        if host is not None or port is not None:
            raise ValueError("host/port and sock can not be specified at the same time")
        tls = make_tls(_tls_of(options), server_side=False)
        if tls is not None and tls.server_hostname is None:
            raise ValueError("You must set server_hostname when using ssl without a host")
        adopted = self._adoptions.release(sock)
        if adopted is None:
            raise ValueError(f"{sock!r} was not connected by this loop's sock_connect()")
        return await self.current_host().adopt(adopted.tcp, protocol_factory, tls)

    async def create_server(  # type: ignore[override]  # one signature for all overloads
        self,
        protocol_factory: Callable[[], Any],
        host: Name | Sequence[str] = None,
        port: int | str | None = None,
        **options: Any,
    ) -> asyncio.AbstractServer:
        """On all addresses (None, the empty string), one or several; ``sock`` lends its address."""
        sock: kernel.socket | None = options.get("sock")
        if sock is not None:
            if host is not None or port is not None:
                raise ValueError("host/port and sock can not be specified at the same time")
            host, port = sock.getsockname()[:2]
            sock.close()
        backlog, start_serving = options.get("backlog", 100), options.get("start_serving", True)
        chosen = ServeOptions(config=None, backlog=backlog, start_serving=start_serving, **_tls_of(options))
        return await self.current_host().create_server(protocol_factory, host, port_number(port), **chosen)

    async def create_datagram_endpoint(  # type: ignore[override]  # no Unix paths
        self,
        protocol_factory: Callable[[], Any],
        local_addr: tuple[Name, int] | None = None,
        remote_addr: tuple[Name, int] | None = None,
        **options: Any,
    ) -> tuple[asyncio.DatagramTransport, Any]:
        """A UDP socket of the host's."""
        broadcast = bool(options.get("allow_broadcast"))
        return await self.current_host().create_datagram_endpoint(
            protocol_factory, local_addr, remote_addr, allow_broadcast=broadcast
        )

    async def sock_connect(  # type: ignore[override]  # no Unix paths
        self, sock: kernel.socket, address: SocketAddress
    ) -> None:
        """The real handshake, on our stack; ``sock`` stands for the connection afterwards."""
        host = self.current_host()
        local = sock.getsockname() if sock.family in (kernel.AF_INET, kernel.AF_INET6) else None
        source = (local[0], local[1]) if local is not None and local[1] else None
        tcp = await host.connect(address[0], address[1], source)
        self._adoptions.adopt(sock, host.pump, tcp)

    async def sock_recv(self, sock: kernel.socket, nbytes: int) -> bytes:
        """From a connection of ours if ``sock`` stands for one, else the kernel's."""
        adopted = self._adoptions.find(sock)
        return await (super().sock_recv(sock, nbytes) if adopted is None else adopted.receive(nbytes))

    async def sock_recv_into(self, sock: kernel.socket, buf: Any) -> int:
        """From a connection of ours if ``sock`` stands for one, else the kernel's."""
        adopted = self._adoptions.find(sock)
        if adopted is None:
            return await super().sock_recv_into(sock, buf)
        target = memoryview(buf).cast("B")
        octets = await adopted.receive(len(target))
        target[: len(octets)] = octets
        return len(octets)

    async def sock_sendall(  # type: ignore[override]  # our buffers
        self, sock: kernel.socket, data: Buffer
    ) -> None:
        """Over a connection of ours if ``sock`` stands for one, else the kernel's."""
        adopted = self._adoptions.find(sock)
        await (super().sock_sendall(sock, data) if adopted is None else adopted.send(data))

    async def _sendfile_fallback(
        self, transp: asyncio.WriteTransport, file: IO[bytes], offset: int, count: int | None
    ) -> int:
        """What ``sendfile`` does for a transport of ours: reads and writes in turn, as fast as the peer takes it.

        The stdlib's own way, which TLS still goes, puts another protocol in between and reads 16 KB at a time.
        """
        if not isinstance(transp, StackTransport):
            return int(await super()._sendfile_fallback(transp, file, offset, count))  # type: ignore[misc]  # private
        file.seek(offset)
        sent = 0
        while count is None or sent < count:
            block = FILE_BLOCK if count is None else min(FILE_BLOCK, count - sent)
            octets = await self.run_in_executor(None, file.read, block)
            if not octets:
                break
            transp.write(octets)
            sent += len(octets)
            await transp.wait_for_room()
        return sent


class LoopOverStack(StackNetworking, asyncio.SelectorEventLoop):
    """A real-time loop whose networking is one host's; files, signals, threads and pipes stay the system's.

    ``make_host`` is called with the loop once it can register descriptors::

        with asyncio.Runner(loop_factory=lambda: LoopOverStack(make_host)) as runner:
            runner.run(main())
    """

    def __init__(self, make_host: Callable[[asyncio.AbstractEventLoop], Host]) -> None:
        super().__init__()
        try:
            self._host = make_host(self)
        except BaseException:
            super().close()
            raise

    def current_host(self) -> Host:
        """The one host."""
        return self._host

    def close(self) -> None:
        """Closes the loop and the pump; connections that are left end without a word."""
        if not self.is_closed():
            self._host.pump.close()
        super().close()


def _tls_of(options: dict[str, Any]) -> TlsOptions:
    return TlsOptions(
        ssl=options.get("ssl"),
        server_hostname=options.get("server_hostname"),
        ssl_handshake_timeout=options.get("ssl_handshake_timeout"),
        ssl_shutdown_timeout=options.get("ssl_shutdown_timeout"),
    )
