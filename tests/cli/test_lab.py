import json
import re
from pathlib import Path

import pytest

from halfopen.lab.catalogue import SCENARIOS
from halfopen.lab.results import written
from tests.cli.running import complaint, invoke


def test_the_list_names_every_scenario_in_the_order_of_the_catalogue() -> None:
    lines = invoke("lab", "list").stdout.splitlines()[1:]
    assert [line.split()[0] for line in lines] == list(SCENARIOS)


def test_the_list_of_one_scenario_tells_its_parameters_and_defences() -> None:
    text = invoke("lab", "list", "wrap").stdout
    assert re.search(r"^before +10000 +an integer from 3000 up to 1000000, octets +sent below", text, re.MULTILINE)
    assert "timestamps  both ends agree on timestamps" in text


def test_the_list_for_programs_says_the_same() -> None:
    told = json.loads(invoke("lab", "list", "--json").stdout)
    assert [each["name"] for each in told] == list(SCENARIOS)
    assert told[1]["parameters"]["before"]["default"] == 10_000
    assert set(told[1]["defences"]) == {"timestamps"}


def test_a_run_prints_the_ladder_the_table_and_the_verdict() -> None:
    result = invoke("lab", "run", "wrap", "--seed", "4")
    assert result.exit_code == 0
    for words in ("seed: 4", "client:", "stale octets in the stream", "The attack SUCCEEDED, defence: none."):
        assert words in result.stdout


def test_a_run_for_programs_is_one_object_and_the_same_each_time() -> None:
    arguments = ("lab", "run", "wrap", "--defence", "timestamps", "--set", "before=30000", "--seed", "2", "--json")
    first, second = invoke(*arguments).stdout, invoke(*arguments).stdout
    assert first == second
    told = json.loads(first)
    assert (told["scenario"], told["defence"], told["seed"]) == ("wrap", "timestamps", 2)
    assert told["attack_succeeded"] is False
    assert told["parameters"]["before"] == 30_000
    assert set(told["theory"]) <= set(told["metrics"])
    assert len(told["capture_sha256"]) == 64


def test_all_stands_for_every_defence() -> None:
    assert json.loads(invoke("lab", "run", "wrap", "--defence", "all", "--json").stdout)["defence"] == "timestamps"


def test_the_files_of_a_run_are_written_and_named(tmp_path: Path) -> None:
    out = tmp_path / "new"
    result = invoke("lab", "run", "handshake", "--out", str(out))
    assert result.exit_code == 0
    names = {path.name for path in out.iterdir()}
    assert names == {f"handshake-none-0{end}" for end in (".html", ".json", ".pcapng", "-ladder.svg")}
    assert {Path(line).name for line in result.stderr.splitlines()} == names
    assert invoke("show", str(out / "handshake-none-0.pcapng")).exit_code == 0


def test_drawings_are_written_as_pixels_too(tmp_path: Path) -> None:
    pytest.importorskip("vl_convert", reason="this system lacks vl-convert")
    assert invoke("lab", "run", "handshake", "--png", "--out", str(tmp_path)).exit_code == 0
    assert (tmp_path / "handshake-none-0-ladder.png").read_bytes().startswith(b"\x89PNG")
    assert "--png needs --out" in complaint("lab", "run", "handshake", "--png")


def test_a_directory_that_cannot_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = invoke("lab", "run", "handshake", "--out", str(tmp_path / "file" / "below"))
    assert result.exit_code == 2
    assert "cannot be written to: Not a directory" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["run", "handshke"], "there is no scenario 'handshke': did you mean 'handshake'?"),
        (["list", "rwap"], "there is no scenario 'rwap': did you mean 'wrap'?"),
        (["run", "wrap", "--defence", "timestamp"], "wrap has no defence 'timestamp': did you mean 'timestamps'?"),
        (["run", "wrap", "--set", "befor=1"], "wrap has no parameter 'befor': did you mean 'before'?"),
        (["run", "wrap", "--set", "rate=0"], "rate: 0 is out of range: expected a number from 1 up to 100000, Mbit/s"),
        (["run", "wrap", "--set", "rate"], "--set 'rate' will not do: expected NAME=VALUE"),
        (["run", "wrap", "--set", "=1"], "--set '=1' will not do: expected NAME=VALUE"),
        (["report", "--scenario", "wrp"], "there is no scenario 'wrp': did you mean 'wrap'?"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(arguments: list[str], told: str) -> None:
    assert complaint("lab", *arguments) == f"halfopen lab: {told}"


def test_what_a_result_writes_is_what_the_command_writes(tmp_path: Path) -> None:
    from halfopen.lab.catalogue import find
    from halfopen.lab.results import run
    from halfopen.lab.scenario import Settings

    invoke("lab", "run", "wrap", "--out", str(tmp_path))
    for name, octets in written(run(find("wrap"), Settings())).items():
        assert (tmp_path / name).read_bytes() == octets
