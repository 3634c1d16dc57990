import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from halfopen.cli import fetch

UPLOADS: dict[str, bytes] = {}


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"content of " + self.path.encode())

    def do_PUT(self) -> None:
        UPLOADS[self.path] = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(201)
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:
        return None


@pytest.fixture
def url() -> Iterator[str]:
    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_file_is_downloaded(url: str, tmp_path: Path) -> None:
    fetch.main("get", f"{url}/a", str(tmp_path / "a"))
    assert (tmp_path / "a").read_bytes() == b"content of /a"


def test_a_file_is_uploaded(url: str, tmp_path: Path) -> None:
    (tmp_path / "b").write_bytes(b"octets" * 1000)
    fetch.main("put", f"{url}/b", str(tmp_path / "b"))
    assert UPLOADS["/b"] == b"octets" * 1000
