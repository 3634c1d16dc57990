"""Why a host has sent a packet, as its TCP knows: the comments of a simulated capture."""

from halfopen.aio.pump import Pump
from halfopen.base.errors import Malformed
from halfopen.stack.demux import make_flow
from halfopen.stack.tcp_socket import TcpSocket
from halfopen.tcp.reasons import explain
from halfopen.wire import ethernet, ipv4, tcp
from halfopen.wire.packet import Packet


def why(pump: Pump, packet: Packet) -> str | None:
    """``"RTO 3, 1.6 s"``, ``"fast retransmission"``, ``"keep-alive probe 2"`` ...; None for what needs no reason.

    ``packet`` is just leaving the host of ``pump``, whole or as a part of a super-segment.
    """
    try:
        header, segment = _parse(packet)
    except Malformed:
        return None
    if segment is None:
        return None
    flow = make_flow(header.destination, segment.destination_port, header.source, segment.source_port)
    found = pump.stack.tcp.find(flow)
    if isinstance(found, TcpSocket):
        return explain(found.connection.tcb, segment, pump.now())
    if found is not None and segment.flags & tcp.SYN and found.retransmissions:
        return f"SYN,ACK retransmission {found.retransmissions}"
    return None


def _parse(packet: Packet) -> tuple[ipv4.Ipv4, tcp.Segment | None]:
    """The headers; no segment if the datagram is another protocol's, or a fragment. Malformed if it is none."""
    head = packet.head
    start = 0
    if head[12:14] == ethernet.ETHERTYPE_IPV4.to_bytes(2, "big"):
        start = ethernet.HEADER_OCTETS
    header = ipv4.parse(head, start, packet.octets - start)
    if header.protocol != ipv4.PROTOCOL_TCP or header.fragment_offset or header.more_fragments:
        return header, None
    offset = start + header.header_octets
    return header, tcp.parse(packet, offset, header.total_octets - header.header_octets)
