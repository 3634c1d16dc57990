import pytest

from halfopen.base.clock import SECOND
from halfopen.tcp.config import RetransmissionConfig, TcpConfig, TimeoutConfig
from halfopen.tcp.half_open import HalfOpen
from halfopen.tcp.syncache import Fate, fate_of, renew, synack_waits
from halfopen.wire.tcp import ACK, FIN, RST, SYN, Segment
from halfopen.wire.tcp_options import Options

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


@pytest.mark.parametrize(("value", "fate"), [(4, Fate.DROP), (5, Fate.GO_ON), (6, Fate.GO_ON)])
def test_an_old_timestamp_is_dropped(value: int, fate: Fate) -> None:
    segment = Segment(9, 80, seq=0, ack=100, flags=ACK, options=Options(timestamps=(value, 0)))
    assert fate_of(RECORD, segment, 1000, True, True) is fate


@pytest.mark.parametrize(
    ("recent", "options", "after"),
    [
        (5, Options(timestamps=(9, 0)), 9),
        (5, Options(), None),
        (5, None, None),
        (None, Options(timestamps=(9, 0)), None),
    ],
)
def test_a_syn_that_comes_again_renews_the_timestamp_or_takes_it_back(
    recent: int | None, options: Options | None, after: int | None
) -> None:
    record = HalfOpen(flow=bytes(12), irs=1, iss=99, peer_mss=1460, ts_recent=recent)
    renew(record, Segment(9, 80, seq=1, flags=SYN, options=options))
    assert record.ts_recent == after


def test_each_wait_for_the_last_ack_but_the_first_has_the_slop() -> None:
    retransmission = RetransmissionConfig(rto_initial=1 * SECOND, synack_retries=3, rto_max=8 * SECOND)
    config = TcpConfig(retransmission=retransmission, timeouts=TimeoutConfig(slop=SECOND // 5))
    assert [wait / SECOND for wait in synack_waits(config)] == [1, 2.2, 4.2, 8]
