"""A client over the kernel's sockets, for where there is no curl: ``python -m halfopen.cli.fetch get|put URL FILE``."""

import shutil
import sys
from pathlib import Path
from urllib.request import Request, urlopen

CHUNK = 1 << 20
TIMEOUT = 60.0
"""Seconds of silence."""


def get(url: str, target: Path) -> None:
    """Downloads."""
    with urlopen(url, timeout=TIMEOUT) as response, target.open("wb") as file:
        shutil.copyfileobj(response, file, CHUNK)


def put(url: str, source: Path) -> None:
    """Uploads."""
    with source.open("rb") as file:
        request = Request(url, data=file, method="PUT", headers={"Content-Length": str(source.stat().st_size)})
        with urlopen(request, timeout=TIMEOUT) as response:
            response.read()


def main(verb: str, url: str, path: str) -> None:
    """Does what was asked for; an exception ends the process with a code that is not 0."""
    (get if verb == "get" else put)(url, Path(path))


if __name__ == "__main__":
    main(*sys.argv[1:])
