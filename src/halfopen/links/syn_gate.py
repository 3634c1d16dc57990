"""A SYN gate: whole blocks of SYNs are answered with cookies at once (RFC 4987 3.6), before the stack hears of them.

::

    receive ring --block--> gate --SYN,ACKs--> transmit ring
                             '---- all the rest ----> stack: an ACK that brings a cookie back makes a connection

What a flood costs is then some hundred nanoseconds a SYN, as all that is done is done to columns: parsing, checksums,
keyed hashes, replies. The cookies are those of `halfopen.tcp.cookies`, and the SYN,ACKs octet for octet those that the
stack itself would send if all of them were cookies.

# Deviation: a SYN for a connection that exists is answered like any other, not challenged (RFC 5961 4); the connection
notices nothing of it. The answer goes back to the neighbour that the SYN came from, whatever the routes say, with the
MSS of the link. Fast Open, signatures, text in a SYN, IP options, fragments and IPv6 are left to the stack.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from halfopen.base.addresses import Address, Mac
from halfopen.base.clock import MILLISECOND, Instant
from halfopen.base.counters import Counters
from halfopen.base.errors import ConfigError
from halfopen.links import syn_options
from halfopen.links.packet_ring import Gate, PacketRing
from halfopen.links.packet_socket import marked
from halfopen.links.rings import Block, Slots, TransmitRing
from halfopen.links.syn_columns import IP_AT, TCP_AT, Frames, Mask, Segments, Words
from halfopen.links.syn_options import NO_MSS, NO_SCALE, SynOptions
from halfopen.links.syn_replies import PLAIN, SACK, SCALED, STAMPED, Replies, ReplySlots, make_templates
from halfopen.links.vector_siphash import VectorSipHash
from halfopen.stack.stack import Stack
from halfopen.stack.tcp_socket import TcpListener
from halfopen.tcp.cookies import FEW_MSS_VALUES, MSS_VALUES
from halfopen.tcp.keyed import KeyedHash, SipHash
from halfopen.tcp.listener import Listener
from halfopen.tcp.negotiation import DEFAULT_MSS, MAX_WINDOW_SHIFT, agrees_on_ecn
from halfopen.tcp.passive import PathLimits
from halfopen.wire.packet import Packet
from halfopen.wire.tcp import CWR, ECE, SYN, Segment

SLOTS: Final = 8192
SLOT_OCTETS: Final = 128
_ECN_OF_FLAGS: Final = 0xC000
_FULL_BITS, _POOR_BITS = 10, 3
_NO_SCALE: Final = 15
_COOKIE_OCTETS: Final = np.uint64(18 << 56)
_ADDRESS_OCTETS: Final = np.array([8 << 56], np.uint64)
_HALF: Final = np.uint64(32)


@dataclass(slots=True, frozen=True, kw_only=True)
class Guarded:
    """What a gate answers for."""

    listener: Listener
    addresses: Sequence[Address]
    mac: Mac
    strange: Sequence[Address] = ()
    """From here no SYN can have come: our own addresses, broadcasts."""
    mtu: int
    clock_offsets: KeyedHash
    """Of the stack: from remote and local address to the offset of the timestamp clock between them."""
    counters: Counters


class SynGate(Gate):
    """Answers SYNs to one port; ``slots`` take the replies, and may be a `TransmitRing`."""

    __slots__ = ("_clocks", "_config", "_guarded", "_listener", "_mss_places", "_parity", "_ring", "_slots", "_templates", "_hash", "_key")

    def __init__(self, guarded: Guarded, slots: Slots, now: Instant) -> None:
        if sys.byteorder != "little":
            raise ConfigError("a SYN gate needs a machine that keeps the lowest octet first")
        listening = guarded.listener.listening
        if listening.cookies is None or not isinstance(guarded.clock_offsets, SipHash):
            raise ConfigError("a SYN gate needs syn_cookies, and keyed_hash 'siphash', in TcpLayerConfig")
        self._guarded = guarded
        self._listener = guarded.listener
        self._cookies = listening.cookies
        self._config = guarded.listener.config
        limits = PathLimits(mss=guarded.mtu - 40)
        self._templates = make_templates(listening, limits, guarded.mac, now)
        self._clocks = VectorSipHash(guarded.clock_offsets.key)
        self._slots = slots
        self._replies = ReplySlots(slots)
        self._likes_ecn = agrees_on_ecn(self._config.ecn, Segment(0, 0, flags=SYN | ECE | CWR))
