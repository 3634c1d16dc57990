"""SO_MEMINFO: what a socket's queues cost the host."""

import struct

from halfopen.packetdrill.tcp_info_layout import MEMORY
from halfopen.packetdrill.virtual_posix.room import charged
from halfopen.packetdrill.virtual_posix.tcp_face import TcpFace


def memory_facts(socket: TcpFace) -> dict[str, int]:
    """By the names of their places; a host that does not count its own memory says how much text there is."""
    counts = dict.fromkeys(MEMORY, 0)
    buffers = socket.config.buffers
    counts |= {"RCVBUF": buffers.receive_initial, "SNDBUF": socket.send_buffer}
    tcp = socket.tcp
    if tcp is not None:
        memory = tcp.connection.tcb.rcv.memory
        counts["RMEM_ALLOC"] = tcp.readable_octets if memory is None else memory.used
        counts["RCVBUF"] = counts["RCVBUF"] if memory is None else memory.buffer
        counts["WMEM_QUEUED"] = charged(tcp)
    return {f"SK_MEMINFO_{name}": count for name, count in counts.items()}


def pack_memory(socket: TcpFace) -> bytes:
    """As ``getsockopt()`` gives it."""
    return struct.pack(f"={len(MEMORY)}I", *memory_facts(socket).values())
