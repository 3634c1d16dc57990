import tracemalloc

import pytest

from halfopen.lab.attacks.syn_flood import SynFloodScenario
from halfopen.lab.crafting import SynStencil
from halfopen.lab.flood_plan import CACHE, Plan, Schedule
from halfopen.lab.floods import PORT, ends_of
from halfopen.lab.measurements import rule_of_three, wilson
from halfopen.lab.places import SERVER
from halfopen.lab.results import DIFFER, findings, run
from halfopen.lab.scenario import Outcome, Settings, Value
from halfopen.lab.visitors import Visitors
from halfopen.lab.world import Layout, World
from halfopen.stack.tcp_socket import TcpListener
from halfopen.wire.packet import Packet

SERVED = "clients served"
SYNACKS = "SYN,ACKs for each"
MILLION = 1_000_000


def play(*defences: str, seed: int = 1, **parameters: Value) -> Outcome:
    names = {name.replace("_", "-"): value for name, value in parameters.items()}
    settings = Settings(seed=seed, defences=frozenset(defences), parameters={"clients": 80, **names})
    outcome = run(SynFloodScenario(), settings).outcome
    # Of so many single runs one in twenty leaves its interval of 95 %, and has to.
    assert outcome.theory[SERVED] in wilson(*outcome.counts[SERVED], confidence=0.9999)
    assert [each for each in findings(outcome) if each.verdict == DIFFER and each.name != SERVED] == []
    return outcome


def test_without_defence_forty_syns_a_second_close_the_door() -> None:
    outcome = play()
    assert outcome.attack_succeeded
    assert outcome.metrics[SERVED] < 0.2
    assert outcome.metrics["half-open records"] == 128


def test_below_the_rate_that_fills_the_table_nothing_happens() -> None:
    assert play(rate=1, clients=40).metrics[SERVED] > 0.9


def test_one_syn_every_fifteen_seconds_silences_a_port_of_1985() -> None:
    outcome = play(backlog=5, rate=0.5, clients=60, seconds=600)
    assert outcome.attack_succeeded
    assert outcome.metrics["rate that fills the table, SYN/s"] == pytest.approx(5 / 63)


def test_a_bigger_backlog_alone_only_raises_the_price() -> None:
    assert not play("bigger-backlog", rate=14).attack_succeeded
    assert play("bigger-backlog", rate=100).attack_succeeded


def test_a_shorter_timer_raises_it_twentyfold_and_no_further() -> None:
    assert not play("shorter-timer").attack_succeeded
    assert play("shorter-timer", rate=300, seconds=10).attack_succeeded


def test_recycling_the_oldest_works_up_to_b_over_rtt() -> None:
    assert not play("recycle-oldest", rate=500, seconds=10).attack_succeeded
    assert play("recycle-oldest", rate=2000, seconds=3).attack_succeeded


def test_random_drop_decays_exponentially() -> None:
    assert not play("random-drop", rate=200, seconds=10).attack_succeeded
    assert play("random-drop", rate=1300, seconds=3, clients=200).attack_succeeded


def test_a_syn_cache_stands_a_hundred_thousand_and_falls_at_twice_that() -> None:
    assert not play("syn-cache", rate=100_000, rtt=100, syns=20_000).attack_succeeded
    assert play("syn-cache", rate=200_000, rtt=100, syns=25_000).attack_succeeded
    assert Plan.of(SynFloodScenario().checked(Settings(defences=frozenset({"syn-cache"})))).table.capacity == CACHE


@pytest.mark.parametrize("defence", ["cookies-on-overflow", "cookies-always", "hybrid", "syn-proxy", "ingress-filter"])
def test_everybody_is_served_behind(defence: str) -> None:
    outcome = play(defence)
    assert not outcome.attack_succeeded
    assert outcome.metrics[SERVED] == 1
    assert outcome.metrics["options kept"] == 1


def test_all_defences_together_get_on_with_each_other() -> None:
    assert play(*SynFloodScenario.defences, rate=200, seconds=5).metrics[SERVED] == 1


def test_a_reserve_is_for_those_who_were_here_before() -> None:
    assert play("proven-reserve", clients_are="returning").metrics[SERVED] == 1
    assert play("proven-reserve").attack_succeeded


def test_cookies_without_timestamps_lose_the_options() -> None:
    outcome = play("cookies-always", timestamps="no", seconds=5)
    assert outcome.metrics[SERVED] == 1
    assert outcome.metrics["options kept"] == 0


def test_a_table_keeps_them_also_without_timestamps() -> None:
    assert play(timestamps="no", rate=0.5, clients=40).metrics["options kept"] == 1


@pytest.mark.parametrize(
    ("defence", "rate", "seconds"),
    [("", 100, 63), ("shorter-timer", 200, 10), ("recycle-oldest", 1300, 4), ("random-drop", 1300, 4)],
)
def test_over_some_seeds_theory_lies_in_the_interval(defence: str, rate: float, seconds: float) -> None:
    hits = trials = 0
    chosen = frozenset(filter(None, [defence]))
    for seed in range(100, 103):
        parameters = {"rate": rate, "seconds": seconds, "clients": 200}
        settings = Settings(seed=seed, defences=chosen, parameters=parameters, record=False)
        outcome = run(SynFloodScenario(), settings).outcome
        hits, trials = hits + outcome.counts[SERVED][0], trials + outcome.counts[SERVED][1]
    assert outcome.theory[SERVED] in wilson(hits, trials)


def test_a_record_is_sent_six_times_and_a_cookie_once() -> None:
    assert play("recycle-oldest", rate=1, backlog=8000, seconds=70).metrics[SYNACKS] == pytest.approx(6, rel=0.1)
    assert play("cookies-always", seconds=5).metrics[SYNACKS] == 1


def test_the_server_behind_a_proxy_or_filter_sees_nothing_of_it() -> None:
    for defence in ("syn-proxy", "ingress-filter"):
        outcome = play(defence, seconds=5)
        assert outcome.metrics["spoofed SYNs at the server"] == 0
        assert outcome.metrics["half-open records"] < 5


def test_a_client_may_try_seven_times() -> None:
    settings = Settings(seed=1, parameters={"rate": 10, "tries": 7, "clients": 80})
    result = run(SynFloodScenario(), settings)
    assert result.outcome.metrics[SERVED] > play(rate=10).metrics[SERVED]
    # Tries are not independent: a table that is full is still full a second later. The report says so.
    assert [each.name for each in findings(result.outcome) if each.verdict == DIFFER] == [SERVED]
    assert result.outcome.metrics[SERVED] < result.outcome.theory[SERVED]
    assert "DIFFERS" in result.verdict


def test_a_million_syns_a_second_do_not_touch_anybody_at_the_default() -> None:
    outcome = play("hybrid", rate=MILLION, rtt=20, clients=3000)
    assert outcome.metrics["spoofed SYNs"] > 35_000
    assert outcome.metrics[SERVED] == 1
    assert rule_of_three(3000) < 0.001  # what is still possible: 99.9 % are served for sure
    assert outcome.metrics["octets for a record"] <= 64


def test_memory_stays_as_it_is_under_a_million_syns_a_second() -> None:
    stencil = SynStencil(SERVER, PORT)

    async def story(world: World) -> int:
        await Visitors(world, PORT, 1.0).open()
        (end,) = ends_of(world, world.server)
        stack, link = world.server.stack, end.interface.mac + bytes(6) + b"\x08\x00"
        begun, sources = world.server.pump.now(), world.spoofed(126)

        def flood(first: int, count: int) -> None:
            for number in range(first, first + count):
                syn = stencil.make(sources[number % 126], 1024 + number % 60_000, number).head
                now = begun + number * 1000
                stack.receive(end.interface, Packet(link + syn), now)
                while stack.poll_transmit(now) is not None:
                    pass

        flood(0, 10_000)
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        flood(10_000, 10_000)
        grown = tracemalloc.get_traced_memory()[0] - before
        tracemalloc.stop()
        table = next(each.listener.half_open for each in stack.tcp.sockets() if isinstance(each, TcpListener))
        assert len(table) == table.capacity
        assert table.octets <= 64 * table.capacity
        return grown

    with World(Settings(record=False), Layout(attacker="none")) as world:
        assert world.run(story(world)) < 10_000


def test_a_flood_is_cut_to_the_syns_that_are_allowed() -> None:
    settings = SynFloodScenario().checked(Settings(parameters={"rate": 10_000, "syns": 20_000}))
    schedule = Schedule.of(settings, Plan.of(settings))
    assert schedule.before + schedule.clients + schedule.after == pytest.approx(2)


def test_the_same_seed_gives_the_same_capture() -> None:
    first, second = (play(rate=200, seconds=2) for _ in range(2))
    assert first.capture == second.capture
    assert first.metrics == second.metrics
