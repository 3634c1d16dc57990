import pytest

from halfopen.lab import theory_floods as theory
from halfopen.lab.attacks.syn_flood import SynFloodScenario
from halfopen.lab.flood_plan import CACHE, Plan, Schedule
from halfopen.lab.scenario import Settings, Value
from halfopen.lab.theory_floods import Window


def plan(*defences: str, **parameters: Value) -> Plan:
    return Plan.of(complete(*defences, **parameters))


def complete(*defences: str, **parameters: Value) -> Settings:
    names = {name.replace("_", "-"): value for name, value in parameters.items()}
    return SynFloodScenario().checked(Settings(defences=frozenset(defences), parameters=names))


def test_undefended_is_a_plain_backlog() -> None:
    layer = plan(backlog=8).server().tcp_layer
    assert (layer.syn_cookies, layer.eviction, layer.half_open, layer.proven_reserve) == ("off", "drop-new", 8, 0)


def test_hybrid_is_the_librarys_default() -> None:
    layer = plan("hybrid").server().tcp_layer
    assert layer.syn_cookies == "overflow"
    assert layer.half_open == 1024


def test_defences_add_up() -> None:
    layer = plan("syn-cache", "cookies-on-overflow", "proven-reserve").server().tcp_layer
    assert (layer.syn_cookies, layer.eviction, layer.half_open) == ("overflow", "oldest", CACHE)
    assert layer.proven_reserve == 0.25


def test_a_client_that_tries_once_does_not_repeat_its_syn() -> None:
    assert plan().client().tcp.retransmission.syn_retries == 0
    assert plan(tries=7).client().tcp.retransmission.syn_retries == 6


def test_other_clients_count_where_syns_drive_each_other_out() -> None:
    many, few = (plan("random-drop", rate=1000, clients=count).success(1.0) for count in (10_000, 1))
    assert many < few


def test_a_reserve_leaves_the_rest_to_strangers() -> None:
    stranger = plan("proven-reserve", rate=100)
    table = theory.Table(4, 24)
    assert stranger.success(63) == pytest.approx(theory.drop_tail_second(table, 100, 63))
    assert plan("proven-reserve", clients_are="returning").success(63) == 1


def test_theory_is_silent_about_synacks_before_a_lifetime_has_passed() -> None:
    assert plan(rate=100).synacks(Window(10, 10)) is None
    assert plan(rate=100).synacks(Window(63, 63)) == pytest.approx(
        6 * theory.drop_tail_second(plan().table, 100, 63), rel=0.01
    )


def test_clients_come_for_whole_lifetimes_of_a_record() -> None:
    settings = complete("shorter-timer", seconds=10)
    assert Schedule.of(settings, Plan.of(settings)).clients == pytest.approx(9)


def test_even_the_shortest_flood_outlasts_a_handshake() -> None:
    settings = complete("hybrid", rate=1_000_000, syns=100)
    assert Schedule.of(settings, Plan.of(settings)).after >= 0.1
