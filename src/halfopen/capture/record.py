"""What a capture file holds, whatever its format: frames with their time, and the interface that saw them."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Literal, TypeAlias

from halfopen.base.addresses import Address
from halfopen.base.clock import Instant

LINKTYPE_ETHERNET = 1
"""Frames begin with an Ethernet header (www.tcpdump.org/linktypes.html)."""
LINKTYPE_RAW = 101
"""Frames begin with an IPv4 or IPv6 header."""

MAX_OCTETS = 262_144
"""Longest frame kept of a capture: libpcap's ``MAXIMUM_SNAPLEN``; holds a 64 KB super-segment with room to spare."""

Direction: TypeAlias = Literal["inbound", "outbound"]
"""As the machine that captured saw it."""


@dataclass(slots=True, frozen=True)
class CapturedInterface:
    """Where frames were seen; classic pcap has one, without a name. ``linktype`` says what its frames begin with."""

    name: str
    linktype: int


@dataclass(slots=True, frozen=True)
class Record:
    """One captured frame. ``when`` counts nanoseconds from 1970; it is 0 where the file tells no time.

    ``original_octets`` is the length on the wire, larger than that of ``octets`` if the frame was cut; 0 is not known.
    """

    when: Instant
    interface: CapturedInterface
    octets: bytes
    comment: str | None = None
    direction: Direction | None = None
    original_octets: int = 0


class CaptureReader(ABC):
    """Iterates over the `Record` of a capture file, once.

    ``names`` holds the names that the file has told so far for addresses. ``truncated`` is True after an iteration that
    ended in the middle of a block, as a capture does whose writer died: what stands before it is good.
    """

    def __init__(self) -> None:
        self.names: dict[Address, str] = {}
        self.truncated = False

    @abstractmethod
    def __iter__(self) -> Iterator[Record]:
        """The records in the order of the file; Malformed if it is damaged."""


def read_fully(file: BinaryIO, count: int) -> bytes:
    """``count`` octets of ``file``, fewer only at its end; a pipe or an unbuffered file may give them in pieces."""
    octets = file.read(count)
    while 0 < len(octets) < count:
        more = file.read(count - len(octets))
        if not more:
            break
        octets += more
    return octets
