"""An event loop whose networking is ours, so that unmodified asyncio programs run over our stack."""

import asyncio
import socket as kernel
from collections.abc import Callable, Sequence
from typing import IO, Any

from halfopen.aio.datagram_state import Datagrams
from halfopen.aio.datagrams import StackDatagramTransport
from halfopen.aio.host import ConnectOptions, Host, ServeOptions, TlsOptions, make_tls
from halfopen.aio.names import AddressInfo, Hints, Name, port_number
from halfopen.aio.server import StackServer
from halfopen.aio.sock_calls import SocketCalls
from halfopen.aio.socket_states import StatefulSocket
from halfopen.aio.sockets import SocketAddress
from halfopen.aio.tls import TransportMaker
from halfopen.aio.transport import StackTransport
from halfopen.aio.unconnected import Listening, Unconnected

FILE_BLOCK = 256 * 1024
"""Octets of a file that are read at once."""


class StackNetworking(SocketCalls):
    """The methods of an event loop that reach for the network, served by `current_host`.

    ``start_tls`` is the stdlib's own.
    """

    # typeshed has overloads for what may be combined; here one signature takes what programs pass.

    async def getaddrinfo(  # type: ignore[override]  # our types of names and rows
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
        return self.current_host().address_info(host, port, hints)

    async def getnameinfo(self, sockaddr: SocketAddress, flags: int = 0) -> tuple[str, str]:
        """By the host's own table, else numbers."""
        return self.current_host().names.name_info(sockaddr, flags)

    async def create_connection(
        self, protocol_factory: Callable[[], Any], host: Name = None, port: int | str | None = None, **options: Any
    ) -> tuple[asyncio.Transport, Any]:
        """To ``host``, or over the connection of ``sock``."""
        sock: kernel.socket | None = options.get("sock")
        if sock is not None:
            no_address_beside_a_socket(host, port)
            return await self._go_on_with(sock, protocol_factory, options, server_side=False)
        if host is None and port is None:
            raise ValueError("host and port was not specified and no sock specified")
        chosen = ConnectOptions(
            config=None,
            local_addr=options.get("local_addr"),
            happy_eyeballs_delay=options.get("happy_eyeballs_delay"),
            interleave=options.get("interleave"),
            family=options.get("family", 0),
            **_tls_of(options),
        )
        try:
            return await self.current_host().create_connection(protocol_factory, host, port_number(port), **chosen)
        except OSError as error:
            if not options.get("all_errors"):
                raise
            several = error.__cause__
            raise several if isinstance(several, ExceptionGroup) else ExceptionGroup(str(error), [error]) from None

    async def connect_accepted_socket(
        self, protocol_factory: Callable[[], Any], sock: kernel.socket, **options: Any
    ) -> tuple[asyncio.Transport, Any]:
        """A transport over the connection of a socket that was accepted outside the loop."""
        if sock.type != kernel.SOCK_STREAM:
            raise ValueError(f"A Stream Socket was expected, got {sock!r}")
        return await self._go_on_with(sock, protocol_factory, options, server_side=True)

    async def create_server(  # type: ignore[override]  # one signature for all overloads
        self,
        protocol_factory: Callable[[], Any],
        host: Name | Sequence[str] = None,
        port: int | str | None = None,
        **options: Any,
    ) -> asyncio.AbstractServer:
        """On all addresses (None, the empty string), one or several; or on the port that ``sock`` has."""
        backlog, start_serving = options.get("backlog", 100), options.get("start_serving", True)
        family = options.get("family", 0)
        chosen = ServeOptions(
            config=None, backlog=backlog, start_serving=start_serving, family=family, **_tls_of(options)
        )
        sock: kernel.socket | None = options.get("sock")
        if sock is not None:
            no_address_beside_a_socket(host, port)
            if isinstance(sock, StatefulSocket):
                return await _serve(sock, protocol_factory, chosen)
            host, port = sock.getsockname()[:2]
            sock.close()
        return await self.current_host().create_server(protocol_factory, host, port_number(port), **chosen)

    async def create_datagram_endpoint(  # type: ignore[override]  # no Unix paths
        self,
        protocol_factory: Callable[[], Any],
        local_addr: tuple[Name, int] | None = None,
        remote_addr: tuple[Name, int] | None = None,
        **options: Any,
    ) -> tuple[asyncio.DatagramTransport, Any]:
        """A UDP socket of the host's, or that of ``sock``."""
        sock: kernel.socket | None = options.get("sock")
        if sock is not None:
            if local_addr or remote_addr:
                raise ValueError("socket modifier keyword arguments can not be used when sock is specified")
            if isinstance(sock, StatefulSocket):
                return await _exchange_datagrams(sock, protocol_factory)
            options["family"] = sock.family
            local_addr = sock.getsockname()[:2]
            sock.close()
        broadcast = bool(options.get("allow_broadcast"))
        return await self.current_host().create_datagram_endpoint(
            protocol_factory,
            local_addr,
            remote_addr,
            family=options.get("family", 0),
            allow_broadcast=broadcast,
        )

    async def _go_on_with(
        self, sock: kernel.socket, protocol_factory: Callable[[], Any], options: dict[str, Any], *, server_side: bool
    ) -> tuple[asyncio.Transport, Any]:
        tls = make_tls(_tls_of(options), server_side=server_side)
        if tls is not None and not server_side and tls.server_hostname is None:
            raise ValueError("You must set server_hostname when using ssl without a host")
        state = self.state_of(sock)
        protocol = protocol_factory()
        tcp = self.release(sock)
        if state is None or tcp is None:
            raise ValueError(f"{sock!r} was not connected by this loop's sock_connect()")
        transport = await TransportMaker(state.pump, tls, family=state.names.family).started(tcp, protocol)
        if isinstance(sock, StatefulSocket):
            sock.follow(transport.get_extra_info("socket"))
        return transport, protocol

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


def no_address_beside_a_socket(host: object, port: object) -> None:
    """ValueError if a caller gives both."""
    if host is not None or port is not None:
        raise ValueError("host/port and sock can not be specified at the same time")


async def _serve(sock: kernel.socket, factory: Callable[[], Any], options: ServeOptions) -> StackServer:
    """A server on the port that ``sock`` is bound to or listens on."""
    assert isinstance(sock, StatefulSocket)
    if isinstance(sock.state, (Unconnected, Listening)):
        sock.listen(options.get("backlog", 100))
    state = sock.state
    if not isinstance(state, Listening):
        raise ValueError(f"{sock!r} cannot listen")
    tls = make_tls(options, server_side=True)
    sock.hand_over()
    server = StackServer(state.pump, [state.release()], factory, tls)
    if options.get("start_serving", True):
        await server.start_serving()
    return server


async def _exchange_datagrams(
    sock: StatefulSocket, factory: Callable[[], Any]
) -> tuple[asyncio.DatagramTransport, Any]:
    state = sock.state
    if not isinstance(state, Datagrams):
        raise ValueError(f"A UDP Socket was expected, got {sock!r}")
    protocol = factory()
    sock.hand_over()
    waiter: asyncio.Future[None] = state.pump.loop.create_future()
    transport = StackDatagramTransport(state.pump, state.release(), protocol, state.names.family)
    transport.start(waiter)
    await waiter
    return transport, protocol


def _tls_of(options: dict[str, Any]) -> TlsOptions:
    return TlsOptions(
        ssl=options.get("ssl"),
        server_hostname=options.get("server_hostname"),
        ssl_handshake_timeout=options.get("ssl_handshake_timeout"),
        ssl_shutdown_timeout=options.get("ssl_shutdown_timeout"),
    )
