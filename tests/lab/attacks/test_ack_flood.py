from hashlib import blake2s

import pytest

from halfopen.lab.attacks.ack_flood import AckFloodScenario, hashes_counted
from halfopen.lab.results import DIFFER, findings, run
from halfopen.lab.scenario import Outcome, Settings, Value

HASHES = "hashes for each forged cookie"


def play(*defences: str, **parameters: Value) -> Outcome:
    chosen = {"rate": 2000, "clients": 30, **parameters}
    outcome = run(AckFloodScenario(), Settings(seed=1, defences=frozenset(defences), parameters=chosen)).outcome
    assert [each.name for each in findings(outcome) if each.verdict == DIFFER] == []
    assert outcome.metrics["connections forged"] == 0
    assert outcome.metrics["clients served"] == 1
    return outcome


@pytest.mark.parametrize("timestamps", ["no", "yes"])
def test_a_forged_cookie_costs_one_hash(timestamps: str) -> None:
    outcome = play(timestamps=timestamps)
    assert outcome.attack_succeeded
    assert outcome.metrics[HASHES] == 1


def test_while_no_cookie_is_out_no_ack_is_worth_a_hash() -> None:
    outcome = play("cookies-on-overflow")
    assert not outcome.attack_succeeded
    assert outcome.metrics[HASHES] == 0


def test_a_syn_proxy_keeps_the_flood_from_the_server() -> None:
    outcome = play("syn-proxy")
    assert not outcome.attack_succeeded
    assert outcome.metrics["RSTs for each forged ACK"] == 0


def test_an_ingress_filter_keeps_it_from_everybody() -> None:
    assert not play("ingress-filter").attack_succeeded


def test_hashes_are_counted_while_the_block_runs() -> None:
    keyed = blake2s(key=b"key")
    with hashes_counted() as count:
        keyed.copy().digest()
        keyed.copy().digest()
        assert count() == 2
    keyed.digest()
    assert count() == 2
