from pathlib import Path

import pytest

from halfopen.cli.lab_report import as_html, as_markdown
from tests.cli.running import complaint, invoke


def test_the_matrix_has_a_row_for_each_scenario_undefended_and_with_each_defence() -> None:
    result = invoke("lab", "report", "--scenario", "wrap", "--scenario", "handshake", "--seeds", "2")
    assert result.exit_code == 0
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in result.stdout.splitlines()[2:]]
    assert [row[:3] for row in rows] == [
        ["wrap", "none", "SUCCEEDED"],
        ["wrap", "timestamps", "failed"],
        ["handshake", "none", "-"],
    ]
    assert rows[0][3] == "5 agree"


@pytest.mark.parametrize(
    ("name", "start"), [("matrix.html", "<!DOCTYPE html>"), ("matrix.md", "| scenario | defence |")]
)
def test_the_matrix_is_written_as_a_page_or_as_markdown(tmp_path: Path, name: str, start: str) -> None:
    result = invoke("lab", "report", "--scenario", "handshake", "-o", str(tmp_path / name))
    assert result.exit_code == 0
    assert (tmp_path / name).read_text().startswith(start)
    assert result.stdout == f"{tmp_path / name}: 1 cells of 1 runs; 10 figures beside theory, all agree\n"


def test_the_matrix_is_the_same_whatever_the_number_of_workers_and_goes_on_from_its_rows(tmp_path: Path) -> None:
    rows = tmp_path / "rows.parquet"
    printed = set()
    for workers, kept in (("1", rows), ("2", None), ("1", rows)):
        more = ["--rows", str(kept)] if kept else []
        result = invoke("lab", "report", "--scenario", "time-wait", "--seeds", "3", "--workers", workers, *more)
        assert result.exit_code == 0
        printed.add(result.stdout)
    assert len(printed) == 1
    assert rows.exists()


def test_cells_are_escaped() -> None:
    rows = [("a|b", "<i>", "", "", "")]
    assert "a\\|b" in as_markdown(rows)
    assert "&lt;i&gt;" in as_html(rows, "1 < 2")
    assert "1 &lt; 2" in as_html(rows, "1 < 2")


def test_a_page_names_each_scenario_once_and_marks_what_defences_did() -> None:
    page = as_html(
        [
            ("scan", "none", "SUCCEEDED", "2 agree", "title"),
            ("scan", "wall", "failed", "1 agree; DIFFERS: x", "stops it"),
            ("scan", "fan", "succeeded 3 of 20 (5% to 36%)", "-", "no help"),
        ],
        "",
    )
    assert page.count('<td class="">scan</td>') == 1
    assert '<td class="">SUCCEEDED</td>' in page
    assert '<td class="good">failed</td>' in page
    assert '<td class="bad">1 agree; DIFFERS: x</td>' in page
    assert '<td class="bad">succeeded 3 of 20' in page


def test_an_unknown_scenario_names_the_nearest() -> None:
    assert "did you mean 'wrap'" in complaint("lab", "report", "--scenario", "wrapp")
