import json
import signal
from pathlib import Path

import pytest

from halfopen.capture.pcap import open_capture
from halfopen.links.namespaces import Namespace
from tests.cli.running import complaint, invoke, line_with, running

pytestmark = [pytest.mark.root, pytest.mark.device("/dev/net/tun"), pytest.mark.needs("curl")]

APPLICATION = """
async def app(scope, receive, send):
    assert scope["type"] == "http"
    body = f"hello {scope['client'][0]}".encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": body})
"""


def fetch(namespace: Namespace, url: str) -> str:
    return namespace.run(["curl", "--silent", "--fail", "--retry", "5", "--retry-connrefused", url]).stdout


def test_a_directory_is_served_listed_recorded_and_ended_by_ctrl_c(namespace: Namespace, tmp_path: Path) -> None:
    served, capture = tmp_path / "served", tmp_path / "capture.pcapng"
    served.mkdir()
    (served / "greeting.txt").write_text("good day\n" * 10000)
    with running(namespace, "serve", str(served), "--record", str(capture)) as process:
        assert "http://192.0.2.2:8000/" in line_with(process, "Serving")
        line_with(process, "the kernel's end is 192.0.2.1")
        assert "greeting.txt" in fetch(namespace, "http://192.0.2.2:8000/")
        assert fetch(namespace, "http://192.0.2.2:8000/greeting.txt") == "good day\n" * 10000
        (row,) = [row for row in json.loads(invoke("ss", "-tl", "--json").stdout) if row["pid"] == process.pid]
        assert (row["local_address"], row["local_port"], row["program"]) == ("192.0.2.2", 8000, "halfopen")
        assert '"GET /greeting.txt HTTP/1.1" 200' in line_with(process, "greeting.txt")
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 0
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()
    with capture.open("rb") as file:
        assert len(list(open_capture(file))) > 10


def test_an_asgi_application_is_served_through_a_bad_network(namespace: Namespace, tmp_path: Path) -> None:
    (tmp_path / "hello.py").write_text(APPLICATION)
    arguments = ("serve", "hello:app", "--port", "80", "--address", "198.51.100.9/24", "--impair", "loss 5% delay 2ms")
    with running(namespace, *arguments, cwd=tmp_path) as process:
        line_with(process, "Uvicorn running")
        assert fetch(namespace, "http://198.51.100.9/") == "hello 198.51.100.1"
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0


BOTH = ("--address", "192.0.2.2/24", "--address", "2001:db8::2/64")


def test_a_directory_is_served_at_the_addresses_of_both_versions(namespace: Namespace, tmp_path: Path) -> None:
    (tmp_path / "greeting.txt").write_text("good day\n" * 10000)
    with running(namespace, "serve", str(tmp_path), *BOTH) as process:
        assert "http://192.0.2.2:8000/ and http://[2001:db8::2]:8000/" in line_with(process, "Serving")
        for host, kernel in (("192.0.2.2", "192.0.2.1"), ("[2001:db8::2]", "2001:db8::1")):
            assert fetch(namespace, f"http://{host}:8000/greeting.txt") == "good day\n" * 10000
            assert line_with(process, "greeting.txt").startswith(f"{kernel} ")
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 0


def test_an_asgi_application_is_served_at_the_addresses_of_both_versions(namespace: Namespace, tmp_path: Path) -> None:
    (tmp_path / "hello.py").write_text(APPLICATION)
    with running(namespace, "serve", "hello:app", "--port", "80", *BOTH, cwd=tmp_path) as process:
        line_with(process, "Uvicorn running")
        assert fetch(namespace, "http://192.0.2.2/") == "hello 192.0.2.1"
        assert fetch(namespace, "http://[2001:db8::2]/") == "hello 2001:db8::1"
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0


@pytest.mark.needs("ip")
def test_behind_a_gate_connections_come_of_cookies(namespace: Namespace, tmp_path: Path) -> None:
    (tmp_path / "greeting.txt").write_text("good day\n" * 10000)
    with running(namespace, "serve", str(tmp_path), "--gate") as process:
        line_with(process, "192.0.2.2 is on gate0")
        for _ in range(3):
            assert fetch(namespace, "http://192.0.2.2:8000/greeting.txt") == "good day\n" * 10000
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 0
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()
    assert "gate0" not in namespace.run(["ip", "link"]).stdout


@pytest.mark.parametrize("more", [("--record", "x.pcapng"), ("--impair", "loss 1%"), ("--address", "2001:db8::2/64")])
def test_what_a_gate_cannot_do_is_said(more: tuple[str, str]) -> None:
    assert "--gate is for IPv4" in complaint("serve", ".", "--gate", *more)
