import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from halfopen.base.clock import SECOND
from halfopen.base.rng import SeededRng
from halfopen.links.syn_columns import Words
from halfopen.links.syn_cookies import SynCookies
from halfopen.links.syn_options import NO_SCALE
from halfopen.tcp.config import TcpConfig
from halfopen.tcp.cookies import EPOCH, Cookies
from halfopen.tcp.half_open import HalfOpen
from halfopen.tcp.keyed import SipHash
from halfopen.tcp.timestamps import clock_value

WORDS = st.integers(0, 2**32 - 1)
PEERS = st.lists(
    st.tuples(
        st.binary(min_size=12, max_size=12),
        WORDS,
        st.integers(1, 65535),
        st.one_of(st.none(), st.integers(0, 14)),
        st.booleans(),
    ),
    min_size=1,
)
CLOCKS = SipHash(bytes(32), b"clocks")


def columns(flows: list[bytes]) -> tuple[Words, Words, Words]:
    words = np.frombuffer(b"".join(flows), np.uint32).reshape(len(flows), 3)
    return words[:, 0], words[:, 1], words[:, 2]


@given(PEERS, st.sampled_from([0, EPOCH, 5 * EPOCH]))
def test_each_cookie_is_that_of_its_peer_alone(
    peers: list[tuple[bytes, int, int, int | None, bool]], later: int
) -> None:
    scalar = Cookies(SeededRng(1), "siphash")
    vector = SynCookies(Cookies(SeededRng(1), "siphash"), CLOCKS, TcpConfig())
    now = 1000 * SECOND
    for instant in (now, now + later):
        vector.turn(instant)
        scalar.current(instant)
    flows = columns([peer[0] for peer in peers])
    irs = np.array([peer[1] for peer in peers], np.uint32)
    mss = np.array([peer[2] for peer in peers], np.uint32)
    scale = np.array([NO_SCALE if peer[3] is None else peer[3] for peer in peers], np.uint32)
    sack = np.array([peer[4] for peer in peers], np.uint32)
    full = vector.bake_full(flows, irs.byteswap(), mss, scale, sack)
    poor = vector.bake(flows, irs.byteswap(), mss)
    for row, (flow, number, size, shift, selective) in enumerate(peers):
        record = HalfOpen(flow, number, 0, size, shift, selective, ts_recent=1)
        assert full[row] == scalar.bake(record, now + later)
        assert poor[row] == scalar.bake(HalfOpen(flow, number, 0, size), now + later)


@given(st.lists(st.binary(min_size=8, max_size=8), min_size=1), st.integers(0, 1 << 62))
def test_each_clock_is_that_of_its_addresses_alone(ends: list[bytes], now: int) -> None:
    vector = SynCookies(Cookies(SeededRng(1), "siphash"), CLOCKS, TcpConfig())
    source, destination, _ = columns([each + bytes(4) for each in ends])
    expected = [clock_value(CLOCKS.word(each), now) for each in ends]
    assert vector.clock(source, destination, now).tolist() == expected
