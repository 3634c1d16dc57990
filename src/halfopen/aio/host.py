"""A host of ours, for asyncio programs: what `asyncio` offers on the kernel's stack, offered on ours."""

import asyncio
import errno
import os
import socket
import ssl as ssl_module
import sys
from asyncio import staggered
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TypedDict, TypeVar, Unpack

from halfopen.aio import resolving
from halfopen.aio.connecting import Connecting
from halfopen.aio.datagrams import StackDatagramTransport
from halfopen.aio.errors import os_errors
from halfopen.aio.names import (
    NO_HINTS,
    AddressInfo,
    Hints,
    Name,
    Names,
    address_info,
    as_destination,
    port_number,
)
from halfopen.aio.pump import Pump
from halfopen.aio.resolving import in_order, interleaved, of_family, source_in_zone, zone_of
from halfopen.aio.server import ProtocolFactory, StackServer
from halfopen.aio.sockets import plain
from halfopen.aio.tls import Tls, TransportMaker
from halfopen.base.addresses import (
    IPV4_ANY,
    IPV6_ANY,
    Address,
    format_address,
    is_link_local,
    is_unspecified,
)
from halfopen.base.errors import HalfopenError
from halfopen.stack.ports import Owner, format_endpoint
from halfopen.stack.stack import Stack
from halfopen.stack.tcp_socket import TcpListener, TcpSocket
from halfopen.stack.udp import UdpSocket
from halfopen.tcp.config import TcpConfig

P = TypeVar("P", bound=asyncio.BaseProtocol)
D = TypeVar("D", bound=asyncio.DatagramProtocol)

ClientConnected = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None] | None]

SslArgument = ssl_module.SSLContext | bool | None


class TlsOptions(TypedDict, total=False):
    """asyncio's arguments about TLS."""

    ssl: SslArgument
    server_hostname: str | None
    ssl_handshake_timeout: float | None
    ssl_shutdown_timeout: float | None


class RaceOptions(TypedDict, total=False):
    """How the addresses of a name are tried, of which ``family`` and from where."""

    local_addr: tuple[Name, int] | None
    happy_eyeballs_delay: float | None
    interleave: int | None
    family: int
    config: TcpConfig | None


class ConnectOptions(RaceOptions, TlsOptions, total=False):
    """What an active open may choose."""


class ServeOptions(TlsOptions, total=False):
    """What a server may choose."""

    backlog: int
    start_serving: bool
    family: int
    config: TcpConfig | None


class Host:
    """A stack with its pump and names. ``program`` stands in the port table beside task and process."""

    def __init__(self, stack: Stack, pump: Pump, names: Names | None = None, program: str | None = None) -> None:
        self.stack = stack
        self.pump = pump
        self.names = names or Names()
        self.program = program or os.path.basename(sys.argv[0]) or "python"

    def owner(self) -> Owner:
        """Who is asking: the current task, this process."""
        try:
            task = asyncio.current_task()
        except RuntimeError:
            task = None
        return Owner(task.get_name() if task is not None else "main", os.getpid(), self.program)

    def resolve(self, name: Name, family: int = 0) -> list[Address]:
        """The addresses of this host that a server on ``name`` is to have; `socket.gaierror` if there are none."""
        return of_family(resolving.resolve(self.stack, self.names, name, passive=True), family)

    def destinations(self, name: Name, family: int = 0) -> list[Address]:
        """The addresses of ``name``, the best first (RFC 6724); `socket.gaierror` if there are none."""
        found = of_family(resolving.resolve(self.stack, self.names, name), family)
        return in_order(self.stack, [as_destination(address) for address in found], self.pump.now())

    def address_info(self, name: Name, port: int | str | bytes | None, hints: Hints = NO_HINTS) -> list[AddressInfo]:
        """What `socket.getaddrinfo` would return on this host."""

        def resolve(name: Name, passive: bool) -> list[Address]:
            found = resolving.resolve(self.stack, self.names, name, passive)
            return found if passive else in_order(self.stack, found, self.pump.now())

        return address_info(resolve, name, port, hints)

    async def connect(self, host: Name, port: int, **options: Unpack[RaceOptions]) -> TcpSocket:
        """An established connection; the addresses of ``host`` are tried in turn. OSError if none answers.

        With ``happy_eyeballs_delay`` the next address, of the families in turn, joins the race when the one before has
        not answered in so many seconds (RFC 8305 5).
        """
        delay, interleave = options.get("happy_eyeballs_delay"), options.get("interleave")
        remotes = self.destinations(host, options.get("family", 0))
        if interleave is None and delay is not None:
            interleave = 1
        if interleave:
            remotes = interleaved(remotes, interleave)
        local, config = options.get("local_addr"), options.get("config")
        sources = self._sources(local)
        attempts = [
            partial(self._connect_to, (remote, port), source or self._in_zone(host, remote), config)
            for remote in map(plain, remotes)
            if (source := sources.get(len(remote))) is not None or local is None
        ]
        if not attempts:
            raise OSError(f"no matching local address with the family of {host!r} found")
        errors: list[Exception] = []
        if delay is not None and len(attempts) > 1:
            tcp: TcpSocket | None
            tcp, _, failed = await staggered.staggered_race(attempts, delay, loop=self.pump.loop)
            if tcp is not None:
                return tcp
            errors = [error for error in failed if isinstance(error, Exception)]
        else:
            for attempt in attempts:
                try:
                    return await attempt()
                except OSError as error:
                    errors.append(error)
        if len(errors) == 1:
            raise errors[0]
        raise OSError(f"Multiple exceptions: {', '.join(map(str, errors))}") from ExceptionGroup(
            "create_connection failed", errors
        )

    async def create_connection(
        self, protocol_factory: Callable[[], P], host: Name, port: int, **options: Unpack[ConnectOptions]
    ) -> tuple[asyncio.Transport, P]:
        """As `asyncio.loop.create_connection`."""
        tls = _client_tls(options, host)
        race = RaceOptions(
            local_addr=options.get("local_addr"),
            happy_eyeballs_delay=options.get("happy_eyeballs_delay"),
            interleave=options.get("interleave"),
            family=options.get("family", 0),
            config=options.get("config"),
        )
        tcp = await self.connect(host, port, **race)
        return await self.adopt(tcp, protocol_factory, tls)

    async def adopt(
        self, tcp: TcpSocket, protocol_factory: Callable[[], P], tls: Tls | None = None
    ) -> tuple[asyncio.Transport, P]:
        """A transport and protocol for a connection that stands already."""
        protocol = protocol_factory()
        return await TransportMaker(self.pump, tls).started(tcp, protocol), protocol

    async def create_server(
        self,
        protocol_factory: ProtocolFactory,
        host: Name | Sequence[str] = None,
        port: int | None = None,
        **options: Unpack[ServeOptions],
    ) -> StackServer:
        """As `asyncio.loop.create_server`: each version of IP has its listener. Several with port 0 share one port."""
        names = list(host) if isinstance(host, (list, tuple)) else [host if isinstance(host, (str, bytes)) else None]
        addresses = dict.fromkeys(address for name in names for address in self.resolve(name, options.get("family", 0)))
        for address in addresses:
            self.check_local(address)
        tls = make_tls(options, server_side=True)
        listeners = self._listen(list(addresses), port_number(port), options)
        server = StackServer(self.pump, listeners, protocol_factory, tls)
        if options.get("start_serving", True):
            await server.start_serving()
        return server

    async def create_datagram_endpoint(
        self,
        protocol_factory: Callable[[], D],
        local_addr: tuple[Name, int] | None = None,
        remote_addr: tuple[Name, int] | None = None,
        *,
        family: int = 0,
        allow_broadcast: bool = False,
    ) -> tuple[StackDatagramTransport, D]:
        """As `asyncio.loop.create_datagram_endpoint`."""
        local, remote = self._pair(local_addr, remote_addr, family)
        with os_errors():
            udp = self.stack.udp.bind(*local, self.owner())
            udp.options.broadcast = allow_broadcast
            try:
                if remote is not None and remote_addr is not None:
                    self._aim(udp, remote, remote_addr[0])
            except BaseException:
                udp.close()
                raise
        protocol = protocol_factory()
        waiter: asyncio.Future[None] = self.pump.loop.create_future()
        family = socket.AF_INET if len(local[0]) == 4 else socket.AF_INET6
        transport = StackDatagramTransport(self.pump, udp, protocol, family)
        transport.start(waiter)
        await waiter
        return transport, protocol

    async def open_connection(
        self, host: Name, port: int, *, limit: int = 2**16, **options: Unpack[ConnectOptions]
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """As `asyncio.open_connection`."""
        loop = self.pump.loop
        reader = asyncio.StreamReader(limit=limit, loop=loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
        transport, _ = await self.create_connection(lambda: protocol, host, port, **options)
        return reader, asyncio.StreamWriter(transport, protocol, reader, loop)

    async def start_server(
        self,
        client_connected: ClientConnected,
        host: Name | Sequence[str] = None,
        port: int | None = None,
        *,
        limit: int = 2**16,
        **options: Unpack[ServeOptions],
    ) -> StackServer:
        """As `asyncio.start_server`."""
        loop = self.pump.loop

        def factory() -> asyncio.StreamReaderProtocol:
            reader = asyncio.StreamReader(limit=limit, loop=loop)
            return asyncio.StreamReaderProtocol(reader, client_connected, loop=loop)

        return await self.create_server(factory, host, port, **options)

    def check_local(self, address: Address) -> None:
        """OSError (EADDRNOTAVAIL) unless a socket may be bound to ``address``: any, a broadcast's, or one it has."""
        ip = self.stack.ip
        if not (is_unspecified(address) or ip.owns(address) or ip.is_broadcast(address)):
            number = errno.EADDRNOTAVAIL
            raise OSError(number, f"{os.strerror(number)}: {format_address(address)} is none of {self.program}'s")

    def _sources(self, local: tuple[Name, int] | None) -> dict[int, tuple[Address, int]]:
        """The first address of each family that a name means here, by its length, with the port."""
        sources: dict[int, tuple[Address, int]] = {}
        for address in self.resolve(local[0]) if local is not None else ():
            self.check_local(address)
            sources.setdefault(len(address), (address, local[1] if local is not None else 0))
        return sources

    def _pair(
        self, local: tuple[Name, int] | None, remote: tuple[Name, int] | None, family: int
    ) -> tuple[tuple[Address, int], tuple[Address, int] | None]:
        """Both ends of a datagram endpoint, of one family; `socket.gaierror` if there are none."""
        sources = self._sources(local) or {4: (IPV4_ANY, 0), 16: (IPV6_ANY, 0)}
        if remote is None:
            return sources[len(of_family([address for address, _ in sources.values()], family)[0])], None
        targets = [plain(address) for address in self.destinations(remote[0], family)]
        ways = [(sources[len(target)], (target, remote[1])) for target in targets if len(target) in sources]
        if not ways:
            raise ValueError("can not get address information: both ends are of one family")
        return ways[0]

    def _aim(self, udp: UdpSocket, remote: tuple[Address, int], name: Name) -> None:
        """``udp`` has the peer ``remote`` from now on, by the link that its ``name`` tells."""
        if is_link_local(remote[0]):
            udp.options.interface = zone_of(self.stack, name)
        udp.connect(*remote, self.pump.now())

    def _in_zone(self, name: Name, remote: Address) -> tuple[Address, int] | None:
        source = source_in_zone(self.stack, name, remote)
        return None if source is None else (source, 0)

    async def _connect_to(
        self, remote: tuple[Address, int], local: tuple[Address, int] | None, config: TcpConfig | None
    ) -> TcpSocket:
        where = format_endpoint(*remote)
        with os_errors(where):
            tcp = self.stack.tcp.connect(remote, self.owner(), self.pump.now(), config=config, local=local)
        return await Connecting(self.pump, tcp, where).wait()

    def _listen(self, addresses: list[Address], port: int, options: ServeOptions) -> list[TcpListener]:
        listeners: list[TcpListener] = []
        try:
            for address in addresses:
                listener = self.stack.tcp.listen(
                    (address, port),
                    self.owner(),
                    config=options.get("config"),
                    backlog=options.get("backlog", 100),
                    v6_only=True,
                )
                port = listener.port
                listeners.append(listener)
        except HalfopenError as error:
            for listener in listeners:
                listener.close(self.pump.now())
            with os_errors():
                raise error
        return listeners


def make_tls(options: TlsOptions, *, server_side: bool) -> Tls | None:
    """What the arguments about TLS say together; ValueError where they contradict each other."""
    context = options.get("ssl")
    if not context:
        if options.get("server_hostname"):
            raise ValueError("server_hostname is only meaningful with ssl")
        if options.get("ssl_handshake_timeout") is not None or options.get("ssl_shutdown_timeout") is not None:
            raise ValueError("ssl_handshake_timeout and ssl_shutdown_timeout are only meaningful with ssl")
        return None
    if context is True:
        if server_side:
            raise TypeError("ssl argument must be an SSLContext or None")
        context = ssl_module.create_default_context()
    return Tls(
        context=context,
        server_side=server_side,
        server_hostname=options.get("server_hostname"),
        handshake_timeout=options.get("ssl_handshake_timeout"),
        shutdown_timeout=options.get("ssl_shutdown_timeout"),
    )


def _client_tls(options: ConnectOptions, host: Name) -> Tls | None:
    """The peer's name is checked against ``host`` unless the caller says otherwise; an empty name switches that off."""
    name = options.get("server_hostname")
    if options.get("ssl") and name is None:
        text = host.decode("idna") if isinstance(host, bytes) else host
        if not text:
            raise ValueError("You must set server_hostname when using ssl without a host")
        options = {**options, "server_hostname": text}
    return make_tls(options, server_side=False)
