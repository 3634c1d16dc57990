from functools import cache

import pytest

from halfopen.lab.attacks.overlap import RELATIONS, Overlap, Reassembly
from halfopen.lab.scenario import Outcome, Settings

RULES = [("first", "last"), ("last", "first")]


@cache
def played(host: str, watcher: str, *defences: str) -> Outcome:
    parameters = {"host": host, "watcher": watcher}
    return Overlap().run(Settings(seed=1, defences=frozenset(defences), parameters=parameters))


@pytest.mark.parametrize(("host", "watcher"), RULES)
def test_a_detector_with_the_other_rule_does_not_see_what_the_server_reads(host: str, watcher: str) -> None:
    outcome = played(host, watcher)
    assert outcome.attack_succeeded
    assert outcome.metrics["relations read differently"] == 9


@pytest.mark.parametrize("defence", ["target-based", "normaliser"])
@pytest.mark.parametrize(("host", "watcher"), RULES)
def test_each_defence_alone_makes_both_read_the_same(host: str, watcher: str, defence: str) -> None:
    outcome = played(host, watcher, defence)
    assert not outcome.attack_succeeded
    assert outcome.metrics["relations read differently"] == 0


@pytest.mark.parametrize("rule", ["first", "last"])
def test_a_detector_with_the_hosts_rule_is_not_evaded(rule: str) -> None:
    outcome = played(rule, rule)
    assert not outcome.attack_succeeded
    assert outcome.metrics["forbidden request seen by the detector"] == 1


def test_our_host_keeps_the_octets_that_came_first() -> None:
    rows = [line.rsplit(maxsplit=2) for line in played("first", "last").texts["What the two read"].splitlines()[1:]]
    assert {name.strip(): server for name, server, _ in rows}["equals"] == ".AAAA"


def test_the_relations_are_thirteen_and_all_different() -> None:
    def sign(one: int, other: int) -> int:
        return (one > other) - (one < other)

    signs = {tuple(sign(x, y) for x in first for y in second) for first, second in RELATIONS.values()}
    assert len(signs) == len(RELATIONS) == 13


def test_what_is_no_longer_behind_a_hole_is_never_rewritten() -> None:
    stream = Reassembly("last", 100)
    stream.take(100, b"abc")
    stream.take(101, b"XYZ")
    assert stream.text == b"abcZ"
