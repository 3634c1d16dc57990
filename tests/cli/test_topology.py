from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.cli.running import complaint, invoke

LAB = """\
nodes: {client: , r1: {kind: router}, server: }
networks:
  access: {members: [client, r1], words: delay 20ms loss 1%}
  core: {members: [r1, server], words: 3g}
"""


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    path = tmp_path / "lab.yaml"
    path.write_text(LAB)
    return path


def test_a_description_is_printed_with_the_addresses_that_it_gets(lab: Path) -> None:
    result = invoke("topology", str(lab))
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "client  host    192.0.2.1/24",
        "r1      router  192.0.2.2/24, 198.51.100.1/24",
        "server  host    198.51.100.2/24",
        "",
        "access  link  192.0.2.0/24     delay 20ms loss 1%",
        "    client 192.0.2.1, r1 192.0.2.2",
        "core    link  198.51.100.0/24  3g",
        "    r1 198.51.100.1, server 198.51.100.2",
    ]


def test_hosts_on_no_network_are_on_one_switch(lab: Path) -> None:
    lab.write_text("nodes: {a: , b: }")
    assert invoke("topology", str(lab)).stdout.splitlines()[3:] == [
        "lan  switch  192.0.2.0/24",
        "    a 192.0.2.1, b 192.0.2.2",
    ]


def test_mermaid_goes_to_the_terminal_and_svg_to_a_file(lab: Path, tmp_path: Path) -> None:
    assert invoke("topology", str(lab), "--mermaid").stdout.startswith("flowchart LR\n    n0[")
    drawing = tmp_path / "drawing.svg"
    result = invoke("topology", str(lab), "--svg", str(drawing))
    assert (result.exit_code, result.stdout) == (0, "")
    assert ElementTree.parse(drawing).getroot().get("aria-label") == "Network of 3 nodes and 2 networks"


def test_all_that_is_wrong_is_told_a_line_each_and_nothing_is_printed(lab: Path) -> None:
    lab.write_text(LAB.replace("[client, r1]", "[clint, r1]").replace("3g", "6g"))
    result = invoke("topology", str(lab))
    assert (result.exit_code, result.stdout) == (2, "")
    first, second = result.stderr.splitlines()
    assert first == f"{lab}:3:22: link access names a host that does not exist: 'clint' (did you mean 'client'?)"
    assert second.startswith(f"{lab}:4:40: link core: '6g' is not an impairment")


def test_files_that_cannot_be_read_or_written_are_told_of(lab: Path, tmp_path: Path) -> None:
    assert complaint("topology", str(tmp_path / "none.yaml")).endswith(
        "none.yaml cannot be read: No such file or directory"
    )
    told = complaint("topology", str(lab), "--svg", str(tmp_path))
    assert told == f"halfopen topology: {tmp_path} cannot be written: Is a directory"
