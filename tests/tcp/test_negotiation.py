"""What two SYNs agree on."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halfopen.tcp.accurate_ecn import AccurateEcn
from halfopen.tcp.config import DEFAULT, BufferConfig, Ecn, OptionsConfig, TcpConfig
from halfopen.tcp.mss_config import MssManner
from halfopen.tcp.negotiation import (
    DEFAULT_MSS,
    MAX_WINDOW_SHIFT,
    MINIMUM_MSS,
    Agreed,
    agree,
    answer,
    offer,
    shared,
    window_shift,
    without_extensions,
)
from halfopen.wire.tcp import ACK, AE, CWR, ECE, SYN, Segment
from halfopen.wire.tcp_options import Options
from tests.tcp.permits import weak

FULL = Options(mss=1400, window_scale=7, sack_permitted=True, timestamps=(5, 0))


def syn(options: Options | None = None, flags: int = SYN) -> Segment:
    return Segment(49152, 80, 1000, flags=flags, window=65535, options=options)


def chosen(**options: object) -> TcpConfig:
    return replace(DEFAULT, options=replace(OptionsConfig(), **options))


@given(st.integers(0, 1 << 31))
@pytest.mark.rfc("7323", "7323.1")
def test_the_shift_is_the_smallest_that_makes_sixteen_bits_enough(octets: int) -> None:
    shift = window_shift(octets)
    assert 0 <= shift <= MAX_WINDOW_SHIFT == 14
    assert octets >> shift <= 0xFFFF or shift == MAX_WINDOW_SHIFT
    assert shift == 0 or octets >> (shift - 1) > 0xFFFF


@pytest.mark.parametrize(("octets", "shift"), [(65535, 0), (65536, 1), (131071, 1), (131072, 2), (6 << 20, 7)])
def test_the_shift_at_the_borders(octets: int, shift: int) -> None:
    assert window_shift(octets) == shift


@pytest.mark.rfc("9293", "MUST-14", "SHLD-5", "MAY-3")
def test_a_syn_offers_everything_and_always_an_mss() -> None:
    assert offer(DEFAULT, 1460, (7, 0)) == Options(1460, 7, True, (7, 0))


@pytest.mark.rfc("9293", "SHLD-5", "MAY-3")
def test_a_syn_offers_nothing_else_if_so_configured() -> None:
    config = chosen(mss=1000, window_scaling=False, timestamps=False, sack=False)
    assert offer(config, 1460, (7, 0)) == Options(mss=1000)


@pytest.mark.rfc("7323", "7323.1")
@pytest.mark.rfc("2018", "2018.1")
def test_the_answer_has_only_what_the_peer_offered() -> None:
    assert answer(DEFAULT, 1460, None, False, False) == Options(mss=1460)
    assert answer(DEFAULT, 1460, (9, 5), True, True) == Options(1460, 7, True, (9, 5))
    assert answer(chosen(mss=1200), 1460, None, True, False) == Options(mss=1200, sack_permitted=True)


@pytest.mark.rfc("9293", "MUST-14")
def test_what_both_offer_holds() -> None:
    assert agree(DEFAULT, syn(FULL), 536) == Agreed(1400, 7, 7, True, False, True)


@pytest.mark.rfc("9293", "MUST-15")
@pytest.mark.parametrize("default", [DEFAULT_MSS, 1220])
@pytest.mark.parametrize("options", [None, Options(window_scale=2)])
def test_a_peer_without_an_mss_option_gets_the_default_of_its_network(default: int, options: Options | None) -> None:
    assert agree(DEFAULT, syn(options), default).mss == default
    assert DEFAULT_MSS == 536


def test_an_mss_of_0_says_nothing() -> None:
    assert agree(DEFAULT, syn(Options(mss=0)), 536).mss == 536


@pytest.mark.parametrize("default", [536, 1220])
def test_the_default_can_be_chosen(default: int) -> None:
    config = TcpConfig(options=OptionsConfig(mss_manner=MssManner(default=1000, default_ipv6=1000), least_mss=600))
    assert agree(config, syn(None), default).mss == 1000
    assert agree(config, syn(Options(mss=500)), default).mss == 600


def test_the_versions_of_ip_have_defaults_of_their_own() -> None:
    config = TcpConfig(options=OptionsConfig(mss_manner=MssManner(default=1000)))
    assert agree(config, syn(None), 1220).mss == 1220


def test_who_does_not_discover_the_path_sends_what_every_path_takes() -> None:
    config = TcpConfig(options=OptionsConfig(mss_manner=MssManner(discovers_path=False)))
    assert agree(config, syn(Options(mss=1460)), 536).mss == 536
    assert agree(config, syn(Options(mss=400)), 536).mss == 400


def test_an_mss_need_not_be_said() -> None:
    config = TcpConfig(options=OptionsConfig(mss_manner=MssManner(is_said=False)))
    assert offer(config, 1460, None).mss is None
    assert answer(config, 1460, None, False, False).mss is None


@pytest.mark.parametrize("mss", [1, MINIMUM_MSS - 1])
def test_a_tiny_mss_is_not_obeyed(mss: int) -> None:
    assert agree(DEFAULT, syn(Options(mss=mss)), 536).mss == MINIMUM_MSS


@pytest.mark.parametrize("mss", [MINIMUM_MSS, 65535])
def test_any_other_mss_is(mss: int) -> None:
    assert agree(DEFAULT, syn(Options(mss=mss)), 536).mss == mss


@pytest.mark.rfc("7323", "7323.1")
def test_no_window_is_scaled_unless_both_want_it() -> None:
    silent = agree(DEFAULT, syn(Options(mss=1460)), 536)
    unwilling = agree(chosen(window_scaling=False), syn(FULL), 536)
    assert (silent.snd_shift, silent.rcv_shift, unwilling.snd_shift, unwilling.rcv_shift) == (0, 0, 0, 0)


@pytest.mark.rfc("7323", "7323.1")
def test_scaling_by_nothing_scales_the_other_direction_all_the_same() -> None:
    agreed = agree(DEFAULT, syn(Options(window_scale=0)), 536)
    assert (agreed.snd_shift, agreed.rcv_shift) == (0, 7)
    small = replace(DEFAULT, buffers=BufferConfig(receive=65535))
    assert (agree(small, syn(FULL), 536).snd_shift, agree(small, syn(FULL), 536).rcv_shift) == (7, 0)


@pytest.mark.rfc("7323", "7323.1")
@pytest.mark.parametrize("scale", [15, 255])
def test_a_shift_above_fourteen_is_fourteen(scale: int) -> None:
    assert agree(DEFAULT, syn(Options(window_scale=scale)), 536).snd_shift == 14


@pytest.mark.rfc("2018", "2018.1")
def test_sack_and_timestamps_need_both_sides() -> None:
    silent = agree(DEFAULT, syn(), 536)
    unwilling = agree(chosen(sack=False, timestamps=False), syn(FULL), 536)
    assert not (silent.sack or silent.timestamps or unwilling.sack or unwilling.timestamps)


@pytest.mark.rfc("7323", "7323.11")
@pytest.mark.rfc("9293", "MUST-16")
def test_timestamps_take_twelve_octets_from_every_segment() -> None:
    assert agree(DEFAULT, syn(FULL), 536).option_octets == 12
    assert agree(DEFAULT, syn(), 536).option_octets == 0


ASKS = SYN | ECE | CWR
GRANTS = SYN | ACK | ECE


@pytest.mark.rfc("9293", "SHLD-8")
@pytest.mark.rfc("3168", "3168.1")
@pytest.mark.parametrize(
    ("wish", "flags", "agreed"),
    [
        (Ecn.PASSIVE, ASKS, True),
        (Ecn.ACTIVE, ASKS, True),
        (Ecn.OFF, ASKS, False),
        (Ecn.PASSIVE, SYN, False),
        (Ecn.PASSIVE, SYN | ECE, False),
        (Ecn.PASSIVE, SYN | CWR, False),
        (Ecn.ACTIVE, GRANTS, True),
        (Ecn.ACTIVE, SYN | ACK, False),
        (Ecn.ACTIVE, GRANTS | CWR, False),
        (Ecn.PASSIVE, GRANTS, False),
        (Ecn.OFF, GRANTS, False),
    ],
)
def test_ecn_holds_if_one_asks_and_the_other_grants(wish: Ecn, flags: int, agreed: bool) -> None:
    assert agree(chosen(ecn=wish), syn(FULL, flags), 536).ecn is agreed


@pytest.mark.parametrize(("wish", "told", "used"), [(None, 1460, 1400), (1000, 1000, 1000), (1450, 1450, 1400)])
def test_a_wish_for_smaller_segments_holds_for_both_directions(wish: int | None, told: int, used: int) -> None:
    assert offer(chosen(mss=wish), 1460, None).mss == told
    assert answer(chosen(mss=wish), 1460, None, True, True).mss == told
    assert agree(chosen(mss=wish), syn(FULL), DEFAULT_MSS).mss == used


def test_a_wish_for_larger_segments_than_the_path_takes_means_nothing() -> None:
    assert offer(chosen(mss=9000), 1460, None).mss == 1460
    assert answer(chosen(mss=9000), 1460, None, True, True).mss == 1460
    assert agree(chosen(mss=MINIMUM_MSS - 1), syn(FULL), DEFAULT_MSS).mss == MINIMUM_MSS


@pytest.mark.parametrize(("offered", "agreed"), [(1, 20), (20, 20), (47, 47), (48, 48)])
def test_without_bounds_nearly_any_mss_is_believed(offered: int, agreed: int) -> None:
    assert agree(weak(bounds=False), syn(Options(mss=offered)), 536).mss == agreed
    assert agree(DEFAULT, syn(Options(mss=offered)), 536).mss == MINIMUM_MSS


@pytest.mark.parametrize(
    ("wish", "flags", "is_accurate", "is_classic"),
    [
        (Ecn.ACCURATE, SYN | AE | CWR | ECE, True, False),
        (Ecn.ACCURATE_PASSIVE, SYN | AE, True, False),
        (Ecn.ACCURATE_IF_ASKED, SYN | ECE | CWR, False, True),
        (Ecn.ACTIVE, SYN | AE | CWR | ECE, False, True),
        (Ecn.ACCURATE, SYN | ACK | CWR, True, False),
        (Ecn.ACCURATE, SYN | ACK | ECE, False, True),
        (Ecn.ACCURATE, SYN | ACK, False, False),
        (Ecn.ACCURATE_IF_ASKED, SYN | ACK | CWR, False, False),
        (Ecn.ACCURATE_IF_ASKED, SYN | ACK | ECE, False, True),
        (Ecn.ACCURATE_PASSIVE, SYN | ACK | ECE, False, False),
    ],
)
def test_accurate_ecn_holds_if_one_asks_and_the_other_grants(
    wish: Ecn, flags: int, is_accurate: bool, is_classic: bool
) -> None:
    agreed = agree(chosen(ecn=wish), syn(FULL, flags), 536)
    assert (agreed.accurate is not None, agreed.ecn) == (is_accurate, is_classic)


def test_a_syn_that_says_to_be_ecn_capable_itself_gets_no_classic_ecn() -> None:
    marked = syn(FULL, ASKS)
    marked.ecn = 2
    assert not agree(DEFAULT, marked, 536).ecn
    marked.flags |= AE
    assert agree(DEFAULT, marked, 536).ecn


def test_a_peer_that_is_confused_by_extensions_is_offered_none() -> None:
    plain = without_extensions(chosen(mss=1000))
    assert offer(plain, 1460, (5, 0)) == Options(mss=1000)


def test_connections_that_have_agreed_on_the_same_share_it_but_for_accurate_ecn() -> None:
    assert shared(agree(DEFAULT, syn(FULL), 536)) is shared(agree(DEFAULT, syn(FULL), 536))
    accurate = [Agreed(accurate=AccurateEcn(0)) for _ in range(2)]
    assert [shared(agreed) for agreed in accurate] == accurate
    assert shared(accurate[0]) is not shared(accurate[1])
