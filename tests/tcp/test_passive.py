"""Records, SYN,ACKs and openings from SYNs."""

from dataclasses import replace

import pytest

from halfopen.base.clock import MILLISECOND, SECOND
from halfopen.base.counters import Counters
from halfopen.base.rng import SeededRng
from halfopen.tcp.accurate_ecn import ACCURATE
from halfopen.tcp.config import BufferConfig, Ecn, OptionsConfig, TcpConfig
from halfopen.tcp.cookies import FRESH, Cookies
from halfopen.tcp.half_open import SYNACK_TIMEOUT, HalfOpen, HalfOpenTable
from halfopen.tcp.isn import FixedIsn, IsnGenerator
from halfopen.tcp.metrics import Metrics
from halfopen.tcp.passive import (
    FORMS_KEPT,
    Admission,
    Listening,
    PathLimits,
    bake,
    challenge,
    choose_iss,
    kept_from,
    make_opening,
    make_record,
    recall,
    syn_ack,
)
from halfopen.tcp.proven import ProvenPeers
from halfopen.tcp.seqnum import signed_difference
from halfopen.wire.tcp import ACK, AE, CWR, ECE, SYN, Segment
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
    return make_record(listening(config), FLOW, syn(options, flags), LIMITS)


def test_a_record_has_all_that_was_offered_and_wanted() -> None:
    assert recorded(FULL, SYN | ECE | CWR) == HalfOpen(FLOW, 7, 0, 1300, 3, True, True, 77)


@pytest.mark.parametrize("options", [None, Options()])
def test_a_syn_without_options_gets_the_defaults_of_its_path(options: Options | None) -> None:
    assert recorded(options) == HalfOpen(FLOW, 7, 0, 1220)


def test_what_is_not_wanted_here_is_not_recorded() -> None:
    modest = OptionsConfig(window_scaling=False, timestamps=False, sack=False)
    assert recorded(FULL, config=modest) == HalfOpen(FLOW, 7, 0, 1300)


def test_the_syn_ack_answers_what_is_recorded() -> None:
    reply = syn_ack(listening(), replace(recorded(FULL, SYN | ECE | CWR), iss=1000), NOW, LIMITS)
    assert (reply.source_port, reply.destination_port) == (80, 0xC000)
    assert (reply.seq, reply.ack, reply.flags) == (1000, 8, SYN | ACK | ECE)
    assert reply.options == Options(mss=1400, window_scale=7, sack_permitted=True, timestamps=(10_005, 77))
    bare = syn_ack(listening(), recorded(None), NOW)
    assert (bare.flags, bare.options) == (SYN | ACK, Options(mss=1400))


def test_a_cookie_with_timestamps_offers_all_that_the_record_says() -> None:
    cookies, record = Cookies(SeededRng(1)), recorded(FULL, SYN | ECE | CWR)
    bake(cookies, record, NOW)
    assert record == replace(recorded(FULL, SYN | ECE | CWR), iss=Cookies(SeededRng(1)).bake(record, NOW))


def test_a_cookie_without_timestamps_offers_nothing_but_an_mss() -> None:
    syn = FULL.copy()
    syn.timestamps = None
    record = recorded(syn, SYN | ECE | CWR)
    bake(Cookies(SeededRng(1)), record, NOW)
    assert record == HalfOpen(FLOW, 7, record.iss, 1300)


def sealed(generator: IsnGenerator | None = None) -> Listening:
    return replace(
        listening(), isn=generator or FixedIsn(1000), cookies=Cookies(SeededRng(1)), admission=Admission(sealed=True)
    )


class Rising(FixedIsn):
    """Knows of a connection before this one."""

    def least(self, flow: bytes) -> int | None:
        return 900


@pytest.mark.rfc("4987", "4987.7")
def test_each_iss_is_a_cookie_if_all_are_to_be() -> None:
    record = recorded(FULL)
    assert choose_iss(sealed(), record, NOW) == Cookies(SeededRng(1)).bake(record, NOW)
    assert choose_iss(replace(sealed(), admission=Admission()), record, NOW) == 1000
    assert choose_iss(listening(), record, NOW) == 1000


def test_after_a_connection_in_time_wait_a_cookie_that_lies_above_its_numbers_will_do() -> None:
    chosen = []
    for irs in range(40):
        record = replace(recorded(FULL), irs=irs)
        cookie = Cookies(SeededRng(1)).bake(record, NOW)
        chosen.append(choose_iss(sealed(Rising(1000)), record, NOW))
        assert chosen[-1] == (cookie if signed_difference(cookie, 900) >= 0 else 1000)
    assert 10 < chosen.count(1000) < 30


def test_what_comes_back_is_the_record_and_its_path() -> None:
    some, record = sealed(), recorded(FULL)
    iss = choose_iss(some, record, NOW)
    ack = Segment(0xC000, 80, seq=8, ack=iss + 1, flags=ACK, options=Options(timestamps=(78, 10_005)))
    recalled = recall(some, FLOW, ack, NOW + 30 * MILLISECOND)
    assert recalled is not None
    assert recalled == (replace(record, iss=iss, ts_recent=78, deadline=NOW + SYNACK_TIMEOUT), LIMITS)
    assert recall(some, FLOW, ack, NOW + FRESH) is None
    assert recall(listening(), FLOW, ack, NOW) is None
    ack.ack = iss
    assert recall(some, FLOW, ack, NOW) is None


def test_some_places_are_kept_from_peers_that_are_not_proven() -> None:
    proven = ProvenPeers()
    admission = Admission(proven_reserve=0.25, proven=proven)
    some = replace(listening(), table=HalfOpenTable(32, bytes(16)), admission=admission)
    assert kept_from(some, FLOW, NOW) == 8
    proven.note(FLOW, NOW)
    assert kept_from(some, FLOW, NOW) == 0
    assert kept_from(listening(), FLOW, NOW) == 0


def test_a_connection_is_told_of_its_path_and_its_peer() -> None:
    opening = make_opening(listening(), replace(recorded(FULL), iss=1000), LIMITS)
    assert (opening.local_port, opening.remote_port, opening.iss) == (80, 0xC000, 1000)
    assert (opening.mss, opening.burst, opening.default_mss, opening.timestamp_offset) == (1400, 14000, 1220, 5)


ACCURATELY = OptionsConfig(ecn=Ecn.ACCURATE)


def test_the_first_syn_ack_has_the_option_of_accurate_ecn_and_no_other() -> None:
    told = listening(ACCURATELY)
    record = recorded(Options(mss=1000), SYN | AE | CWR | ECE, ACCURATELY)
    assert record.ecn == ACCURATE
    first = syn_ack(told, record, NOW, PathLimits())
    again = syn_ack(told, record, NOW)
    assert first.options is not None and again.options is not None
    assert (first.options.accurate_ecn, again.options.accurate_ecn) == ((174, (1, 0, 1)), None)
    assert first.flags == again.flags == SYN | ACK | CWR


def test_a_cookie_cannot_say_accurate_ecn() -> None:
    record = recorded(Options(mss=1000, timestamps=(1, 0)), SYN | AE | CWR | ECE, ACCURATELY)
    bake(Cookies(SeededRng(1)), record, NOW)
    assert record.ecn == 0


def test_what_syns_have_in_common_is_kept_of_so_many_kinds() -> None:
    told = listening()
    for mss in range(1000, 1000 + FORMS_KEPT + 1):
        record = make_record(told, FLOW, syn(Options(mss=mss)), LIMITS)
        assert record == HalfOpen(FLOW, 7, 0, mss)
        reply = syn_ack(told, record, NOW, PathLimits(mss=mss))
        assert reply.options == Options(mss=mss)
    assert 0 < len(told.forms.records) <= FORMS_KEPT
    assert len(told.forms.answers) == FORMS_KEPT


@pytest.mark.parametrize(("chosen", "window"), [(None, 64400), (1000, 65000), (9000, 64400)])
def test_a_window_in_segments_is_one_in_those_that_the_user_wants(chosen: int | None, window: int) -> None:
    buffers = BufferConfig(window="linux", receive_initial=131072, receive=1 << 22)
    config = TcpConfig(options=OptionsConfig(mss=chosen), buffers=buffers)
    told = replace(listening(), config=config)
    assert syn_ack(told, recorded(Options(mss=1460)), NOW, PathLimits(mss=1400)).window == window


def test_what_a_route_says_is_in_its_syn_acks_only() -> None:
    told, record = listening(), recorded(FULL)
    narrow = PathLimits(mss=1400, metrics=Metrics(initial_receive_window=2))
    assert syn_ack(told, record, NOW, narrow).window < syn_ack(told, record, NOW, LIMITS).window
    assert syn_ack(told, record, NOW, narrow).window < syn_ack(told, record, NOW, LIMITS).window


def test_syns_that_differ_in_anything_have_different_records() -> None:
    told = listening()
    kinds = [
        Options(mss, scale, sack, (1, 2) if stamps else None)
        for mss in (None, 1000)
        for scale in (None, 0, 7)
        for sack in (False, True)
        for stamps in (False, True)
    ]
    for _ in range(2):
        for options in kinds:
            for flags in (SYN, SYN | ECE | CWR):
                fresh = make_record(listening(), FLOW, syn(options, flags), LIMITS)
                assert make_record(told, FLOW, syn(options, flags), LIMITS) == fresh


@pytest.mark.parametrize("stamps", [None, (77, 0)])
def test_a_challenge_has_the_window_of_the_syn_ack_and_of_its_options_the_timestamps(
    stamps: tuple[int, int] | None,
) -> None:
    record = replace(recorded(Options(mss=1300, timestamps=stamps)), iss=1000)
    reply, first = challenge(listening(), record, NOW), syn_ack(listening(), record, NOW)
    assert (reply.seq, reply.ack, reply.flags, reply.window) == (1001, 8, ACK, first.window)
    assert reply.options is not None
    assert first.options is not None
    assert reply.options == Options(timestamps=first.options.timestamps)
