"""What a transport over a connection of ours says of itself, and how it reads."""

import asyncio
from abc import abstractmethod
from asyncio import constants, transports
from collections.abc import Mapping
from contextvars import Context, copy_context
from types import MappingProxyType
from typing import Any

from halfopen.aio.inbound import Inbound
from halfopen.aio.pump import Pump
from halfopen.aio.sockets import ConnectionSocket
from halfopen.stack.ports import format_endpoint
from halfopen.stack.tcp_socket import TcpSocket

_NO_EXTRA: Mapping[str, Any] = MappingProxyType({})
"""For the stdlib's dict of extra information, which `ConnectionTransport.get_extra_info` answers without."""


LOW_WATER = 16 * 1024
"""Octets to be sent below which writing resumes: the stdlib's, as one number for all transports."""


class ConnectionTransport(transports._FlowControlMixin):  # noqa: SLF001  # `loop.sendfile` insists on it
    """The reading half and the names. The base is the stdlib's flow control: the limits, and ``pause_writing``."""

    __slots__ = ("_context", "_family", "_inbound", "_pump", "_sock", "_tcp")

    # Private to the stdlib, but what its TLS, sendfile and flow control ask of a transport.
    _high_water: int
    _low_water: int
    _start_tls_compatible = True
    _sendfile_compatible = constants._SendfileMode.FALLBACK  # noqa: SLF001  # as above

    def __init__(self, pump: Pump, tcp: TcpSocket, protocol: asyncio.BaseProtocol, family: int = 0) -> None:
        self._pump = pump
        self._family = family
        self._tcp = tcp
        self._inbound = Inbound(tcp, protocol)
        self._context: Context = copy_context()
        self._sock: ConnectionSocket | None = None
        super().__init__(_NO_EXTRA, pump.loop)
        self._low_water = LOW_WATER

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """``socket``, ``peername`` and ``sockname``; sslproto adds its own."""
        if name not in ("socket", "peername", "sockname"):
            return default
        if self._sock is None:
            self._sock = ConnectionSocket(self._pump, self._tcp, self._inbound, self._family)
        if name == "peername":
            return self._sock.getpeername()
        return self._sock if name == "socket" else self._sock.getsockname()

    def peer_text(self) -> str:
        """The peer's end, for messages."""
        return format_endpoint(self._tcp.remote_address, self._tcp.remote_port)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """The next octet goes to ``protocol``."""
        self._inbound.set_protocol(protocol)

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Who gets the octets."""
        return self._inbound.protocol

    @property
    def _protocol(self) -> asyncio.BaseProtocol:
        """Where the stdlib's flow control looks for the protocol."""
        return self._inbound.protocol

    def is_reading(self) -> bool:
        """Whether octets are handed to the protocol as they come."""
        return not (self._inbound.is_stopped or self._inbound.is_paused)

    def pause_reading(self) -> None:
        """Leaves octets with the connection, whose window closes when its queue is full."""
        self._inbound.is_paused = True

    def resume_reading(self) -> None:
        """Hands over what has come meanwhile, soon."""
        if self._inbound.is_paused:
            self._inbound.is_paused = False
            self._pump.loop.call_soon(self._deliver, context=self._context)

    def can_write_eof(self) -> bool:
        """TCP can close one direction (RFC 9293 3.6)."""
        return True

    @abstractmethod
    def _deliver(self) -> None:
        """Hands over octets that wait, unless reading is paused."""

    def _show_readiness(self) -> None:
        """For programs that poll the descriptor."""
        if self._sock is not None:
            self._sock.show_readiness()

    def _close_sock(self) -> None:
        """The descriptor, if there is one, goes."""
        if self._sock is not None:
            self._sock.close()
