"""Keys that two hosts share: the master key tuples of TCP-AO (RFC 5925 3.1) with the algorithms of RFC 5926, and the
single keys of TCP MD5 (RFC 2385), which they replace.

A key says by a pattern of addresses and ports which connections it is for. Those are seen from the receiver here, as
flows are: the octets of source address, destination address, source port, destination port of a received segment.
"""

import hmac
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Final, Self

from halfopen.base.addresses import Prefix
from halfopen.base.errors import ConfigError
from halfopen.tcp.aes import KEY_OCTETS, cmac

MAC_OCTETS: Final = 12
"""Of both algorithms: 96 bits (RFC 5926 3.2)."""

_LABEL: Final = b"TCP-AO"
_FIRST_BLOCK: Final = b"\x01"
"""``i``: both derivations need one block of their pseudorandom function (RFC 5926 3.1.1)."""


class Algorithm(ABC):
    """A key derivation function and the message authentication code that goes with it (RFC 5926 3)."""

    __slots__ = ()

    @abstractmethod
    def derive(self, secret: bytes, context: bytes) -> bytes:
        """Traffic_key: KDF(master key, context) (RFC 5926 3.1.1)."""

    @abstractmethod
    def authenticate(self, traffic_key: bytes, message: bytes) -> bytes:
        """The MAC, `MAC_OCTETS` long (RFC 5926 3.2)."""


class HmacSha1(Algorithm):
    """KDF_HMAC_SHA1 and HMAC-SHA-1-96 (RFC 5926 3.1.1.1, 3.2.1)."""

    __slots__ = ()

    def derive(self, secret: bytes, context: bytes) -> bytes:
        """160 bits."""
        return hmac.digest(secret, _derivation(context, 160), "sha1")

    def authenticate(self, traffic_key: bytes, message: bytes) -> bytes:
        """The first 96 bits of HMAC-SHA1."""
        return hmac.digest(traffic_key, message, "sha1")[:MAC_OCTETS]


class AesCmac(Algorithm):
    """KDF_AES_128_CMAC and AES-128-CMAC-96 (RFC 5926 3.1.1.2, 3.2.2)."""

    __slots__ = ()

    def derive(self, secret: bytes, context: bytes) -> bytes:
        """128 bits; a master key of another length than AES's is first made one, as by RFC 4615."""
        key = secret if len(secret) == KEY_OCTETS else cmac(bytes(KEY_OCTETS), secret)
        return cmac(key, _derivation(context, 128))

    def authenticate(self, traffic_key: bytes, message: bytes) -> bytes:
        """The first 96 bits of AES-CMAC."""
        return cmac(traffic_key, message)[:MAC_OCTETS]


def _derivation(context: bytes, bits: int) -> bytes:
    """What the pseudorandom function gets: ( i || Label || Context || Output_Length ) (RFC 5926 3.1.1)."""
    return _FIRST_BLOCK + _LABEL + context + bits.to_bytes(2, "big")


ALGORITHMS: Final[dict[str, Algorithm]] = {"HMAC-SHA-1-96": HmacSha1(), "AES-128-CMAC-96": AesCmac()}
"""The two that every implementation has (RFC 5926 3)."""


@dataclass(slots=True, frozen=True)
class Pattern:
    """Which connections: a None is a wildcard."""

    peer: Prefix | None
    peer_port: int | None
    local_port: int | None

    @classmethod
    def parse(cls, peer: str | None, peer_port: int | None, local_port: int | None) -> Self:
        """``peer`` is ``"192.0.2.2"``, ``"192.0.2.0/24"``, or None for everyone; ConfigError if it is neither."""
        for port in (peer_port, local_port):
            if port is not None and not 0 < port <= 0xFFFF:
                raise ConfigError(f"a port is a number from 1 to 65535, not {port}")
        try:
            return cls(None if peer is None else Prefix.parse(peer), peer_port, local_port)
        except ValueError as error:
            raise ConfigError(f"the peer of a key: {error}") from None

    def matches(self, flow: bytes) -> bool:
        """Whether the connection of ``flow`` is one of them."""
        return (
            (self.peer is None or flow[: (len(flow) - 4) // 2] in self.peer)
            and (self.peer_port is None or flow[-4:-2] == self.peer_port.to_bytes(2, "big"))
            and (self.local_port is None or flow[-2:] == self.local_port.to_bytes(2, "big"))
        )


def _check_secret(secret: bytes) -> None:
    if not secret:
        raise ConfigError("the secret of a key has at least one octet")


@dataclass(slots=True, frozen=True, kw_only=True)
class MasterKey:
    """A master key tuple (MKT) of TCP-AO (RFC 5925 3.1).

    ``send_id`` is the KeyID of what we send, ``receive_id`` of what we receive under it; the peer has the same tuple
    with the two exchanged. ``algorithm`` is a key of `ALGORITHMS`. Without ``covers_options`` other options of a
    segment are not authenticated, so that a middlebox may change them.
    """

    secret: bytes = field(repr=False)
    send_id: int
    receive_id: int
    algorithm: str = "HMAC-SHA-1-96"
    covers_options: bool = True
    peer: str | None = None
    """Address or prefix; None is everyone."""
    peer_port: int | None = None
    local_port: int | None = None
    pattern: Pattern = field(init=False, repr=False)

    def __post_init__(self) -> None:
        _check_secret(self.secret)
        for number in (self.send_id, self.receive_id):
            if not 0 <= number <= 0xFF:
                raise ConfigError(f"a KeyID is a number from 0 to 255, not {number}")
        if self.algorithm not in ALGORITHMS:
            raise ConfigError(f"an algorithm of TCP-AO is one of {', '.join(ALGORITHMS)}, not {self.algorithm!r}")
        object.__setattr__(self, "pattern", Pattern.parse(self.peer, self.peer_port, self.local_port))


@dataclass(slots=True, frozen=True, kw_only=True)
class Md5Key:
    """The key of TCP MD5 (RFC 2385): obsolete, for comparison, and for peers that know nothing else."""

    secret: bytes = field(repr=False)
    peer: str | None = None
    """Address or prefix; None is everyone."""
    peer_port: int | None = None
    local_port: int | None = None
    pattern: Pattern = field(init=False, repr=False)

    def __post_init__(self) -> None:
        _check_secret(self.secret)
        object.__setattr__(self, "pattern", Pattern.parse(self.peer, self.peer_port, self.local_port))
