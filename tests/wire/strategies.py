"""What several test files of this folder draw from."""

from hypothesis import strategies as st

from halfopen.wire import tcp_options
from halfopen.wire.tcp_options import Options

WORD = st.integers(0, 0xFFFFFFFF)
KNOWN = (0, 1, 2, 3, 4, 5, 8, 34, 172, 174, 254)


def fits(options: Options) -> bool:
    return tcp_options.length(options) <= tcp_options.MAXIMUM_OCTETS


def signatures_first(unknown: list[tuple[int, bytes]]) -> tuple[tuple[int, bytes], ...]:
    """Wherever they are in an `Options`, on the wire they stand in front."""
    return tuple(sorted(unknown, key=lambda option: option[0] != tcp_options.MD5_SIGNATURE))


OPTIONS = st.builds(
    Options,
    mss=st.none() | st.integers(0, 0xFFFF),
    window_scale=st.none() | st.integers(0, 255),
    sack_permitted=st.booleans(),
    timestamps=st.none() | st.tuples(WORD, WORD),
    fast_open=st.none() | st.tuples(st.sampled_from((34, 254)), st.binary(max_size=18)),
    accurate_ecn=st.none()
    | st.tuples(st.sampled_from((172, 174)), st.lists(st.integers(0, 0xFFFFFF), max_size=3).map(tuple)),
    sack=st.lists(st.tuples(WORD, WORD), max_size=4).map(tuple),
    unknown=st.lists(
        st.tuples(st.integers(0, 255).filter(lambda kind: kind not in KNOWN), st.binary(max_size=38)), max_size=3
    ).map(signatures_first),
).filter(fits)
