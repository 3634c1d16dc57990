"""What can be chosen about Fast Open (RFC 7413)."""

from dataclasses import dataclass, field

from halfopen.base.clock import MILLISECOND, Duration
from halfopen.base.errors import ConfigError
from halfopen.tcp.siphash import KEY_OCTETS


@dataclass(slots=True, frozen=True, kw_only=True)
class FastOpenManner:
    """What a client does about users who say nothing, servers that it does not know, and paths that swallow SYNs."""

    patience: Duration | None = 10 * MILLISECOND
    """After this time a SYN does not wait for text any longer; None: it does, as on Linux, for ever."""
    assumes_mss: bool = False
    """Of a server that nobody has asked yet ours is taken for the MSS (Linux), else what every host takes (4.1.3)."""
    minds_losses: bool = True
    """After SYNs with text that were lost a server gets none for a while (4.1.3.1); Linux has `blackhole` instead."""
    blackhole: Duration = 0
    """For how long no SYN has text or option after a sign that the path swallows such connections; each further sign
    doubles it, text that comes through ends it. 0: no sign matters (``tcp_fastopen_blackhole_timeout_sec``)."""


@dataclass(slots=True, frozen=True, kw_only=True)
class FastOpenConfig:
    """Text before the handshake is complete (RFC 7413). It may be taken twice, so the user has to want it."""

    connect: bool = False
    """An active OPEN asks the server for a cookie; if there is one, its SYN waits for the first SEND and takes that
    along (``TCP_FASTOPEN_CONNECT``; with a SEND right behind it ``MSG_FASTOPEN``)."""
    client: bool = True
    """It may (Linux ``tcp_fastopen`` 1)."""
    server: bool = False
    """It is taken from a SYN (2 of ``tcp_fastopen``, and ``TCP_FASTOPEN`` on the listener)."""
    backlog: int = 256
    """How many connections like that may wait for the end of their handshake; above, cookies are ignored."""
    keys: tuple[bytes, ...] = ()
    """Of 16 octets each: the first makes cookies, all are good (``tcp_fastopen_key``); none: one of the host's own."""
    may_serve: bool = True
    """No listener does otherwise, whatever it wants."""
    sends_no_cookie: bool = False
    """A SYN has text without ever asking (``tcp_fastopen`` 4)."""
    needs_no_cookie: bool = False
    """It is taken from whoever says that it is there (0x200): for networks without strangers."""
    experiment: bool = True
    """A server knows the option of before the RFC, too: 254 with the magic number 0xF989."""
    asks_by_experiment: bool = False
    """A client asks by that one first."""
    manner: FastOpenManner = field(default_factory=FastOpenManner)
    """How a client deals with what it does not know."""

    def __post_init__(self) -> None:
        if any(len(key) != KEY_OCTETS for key in self.keys):
            raise ConfigError(f"a key for Fast Open cookies has {KEY_OCTETS} octets")
        if self.backlog < 0:
            raise ConfigError(f"backlog is at least 0, not {self.backlog}")
