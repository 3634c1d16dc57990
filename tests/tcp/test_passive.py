"""Records, SYN,ACKs and openings from SYNs."""

from dataclasses import replace

import pytest

from halfopen.base.clock import SECOND
from halfopen.base.counters import Counters
from halfopen.base.rng import SeededRng
from halfopen.tcp.config import OptionsConfig, TcpConfig
from halfopen.tcp.cookies import Cookies
from halfopen.tcp.half_open import HalfOpen, HalfOpenTable
from halfopen.tcp.isn import FixedIsn
from halfopen.tcp.passive import Admission, Listening, PathLimits, bake, kept_from, make_opening, make_record, syn_ack
from halfopen.tcp.proven import ProvenPeers
from halfopen.wire.tcp import ACK, CWR, ECE, SYN, Segment
from halfopen.wire.tcp_options import Options

FLOW = bytes((192, 0, 2, 2, 192, 0, 2, 1, 0xC0, 0, 0, 80))
NOW = 10 * SECOND
LIMITS = PathLimits(mss=1400, burst=14000, default_mss=1220, timestamp_offset=5)
FULL = Options(mss=1300, window_scale=3, sack_permitted=True, timestamps=(77, 0))


def listening(options: OptionsConfig | None = None) -> Listening:
    return Listening(
        port=80,
        isn=FixedIsn(1000),
        paths=lambda flow: LIMITS,
        table=HalfOpenTable(1, bytes(16)),
        config=TcpConfig(options=options or OptionsConfig()),
        counters=Counters(),
    )


def syn(options: Options | None, flags: int = SYN) -> Segment:
    return Segment(0xC000, 80, seq=7, flags=flags, window=5000, options=options)


def recorded(options: Options | None, flags: int = SYN, config: OptionsConfig | None = None) -> HalfOpen:
    return make_record(listening(config), FLOW, syn(options, flags), NOW)


def test_a_record_has_all_that_was_offered_and_wanted() -> None:
    assert recorded(FULL, SYN | ECE | CWR) == HalfOpen(FLOW, 7, 1000, 1300, 3, True, True, 77)


@pytest.mark.parametrize("options", [None, Options()])
def test_a_syn_without_options_gets_the_defaults_of_its_path(options: Options | None) -> None:
    assert recorded(options) == HalfOpen(FLOW, 7, 1000, 1220)


def test_what_is_not_wanted_here_is_not_recorded() -> None:
    modest = OptionsConfig(window_scaling=False, timestamps=False, sack=False)
    assert recorded(FULL, config=modest) == HalfOpen(FLOW, 7, 1000, 1300)


def test_the_syn_ack_answers_what_is_recorded() -> None:
    reply = syn_ack(listening(), recorded(FULL, SYN | ECE | CWR), NOW)
    assert (reply.source_port, reply.destination_port) == (80, 0xC000)
    assert (reply.seq, reply.ack, reply.flags) == (1000, 8, SYN | ACK | ECE)
    assert reply.options == Options(mss=1400, window_scale=7, sack_permitted=True, timestamps=(10_005, 77))
    bare = syn_ack(listening(), recorded(None), NOW)
    assert (bare.flags, bare.options) == (SYN | ACK, Options(mss=1400))


def test_a_cookie_with_timestamps_offers_all_that_the_record_says() -> None:
    cookies, record = Cookies(SeededRng(1)), recorded(FULL, SYN | ECE | CWR)
    baked = Cookies(SeededRng(1)).bake(replace(record), NOW)
    reply = bake(listening(), cookies, record, NOW)
    assert baked.value is not None
    assert (reply.seq, reply.flags) == (baked.iss, SYN | ACK | ECE)
    assert reply.options == Options(mss=1400, window_scale=7, sack_permitted=True, timestamps=(baked.value, 77))


def test_a_cookie_without_timestamps_offers_nothing_but_an_mss() -> None:
    poor = replace(FULL, timestamps=None)
    reply = bake(listening(), Cookies(SeededRng(1)), recorded(poor, SYN | ECE | CWR), NOW)
    assert (reply.flags, reply.options) == (SYN | ACK, Options(mss=1400))


def test_some_places_are_kept_from_peers_that_are_not_proven() -> None:
    some = replace(
        listening(), table=HalfOpenTable(32, bytes(16)), proven=ProvenPeers(), admission=Admission(proven_reserve=0.25)
    )
    assert some.proven is not None
    assert kept_from(some, FLOW, NOW) == 8
    some.proven.note(FLOW, NOW)
    assert kept_from(some, FLOW, NOW) == 0
    assert kept_from(listening(), FLOW, NOW) == 0


def test_a_connection_is_told_of_its_path_and_its_peer() -> None:
    opening = make_opening(listening(), recorded(FULL), LIMITS)
    assert (opening.local_port, opening.remote_port, opening.iss) == (80, 0xC000, 1000)
    assert (opening.mss, opening.burst, opening.default_mss, opening.timestamp_offset) == (1400, 14000, 1220, 5)
