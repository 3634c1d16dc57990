"""TLS over a transport of ours, by the stdlib's own sslproto."""

import asyncio
import ssl
from asyncio import sslproto
from dataclasses import dataclass

from halfopen.aio.pump import Pump
from halfopen.aio.transport import StackTransport, TransportOwner
from halfopen.stack.tcp_socket import TcpSocket


@dataclass(slots=True, frozen=True, kw_only=True)
class Tls:
    """What asyncio's ``ssl``, ``server_hostname`` and ``ssl_..._timeout`` arguments say."""

    context: ssl.SSLContext
    server_side: bool = False
    server_hostname: str | None = None
    handshake_timeout: float | None = None
    shutdown_timeout: float | None = None


@dataclass(slots=True, frozen=True)
class TransportMaker:
    """Puts a transport between a connection that stands and a protocol, with TLS in between if ``tls``."""

    pump: Pump
    tls: Tls | None = None
    owner: TransportOwner | None = None
    family: int = 0
    """Of the socket that the connection came by, if that is not its addresses'."""

    def start(
        self, tcp: TcpSocket, protocol: asyncio.BaseProtocol, waiter: "asyncio.Future[None] | None" = None
    ) -> asyncio.Transport:
        """The transport as ``protocol`` will see it.

        ``waiter`` is done after ``connection_made``, with TLS after the handshake; or it gets the exception.
        """
        tls = self.tls
        if tls is None:
            transport = StackTransport(self.pump, tcp, protocol, self.owner, self.family)
            transport.start(waiter)
            return transport
        between = sslproto.SSLProtocol(
            self.pump.loop,
            protocol,
            tls.context,
            waiter,  # type: ignore[arg-type]  # typeshed does not know that there may be none
            tls.server_side,
            tls.server_hostname,
            ssl_handshake_timeout=tls.handshake_timeout,  # type: ignore[arg-type]  # seconds, fractions allowed
            ssl_shutdown_timeout=tls.shutdown_timeout,
        )
        StackTransport(self.pump, tcp, between, self.owner, self.family).start()
        return between._app_transport  # noqa: SLF001  # what the stdlib's own _make_ssl_transport returns

    async def started(self, tcp: TcpSocket, protocol: asyncio.BaseProtocol) -> asyncio.Transport:
        """As `start`, once ``connection_made`` was called, with TLS once the handshake is done."""
        waiter: asyncio.Future[None] = self.pump.loop.create_future()
        transport = self.start(tcp, protocol, waiter)
        try:
            await waiter
        except BaseException:
            transport.close()
            raise
        return transport
