from functools import cache

import pytest

from halfopen.lab.attacks.wrap import STALE, Wrap
from halfopen.lab.results import DIFFER, Result, findings, run
from halfopen.lab.scenario import Settings


@cache
def played(*defences: str, seed: int = 0, before: int = 10_000, after: int = 10_000) -> Result:
    parameters = {"before": before, "after": after}
    return run(Wrap(), Settings(seed=seed, defences=frozenset(defences), parameters=parameters))


@pytest.mark.parametrize("defences", [(), ("timestamps",)])
@pytest.mark.parametrize(("before", "after"), [(10_000, 10_000), (3000, 6000), (100_000, 300_000)])
def test_a_transfer_goes_on_across_the_wrap_though_its_segment_there_is_lost(
    defences: tuple[str, ...], before: int, after: int
) -> None:
    result = played(*defences, before=before, after=after)
    metrics = result.outcome.metrics
    assert metrics["stream whole across 2^32"] == 1
    assert metrics["segments sent again"] == 1
    assert metrics["SACK blocks above zero, ACK below"] > 0
    assert [each.name for each in findings(result.outcome) if each.verdict == DIFFER] == []


def test_without_timestamps_a_segment_of_the_lap_before_becomes_part_of_the_stream() -> None:
    result = played()
    assert result.outcome.attack_succeeded
    assert result.outcome.metrics["stale octets in the stream"] == len(STALE)
    assert result.outcome.metrics["stale segments refused"] == 0


def test_with_timestamps_paws_refuses_it() -> None:
    result = played("timestamps")
    assert not result.outcome.attack_succeeded
    assert result.outcome.metrics["stale segments refused"] == 1


def test_the_ladder_shows_the_loss_the_retransmission_and_who_sent_the_stale_segment() -> None:
    arrows = played("timestamps").ladder.arrows
    assert [arrow.note for arrow in arrows if arrow.lost] == ["dropped by link router-server, rule 1"]
    assert any("fast retransmission" in arrow.note for arrow in arrows)
    (stale,) = [arrow for arrow in arrows if arrow.source == "attacker"]
    assert stale.label.startswith("[from client:")
    assert stale.note == "a segment of the lap before, 2^32 ago"


@pytest.mark.parametrize("seed", range(5))
def test_other_seeds_tell_the_same_story(seed: int) -> None:
    assert played(seed=seed).outcome.attack_succeeded
    assert not played("timestamps", seed=seed).outcome.attack_succeeded
