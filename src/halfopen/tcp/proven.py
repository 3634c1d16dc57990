"""Peers that have lately completed a handshake: some places of the half-open table may be kept for them.

Who has once sent the ACK of our SYN,ACK is where it says it is; the sources of a flood need not be. Linux keeps the
last quarter of its backlog for addresses in its ``tcp_metrics`` while SYN cookies are off. Returning clients then get
in during a flood; new ones do not, and find less room than without: a quarter is gone before anybody attacks. So there
is no reserve unless asked for, and where there are cookies nobody needs one.
"""

from typing import Final

from halfopen.base.clock import SECOND, Duration, Instant

LIFETIME: Final[Duration] = 3600 * SECOND
"""How long a completed handshake proves anything (Linux ``TCP_METRICS_TIMEOUT``)."""

MEMORY: Final = 4096
"""Addresses that are remembered; whoever has been silent longest goes first."""


class ProvenPeers:
    """Addresses of peers, and when their last handshake was complete."""

    __slots__ = ("_seen",)

    def __init__(self) -> None:
        self._seen: dict[bytes, Instant] = {}

    def note(self, flow: bytes, now: Instant) -> None:
        """The peer of ``flow`` has completed a handshake."""
        address = _address(flow)
        self._seen.pop(address, None)
        self._seen[address] = now
        if len(self._seen) > MEMORY:
            del self._seen[next(iter(self._seen))]

    def knows(self, flow: bytes, now: Instant) -> bool:
        """Whether the peer of ``flow`` has completed one not long ago."""
        seen = self._seen.get(_address(flow))
        return seen is not None and now - seen < LIFETIME


def _address(flow: bytes) -> bytes:
    """The peer's, which a flow begins with."""
    return flow[: len(flow) // 2 - 2]
