"""What a TCP socket tells beside its octets: TCP_INQ, and the error queue."""

import errno
import struct
from itertools import accumulate

from halfopen.packetdrill.posix import ControlMessage, Message, Received
from halfopen.packetdrill.virtual_posix.kernel import failure
from halfopen.packetdrill.virtual_posix.stream import Stream
from halfopen.packetdrill.virtual_posix.tcp_face import TcpFace

_MOST_FRAGMENTS = 17
"""``MAX_SKB_FRAGS``."""
STAMP_FLAGS = "SO_TIMESTAMPING"
STAMP_BASE = "timestamping base"
"""Where the octets are counted from that transmit timestamps tell (SOF_TIMESTAMPING_OPT_ID)."""


def control_of(socket: TcpFace, stream: Stream) -> tuple[ControlMessage, ...]:
    """TCP_CM_INQ: octets that are left, the FIN among them; 1 at the end of the stream, so that it is read."""
    if not socket.kept.get("TCP_INQ"):
        return ()
    number = socket.kernel.number
    left = waiting_octets(stream, is_mark=False) + stream.has_fin
    return (ControlMessage(number("SOL_TCP"), number("TCP_CM_INQ"), struct.pack("=i", left)),)


def waiting_octets(stream: Stream, *, is_mark: bool) -> int:
    """SIOCINQ, or SIOCATMARK."""
    return int(stream.incoming.is_at_mark) if is_mark else stream.incoming.waiting


def receive_urgent(socket: TcpFace, stream: Stream, octets: int, flags: int) -> Received:
    """MSG_OOB: EINVAL where urgent octets are of the stream."""
    urgent = stream.incoming.urgent
    if urgent is None:
        raise failure(errno.EINVAL)
    rcv, has = stream.tcp.connection.tcb.rcv, socket.kernel.has
    is_over = stream.is_over or stream.has_fin
    data = urgent.take(rcv, octets, peek=has(flags, "MSG_PEEK"), is_over=is_over)
    told = socket.kernel.number("MSG_OOB") if data else 0
    return Received(len(data), data, told)


def receive_report(socket: TcpFace, octets: int) -> Received:
    """The oldest report of the error queue."""
    queue = socket.errors.queue
    received = queue.receive(octets, is_ipv6=socket.is_ipv6, stamps=socket.kept.get(STAMP_FLAGS, 0))
    socket.errors.pending = queue.next_errno or (0 if socket.errors.is_queued else socket.errors.pending)
    return received


def watch(socket: TcpFace, stream: Stream, message: Message, *, extends: bool) -> None:
    """The octets just taken are to be told of: MSG_ZEROCOPY, SO_TIMESTAMPING. ``extends``: others wait before them."""
    kernel, queue = socket.kernel, socket.errors.queue
    end = stream.tcp.connection.tcb.snd.queue.stop
    if kernel.has(message.flags, "MSG_ZEROCOPY") and socket.kept.get("SO_ZEROCOPY"):
        queue.add_copy(end, extends=extends)
    flags = socket.kept.get(STAMP_FLAGS, 0)
    for control in message.control:
        if (control.level, control.type) == (kernel.number("SOL_SOCKET"), kernel.number("SO_TIMESTAMPING")):
            flags |= int.from_bytes(control.data[:4], "little")
    if flags:
        counts = kernel.has(flags, "SOF_TIMESTAMPING_OPT_ID")
        key = end - 1 - socket.kept.get(STAMP_BASE, 0) if counts else 0
        queue.add_stamp(end, stream.tcp.connection.tcb.snd.tail, key, flags)


def fragment_ends(socket: TcpFace, message: Message) -> list[int]:
    """Where super-segments end because they can hold no more parts, each of which zero-copy leaves where it is."""
    if not (socket.kernel.has(message.flags, "MSG_ZEROCOPY") and socket.kept.get("SO_ZEROCOPY")):
        return []
    ends = list(accumulate(message.pieces))
    return ends[_MOST_FRAGMENTS - 1 : -1 : _MOST_FRAGMENTS]


def start_stamps(socket: TcpFace, flags: int) -> None:
    """SO_TIMESTAMPING is set: octets are counted from here on, if they were not counted before."""
    has = socket.kernel.has
    counted = has(socket.kept.get(STAMP_FLAGS, 0), "SOF_TIMESTAMPING_OPT_ID")
    if has(flags, "SOF_TIMESTAMPING_OPT_ID") and not counted and socket.stream is not None:
        snd = socket.stream.tcp.connection.tcb.snd
        socket.kept[STAMP_BASE] = snd.queue.stop if has(flags, "SOF_TIMESTAMPING_OPT_ID_TCP") else snd.una
    socket.kept[STAMP_FLAGS] = flags
    socket.errors.queue.has_stats = has(flags, "SOF_TIMESTAMPING_OPT_STATS")
