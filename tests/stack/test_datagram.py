from halfopen.stack.datagram import Datagram
from halfopen.stack.interface import Interface
from halfopen.wire.packet import Packet
from tests.stack.world import OURS, PEER


def make(packet: Packet, octets: int, kind: str = "ip") -> Datagram:
    return Datagram(packet, 4, octets, PEER, OURS, 17, 0, 64, Interface("if0", kind), False, -1)


def test_the_payload_begins_at_the_transport_header_and_leaves_out_padding() -> None:
    assert make(Packet(b"headtransportpadding"), 9).payload() == b"transport"


def test_the_payload_of_a_packet_in_pieces_is_joined() -> None:
    assert make(Packet(b"headtrans", (b"po", memoryview(b"rtpadding"))), 9).payload() == b"transport"


def test_the_ip_header_stands_behind_the_link_header() -> None:
    assert make(Packet(b""), 0).network_offset == 0
    assert make(Packet(b""), 0, "ethernet").network_offset == 14
