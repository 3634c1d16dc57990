"""The exceptions of halfopen.

Three kinds of trouble are kept apart. Bad input from the wire raises `Malformed` inside a parser and is caught and
counted one layer above; a bad call by the user raises a `TcpError` or `ConfigError`; what a peer or the network does is
not an exception in the core at all, but a `Closed` event that carries one of the `TcpError` classes as its reason.
"""


class HalfopenError(Exception):
    """Root of everything that halfopen raises on purpose."""


class WireError(HalfopenError):
    """Octets that do not form what they claim to be."""


class Malformed(WireError):
    """A packet that its parser refuses; `reason` names the counter it goes to, e.g. ``"Ipv4BadHeaderLength"``."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ConfigError(HalfopenError):
    """A configuration or call argument that cannot be meant; the message names it and says what was expected."""


class SimulationError(HalfopenError):
    """A simulated network that cannot go on: deadlock, livelock, an escape to the real world."""


class TcpError(HalfopenError):
    """A connection that did not end, or a call that was not made, in good order."""


class ConnectionReset(TcpError):
    """The peer sent RST (RFC 9293 3.5.3): "connection reset"."""


class ConnectionTimedOut(TcpError):
    """R2, the user timeout or the keep-alive count was exceeded (RFC 9293 3.8.3): "aborted due to user timeout"."""


class ConnectionRefused(TcpError):
    """RST in answer to our SYN, or a hard ICMP error before there was a connection (RFC 9293 3.10.7.3)."""


class ConnectionAborted(TcpError):
    """The local user aborted (RFC 9293 3.10.5)."""


class NetworkUnreachable(TcpError):
    """No route, no neighbour, or the network said so: net or host unreachable."""


class AddressInUse(TcpError):
    """The local address and port belong to somebody else already."""


class NotConnected(TcpError):
    """A call that needs another state: "connection does not exist", "connection closing" (RFC 9293 3.10)."""
