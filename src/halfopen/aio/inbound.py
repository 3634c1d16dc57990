"""The receiving half of a transport: from a connection's receive queue to whatever kind of protocol is there."""

import asyncio

from halfopen.aio.sockets import Readiness
from halfopen.base.clock import Instant
from halfopen.stack.tcp_socket import TcpSocket

READ_LIMIT = 256 * 1024
"""Octets handed over at once (asyncio's selector transport reads as many)."""


class Inbound(Readiness):
    """Hands octets and the end of the stream to the protocol; while paused, they stay with the connection."""

    __slots__ = ("_end_is_told", "_protocol", "_tcp", "has_ended", "is_paused", "is_stopped")

    def __init__(self, tcp: TcpSocket, protocol: asyncio.BaseProtocol) -> None:
        self._tcp = tcp
        self._protocol = protocol
        self._end_is_told = False
        self.is_paused = False
        self.is_stopped = False
        """Nothing is handed over any more: the transport is closing."""
        self.has_ended = False
        """The peer's FIN is here; perhaps behind octets that still wait."""

    @property
    def protocol(self) -> asyncio.BaseProtocol:
        """Who gets the octets; may change in the middle of the stream, when a program upgrades it."""
        return self._protocol

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """The next octet goes to ``protocol``."""
        self._protocol = protocol

    @property
    def is_readable(self) -> bool:
        """What a descriptor of the kernel's would say to ``poll``: octets or the end of the stream can be read."""
        return self.has_ended or self._tcp.readable_octets > 0

    def deliver(self, now: Instant) -> bool:
        """Hands over what is there; False if the protocol, told of the end, wants the transport closed.

        What the protocol raises goes through.
        """
        tcp = self._tcp
        while not (self.is_paused or self.is_stopped) and tcp.readable_octets:
            self._hand_over(now)
        if self.is_paused or self.is_stopped or self._end_is_told or not self.has_ended:
            return True
        self._end_is_told = True
        protocol = self._protocol
        if isinstance(protocol, (asyncio.Protocol, asyncio.BufferedProtocol)):
            return bool(protocol.eof_received())
        return False

    def _hand_over(self, now: Instant) -> None:
        protocol = self._protocol
        if isinstance(protocol, asyncio.BufferedProtocol):
            self._fill(protocol, now)
            return
        octets = b"".join(self._tcp.receive(READ_LIMIT, now))
        if isinstance(protocol, asyncio.Protocol):
            protocol.data_received(octets)

    def _fill(self, protocol: asyncio.BufferedProtocol, now: Instant) -> None:
        target = memoryview(protocol.get_buffer(-1))
        if not target:
            raise RuntimeError("get_buffer() returned an empty buffer")
        at = 0
        for buffer in self._tcp.receive(len(target), now):
            target[at : at + len(buffer)] = buffer
            at += len(buffer)
        protocol.buffer_updated(at)
