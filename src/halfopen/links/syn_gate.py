"""A SYN gate: whole batches of SYNs are answered with cookies at once (RFC 4987 3.6), before the stack hears of them.

::

    receive ring --batch--> gate --SYN,ACKs--> transmit ring
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
from halfopen.base.clock import Instant
from halfopen.base.counters import Counters
from halfopen.base.errors import ConfigError
from halfopen.links import syn_options
from halfopen.links.packet_ring import Gate, PacketRing
from halfopen.links.packet_socket import marked
from halfopen.links.rings import Batch, Slots, TransmitRing
from halfopen.links.syn_columns import IP_AT, TCP_AT, Frames, Mask, Places, Segments, Words
from halfopen.links.syn_cookies import SynCookies
from halfopen.links.syn_options import NO_SCALE, SynOptions
from halfopen.links.syn_replies import PLAIN, SACK, SCALED, STAMPED, Replies, ReplySlots, make_templates
from halfopen.stack.stack import Stack
from halfopen.stack.tcp_socket import TcpListener
from halfopen.tcp.config import Ecn
from halfopen.tcp.keyed import KeyedHash
from halfopen.tcp.listener import Listener
from halfopen.tcp.passive import PathLimits
from halfopen.wire.packet import Packet

SLOTS: Final = 8192
SLOT_OCTETS: Final = 128
"""A SYN,ACK has 108 at most, with what stands in front of it."""
_ECN_OF_FLAGS: Final = 0xC000
_ECN_OF_IP: Final = 0x0300
ACCURATE: Final = (Ecn.ACCURATE, Ecn.ACCURATE_IF_ASKED, Ecn.ACCURATE_PASSIVE)
"""Where the answer depends on more than a gate looks at, if the SYN asks for any ECN."""


@dataclass(slots=True, frozen=True, kw_only=True)
class Guarded:
    """What a gate answers for: a port in LISTEN at some addresses of a host."""

    listener: Listener
    addresses: Sequence[Address]
    strange: Sequence[Address] = ()
    """From here no SYN can have come: all addresses of the host, broadcasts."""
    mac: Mac
    mtu: int
    clock_offsets: KeyedHash
    """Of the host: from remote and local address to the offset of the timestamp clock between them."""
    counters: Counters


class SynGate(Gate):
    """Answers SYNs; the replies go into ``slots``, which it closes.

    ConfigError if the host's cookies cannot be computed here.
    """

    __slots__ = ("_addresses", "_cookies", "_ecn", "_guarded", "_replies", "_slots", "_strange", "_templates")

    def __init__(self, guarded: Guarded, slots: Slots, now: Instant) -> None:
        if sys.byteorder != "little":
            raise ConfigError("a SYN gate needs a machine that keeps the lowest octet first")
        listener = guarded.listener
        listening = listener.listening
        self._guarded = guarded
        self._cookies = SynCookies(listening.cookies, guarded.clock_offsets, listening.config)
        self._templates = make_templates(listening, PathLimits(mss=guarded.mtu - 40), guarded.mac, now)
        self._slots = slots
        self._replies = ReplySlots(slots)
        self._ecn = listening.config.options.ecn
        self._addresses = [int.from_bytes(address, "little") for address in guarded.addresses]
        self._strange = np.array([int.from_bytes(each, "little") for each in guarded.strange], np.uint32)

    def answer(self, batch: Batch, now: Instant) -> list[Packet]:
        """Answers the SYNs of a batch; the other frames, bad ones too, are the stack's."""
        frames = Frames(batch)
        rows = np.flatnonzero(self._concerned(frames))
        is_answered = np.zeros(batch.count, np.bool_)
        if len(rows):
            self._cookies.turn(now)
            self._guarded.listener.forgotten_at = now
            header_words = frames.column(TCP_AT + 3, frames.places[rows]) >> 4 & 0x0F
            for words in np.flatnonzero(np.bincount(header_words)):
                group = rows[header_words == words]
                is_answered[group] = self._answer(Segments(frames, frames.places[group], int(words)), now)
            self._replies.flush()
        return self._rest(batch, frames, np.flatnonzero(~is_answered))

    def close(self) -> None:
        """Gives the slots up."""
        self._slots.close()

    def _concerned(self, frames: Frames) -> Mask:
        """SYNs to the port and its addresses, from where one can come (RFC 1122 3.2.1.3)."""
        found = frames.syns(self._guarded.mac, self._guarded.listener.listening.port)
        source, destination = frames.column(IP_AT + 3), frames.column(IP_AT + 4)
        is_ours = destination == self._addresses[0]
        for address in self._addresses[1:]:
            is_ours |= destination == address
        found &= is_ours
        network = source & 0xFF
        found &= (network > 0) & (network < 224) & (network != 127)
        for strange in self._strange:
            found &= source != strange
        return found

    def _answer(self, segments: Segments, now: Instant) -> Mask:
        """Which of them have been answered, or have found no slot; the rest is bad, or needs a closer look."""
        options = syn_options.parse(segments)
        is_good = segments.intact()
        is_good &= options.is_plain
        if self._ecn in ACCURATE:
            is_good &= segments.column(TCP_AT + 3) & _ECN_OF_FLAGS == 0
        kinds = self._kinds(options)
        for kind in np.flatnonzero(np.bincount(kinds)):
            chosen: Places = np.flatnonzero(is_good & (kinds == kind))
            if len(chosen):
                self._reply(int(kind), segments.at(chosen), options.at(chosen), now)
        return is_good

    def _kinds(self, options: SynOptions) -> Places:
        """Which template each gets: what was offered, and what the port wants of it."""
        wish = self._guarded.listener.listening.config.options
        kinds = np.full(len(options.mss), PLAIN, np.intp)
        if wish.timestamps:
            kinds += options.has_stamps * STAMPED
            if wish.sack:
                kinds += (options.has_stamps & options.sack) * SACK
            if wish.window_scaling:
                kinds += (options.has_stamps & (options.scale != NO_SCALE)) * SCALED
        return kinds

    def _reply(self, kind: int, segments: Segments, options: SynOptions, now: Instant) -> None:
        """To SYNs of one kind, as many as find free slots."""
        done = 0
        while done < len(segments):
            rows = self._replies.free(len(segments) - done)
            if not len(rows):
                self._replies.flush()
                rows = self._replies.free(len(segments) - done)
            if not len(rows):
                self._guarded.counters.add("LinkFull", len(segments) - done)
                break
            turn = slice(done, done + len(rows))
            self._templates[kind].write(rows, self._bake(kind, segments.at(turn), options.at(turn), now))
            self._replies.advance(len(rows))
            done += len(rows)
        self._guarded.counters.add("SyncookiesSent", done)

    def _bake(self, kind: int, segments: Segments, options: SynOptions, now: Instant) -> Replies:
        column, cookies = segments.column, self._cookies
        source, destination, ports = column(IP_AT + 3), column(IP_AT + 4), column(TCP_AT)
        irs = column(TCP_AT + 1)
        ecn: Words = np.zeros(1, np.uint32)
        clock: Words = ecn
        if kind == PLAIN:
            iss = cookies.bake((source, destination, ports), irs, options.mss)
        else:
            if self._ecn is not Ecn.OFF:
                ecn = _classic(segments).astype(np.uint32)
            marks: Words = ecn << np.uint32(1) | np.uint32(kind - STAMPED & SACK)
            scale = options.scale if kind - STAMPED & SCALED else np.full(1, NO_SCALE, np.uint32)
            iss = cookies.bake_full((source, destination, ports), irs, options.mss, scale, marks)
            clock = cookies.clock(source, destination, now)
        mac_start, mac_end = column(IP_AT - 2), column(IP_AT - 1)
        return Replies(mac_start, mac_end, source, destination, ports, irs.byteswap(), iss, ecn, clock, options.stamp)

    def _rest(self, batch: Batch, frames: Frames, rows: Places) -> list[Packet]:
        packets: list[Packet] = []
        if not len(rows):
            return packets
        places = frames.places[rows]
        starts = places * 4 + (frames.column(6, places) & 0xFFFF)
        columns = (starts, frames.column(3, places), frames.column(4, places), frames.column(5, places))
        for start, kept, length, status in zip(*(column.tolist() for column in columns), strict=True):
            if kept < length:
                self._guarded.counters.add("LinkTruncated")
            else:
                packets.append(marked(bytes(batch.memory[start : start + kept]), status))
        return packets


def _classic(segments: Segments) -> Mask:
    """Who asks for ECN as RFC 3168 6.1.1 has it: by both flags, in a packet that is not ECN-capable itself."""
    found: Mask = segments.column(TCP_AT + 3) & _ECN_OF_FLAGS == _ECN_OF_FLAGS
    found &= segments.column(IP_AT) & _ECN_OF_IP == 0
    return found


def guard(link: PacketRing, stack: Stack, listener: TcpListener, now: Instant) -> None:
    """Puts a gate for ``listener`` in front of ``stack``, whose configuration says ``keyed_hash="siphash"``.

    The listener has IPv4 addresses, and the host no keys for signatures; else ConfigError. This thread is in the
    namespace of the link's interface.
    """
    ours = [address for interface in stack.interfaces for address, _ in interface.addresses if len(address) == 4]
    addresses = [address for address in listener.addresses if address in ours] or ours
    if not ours or not any(len(address) == 4 for address in listener.addresses) or stack.tcp.paths.guard is not None:
        raise ConfigError("a SYN gate is for IPv4, and for hosts that sign nothing")
    broadcasts = [address for address in stack.internet.addresses.broadcasts if len(address) == 4]
    guarded = Guarded(
        listener=listener.listener,
        addresses=addresses,
        strange=[*ours, *broadcasts],
        mac=link.mac,
        mtu=link.mtu,
        clock_offsets=stack.tcp.paths.clock_offsets,
        counters=stack.counters,
    )
    ring = TransmitRing(link.name, link.counters, slots=SLOTS, slot_octets=SLOT_OCTETS)
    try:
        link.gate = SynGate(guarded, ring, now)
    except BaseException:
        ring.close()
        raise
