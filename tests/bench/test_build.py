import os
from pathlib import Path

import pytest

from bench.others import build
from bench.others.build import Native, program
from bench.question import Unavailable


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(build, "HERE", tmp_path)
    monkeypatch.setattr(build, "OUTPUT", tmp_path / "out")
    return tmp_path


@pytest.mark.needs("gcc")
def test_a_program_is_compiled_when_it_is_older_than_its_source(here: Path) -> None:
    source = here / "empty.c"
    source.write_text("int main(void) { return 0; }")
    native = Native(source="empty.c", compiler=("gcc",))
    path = Path(native.compiled())
    first = path.stat().st_mtime_ns
    assert Path(native.compiled()).stat().st_mtime_ns == first
    path.write_bytes(b"")
    os.utime(path, (0, 0))
    assert Path(native.compiled()).stat().st_size > 0


@pytest.mark.needs("gcc")
def test_a_source_that_does_not_compile_makes_its_subject_unavailable(here: Path) -> None:
    (here / "broken.c").write_text("#include <no/such/header.h>\n")
    with pytest.raises(Unavailable, match=r"no/such/header\.h"):
        Native(source="broken.c", compiler=("gcc",)).compiled()


def test_a_missing_compiler_makes_its_subject_unavailable(here: Path) -> None:
    (here / "empty.c").write_text("")
    with pytest.raises(Unavailable, match="no no-such-compiler here"):
        Native(source="empty.c", compiler=("no-such-compiler",)).compiled()


def test_a_missing_program_makes_its_subject_unavailable() -> None:
    with pytest.raises(Unavailable, match="make bench-peers-apt"):
        program("no-such-program")


def test_the_build_names_package_source_and_flags() -> None:
    native = Native(source="a.c", compiler=("gcc", "-O2"), package="no-such-package")
    assert native.build == f"no-such-package {build.version('no-such-package')}, a.c with gcc -O2"
