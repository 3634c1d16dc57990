from functools import cache

import pytest

from halfopen.lab.attacks.icmp import MTU, ForgedIcmp
from halfopen.lab.scenario import Outcome, Settings


@cache
def played(weapon: str, *defences: str) -> Outcome:
    return ForgedIcmp().run(Settings(seed=1, defences=frozenset(defences), parameters={"weapon": weapon}))


def test_a_forged_port_unreachable_ends_a_connection_of_a_host_that_believes_it() -> None:
    outcome = played("hard")
    assert outcome.attack_succeeded
    assert outcome.metrics["connection ended"] == 1


def test_a_forged_fragmentation_needed_makes_its_segments_small() -> None:
    outcome = played("pmtu")
    assert outcome.attack_succeeded
    assert outcome.metrics["segment size before, octets"] == 1448
    assert outcome.metrics["segment size after, octets"] == MTU - 52


@pytest.mark.parametrize(
    ("weapon", "defence"),
    [("hard", "sequence-check"), ("hard", "soft-errors"), ("pmtu", "sequence-check"), ("pmtu", "delayed-pmtu")],
)
def test_each_defence_alone_stops_it(weapon: str, defence: str) -> None:
    outcome = played(weapon, defence)
    assert not outcome.attack_succeeded
    assert outcome.metrics["segment size after, octets"] == 1448


@pytest.mark.parametrize("weapon", ["hard", "pmtu"])
def test_the_check_of_the_number_refuses_every_guess(weapon: str) -> None:
    assert played(weapon, "sequence-check").metrics["errors refused for their number"] == 40


def test_soft_errors_do_not_help_against_a_smaller_path() -> None:
    assert played("pmtu", "soft-errors").attack_succeeded
