"""What a connection tells its user: the text strings and signals of RFC 9293 3.9.1 as values.

Events without payload are singletons; ask with ``is``. After `Closed` no event follows.
"""

from dataclasses import dataclass
from typing import Final

from halfopen.base.errors import TcpError


class Event:
    """Root of the events."""

    __slots__ = ()

    def __repr__(self) -> str:
        return type(self).__name__


class Connected(Event):
    """The connection is ESTABLISHED."""

    __slots__ = ()


class Readable(Event):
    """RECEIVE will return octets. Not repeated until they have all been taken."""

    __slots__ = ()


class Writable(Event):
    """Acknowledged octets have left the send queue since data was last queued."""

    __slots__ = ()


class EndOfStream(Event):
    """The peer's FIN stands behind the last octet in the receive queue: "connection closing" (MUST-12)."""

    __slots__ = ()


class Urgent(Event):
    """The peer's urgent pointer has advanced (MUST-32); `ReceiveStatus.urgent` says how far it is away."""

    __slots__ = ()


@dataclass(slots=True, frozen=True, repr=True)
class SoftError(Event):
    """Something is wrong but may pass: an ICMP error, or R1 retransmissions (MUST-47, SHLD-9)."""

    error: TcpError


@dataclass(slots=True, frozen=True, repr=True)
class Closed(Event):
    """The connection is over; ``reason`` is None when both sides closed in good order."""

    reason: TcpError | None


CONNECTED: Final = Connected()
READABLE: Final = Readable()
WRITABLE: Final = Writable()
END_OF_STREAM: Final = EndOfStream()
URGENT: Final = Urgent()
