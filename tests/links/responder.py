"""Just enough of a host to let the kernel's TCP talk through a link: for tests of links, not of TCP."""

import errno
import select
import socket
from struct import pack, unpack_from

from halfopen.links.link import Link
from halfopen.wire import arp
from halfopen.wire.packet import CHECKSUM_PARTIAL, Packet
from tests.links.packets import KERNEL, OURS, TCP_CHECKSUM, ethernet, ip, pseudo_sum

FIN, SYN, PSH, ACK = 1, 2, 8, 16
MSS = 1460
PORT = 7
ISS = 5000


def read_some(link: Link, timeout_ms: int = 5000) -> list[Packet]:
    """The packets that arrive next; AssertionError if none does."""
    poll = select.poll()
    poll.register(link.fileno(), select.POLLIN)
    assert poll.poll(timeout_ms), "nothing arrived"
    return link.read(64)


def is_for_us(packet: Packet, link: Link, protocol: int) -> bool:
    head, at = packet.head, link.network_offset
    is_ipv4 = at == 0 or head[12:14] == b"\x08\x00"
    return is_ipv4 and head[at] == 0x45 and head[at + 9] == protocol and head[at + 16 : at + 20] == OURS


class Responder:
    """Our end of one connection that a kernel socket opens towards `OURS`; it acknowledges all that comes in order."""

    def __init__(self, link: Link, kernel: socket.socket) -> None:
        self.link = link
        self.kernel = kernel
        self.first: Packet | None = None
        self.received = bytearray()
        self.largest: Packet | None = None
        self._peer_mac = b""
        self._peer_port = 0
        self._next = 0
        self._sent = ISS + 1

    def connect(self) -> None:
        """The handshake, with ARP before it on Ethernet."""
        self.kernel.setblocking(False)
        assert self.kernel.connect_ex(("192.0.2.2", PORT)) == errno.EINPROGRESS
        while self.first is None:
            for packet in read_some(self.link):
                self._answer(packet)
        self._transmit(SYN | ACK, ISS, options=pack("!BBHBBBB", 2, 4, MSS, 1, 3, 3, 7))
        assert select.select([], [self.kernel], [], 5)[1], "the kernel did not take our SYN"
        assert self.kernel.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0

    def receive(self, octets: int) -> None:
        """Reads until that many octets have come."""
        while len(self.received) < octets:
            for packet in read_some(self.link):
                self._answer(packet)
            self._transmit(ACK, self._sent)

    def send(self, payload: bytes, gso_size: int) -> bool:
        sequence, self._sent = self._sent, self._sent + len(payload)
        return self._transmit(ACK | PSH, sequence, payload=payload, gso_size=gso_size)

    def _answer(self, packet: Packet) -> None:
        if self.link.kind == "ethernet" and packet.head[12:14] == b"\x08\x06":
            self._answer_arp(packet)
        elif is_for_us(packet, self.link, 6):
            self._take(packet)

    def _answer_arp(self, packet: Packet) -> None:
        request = arp.parse(packet.head, 14)
        reply = arp.Arp(arp.REPLY, self.link.mac, OURS, request.sender_mac, request.sender_address)
        self.link.write(Packet(ethernet(request.sender_mac, self.link.mac, 0x0806) + arp.emit(reply)))

    def _take(self, packet: Packet) -> None:
        octets, at = packet.joined(), self.link.network_offset
        total = int.from_bytes(octets[at + 2 : at + 4], "big")
        port, _, sequence, _, offset, flags = unpack_from("!HHIIBB", octets, at + 20)
        payload = octets[at + 20 + (offset >> 2) : at + total]
        if flags & SYN:
            self.first, self._peer_port, self._next, self._peer_mac = packet, port, sequence + 1, octets[6:12]
        elif payload and sequence == self._next:
            self._next = sequence + len(payload) & 0xFFFFFFFF
            self.received += payload
            if self.largest is None or packet.octets > self.largest.octets:
                self.largest = packet

    def _transmit(
        self, flags: int, sequence: int, *, options: bytes = b"", payload: bytes = b"", gso_size: int = 0
    ) -> bool:
        size = 20 + len(options)
        partial = pseudo_sum(OURS, KERNEL, 6, size + len(payload))
        fields = (PORT, self._peer_port, sequence, self._next, size << 2, flags, 65535, partial, 0)
        transport = pack("!HHIIBBHHH", *fields) + options
        link_header = ethernet(self._peer_mac, self.link.mac) if self.link.kind == "ethernet" else b""
        network = ip(OURS, KERNEL, 6, transport + payload)[:20]
        start = len(link_header) + 20
        body = (memoryview(payload)[:1000], memoryview(payload)[1000:]) if payload else ()
        head = link_header + network + transport
        return self.link.write(Packet(head, body, CHECKSUM_PARTIAL, start, TCP_CHECKSUM, gso_size))
