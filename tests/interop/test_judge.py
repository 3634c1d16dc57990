"""Those who judge us see offences that were planted for them."""

import io
from pathlib import Path

import pytest

from halfopen.capture.pcapng import Writer
from halfopen.capture.record import LINKTYPE_RAW
from halfopen.wire.offload import complete_checksum
from tests.interop.judge import SPOTLESS, blemishes, kernel_counters, objections
from tests.interop.world import NEEDS, kernel_namespace
from tests.links.packets import tcp_packet, udp_packet

pytestmark = NEEDS


def capture_of(tmp_path: Path, frame: bytes) -> Path:
    file = io.BytesIO()
    writer = Writer(file)
    writer.write(writer.add_interface("wire", LINKTYPE_RAW), 0, frame)
    path = tmp_path / "capture.pcapng"
    path.write_bytes(file.getvalue())
    return path


def frame_of(kind: str) -> bytes:
    made = tcp_packet(b"payload") if kind == "tcp" else udp_packet(b"payload")
    return complete_checksum(made).joined()


@pytest.mark.parametrize("kind", ["tcp", "udp"])
def test_tshark_has_nothing_against_a_good_packet(tmp_path: Path, kind: str) -> None:
    assert objections(capture_of(tmp_path, frame_of(kind))) == ""


@pytest.mark.parametrize("kind", ["tcp", "udp"])
@pytest.mark.parametrize("octet", [8, -1], ids=["in-the-ip-header", "in-the-payload"])
def test_tshark_finds_a_wrong_checksum(tmp_path: Path, kind: str, octet: int) -> None:
    frame = bytearray(frame_of(kind))
    frame[octet] ^= 1
    assert "hecksum" in objections(capture_of(tmp_path, bytes(frame)))


def test_a_sum_of_zero_may_be_written_with_ones(tmp_path: Path) -> None:
    frame = complete_checksum(tcp_packet(b"\0\0")).joined()
    # A payload that is its own packet's checksum makes that zero.
    frame = complete_checksum(tcp_packet(frame[36:38])).joined()
    assert frame[36:38] == b"\0\0"
    assert objections(capture_of(tmp_path, frame)) == ""
    assert objections(capture_of(tmp_path, frame[:36] + b"\xff\xff" + frame[38:])) == ""
    assert objections(capture_of(tmp_path, frame[:36] + b"\xff\xfe" + frame[38:])) != ""


def test_tshark_finds_a_malformed_packet(tmp_path: Path) -> None:
    frame = bytearray(frame_of("tcp"))
    frame[32] = 0x10  # A TCP header of four octets.
    assert objections(capture_of(tmp_path, bytes(frame))) != ""


def test_the_kernel_counts_what_we_look_at() -> None:
    with kernel_namespace() as namespace:
        counters = kernel_counters(namespace)
    assert set(SPOTLESS) <= counters.keys()
    assert blemishes(counters) == {}
    assert blemishes(counters | {"TcpExtTCPSACKReneging": 113}) == {"TcpExtTCPSACKReneging": 113}
    assert blemishes({"TcpExtPAWSEstab": 1}, in_order=False) == {}
    assert blemishes(counters | {"TcpInErrs": 2, "TcpExtTCPSYNChallenge": 1}) == {"TcpInErrs": 2}
    assert blemishes(counters | {"TcpInErrs": 1, "TcpExtTCPSYNChallenge": 2}) == {}
    discards = {"TcpExtTCPSACKDiscard": 2}
    assert blemishes(counters | discards | {"TcpExtTCPDSACKIgnoredDubious": 1}) == discards
    assert blemishes(counters | discards | {"TcpExtTCPDSACKIgnoredDubious": 2}) == {}
