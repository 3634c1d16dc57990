from dataclasses import replace

import pytest

from halfopen.base.clock import SECOND
from halfopen.base.rng import SeededRng
from halfopen.tcp.cookies import EPOCH, MSS_VALUES, Cookies
from halfopen.tcp.half_open import HalfOpen
from halfopen.wire.tcp import ACK, Segment
from halfopen.wire.tcp_options import Options

FLOW = bytes((192, 0, 2, 2, 192, 0, 2, 1, 0xC0, 0, 0, 80))
NOW = 1000 * SECOND


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


def ack_of(record: HalfOpen, iss: int, value: int | None) -> Segment:
    """The third segment of the handshake, from a peer that has seen the cookie."""
    options = Options(timestamps=(501, value)) if value is not None else None
    return Segment(49152, 80, seq=(record.irs + 1) % 2**32, ack=(iss + 1) % 2**32, flags=ACK, options=options)


def returned(record: HalfOpen, cookies: Cookies, later: int = 0) -> HalfOpen | None:
    baked = cookies.bake(record, NOW)
    return cookies.check(record.flow, ack_of(record, baked.iss, baked.value), NOW + later)


@pytest.mark.parametrize("scale", [None, 0, 7, 14])
@pytest.mark.parametrize("sack", [False, True])
@pytest.mark.parametrize("ecn", [False, True])
@pytest.mark.parametrize("mss", [1, 536, 1460, 65535])
def test_with_timestamps_no_option_is_lost(scale: int | None, sack: bool, ecn: bool, mss: int) -> None:
    record = syn(window_scale=scale, sack_permitted=sack, ecn=ecn, peer_mss=mss)
    found = returned(record, Cookies(SeededRng(1)))
    assert found is not None
    assert found == replace(record, iss=found.iss, ts_recent=501)


@pytest.mark.parametrize(("announced", "kept"), [(100, 536), (536, 536), (1300, 1300), (1459, 1440), (9000, 1460)])
def test_without_timestamps_an_mss_is_left(announced: int, kept: int) -> None:
    record = syn(ts_recent=None, peer_mss=announced)
    found = returned(record, Cookies(SeededRng(1)))
    assert found is not None
    assert (found.peer_mss, found.window_scale, found.sack_permitted, found.ts_recent) == (kept, None, False, None)
    assert found.irs == 7


@pytest.mark.parametrize("ts_recent", [None, 500])
def test_a_cookie_lives_for_one_to_two_epochs(ts_recent: int | None) -> None:
    record = syn(ts_recent=ts_recent)
    left = EPOCH - NOW % EPOCH
    assert returned(record, Cookies(SeededRng(1)), left + EPOCH - 1) is not None
    assert returned(record, Cookies(SeededRng(1)), left + EPOCH) is None
    assert returned(record, Cookies(SeededRng(1)), 2 * EPOCH) is None


def test_old_keys_are_forgotten_even_if_cookies_went_out_meanwhile() -> None:
    cookies = Cookies(SeededRng(1))
    old = syn()
    baked = cookies.bake(old, NOW)
    for epoch in range(1, 5):
        cookies.bake(syn(irs=9), NOW + epoch * EPOCH)
        found = cookies.check(FLOW, ack_of(old, baked.iss, baked.value), NOW + epoch * EPOCH)
        assert (found is not None) == (epoch == 1)


def test_without_cookies_sent_no_ack_is_looked_at() -> None:
    cookies = Cookies(SeededRng(1))
    assert cookies.check(FLOW, ack_of(syn(), 1, None), NOW) is None


@pytest.mark.parametrize("ts_recent", [None, 500])
def test_a_cookie_is_good_for_its_own_peer_and_handshake_only(ts_recent: int | None) -> None:
    cookies = Cookies(SeededRng(1))
    record = syn(ts_recent=ts_recent)
    baked = cookies.bake(record, NOW)
    good = ack_of(record, baked.iss, baked.value)
    assert cookies.check(FLOW, good, NOW) is not None
    assert cookies.check(FLOW[:-1] + b"\x51", good, NOW) is None
    assert cookies.check(FLOW, replace(good, seq=good.seq + 1), NOW) is None
    assert Cookies(SeededRng(2)).check(FLOW, good, NOW) is None


def test_no_bit_of_a_cookie_with_two_fields_can_be_changed() -> None:
    cookies = Cookies(SeededRng(1))
    record = syn()
    baked = cookies.bake(record, NOW)
    assert baked.value is not None
    for bit in range(32):
        assert cookies.check(FLOW, ack_of(record, baked.iss ^ 1 << bit, baked.value), NOW) is None
        assert cookies.check(FLOW, ack_of(record, baked.iss, baked.value ^ 1 << bit), NOW) is None


def test_a_blind_guess_at_one_field_is_right_for_eight_numbers_of_all() -> None:
    cookies = Cookies(SeededRng(1))
    record = syn(ts_recent=None)
    cookies.bake(record, NOW - EPOCH)
    baked = cookies.bake(record, NOW)
    near = range(baked.iss - 1000, baked.iss + 1000)
    assert sum(cookies.check(FLOW, ack_of(record, iss, None), NOW) is not None for iss in near) == len(MSS_VALUES)


def test_the_same_seed_bakes_the_same() -> None:
    assert Cookies(SeededRng(1)).bake(syn(), NOW) == Cookies(SeededRng(1)).bake(syn(), NOW)
    assert Cookies(SeededRng(1)).bake(syn(), NOW) != Cookies(SeededRng(2)).bake(syn(), NOW)
