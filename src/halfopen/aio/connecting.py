"""Waiting for a connection to be established."""

import asyncio

from halfopen.aio.errors import as_os_error
from halfopen.aio.face import Face
from halfopen.aio.pump import Pump
from halfopen.base.clock import Instant
from halfopen.base.errors import NetworkUnreachable
from halfopen.stack.tcp_socket import TcpSocket
from halfopen.tcp.events import CONNECTED, Closed, SoftError


class Connecting(Face):
    """An active OPEN under way. Events behind `Connected` are left for whoever takes the connection over.

    TCP itself goes on trying when the network says that it cannot reach the peer (RFC 1122 4.2.3.9). Here that ends the
    attempt, as it does on Linux, so that another address can be tried within the caller's patience (RFC 5461 4.1).
    """

    __slots__ = ("_established", "_pump", "_tcp", "_where")

    def __init__(self, pump: Pump, tcp: TcpSocket, where: str) -> None:
        self._pump = pump
        self._tcp = tcp
        self._where = where
        self._established: asyncio.Future[None] = pump.loop.create_future()
        pump.attach(tcp, self)
        pump.kick()

    async def wait(self) -> TcpSocket:
        """The connection once it stands; OSError says why it does not. Cancelled, it gives the attempt up.

        One with Fast Open whose SYN waits for text is handed over at once, as by Linux (``TCP_FASTOPEN_CONNECT``): the
        server has taken text with a SYN before. If it does not answer this time, the connection is lost.
        """
        if self._tcp.is_deferred:
            return self._tcp
        try:
            await self._established
        except BaseException:
            self._pump.detach(self._tcp)
            self._tcp.abort(self._pump.now())
            self._pump.kick()
            raise
        return self._tcp

    def on_news(self, now: Instant) -> None:
        """Looks for the event that decides."""
        while not self._established.done() and (event := self._tcp.poll_event()) is not None:
            if event is CONNECTED:
                self._established.set_result(None)
            elif isinstance(event, SoftError) and isinstance(event.error, NetworkUnreachable):
                self._established.set_exception(as_os_error(event.error, self._where))
            elif isinstance(event, Closed):
                self._established.set_exception(_reason(event, self._where))


def _reason(event: Closed, where: str) -> OSError:
    if event.reason is None:
        return ConnectionAbortedError(f"the connection to {where} closed before it stood")
    return as_os_error(event.reason, where)
