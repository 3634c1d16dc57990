from halfopen.base.clock import NEVER
from halfopen.tcp.half_open_record import HalfOpen


def test_a_record_says_nothing_but_what_it_was_told() -> None:
    record = HalfOpen(bytes(12), 1, 2, 1460, ts_recent=7)
    assert record == HalfOpen(flow=bytes(12), irs=1, iss=2, peer_mss=1460, ts_recent=7)
    assert record != HalfOpen(bytes(12), 1, 2, 1460)
    assert (record.window_scale, record.sack_permitted, record.ecn, record.retransmissions) == (None, False, 0, 0)


def test_who_has_been_given_up_has_no_deadline() -> None:
    assert not HalfOpen(bytes(12), 1, 2, 1460).is_dropped
    assert HalfOpen(bytes(12), 1, 2, 1460, deadline=NEVER).is_dropped
