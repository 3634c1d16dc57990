from halfopen.lab.attacks.lost_ack import LostAck
from halfopen.lab.results import DIFFER, findings, run
from halfopen.lab.scenario import Outcome, Settings, Value


def play(*defences: str, **parameters: Value) -> Outcome:
    chosen = {"clients": 100, **parameters}
    outcome = run(LostAck(), Settings(seed=1, defences=frozenset(defences), parameters=chosen)).outcome
    assert [each.name for each in findings(outcome) if each.verdict == DIFFER] == []
    assert outcome.metrics["last ACKs lost"] > 0
    return outcome


def test_under_cookies_whoever_waits_for_the_server_hangs() -> None:
    outcome = play()
    assert outcome.attack_succeeded
    assert outcome.metrics["clients that hang"] == outcome.metrics["last ACKs lost"]


def test_a_half_open_table_sends_its_synack_again() -> None:
    outcome = play("half-open-table")
    assert not outcome.attack_succeeded
    assert 1 < outcome.metrics["longest wait of the others, s"] < 1.1


def test_the_default_has_a_table_before_it_has_cookies() -> None:
    assert not play("hybrid").attack_succeeded


def test_a_client_that_speaks_first_brings_the_cookie_again() -> None:
    assert not play("client-speaks").attack_succeeded
    assert not play(speaks="client").attack_succeeded
