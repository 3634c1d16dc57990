import json

from tests.cli.running import invoke


def test_without_processes_there_is_a_header_and_a_word_about_it() -> None:
    result = invoke("ss")
    assert result.exit_code == 0
    assert result.stdout.split()[:2] == ["Netid", "State"]
    assert "No port of a running halfopen process" in result.stderr


def test_without_processes_programs_get_an_empty_list() -> None:
    result = invoke("ss", "-l", "--json")
    assert json.loads(result.stdout) == []
    assert result.stderr == ""
