"""UDP sockets of ours as asyncio datagram transports."""

import asyncio
from contextvars import copy_context
from typing import Any

from halfopen.aio.errors import as_os_error
from halfopen.aio.face import Face
from halfopen.aio.pump import Pump
from halfopen.aio.sockets import DatagramSocket, SocketAddress, plain, socket_address
from halfopen.base.addresses import parse_address
from halfopen.base.clock import Instant
from halfopen.base.errors import HalfopenError
from halfopen.base.octets import Buffer
from halfopen.stack.udp import UdpSocket


class StackDatagramTransport(asyncio.DatagramTransport, Face):
    """Moves datagrams between a `UdpSocket` and a protocol. No write buffer: IP takes every datagram or drops it."""

    def __init__(self, pump: Pump, udp: UdpSocket, protocol: asyncio.DatagramProtocol, family: int = 0) -> None:
        super().__init__()
        self._pump = pump
        self._udp = udp
        self._protocol = protocol
        self._context = copy_context()
        self._sock = DatagramSocket(udp.options, (udp.address, udp.port), udp.remote, family)
        self._is_closing = False

    def start(self, waiter: "asyncio.Future[None]") -> None:
        """Calls ``connection_made`` soon; ``waiter`` is done after that."""
        self._pump.loop.call_soon(self._start, waiter, context=self._context)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """``socket``, ``sockname``, and with a connected peer ``peername``."""
        if name == "socket":
            return self._sock
        if name == "sockname":
            return self._sock.getsockname()
        if name == "peername" and self._udp.remote is not None:
            return self._sock.getpeername()
        return default

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """The next datagram goes to ``protocol``."""
        if not isinstance(protocol, asyncio.DatagramProtocol):
            raise TypeError(f"a datagram transport takes a DatagramProtocol, not {type(protocol).__name__}")
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Who gets the datagrams."""
        return self._protocol

    def is_closing(self) -> bool:
        """Whether `close` was called."""
        return self._is_closing

    def sendto(self, data: Buffer, addr: SocketAddress | None = None) -> None:  # type: ignore[override]  # no Unix paths
        """Sends one datagram; what goes wrong is told to ``error_received``."""
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise TypeError(f"data argument must be a bytes-like object, not {type(data).__name__!r}")
        if self._is_closing:
            return
        remote = self._udp.remote
        if addr is not None:
            given = (plain(parse_address(addr[0])), addr[1])
            if remote is not None and remote != given:
                raise ValueError(f"Invalid address: must be None or {socket_address(*remote, self._sock.family)}")
            remote = given
        if remote is None:
            raise ValueError("the transport has no remote address, so sendto() needs one")
        try:
            self._udp.send_to(data, remote[0], remote[1], self._pump.now())
        except HalfopenError as error:
            self._protocol.error_received(as_os_error(error))
        self._pump.kick()

    def close(self) -> None:
        """Gives the port back; ``connection_lost`` follows."""
        if self._is_closing:
            return
        self._is_closing = True
        self._pump.detach(self._udp)
        self._udp.close()
        self._pump.loop.call_soon(self._protocol.connection_lost, None, context=self._context)

    def abort(self) -> None:
        """As `close`: there is nothing to flush."""
        self.close()

    def on_news(self, now: Instant) -> None:
        """Datagrams or errors have come."""
        self._context.run(self._take_news)

    def _start(self, waiter: "asyncio.Future[None]") -> None:
        self._protocol.connection_made(self)
        self._pump.attach(self._udp, self)
        if not waiter.done():
            waiter.set_result(None)
        self._take_news()

    def _take_news(self) -> None:
        try:
            while (error := self._udp.poll_error()) is not None:
                self._protocol.error_received(as_os_error(error))
            while not self._is_closing and (message := self._udp.receive()) is not None:
                sender = socket_address(message.address, message.port, self._sock.family)
                self._protocol.datagram_received(message.data, sender)
        except Exception as error:
            context = {
                "message": "Fatal error: a datagram protocol's callback failed.",
                "exception": error,
                "transport": self,
            }
            self._pump.loop.call_exception_handler(context)
            self.close()
