import asyncio
from collections.abc import Iterator

import pytest

from halfopen.base.addresses import parse_address
from halfopen.lab.crafting import make_segment
from halfopen.lab.scans import (
    CLOSED,
    FILTERED,
    OPEN,
    OPEN_FILTERED,
    OS_PROBES,
    SCANS,
    UNFILTERED,
    Answer,
    PortReport,
    Scan,
    Scanner,
    Timing,
    learnt,
)
from halfopen.lab.scenario import Settings
from halfopen.lab.world import World, packed
from halfopen.sim.match import Passing
from halfopen.sim.rules import DROP, Verdict, drop

OPEN_PORT, CLOSED_PORT, FILTERED_PORT = 80, 81, 82
SYN_ACK, RESET_SYN, RESET_FIN = "SYN,ACK ack +1", "RST,ACK seq 0 ack +1 win 0", "RST,ACK seq 0 ack +1 win 0"
RESET_ACK, RESET_NULL, SILENCE = "RST seq SEG.ACK win 0", "RST,ACK seq 0 ack +0 win 0", "silence"

ANSWERS = {
    "syn": (SYN_ACK, RESET_SYN, SILENCE),
    "connect": ("SYN,ACK", "RST,ACK seq 0 win 0", SILENCE),
    "fin": (SILENCE, RESET_FIN, SILENCE),
    "null": (SILENCE, RESET_NULL, SILENCE),
    "xmas": (SILENCE, RESET_FIN, SILENCE),
    "ack": (RESET_ACK, RESET_ACK, SILENCE),
    "window": (RESET_ACK, RESET_ACK, SILENCE),
    "maimon": (RESET_ACK, RESET_ACK, SILENCE),
}
STATES = {
    "syn": (OPEN, CLOSED, FILTERED),
    "connect": (OPEN, CLOSED, FILTERED),
    "fin": (OPEN_FILTERED, CLOSED, OPEN_FILTERED),
    "null": (OPEN_FILTERED, CLOSED, OPEN_FILTERED),
    "xmas": (OPEN_FILTERED, CLOSED, OPEN_FILTERED),
    "ack": (UNFILTERED, UNFILTERED, FILTERED),
    "window": (CLOSED, CLOSED, FILTERED),
    "maimon": (CLOSED, CLOSED, OPEN_FILTERED),
}


@pytest.fixture
def world() -> Iterator[World]:
    with World(Settings(seed=1)) as world:
        yield world


@pytest.fixture
def filtered(world: World) -> World:
    world.cables["server-side"].rule(firewall, towards="server")
    return world


def firewall(passing: Passing) -> Verdict | None:
    return DROP if passing.ports and passing.ports[1] == FILTERED_PORT else None


async def serve(world: World) -> None:
    await world.server.start_server(lambda reader, writer: writer.close(), None, OPEN_PORT)


def scan(world: World, kind: Scan, ports: tuple[int, ...], target: bytes | None = None) -> dict[int, PortReport]:
    async def story() -> dict[int, PortReport]:
        await serve(world)
        world.attacker.sniff()
        scanner = Scanner(
            world.attacker, target or packed(world.server), world.rng, Timing(timeout=5.0 if target else 0.1)
        )
        return await scanner.scan(kind, ports)

    return world.run(story())


@pytest.mark.parametrize("name", SCANS)
def test_each_scan_gets_the_answers_of_the_table_and_reads_them_as_nmap_does(filtered: World, name: str) -> None:
    reports = scan(filtered, SCANS[name], (OPEN_PORT, CLOSED_PORT, FILTERED_PORT))
    assert tuple(report.heard for report in reports.values()) == ANSWERS[name]
    assert tuple(report.state for report in reports.values()) == STATES[name]


@pytest.mark.parametrize(
    ("name", "port", "heard"),
    [
        ("T2", OPEN_PORT, SILENCE),
        ("T3", OPEN_PORT, SILENCE),  # the RFC's text would take it for a SYN; hardened hosts do not
        ("T4", OPEN_PORT, RESET_ACK),
        ("T5", CLOSED_PORT, RESET_SYN),
        ("T6", CLOSED_PORT, RESET_ACK),
        ("T7", CLOSED_PORT, RESET_FIN),
    ],
)
def test_the_probes_of_nmap_for_the_system_get_what_they_should(world: World, name: str, port: int, heard: str) -> None:
    assert scan(world, OS_PROBES[name], (port,))[port].heard == heard


def test_who_is_not_there_shows_as_filtered_by_what_the_router_says(world: World) -> None:
    report = scan(world, SCANS["syn"], (OPEN_PORT,), parse_address("192.0.2.77"))[OPEN_PORT]
    assert (report.heard, report.state) == ("ICMP 3/1", FILTERED)


@pytest.mark.parametrize(("code", "state"), [(0, FILTERED), (3, FILTERED), (13, FILTERED), (4, OPEN_FILTERED)])
def test_an_unreachable_is_a_filter_if_nmap_says_so(code: int, state: str) -> None:
    assert SCANS["fin"].classify(Answer(code=code)) == state


def test_a_window_in_a_reset_would_give_an_open_port_away() -> None:
    leak = make_segment((80, 40000), "R", window=4096)
    assert SCANS["window"].classify(Answer(leak)) == OPEN
    assert SCANS["ack"].classify(Answer(leak)) == UNFILTERED


def test_a_synack_means_nothing_to_a_fin_scan() -> None:
    assert SCANS["fin"].classify(Answer(make_segment((80, 40000), "S."))) == OPEN_FILTERED


def test_a_silent_port_is_tried_twice_and_an_answering_one_once(filtered: World) -> None:
    reports = scan(filtered, SCANS["syn"], (CLOSED_PORT, FILTERED_PORT))
    assert [report.tries for report in reports.values()] == [1, 2]


def test_repetition_goes_on_once_it_has_helped(filtered: World) -> None:
    filtered.cables["server-side"].rule(drop(port=CLOSED_PORT, nth=1))
    reports = scan(filtered, SCANS["syn"], (CLOSED_PORT, FILTERED_PORT))
    assert [report.tries for report in reports.values()] == [2, 3]


def test_a_connect_scan_leaves_no_connection_behind(world: World) -> None:
    scan(world, SCANS["connect"], (OPEN_PORT,))
    world.run(asyncio.sleep(1))
    assert world.attacker.host.ss().count("ESTAB") == 0
    assert world.server.stack.counters["PassiveOpens"] == 1


def test_what_is_learnt_is_a_share_of_the_secret(world: World) -> None:
    reports = scan(world, SCANS["syn"], tuple(range(76, 84)))
    assert learnt(reports, {OPEN_PORT}) == pytest.approx(1.0)
    reports = scan_again(world, "ack")
    assert learnt(reports, {OPEN_PORT}) < 0.2


def scan_again(world: World, name: str) -> dict[int, PortReport]:
    scanner = Scanner(world.attacker, packed(world.server), world.rng)
    return world.run(scanner.scan(SCANS[name], range(76, 84)))
