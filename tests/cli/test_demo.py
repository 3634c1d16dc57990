import json
import os
import pty
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import pytest

from halfopen.capture.pcap import open_capture
from halfopen.capture.record import Record
from halfopen.wire import ethernet
from halfopen.wire.carried import ETHERTYPES, look
from halfopen.wire.ipv4 import PROTOCOL_TCP
from tests.cli.running import COMMAND, run, until

NAMES = [f"{name}{suffix}" for suffix in ("", "-impaired") for name in ("download", "upload", "fetch")]
OCTETS = 4_000_000

tap = [pytest.mark.root, pytest.mark.device("/dev/net/tun"), pytest.mark.needs("curl", "nginx")]


@pytest.mark.parametrize("version", ["4", "6"])
@pytest.mark.parametrize("world", [pytest.param("tap", marks=tap), "simulated"])
def test_every_file_arrives_as_it_was(world: str, version: str, tmp_path: Path) -> None:
    words = ("--octets", str(OCTETS), "--world", world, "--ip-version", version)
    result = run("demo", "--json", *words, cwd=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    outcome = json.loads(result.stdout)
    assert sorted(outcome) == ["capture", "transfers", "world"]
    assert outcome["world"] == world
    assert [transfer["name"] for transfer in outcome["transfers"]] == NAMES
    assert all(transfer["octets"] == OCTETS for transfer in outcome["transfers"])
    assert all(transfer["sha256_equal"] is True for transfer in outcome["transfers"])
    assert all(transfer["seconds"] > 0 for transfer in outcome["transfers"])
    with (tmp_path / outcome["capture"]).open("rb") as file:
        (seen,) = versions_of_tcp(open_capture(file)).items()
    assert seen[0] == version
    assert seen[1] > 1000


def versions_of_tcp(records: Iterable[Record]) -> Counter[str]:
    """How many frames of each version of IP carry TCP."""
    versions: Counter[str] = Counter()
    for record in records:
        if ethernet.parse(record.octets)[2] in ETHERTYPES:
            start = ethernet.HEADER_OCTETS
            carried = look(record.octets, start, len(record.octets) - start)
            versions["4" if len(carried.source) == 4 else "6"] += carried.protocol == PROTOCOL_TCP
    return versions


@pytest.mark.parametrize(("version", "anywhere"), [("4", "0.0.0.0:80"), ("6", "[::]:80")])
@pytest.mark.parametrize("world", [pytest.param("tap", marks=tap), "simulated"])
def test_people_see_the_handshake_the_ports_and_the_rates(
    world: str, version: str, anywhere: str, tmp_path: Path
) -> None:
    words = ("--octets", "100000", "--world", world, "--ip-version", version)
    result = run("demo", *words, "--capture", "it.pcapng", cwd=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    text = result.stdout
    assert text.index("SYN seq=") < text.index("SYN,ACK seq=") < text.index("FIN,ACK seq=")
    assert f"Between:  IPv{version} " in text
    assert f"LISTEN 0      128    {anywhere}" in text
    assert f'users:(("{"ours" if world == "simulated" else "halfopen"}",pid=' in text
    assert text.count(" equal\n") == 6
    assert "Capture: it.pcapng" in text
    (file,) = tmp_path.iterdir()
    assert run("show", "it.pcapng", "--limit", "20", cwd=tmp_path).stdout.count("SYN") >= 2
    assert file.name == "it.pcapng"


@pytest.mark.root
@pytest.mark.device("/dev/net/tun")
@pytest.mark.needs("tshark", "curl", "nginx")
@pytest.mark.parametrize("version", ["4", "6"])
def test_tshark_finds_nothing_malformed_and_no_wrong_checksum(version: str, tmp_path: Path) -> None:
    assert run("demo", "--octets", "1000000", "--ip-version", version, cwd=tmp_path).returncode == 0
    wrong = "_ws.malformed or tcp.checksum.status == 0 or ip.checksum.status == 0"
    # Without the last one Wireshark calls a retransmission after a gap a malformed piece of the HTTP message.
    wanted = ("tcp.check_checksum", "ip.check_checksum", "tcp.reassemble_out_of_order")
    preferences = [word for name in wanted for word in ("-o", f"{name}:TRUE")]
    command = ["tshark", "-r", str(tmp_path / "halfopen-demo.pcapng"), *preferences, "-Y", wrong]
    judged = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert judged.stdout == ""


def run_patched(patch: str, *args: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    """The command in a process where something is missing."""
    code = f"import sys; from halfopen.cli.main import main; {patch}; sys.argv = ['halfopen', *sys.argv[1:]]; main()"
    return subprocess.run([sys.executable, "-c", code, *args], cwd=cwd, capture_output=True, text=True, timeout=100)


NO_DEVICE = "from halfopen.links import tuntap; tuntap.DEVICE = '/nonexistent/tun'"
NO_PROGRAMS = "from halfopen.cli import demo_peers; demo_peers.SEARCH_PATH = '/nonexistent'"


@pytest.mark.root
def test_where_there_is_no_device_it_says_why_and_simulates_both_ends(tmp_path: Path) -> None:
    result = run_patched(NO_DEVICE, "demo", "--json", "--octets", "1000", cwd=tmp_path)
    assert result.returncode == 0
    (line,) = result.stderr.splitlines()
    assert line.startswith("No TAP device can be had, so both ends are ours: ")
    assert "modprobe tun" in line
    assert json.loads(result.stdout)["world"] == "simulated"


@pytest.mark.root
def test_who_insists_on_a_device_gets_one_line_and_code_2(tmp_path: Path) -> None:
    result = run_patched(NO_DEVICE, "demo", "--world", "tap", cwd=tmp_path)
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith("halfopen demo: no TAP device can be had: ")


@pytest.mark.root
@pytest.mark.device("/dev/net/tun")
@pytest.mark.parametrize("version", ["4", "6"])
def test_without_curl_and_nginx_python_is_the_peer(version: str, tmp_path: Path) -> None:
    words = ("--octets", "100000", "--world", "tap", "--ip-version", version)
    result = run_patched(NO_PROGRAMS, "demo", *words, cwd=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    assert "urllib (there is no curl) and http.server" in result.stdout
    assert result.stdout.count(" equal\n") == 6


@pytest.mark.root
@pytest.mark.device("/dev/net/tun")
@pytest.mark.needs("setpriv", "curl", "nginx")
def test_it_needs_no_root_where_users_may_have_namespaces(tmp_path: Path) -> None:
    # CAP_SETFCAP is what the kernel wants of somebody who maps uid 0; other users map their own.
    command = ["setpriv", "--bounding-set=-all,+setfcap", "--inh-caps=-all", *COMMAND, "demo", "--json"]
    result = subprocess.run([*command, "--octets", "1000"], cwd=tmp_path, capture_output=True, text=True, timeout=100)
    if result.stderr.startswith("No TAP device can be had"):
        pytest.skip(f"this system lacks user namespaces: {result.stderr}")
    assert (result.returncode, result.stderr) == (0, "")
    assert json.loads(result.stdout)["world"] == "tap"


def test_a_file_that_differs_is_told_and_the_code_is_1(tmp_path: Path) -> None:
    patch = "from halfopen.cli import demo_transfers; demo_transfers._digest = lambda path: 'another'"
    result = run_patched(patch, "demo", "--octets", "1000", "--world", "simulated", cwd=tmp_path)
    assert result.returncode == 1
    assert result.stdout.count("DIFFERENT") == 6
    assert "6 of 6 files did NOT arrive as they were." in result.stdout


def test_a_terminal_gets_progress_bars_and_stdout_only_the_outcome(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    command = [*COMMAND, "demo", "--octets", "300000", "--world", "simulated"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=theirs, text=True) as process:
        os.close(theirs)
        shown = b""
        with suppress(OSError):  # what a terminal's other side gives at the end
            while piece := os.read(ours, 65536):
                shown += piece
        os.close(ours)
        assert process.stdout is not None
        assert process.stdout.read().startswith("Our host: ")
    assert process.returncode == 0
    assert all(name.encode() in shown for name in NAMES)
    assert "━".encode() in shown


def test_ctrl_c_ends_it_and_leaves_no_file_but_the_capture(tmp_path: Path) -> None:
    command = [*COMMAND, "demo", "--octets", "2000000000", "--world", "simulated"]
    environment = {"TMPDIR": str(tmp_path / "scratch")}
    (tmp_path / "scratch").mkdir()
    with subprocess.Popen(["env", *(f"{k}={v}" for k, v in environment.items()), *command], cwd=tmp_path) as process:
        until(lambda: (tmp_path / "halfopen-demo.pcapng").exists() and len(list((tmp_path / "scratch").iterdir())) == 1)
        until(lambda: (tmp_path / "halfopen-demo.pcapng").stat().st_size > 1000)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 130
    assert list((tmp_path / "scratch").iterdir()) == []
