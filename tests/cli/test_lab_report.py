from pathlib import Path

import pytest

from halfopen.cli.lab_report import Cell, as_html, as_markdown
from halfopen.lab.catalogue import find
from tests.cli.running import invoke


def test_the_matrix_has_a_row_for_each_scenario_undefended_and_with_each_defence() -> None:
    result = invoke("lab", "report", "--scenario", "wrap", "--scenario", "handshake", "--seeds", "2")
    assert result.exit_code == 0
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in result.stdout.splitlines()[2:]]
    assert [row[:3] for row in rows] == [
        ["wrap", "none", "SUCCEEDED"],
        ["wrap", "timestamps", "failed"],
        ["handshake", "none", "-"],
    ]
    assert rows[0][3] == "10 agree"


@pytest.mark.parametrize(
    ("name", "start"), [("matrix.html", "<!DOCTYPE html>"), ("matrix.md", "| scenario | defence |")]
)
def test_the_matrix_is_written_as_a_page_or_as_markdown(tmp_path: Path, name: str, start: str) -> None:
    result = invoke("lab", "report", "--scenario", "handshake", "-o", str(tmp_path / name))
    assert result.exit_code == 0
    assert (tmp_path / name).read_text().startswith(start)
    assert result.stdout == f"{tmp_path / name}: 1 cells of 1 runs\n"


def test_a_cell_says_how_often_and_what_differs() -> None:
    cell = Cell(find("wrap"), "none", 3, 20, 100, ("octets", "rate"))
    assert cell.row[2:4] == ("succeeded 3 of 20", "DIFFERS: octets, rate")


def test_cells_are_escaped() -> None:
    rows = [("a|b", "<i>", "", "", "")]
    assert "a\\|b" in as_markdown(rows)
    assert "&lt;i&gt;" in as_html(rows)
