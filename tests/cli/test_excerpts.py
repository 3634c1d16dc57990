import io

from halfopen.base.clock import NEVER
from halfopen.capture.pcapng import Reader, Writer
from halfopen.cli.cable import make_cable
from halfopen.cli.excerpts import ExcerptLink
from halfopen.wire.packet import Packet


def test_only_the_octets_that_were_asked_for_are_recorded_and_all_are_handed_on() -> None:
    file = io.BytesIO()
    near, far = make_cable("near", "far", 1)
    link = ExcerptLink(near, Writer(file), lambda: 5)
    with link, far:
        packets = [Packet(bytes((number,)) * 60) for number in range(6)]
        link.write(packets[0])
        link.record(120)
        link.write(packets[1])
        far.write(packets[2])
        assert link.read(64) == [packets[2]]
        link.write(packets[3])
        far.write(packets[4])
        assert link.read(64) == [packets[4]]
        assert far.read(64) == [packets[0], packets[1], packets[3]]
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
