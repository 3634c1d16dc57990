from pathlib import Path
from textwrap import dedent

import pytest

from tools import conformance
from tools.conformance import Proof, Requirement, collect, collect_scripts, load, main, render, unknown, unproven

ROOT = Path(__file__).parents[2]

MUST = Requirement("MUST-1", "The window field is unsigned", "MUST", "3.1")
MAY = Requirement("MAY-1", "Close at once", "MAY", "3.6.1")
DEVIATION = Requirement("MUST-2", "Source routes", "MUST", "3.9.2.1", "Deviation: refused.")
TIMER = Requirement("6298.9", "The timer starts", rfc="6298")
BACKOFF = Requirement("6298.10", "RTO doubles", rfc="6298")
CHECKSUM = Requirement("udp.1", "No checksum is taken", rfc="768")


def write(folder: Path, name: str, source: str) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(dedent(source))


def test_the_checklist_is_appendix_b() -> None:
    requirements, titles = load(ROOT / conformance.APPENDIX_B)
    families = {"MUST": range(1, 70), "SHLD": range(1, 32), "MAY": range(1, 19), "REC": range(1, 2)}
    expected = {f"{family}-{number}" for family, numbers in families.items() for number in numbers}
    assert {requirement.id for requirement in requirements} == expected
    assert len(requirements) == len(expected) == 119
    assert all(requirement.level in conformance.LEVELS and requirement.text for requirement in requirements)
    assert titles["9293"] == "Transmission Control Protocol"


def test_the_other_checklist_has_each_id_once_and_a_title_for_each_rfc() -> None:
    requirements, titles = load(ROOT / conformance.APPENDIX_B, ROOT / conformance.OTHERS)
    ids = [requirement.id for requirement in requirements]
    assert len(set(ids)) == len(ids)
    others = [requirement for requirement in requirements if not requirement.level]
    assert len(others) == len(ids) - 119
    assert {requirement.rfc for requirement in others} <= titles.keys()
    assert all(requirement.text for requirement in others)


def test_nothing_is_left_open() -> None:
    requirements, _ = load(ROOT / conformance.APPENDIX_B, ROOT / conformance.OTHERS)
    proofs = collect(ROOT / "tests")
    for key, scripts in collect_scripts(ROOT / "tests", requirements).items():
        proofs[key] += scripts
    assert unproven(requirements, proofs) == []
    assert list(unknown(requirements, proofs)) == []


def test_marks_are_found_on_functions_classes_parameters_and_modules(tmp_path: Path) -> None:
    write(
        tmp_path / "tests",
        "tcp/test_a.py",
        """
        @pytest.mark.rfc("9293", "MUST-1", "MUST-2")
        def test_one(): ...

        @pytest.mark.parametrize("x", [pytest.param(1, marks=pytest.mark.rfc("6298", "6298.1"))])
        async def test_two(x): ...

        @pytest.mark.rfc("9293", "MAY-1")
        class TestGroup:
            pytestmark = [pytest.mark.rfc("9293", "MAY-2")]

            @pytest.mark.rfc("9293", "MUST-1")
            def test_three(self): ...
        """,
    )
    write(tmp_path / "tests", "test_b.py", 'pytestmark = [pytest.mark.root, pytest.mark.rfc("826", "826.1")]')
    write(tmp_path / "tests", "other.py", '@pytest.mark.rfc("9293", "MUST-9")\ndef test_not_collected(): ...')
    path = "tests/tcp/test_a.py"
    assert collect(tmp_path / "tests") == {
        ("9293", "MUST-1"): [Proof(path, "test_one"), Proof(path, "TestGroup::test_three")],
        ("9293", "MUST-2"): [Proof(path, "test_one")],
        ("6298", "6298.1"): [Proof(path, "test_two")],
        ("9293", "MAY-1"): [Proof(path, "TestGroup")],
        ("9293", "MAY-2"): [Proof(path, "TestGroup")],
        ("826", "826.1"): [Proof("tests/test_b.py", "")],
    }


@pytest.mark.parametrize("arguments", ['"9293"', "", 'NUMBER, "MUST-1"', '"9293", 1', 'number="9293"'])
def test_a_mark_that_cannot_be_read_is_an_error_with_its_place(tmp_path: Path, arguments: str) -> None:
    write(tmp_path / "tests", "test_a.py", f"\n\n@pytest.mark.rfc({arguments})\ndef test_one(): ...")
    with pytest.raises(conformance.BadMark, match=r"^tests/test_a\.py:3: "):
        collect(tmp_path / "tests")


def test_a_script_names_what_it_proves_before_its_first_event(tmp_path: Path) -> None:
    write(
        tmp_path / "tests",
        "drill/linux/reset/exact.pkt",
        """\
        // A reset with the very next number.
        // rfc: MUST-1, udp.1
        --tolerance_usecs=10000
        # rfc: 6298.9

        0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
        // rfc: MAY-1
        """,
    )
    write(tmp_path / "tests", "drill/linux/reset/other.pkt", "// A rule of rfc: 6298.10\n0 < . 1:1(0) ack 7 win 1000\n")
    proof = [Proof("tests/drill/linux/reset/exact.pkt", "linux/reset/exact.pkt")]
    assert collect_scripts(tmp_path / "tests", [MUST, MAY, TIMER, BACKOFF, CHECKSUM]) == {
        ("9293", "MUST-1"): proof,
        ("768", "udp.1"): proof,
        ("6298", "6298.9"): proof,
    }


def test_a_script_that_names_what_there_is_not_is_an_error_with_its_name(tmp_path: Path) -> None:
    write(tmp_path / "tests", "drill/a.pkt", "// rfc: MUST-99")
    with pytest.raises(conformance.BadMark, match=r"^tests/drill/a\.pkt: there is no requirement MUST-99$"):
        collect_scripts(tmp_path / "tests", [MUST])


def test_a_mark_with_an_id_of_no_checklist_is_an_error() -> None:
    proof = Proof("tests/test_a.py", "test_one")
    proofs = {("9293", "MUST-99"): [proof], ("9293", "MUST-1"): [proof], ("6298", "MUST-1"): [proof]}
    assert list(unknown([MUST, TIMER], proofs)) == [
        "tests/test_a.py: test_one: RFC 6298 has no requirement MUST-1",
        "tests/test_a.py: test_one: RFC 9293 has no requirement MUST-99",
    ]


def test_a_mark_of_an_rfc_without_a_checklist_is_a_reference() -> None:
    proofs = {("3021", "2.1"): [Proof("tests/test_a.py", "test_one")]}
    assert list(unknown([MUST], proofs)) == []
    page = render([MUST], {"3021": "31-bit prefixes"}, proofs)
    assert page.endswith("| 3021 31-bit prefixes | 2.1 | [test_one](../tests/test_a.py) |\n")


def test_what_has_neither_test_nor_reason_is_unproven_whatever_its_level() -> None:
    assert unproven([MUST, MAY, DEVIATION, TIMER], {}) == ["MUST-1", "MAY-1", "6298.9"]
    assert unproven([MUST], {("9293", "MUST-1"): [Proof("tests/test_a.py", "test_one")]}) == []


def test_the_page_counts_levels_and_shows_tests_reasons_and_what_is_open() -> None:
    page = render([MUST, MAY, DEVIATION], {}, {("9293", "MUST-1"): [Proof("tests/test_a.py", "test_one")]})
    assert "| MUST | 2 | 1 | 1 | 0 |" in page
    assert "| MAY | 1 | 0 | 0 | 1 |" in page
    assert "| MUST-1 | 3.1 | The window field is unsigned | [test_one](../tests/test_a.py) |" in page
    assert "| MUST-2 | 3.9.2.1 | Source routes | Deviation: refused. |" in page
    assert "| MAY-1 | 3.6.1 | Close at once | open |" in page


def test_a_row_names_a_few_tests_and_counts_the_others() -> None:
    tests = [Proof("tests/test_a.py", f"test_{number}") for number in range(5)]
    assert "test_2](../tests/test_a.py)<br>and 2 more |" in render([MUST], {}, {("9293", "MUST-1"): tests})


def test_other_requirements_have_a_table_for_each_rfc_and_a_count() -> None:
    proofs = {TIMER.key: [Proof("tests/test_a.py", "")]}
    page = render([MUST, TIMER, BACKOFF, CHECKSUM], {"6298": "The timer", "768": "UDP"}, proofs)
    assert "| 6298 The timer | 2 | 1 | 0 | 1 |" in page
    assert "| 768 UDP | 1 | 0 | 0 | 1 |" in page
    assert "### RFC 6298, The timer\n" in page
    assert "| 6298.9 | The timer starts | [test_a.py](../tests/test_a.py) |\n| 6298.10 | RTO doubles | open |" in page


def test_the_page_begins_with_how_many_are_met() -> None:
    page = render([MUST, DEVIATION, TIMER], {}, {key: [Proof("tests/test_a.py", "")] for key in [MUST.key, TIMER.key]})
    assert "Of the 2 MUSTs of RFC 9293 1 are proven by tests and 1 have a reason.\n" in page
    assert "Of all 3 requirements 2 are proven by tests and 1 have a reason.\n" in page


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with one MUST that one test proves, and one other rule that a script does."""
    write(
        tmp_path,
        "docs/conformance/rfc9293.toml",
        """
        [titles]
        [[requirement]]
        id = "MUST-1"
        level = "MUST"
        section = "3.1"
        text = "The window field is unsigned"
        """,
    )
    write(
        tmp_path,
        "docs/conformance/others.toml",
        """
        [titles]
        768 = "UDP"
        [[requirement]]
        rfc = "768"
        id = "udp.1"
        text = "No checksum is taken"
        """,
    )
    write(tmp_path, "tests/drill/a.pkt", "// rfc: udp.1")
    write(tmp_path, "tests/test_a.py", '@pytest.mark.rfc("9293", "MUST-1")\ndef test_one(): ...')
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_table_is_up_to_date_after_it_was_written_and_not_before(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--check"]) == 1
    assert "docs/conformance.md is not up to date" in capsys.readouterr().out
    assert main([]) == 0
    assert main(["--check"]) == 0
    assert "Of the 1 MUSTs of RFC 9293 1 are proven" in capsys.readouterr().out
    write(project, "tests/test_b.py", '@pytest.mark.rfc("9293", "MUST-1")\ndef test_two(): ...')
    assert main(["--check"]) == 1


def test_an_id_without_test_or_reason_fails_unless_that_is_allowed(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(project, "tests/test_a.py", "def test_one(): ...")
    assert main(["--allow-missing"]) == 0
    assert main(["--check"]) == 1
    assert "neither test nor reason: MUST-1" in capsys.readouterr().out
    write(project, "tests/drill/a.pkt", "0 < . 1:1(0) ack 7 win 1000")
    assert main([]) == 1
    assert "neither test nor reason: MUST-1, udp.1" in capsys.readouterr().out


def test_a_bad_mark_fails_with_one_line(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(project, "tests/test_a.py", '@pytest.mark.rfc("9293")\ndef test_one(): ...')
    assert main([]) == 1
    assert capsys.readouterr().out.startswith("tests/test_a.py:1: a mark is written")
