from halfopen.wire.packet import CHECKSUM_NONE, Packet


def test_a_packet_is_as_long_as_its_head_and_body_together() -> None:
    assert Packet(b"head").octets == 4
    assert Packet(b"head", (b"bo", memoryview(b"dy!"))).octets == 9


def test_a_packet_can_be_joined() -> None:
    assert Packet(b"head", (b"bo", memoryview(b"dy"), bytearray(b"!"))).joined() == b"headbody!"


def test_a_packet_asks_nothing_of_a_device_unless_told() -> None:
    packet = Packet(b"")
    assert (packet.checksum, packet.gso_size) == (CHECKSUM_NONE, 0)
    assert packet != Packet(b"")  # packets are things, not values


def test_a_packet_shows_how_it_begins_and_how_long_it_is() -> None:
    assert repr(Packet(b"\x45\x00", (b"abc",))) == "Packet(4500, octets=5, checksum=0, gso_size=0)"
