from dataclasses import replace

import pytest

from halfopen.base.clock import MILLISECOND, SECOND
from halfopen.base.rng import SeededRng
from halfopen.tcp.cookies import EPOCH, FEW_MSS_VALUES, FRESH, MSS_VALUES, Cookies, date
from halfopen.tcp.half_open import SYNACK_TIMEOUT, HalfOpen
from halfopen.wire.tcp import ACK, Segment
from halfopen.wire.tcp_options import Options

FLOW = bytes((192, 0, 2, 2, 192, 0, 2, 1, 0xC0, 0, 0, 80))
NOW = 1000 * SECOND
STAMPS = pytest.mark.parametrize("ts_recent", [None, 500])


def syn(**fields: object) -> HalfOpen:
    """A SYN with every option, as the listener would put it into its table."""
    values = {
        "flow": FLOW,
        "irs": 7,
        "iss": 0,
        "peer_mss": 1460,
        "window_scale": 7,
        "sack_permitted": True,
        "ts_recent": 500,
        **fields,
    }
    return HalfOpen(**values)  # type: ignore[arg-type]


def ack_of(record: HalfOpen, iss: int, echo: int = 9) -> Segment:
    """The third segment of the handshake, from a peer that has seen the cookie."""
    options = Options(timestamps=(501, echo)) if record.ts_recent is not None else None
    return Segment(49152, 80, seq=(record.irs + 1) % 2**32, ack=(iss + 1) % 2**32, flags=ACK, options=options)


def returned(record: HalfOpen, cookies: Cookies, later: int = 0) -> HalfOpen | None:
    iss = cookies.bake(record, NOW)
    return cookies.check(record.flow, ack_of(record, iss), NOW + later)


@pytest.mark.parametrize("scale", [None, 0, 7, 14])
@pytest.mark.parametrize("sack", [False, True])
@pytest.mark.parametrize("ecn", [False, True])
@pytest.mark.parametrize("mss", MSS_VALUES)
def test_with_timestamps_no_option_is_lost(scale: int | None, sack: bool, ecn: bool, mss: int) -> None:
    record = syn(window_scale=scale, sack_permitted=sack, ecn=ecn, peer_mss=mss)
    found = returned(record, Cookies(SeededRng(1)))
    assert found is not None
    assert found == replace(record, iss=found.iss, ts_recent=501)


@pytest.mark.parametrize(
    ("announced", "kept", "few"),
    [(100, 536, 536), (536, 536, 536), (1300, 1300, 1300), (1459, 1440, 1440), (1460, 1460, 1440), (9000, 8940, 1440)],
)
def test_the_mss_is_rounded_down(announced: int, kept: int, few: int) -> None:
    for ts_recent, mss in ((500, kept), (None, few)):
        found = returned(syn(ts_recent=ts_recent, peer_mss=announced, window_scale=None), Cookies(SeededRng(1)))
        assert found is not None
        assert found.peer_mss == mss


def test_without_timestamps_an_mss_is_left() -> None:
    found = returned(syn(ts_recent=None, window_scale=None, ecn=True, peer_mss=1300), Cookies(SeededRng(1)))
    assert found is not None
    assert found == HalfOpen(FLOW, 7, found.iss, 1300)


@pytest.mark.parametrize("scale", [0, 7])
def test_or_that_windows_are_scaled(scale: int) -> None:
    found = returned(syn(ts_recent=None, window_scale=scale, peer_mss=1300), Cookies(SeededRng(1)))
    assert found is not None
    assert found == HalfOpen(FLOW, 7, found.iss, 536, window_scale=0)


@STAMPS
def test_a_cookie_lives_for_one_to_two_epochs(ts_recent: int | None) -> None:
    record = syn(ts_recent=ts_recent)
    left = EPOCH - NOW % EPOCH
    assert returned(record, Cookies(SeededRng(1)), left + EPOCH - 1) is not None
    assert returned(record, Cookies(SeededRng(1)), left + EPOCH) is None
    assert returned(record, Cookies(SeededRng(1)), 2 * EPOCH) is None


def test_old_keys_are_forgotten_even_if_cookies_went_out_meanwhile() -> None:
    cookies = Cookies(SeededRng(1))
    old = syn()
    iss = cookies.bake(old, NOW)
    for epoch in range(1, 5):
        cookies.bake(syn(irs=9), NOW + epoch * EPOCH)
        found = cookies.check(FLOW, ack_of(old, iss), NOW + epoch * EPOCH)
        assert (found is not None) == (epoch == 1)


@STAMPS
def test_a_cookie_is_good_for_its_own_peer_and_handshake_only(ts_recent: int | None) -> None:
    cookies = Cookies(SeededRng(1))
    record = syn(ts_recent=ts_recent)
    good = ack_of(record, cookies.bake(record, NOW))
    assert cookies.check(FLOW, good, NOW) is not None
    assert cookies.check(FLOW[:-1] + b"\x51", good, NOW) is None
    assert Cookies(SeededRng(2)).check(FLOW, good, NOW) is None
    good.seq += 1
    assert cookies.check(FLOW, good, NOW) is None


@STAMPS
def test_no_bit_of_a_cookie_can_be_changed(ts_recent: int | None) -> None:
    cookies = Cookies(SeededRng(1))
    record = syn(ts_recent=ts_recent)
    iss = cookies.bake(record, NOW)
    for bit in range(32):
        assert cookies.check(FLOW, ack_of(record, iss ^ 1 << bit), NOW) is None


def test_a_blind_guess_without_timestamps_is_right_once_in_2_to_the_29th() -> None:
    """Each hash makes one number right: three bits choose among eight hashes, of two epochs and four kinds."""
    cookies = Cookies(SeededRng(1))
    kinds = [
        syn(ts_recent=None, peer_mss=mss, window_scale=scale)
        for mss, scale in [*((mss, None) for mss in FEW_MSS_VALUES), (1460, 7)]
    ]
    right = {cookies.bake(record, NOW + epoch * EPOCH) for epoch in (0, 1) for record in kinds}
    assert len(right) == 8
    assert all(cookies.check(FLOW, ack_of(kinds[0], iss), NOW + EPOCH) is not None for iss in right)
    rng = SeededRng(2)
    forged = [rng.below(2**32) for _ in range(20_000)]
    assert not any(cookies.check(FLOW, ack_of(kinds[0], iss), NOW + EPOCH) for iss in forged)


def test_with_timestamps_one_number_in_2_to_the_22nd_is_right_but_the_echo_has_to_be_too() -> None:
    cookies = Cookies(SeededRng(1))
    high = {cookies.bake(syn(window_scale=scale), NOW) >> 10 for scale in range(15)}
    assert len(high) == 15
    clock = 70_000
    fresh = FRESH // MILLISECOND
    assert [date(syn(), ack_of(syn(), 1, clock - age), clock, NOW) for age in (-1, 0, 1, fresh - 1, fresh)] == [
        *(False, True, True),
        *(True, False),
    ]
    assert 2**22 * (2**32 // fresh) == 2**40


@pytest.mark.rfc("7323", "7323.14")
def test_the_echo_tells_when_the_syn_ack_was_sent() -> None:
    record = syn()
    assert date(record, ack_of(record, 1, 2**32 - 5), 15, NOW)
    assert record.deadline - SYNACK_TIMEOUT == NOW - 20 * MILLISECOND
    assert date(record, ack_of(record, 1, 15), 15, NOW)
    assert record.deadline - SYNACK_TIMEOUT == NOW - MILLISECOND


def test_without_timestamps_nobody_knows_when() -> None:
    record = syn(ts_recent=None)
    assert date(record, ack_of(record, 1), 15, NOW)
    assert record.deadline == 0


def test_offsets_of_clocks_are_as_different_as_flows() -> None:
    cookies = Cookies(SeededRng(1))
    flows = [FLOW[:-1] + bytes((port,)) for port in range(100)]
    assert len({cookies.offset(flow) for flow in flows}) == 100
    assert cookies.offset(FLOW) == Cookies(SeededRng(1)).offset(FLOW) != Cookies(SeededRng(2)).offset(FLOW)


@STAMPS
def test_the_low_bits_are_under_a_mask(ts_recent: int | None) -> None:
    cookies = Cookies(SeededRng(1))
    low = {cookies.bake(syn(flow=FLOW[:-1] + bytes((port,)), ts_recent=ts_recent), NOW) & 7 for port in range(100)}
    assert low == set(range(8))


def test_the_same_seed_bakes_the_same() -> None:
    assert Cookies(SeededRng(1)).bake(syn(), NOW) == Cookies(SeededRng(1)).bake(syn(), NOW)
    assert Cookies(SeededRng(1)).bake(syn(), NOW) != Cookies(SeededRng(2)).bake(syn(), NOW)


def test_the_key_at_hand_is_that_of_the_parity_at_hand() -> None:
    cookies = Cookies(SeededRng(1))
    parity, key = cookies.current(NOW)
    assert cookies.current(NOW) == (parity, key)
    later, other = cookies.current(NOW + EPOCH)
    assert later == 1 - parity
    assert other is not key


@STAMPS
@pytest.mark.parametrize(("announced", "kept"), [(100, 216), (536, 536), (1459, 1452), (9000, 1460)])
def test_a_complete_cookie_loses_no_option_with_or_without_timestamps(
    ts_recent: int | None, announced: int, kept: int
) -> None:
    record = syn(ts_recent=ts_recent, peer_mss=announced)
    found = returned(record, Cookies(SeededRng(1), is_complete=True))
    assert found is not None
    echoed = None if ts_recent is None else 501
    assert found == replace(record, iss=found.iss, ts_recent=echoed, peer_mss=kept)
