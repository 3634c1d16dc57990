"""A link: where packets leave our host for a world that is not ours, and come from it."""

from abc import ABC, abstractmethod
from typing import Literal, Self, TypeAlias

from halfopen.base.addresses import MAC_ZERO, Mac
from halfopen.base.clock import NEVER, Instant
from halfopen.base.counters import Counters
from halfopen.stack.interface import Offloads
from halfopen.wire.packet import Packet

LinkKind: TypeAlias = Literal["ethernet", "ip"]

ETHERNET_OCTETS = 14
"""Length of an Ethernet II header; what `Packet.head` begins with on a link of kind ``"ethernet"``."""

LEFT_TO_LINK = Offloads(checksum=True, gso_octets=65535)
"""What a stack may leave to any link: `Link.write` does itself what the device cannot.

The later a super-segment is cut, the fewer layers each of its packets crosses.
"""


class Link(ABC):
    """One attachment of our host to a medium.

    ``kind`` says what `Packet.head` begins with; ``mac`` is the address that our end has, as its peers see it (zeros on
    an ``"ip"`` link). ``mtu`` counts network-layer octets. With ``checksum_offload`` the link takes `CHECKSUM_PARTIAL`
    packets as they are, and hands such packets up; ``gso_octets`` above zero is the largest super-segment that it
    takes, network header included. A link without them still accepts both, and does the work itself.

    ``name`` is the device's, for people. Everything that was not delivered has a name in ``counters``.
    """

    def __init__(self, name: str, kind: LinkKind, mtu: int, mac: Mac = MAC_ZERO) -> None:
        self.name = name
        self.kind: LinkKind = kind
        self.mtu = mtu
        self.mac = mac
        self.checksum_offload = False
        self.gso_octets = 0
        self.counters = Counters()

    @property
    def network_offset(self) -> int:
        """Where the network header begins in `Packet.head`: 14 behind Ethernet, else 0."""
        return ETHERNET_OCTETS if self.kind == "ethernet" else 0

    @abstractmethod
    def fileno(self) -> int:
        """A descriptor that polls readable when `read` may have something; -1 if there is none."""

    @abstractmethod
    def read(self, limit: int) -> list[Packet]:
        """Up to ``limit`` packets, without waiting; an empty list says that reading on would block.

        Who gets fewer packets than ``limit`` need not ask again before `fileno` polls readable. OSError: the device is
        gone.
        """

    @abstractmethod
    def write(self, packet: Packet) -> bool:
        """Puts one packet on the medium; False if it was dropped (and counted), as a wire would drop it."""

    def flush(self) -> None:
        """Puts on the medium what `write` has only laid ready; whoever has written everything calls it once."""
        return None

    def next_deadline(self) -> Instant:
        """When `on_deadline` wants to be called, for links that hold packets back; asks, changes nothing."""
        return NEVER

    def on_deadline(self, now: Instant) -> None:
        """Lets go of what was held back until ``now``: writes it on, or makes it ready for the next `read`."""
        return None

    @abstractmethod
    def close(self) -> None:
        """Gives the device back; harmless when repeated."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
