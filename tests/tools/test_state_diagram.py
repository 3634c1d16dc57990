from pathlib import Path

import pytest

from halfopen.tcp.state import TRANSITIONS, Event, State
from tools.state_diagram import PICTURE, arrows, draw, main

ROOT = Path(__file__).parents[2]


def test_the_picture_in_the_docs_is_that_of_the_table() -> None:
    assert (ROOT / PICTURE).read_text(encoding="utf-8") == draw(), "python -m tools.state_diagram"


def test_every_transition_but_the_deletions_is_an_arrow() -> None:
    drawn = set(arrows())
    for state, row in TRANSITIONS.items():
        for event, target in row.items():
            assert ((state, event, target) in drawn) is (event is not Event.DELETE)
            line = f"    {state.name} --> {target.name}: {event.value}\n"
            assert (line in draw()) is (event is not Event.DELETE)


def test_deletions_lead_from_every_state_but_closed_to_closed_as_the_page_says() -> None:
    deletions = {state: row.get(Event.DELETE) for state, row in TRANSITIONS.items()}
    assert deletions == {state: None if state is State.CLOSED else State.CLOSED for state in State}


def test_states_bear_the_names_of_the_rfc() -> None:
    assert '    state "FIN-WAIT-1" as FIN_WAIT_1\n' in draw()
    assert '"CLOSED"' not in draw()


def test_the_check_fails_until_the_picture_is_drawn_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "docs").mkdir()
    assert main(["--check"]) == 1
    assert "out of date" in capsys.readouterr().out
    assert not (tmp_path / PICTURE).exists()
    assert main([]) == 0
    assert main(["--check"]) == 0
    (tmp_path / PICTURE).write_text("old")
    assert main(["--check"]) == 1
    assert (tmp_path / PICTURE).read_text() == "old"
