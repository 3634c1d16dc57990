import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from halfopen.links.namespaces import Namespace


@pytest.fixture
def namespace() -> Iterator[Namespace]:
    with Namespace() as made:
        yield made


@pytest.fixture(autouse=True)
def runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory for published tables of this test's own; short, because the paths of UNIX sockets have to be.

    The system's directory may hold tables of commands that somebody is running meanwhile.
    """
    with tempfile.TemporaryDirectory(prefix="ho") as home:
        monkeypatch.setenv("XDG_RUNTIME_DIR", home)
        monkeypatch.setattr("halfopen.cli.published.SYSTEM_DIRECTORY", Path(home) / "system")
        yield Path(home)
