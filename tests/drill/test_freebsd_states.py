"""Each event in each state of a connection, on FreeBSD; and nothing is sent beside what is expected."""

from itertools import chain
from pathlib import Path

import pytest

from halfopen.packetdrill.trials import Trial, attempt
from tests.drill import freebsd_calls, freebsd_openings

SCRIPTS = dict(chain(freebsd_openings.all_scripts(), freebsd_calls.all_scripts()))


@pytest.mark.parametrize("name", SCRIPTS)
def test_an_event_in_a_state_has_the_outcome_of_freebsd(name: str, tmp_path: Path) -> None:
    path = tmp_path / "script.pkt"
    path.write_text(SCRIPTS[name])
    verdict = attempt(Trial(path=str(path), profile="freebsd", ip_version="ipv4"))
    unexpected = [text for _, text in verdict.trace if text.endswith("not asked for")]
    assert (verdict.verdict, verdict.line, verdict.message, unexpected) == ("pass", 0, "", []), SCRIPTS[name]


def test_every_cell_has_a_name_of_its_own() -> None:
    names = [name for name, _ in chain(freebsd_openings.all_scripts(), freebsd_calls.all_scripts())]
    assert len(names) == len(SCRIPTS) > 1800
