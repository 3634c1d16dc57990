import pytest

from tools.traces import compare, digests, exchange


def test_builds_that_play_the_same_are_told_to(capsys: pytest.CaptureFixture[str]) -> None:
    assert compare({"build": "interpreted", "a": "1"}, {"build": "compiled", "a": "1"}) == 0
    assert "1 of 1 are the same" in capsys.readouterr().out


def test_another_history_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert compare({"build": "interpreted", "a": "1", "b": "2"}, {"build": "compiled", "a": "1", "b": "3"}) == 1
    assert capsys.readouterr().out.startswith("traces: b is another history")


def test_what_one_build_has_not_played_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert compare({"build": "interpreted", "a": "1"}, {}) == 1
    assert capsys.readouterr().out.startswith("traces: a is another history")


def test_one_build_is_nothing_to_compare() -> None:
    assert compare({"build": "interpreted", "a": "1"}, {"build": "interpreted", "a": "1"}) == 1


def test_the_same_seed_gives_the_same_capture_and_another_another() -> None:
    assert exchange("delay 10ms loss 5%", 1) == exchange("delay 10ms loss 5%", 1) != exchange("delay 10ms loss 5%", 2)


def test_every_trace_has_a_name_of_its_own() -> None:
    stories = digests()
    names = [name for name, _ in (next(stories) for _ in range(4))]
    assert len(set(names)) == 4
