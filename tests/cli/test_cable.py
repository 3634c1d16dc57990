import select

import pytest

from halfopen.cli.cable import LIMIT, make_cable
from halfopen.links.link import Link
from halfopen.wire.packet import CHECKSUM_PARTIAL, Packet


def is_readable(link: Link) -> bool:
    return bool(select.select([link.fileno()], [], [], 0)[0])


def test_packets_come_out_at_the_other_end_in_order_and_with_their_marks() -> None:
    left, right = make_cable("left", "right", 7)
    with left, right:
        sent = [Packet(bytes((number,)) * 60, (), CHECKSUM_PARTIAL, 34, 16, 1448) for number in range(3)]
        assert all(left.write(packet) for packet in sent)
        assert not is_readable(left)
        assert is_readable(right)
        assert right.read(2) == sent[:2]
        assert is_readable(right)
        assert right.read(64) == sent[2:]
        assert not is_readable(right)
        assert right.read(64) == []


def test_the_ends_of_several_cables_have_different_macs() -> None:
    ends = [*make_cable("a", "b", 1), *make_cable("c", "d", 2)]
    assert len({end.mac for end in ends}) == 4
    for end in ends:
        end.close()


def test_a_full_end_drops_and_counts() -> None:
    left, right = make_cable("left", "right", 1)
    with left, right:
        assert all(left.write(Packet(b"x" * 60)) for _ in range(LIMIT))
        assert not left.write(Packet(b"x" * 60))
        assert right.counters["LinkFull"] == 1


def test_what_is_sent_to_a_closed_end_is_lost() -> None:
    left, right = make_cable("left", "right", 1)
    with left:
        right.close()
        right.close()
        assert not left.write(Packet(b"x" * 60))
        assert right.counters["LinkDown"] == 1


@pytest.mark.parametrize("index", [0, 1])
def test_an_end_takes_super_segments(index: int) -> None:
    ends = make_cable("left", "right", 1)
    assert ends[index].checksum_offload
    assert ends[index].gso_octets == 65535
    for end in ends:
        end.close()
