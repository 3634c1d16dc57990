import io

from halfopen.base.clock import NEVER
from halfopen.capture.pcapng import Reader, Writer
from halfopen.cli.excerpts import ExcerptLink
from halfopen.links.link import Link
from halfopen.wire.packet import Packet


class Wire(Link):
    """Two queues."""

    def __init__(self) -> None:
        super().__init__("near", "ethernet", 1500, bytes(6))
        self.arrived: list[Packet] = []
        self.left: list[Packet] = []

    def fileno(self) -> int:
        return 77

    def read(self, limit: int) -> list[Packet]:
        arrived, self.arrived = self.arrived, []
        return arrived

    def write(self, packet: Packet) -> bool:
        self.left.append(packet)
        return True

    def close(self) -> None:
        self.left.clear()


def test_only_the_octets_that_were_asked_for_are_recorded_and_all_are_handed_on() -> None:
    file = io.BytesIO()
    near = Wire()
    with ExcerptLink(near, Writer(file), lambda: 5) as link:
        packets = [Packet(bytes((number,)) * 60) for number in range(6)]
        link.write(packets[0])
        link.record(120)
        link.write(packets[1])
        near.arrived.append(packets[2])
        assert link.read(64) == [packets[2]]
        link.write(packets[3])
        near.arrived.append(packets[4])
        assert link.read(64) == [packets[4]]
        assert near.left == [packets[0], packets[1], packets[3]]
        assert link.next_deadline() == NEVER
        link.on_deadline(9)
        link.record(1)
        link.write(packets[5])
        assert link.fileno() == near.fileno()
    file.seek(0)
    records = list(Reader(file))
    assert [record.octets[0] for record in records] == [1, 2, 5]
    assert [record.direction for record in records] == ["outbound", "inbound", "outbound"]
    assert {record.when for record in records} == {5}
