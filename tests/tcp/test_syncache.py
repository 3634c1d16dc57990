import pytest

from halfopen.tcp.half_open import HalfOpen
from halfopen.tcp.syncache import Fate, fate_of
from halfopen.wire.tcp import ACK, FIN, RST, SYN, Segment

RECORD = HalfOpen(flow=bytes(12), irs=0xFFFFFFFF, iss=99, peer_mss=1460, ts_recent=5)
"""Its peer's next octet is 0."""


@pytest.mark.parametrize(
    ("flags", "seq", "ack", "fate"),
    [
        (RST, 0, 0, Fate.FORGET),
        (RST, 1, 0, Fate.CHALLENGE),
        (RST, 1000, 0, Fate.DROP),
        (RST | ACK, 0, 100, Fate.DROP),
        (RST | FIN, 0, 100, Fate.DROP),
        (SYN, 77, 0, Fate.REPEAT),
        (SYN | ACK, 0, 100, Fate.EXPEL),
        (FIN, 0, 0, Fate.DROP),
        (ACK, 0, 100, Fate.GO_ON),
        (ACK | FIN, 0, 100, Fate.GO_ON),
        (ACK, 0, 101, Fate.REFUSE),
        (ACK, 0xFFFFFFFF, 100, Fate.CHALLENGE),
        (ACK, 1000, 101, Fate.CHALLENGE),
    ],
)
def test_each_segment_has_its_fate(flags: int, seq: int, ack: int, fate: Fate) -> None:
    segment = Segment(9, 80, seq=seq, ack=ack, flags=flags)
    assert fate_of(RECORD, segment, 1000, True, False) is fate


def test_a_rst_in_the_window_is_enough_where_it_need_not_be_exact() -> None:
    assert fate_of(RECORD, Segment(9, 80, seq=999, flags=RST), 1000, False, False) is Fate.FORGET


def test_an_ack_without_the_timestamps_agreed_on_is_dropped_if_they_are_needed() -> None:
    segment = Segment(9, 80, seq=0, ack=100, flags=ACK)
    assert fate_of(RECORD, segment, 1000, True, True) is Fate.DROP
