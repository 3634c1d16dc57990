import json
from pathlib import Path

import pytest

from halfopen.base.addresses import parse_address
from halfopen.base.clock import MILLISECOND
from halfopen.capture.pcapng import Writer
from halfopen.capture.record import LINKTYPE_RAW
from halfopen.wire import ipv4, tcp
from halfopen.wire.checksum import pseudo_header_sum
from halfopen.wire.ipv4 import Ipv4
from halfopen.wire.offload import complete_checksum
from halfopen.wire.packet import CHECKSUM_PARTIAL, Packet
from halfopen.wire.tcp import ACK, SYN, Segment
from tests.cli.running import complaint, invoke

CLIENT, SERVER = parse_address("192.0.2.1"), parse_address("192.0.2.2")


def segment(forth: bool, flags: int, seq: int, ack: int, port: int = 80) -> bytes:
    source, destination = (CLIENT, SERVER) if forth else (SERVER, CLIENT)
    ports = (40000, port) if forth else (port, 40000)
    made = Segment(*ports, seq, ack, flags, 64240)
    head = tcp.emit(made, pseudo_header_sum(source, destination, ipv4.PROTOCOL_TCP, 20))
    header = ipv4.emit(Ipv4(source, destination, ipv4.PROTOCOL_TCP), len(head))
    return complete_checksum(Packet(header + head, (), CHECKSUM_PARTIAL, 20, 16)).joined()


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    path = tmp_path / "handshake.pcapng"
    with path.open("wb") as file:
        writer = Writer(file)
        number = writer.add_interface("tun0", LINKTYPE_RAW)
        writer.add_names({CLIENT: "client"})
        frames = [segment(True, SYN, 1000, 0), segment(False, SYN | ACK, 7000, 1001), segment(True, ACK, 1001, 7001)]
        frames.append(segment(True, SYN, 5, 0, port=443))
        for index, frame in enumerate(frames):
            writer.write(number, index * MILLISECOND, frame)
    return path


def test_a_capture_is_drawn_with_its_own_sequence_numbers_and_names(capture: Path) -> None:
    result = invoke("show", str(capture), "--port", "80")
    assert result.exit_code == 0
    assert "SYN,ACK seq=7000 ack=1001" in result.stdout
    assert "client:40000" in result.stdout
    assert "seq=5 " not in result.stdout


def test_sequence_numbers_can_be_relative(capture: Path) -> None:
    result = invoke("show", str(capture), "--relative")
    assert "SYN,ACK seq=0 ack=1" in result.stdout
    assert "40000 > 443 SYN" in result.stdout


def test_mermaid_goes_to_the_terminal_and_svg_to_a_file(capture: Path, tmp_path: Path) -> None:
    assert invoke("show", str(capture), "--mermaid").stdout.startswith("sequenceDiagram\n")
    drawing = tmp_path / "drawing.svg"
    result = invoke("show", str(capture), "--svg", str(drawing))
    assert (result.exit_code, result.stdout) == (0, "")
    assert drawing.read_text().startswith("<svg")


def test_a_drawing_that_cannot_be_written_is_named(capture: Path) -> None:
    assert "/nonexistent/x.svg" in complaint("show", str(capture), "--svg", "/nonexistent/x.svg")


def test_programs_get_every_arrow(capture: Path) -> None:
    arrows = json.loads(invoke("show", str(capture), "--json").stdout)
    assert len(arrows) == 4
    assert arrows[0]["source"] == "client"
    assert arrows[1]["when"] == MILLISECOND


def test_a_capture_that_breaks_off_is_shown_up_to_there(capture: Path) -> None:
    capture.write_bytes(capture.read_bytes()[:-10])
    result = invoke("show", str(capture))
    assert result.exit_code == 0
    assert "ends in the middle" in result.stderr
    assert "SYN,ACK" in result.stdout


def test_a_damaged_capture_is_named(capture: Path) -> None:
    octets = bytearray(capture.read_bytes())
    octets[4:8] = b"\xff\xff\xff\xff"
    capture.write_bytes(bytes(octets))
    assert f"{capture} is a damaged capture" in complaint("show", str(capture))


def test_a_capture_without_frames_says_so(tmp_path: Path) -> None:
    path = tmp_path / "empty.pcapng"
    with path.open("wb") as file:
        Writer(file)
    result = invoke("show", str(path))
    assert (result.exit_code, result.stdout) == (0, "")
    assert "holds no frame" in result.stderr
