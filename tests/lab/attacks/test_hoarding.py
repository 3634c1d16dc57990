from functools import cache

import pytest

from halfopen.lab.attacks.hoarding import FILE, PER_ADDRESS, ROOM, Hoarding
from halfopen.lab.scenario import Outcome, Settings


@cache
def played(hoarder: str, *defences: str, peers: int = 50) -> Outcome:
    parameters = {"hoarder": hoarder, "peers": peers}
    return Hoarding().run(Settings(seed=1, defences=frozenset(defences), parameters=parameters, record=False))


@pytest.mark.parametrize("hoarder", ["answering", "gone"])
def test_hoarders_take_all_places_and_the_memory_of_their_files(hoarder: str) -> None:
    outcome = played(hoarder)
    assert outcome.attack_succeeded
    assert outcome.metrics["clients served"] == 0
    assert outcome.metrics["octets held later"] == pytest.approx(ROOM * FILE, rel=0.05)


@pytest.mark.parametrize(
    ("hoarder", "defence"),
    [
        ("gone", "user-timeout"),
        ("gone", "deadline"),
        ("answering", "deadline"),
        ("gone", "address-limit"),
        ("answering", "address-limit"),
    ],
)
def test_each_defence_alone_has_all_clients_served(hoarder: str, defence: str) -> None:
    outcome = played(hoarder, defence)
    assert not outcome.attack_succeeded
    assert outcome.metrics["clients served"] == 1
    assert outcome.metrics["places taken later"] == outcome.theory["places taken later"]


def test_the_user_timeout_does_not_end_a_peer_that_answers() -> None:
    assert played("answering", "user-timeout").attack_succeeded


def test_a_limit_for_each_address_bounds_the_memory() -> None:
    assert played("answering", "address-limit").metrics["octets held at first"] <= PER_ADDRESS * FILE


def test_few_hoarders_leave_room() -> None:
    assert not played("answering", peers=20).attack_succeeded
