"""Who hears of what happens to a socket: what a `halfopen.aio.pump.Pump` calls, and never compiled.

An interpreted class may derive from these and from classes of asyncio's.
"""

from abc import ABC, abstractmethod

from halfopen.base.clock import Instant
from halfopen.stack.icmp import EchoReply


class Face(ABC):
    """The asyncio side of a socket: a transport, a server, a connection attempt."""

    __slots__ = ()

    @abstractmethod
    def on_news(self, now: Instant) -> None:
        """The socket has events, data, connections, or room that it was asked for. Must not raise."""


class EchoFace(ABC):
    """Who sends echo requests with an identifier of its own."""

    __slots__ = ()

    @abstractmethod
    def on_reply(self, reply: EchoReply) -> None:
        """What has come of one of them: the answer, or what went wrong. Must not raise."""
