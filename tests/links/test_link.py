from halfopen.base.clock import NEVER
from tests.links.packets import MemoryLink


def test_a_link_holds_nothing_back_unless_it_says_so() -> None:
    link = MemoryLink()
    assert link.next_deadline() == NEVER
    link.on_deadline(5)
    assert link.sent == []


def test_the_network_header_follows_the_link_header() -> None:
    assert MemoryLink(kind="ethernet").network_offset == 14
    assert MemoryLink(kind="ip").network_offset == 0


def test_a_link_is_closed_at_the_end_of_its_block() -> None:
    with MemoryLink() as link:
        assert isinstance(link, MemoryLink)
        assert not link.is_closed
    assert link.is_closed
