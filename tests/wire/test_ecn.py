import pytest

from halfopen.wire import ipv4
from halfopen.wire.ecn import CE, ECT_0, ECT_1, NOT_ECT, marked
from halfopen.wire.ipv4 import Ipv4
from halfopen.wire.packet import CHECKSUM_PARTIAL, Packet


def datagram(tos: int, link: bytes = b"") -> Packet:
    header = ipv4.emit(Ipv4(b"\xc0\0\2\1", b"\xc0\0\2\2", 6, tos=tos), 40)
    return Packet(link + header + bytes(20), (bytes(20),), CHECKSUM_PARTIAL, len(link) + 20, 16, 20)


@pytest.mark.parametrize("link", [b"", bytes(14)])
@pytest.mark.parametrize("tos", [ECT_0, ECT_1, 0xB8 | ECT_0, 0xFC | ECT_1])
def test_who_understands_is_marked_and_the_headers_checksum_stays_right(tos: int, link: bytes) -> None:
    before = datagram(tos, link)
    after = marked(before, len(link))
    assert after is not None
    header = ipv4.parse(after.head, len(link), after.octets - len(link))
    assert header.tos == tos | CE
    assert (after.body, after.checksum, after.checksum_start, after.checksum_offset, after.gso_size) == (
        before.body,
        before.checksum,
        before.checksum_start,
        before.checksum_offset,
        before.gso_size,
    )
    assert after.head[len(link) + 12 :] == before.head[len(link) + 12 :]


def test_who_does_not_understand_is_not_marked() -> None:
    assert marked(datagram(NOT_ECT), 0) is None
    assert marked(datagram(0xB8), 0) is None


def test_what_was_marked_before_is_marked() -> None:
    packet = datagram(CE)
    assert marked(packet, 0) is packet


def test_what_is_no_datagram_is_not_marked() -> None:
    assert marked(Packet(bytes(14) + b"\0\1\x08\0\x06\x04" + bytes(22)), 14) is None
    assert marked(Packet(bytes(10)), 0) is None
