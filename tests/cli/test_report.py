from pathlib import Path

import pytest

from halfopen.base.samples import Sample, as_objects
from halfopen.capture.pcapng import Writer
from halfopen.capture.record import LINKTYPE_RAW
from halfopen.wire.tcp import ACK, SYN
from tests.cli.running import complaint, invoke
from tests.report.frames import ALICE, BOB, segment


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    path = tmp_path / "run.pcapng"
    with path.open("wb") as file:
        writer = Writer(file)
        writer.add_names({ALICE: "alice", BOB: "bob"})
        number = writer.add_interface("tun0", LINKTYPE_RAW)
        frames = [segment(SYN, 100), segment(SYN | ACK, 900, 101, reply=True), segment(ACK, 101, 901, data=b"hello")]
        for index, frame in enumerate(frames):
            writer.write(number, index * 1_000_000, frame)
    return path


def test_a_page_is_written_and_named(capture: Path, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    result = invoke("report", str(capture), "-o", str(page), "--title", "Our run")
    assert (result.exit_code, result.stdout) == (0, f"{page}: 3 packets, TCP connections: 1\n")
    assert "<h1>Our run</h1>" in page.read_text()
    assert "alice:40000 → bob:80" in page.read_text()


def test_without_a_name_the_page_stands_beside_the_capture(capture: Path) -> None:
    assert invoke("report", str(capture)).exit_code == 0
    assert "<h1>run.pcapng</h1>" in capture.with_suffix(".html").read_text()


def test_graphs_are_written_for_other_programs(capture: Path, tmp_path: Path) -> None:
    assert invoke("report", str(capture), "--figures", str(tmp_path / "graphs")).exit_code == 0
    assert (tmp_path / "graphs" / "run-1.svg").read_text().startswith("<svg")
    assert (tmp_path / "graphs" / "run-1.xpl").read_text().startswith("timeval unsigned\n")


def test_graphs_are_written_as_pixels_where_wanted(capture: Path, tmp_path: Path) -> None:
    pytest.importorskip("vl_convert")
    assert invoke("report", str(capture), "--figures", str(tmp_path), "--png").exit_code == 0
    assert (tmp_path / "run-1.png").read_bytes().startswith(b"\x89PNG")


def test_pixels_without_a_directory_for_them_are_a_mistake(capture: Path) -> None:
    assert "--png needs --figures" in complaint("report", str(capture), "--png")


def test_samples_come_from_a_file(capture: Path, tmp_path: Path) -> None:
    samples = tmp_path / "samples.jsonl"
    samples.write_text("".join(as_objects([Sample(1_500_000, "alice:40000>bob:80", "cwnd", 14480)])))
    assert invoke("report", str(capture), "--samples", str(samples)).exit_code == 0
    assert ">cwnd" in capture.with_suffix(".html").read_text()


def test_a_damaged_sample_is_named_with_its_line(capture: Path, tmp_path: Path) -> None:
    samples = tmp_path / "samples.csv"
    samples.write_text("when,subject,name,value\n1,a,b,much\n")
    assert f"{samples}:2: expected whole nanoseconds" in complaint("report", str(capture), "--samples", str(samples))


def test_files_that_cannot_be_read_or_written_are_named(capture: Path, tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    assert f"{missing} cannot be read" in complaint("report", str(missing))
    assert f"{missing} cannot be read" in complaint("report", str(capture), "--samples", str(missing))
    assert f"{capture} is not text" in complaint("report", str(capture), "--samples", str(capture))
    assert "/nonexistent/x.html cannot be written" in complaint("report", str(capture), "-o", "/nonexistent/x.html")


def test_what_is_not_a_capture_is_named(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("no capture at all")
    assert f"{path} is not a capture" in complaint("report", str(path))


def test_a_capture_that_breaks_off_is_reported_up_to_there(capture: Path) -> None:
    capture.write_bytes(capture.read_bytes()[:-10])
    result = invoke("report", str(capture))
    assert result.exit_code == 0
    assert "ends in the middle" in result.stderr
    assert ": 2 packets" in result.stdout
