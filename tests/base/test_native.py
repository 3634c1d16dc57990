from types import ModuleType

import pytest

from halfopen.base import clock, native


@pytest.mark.parametrize(("file", "kind"), [("clock.py", "interpreted"), ("clock.cpython-311.so", "compiled")])
def test_the_build_is_told_by_the_files_it_is_made_of(monkeypatch: pytest.MonkeyPatch, file: str, kind: str) -> None:
    assert isinstance(clock, ModuleType)
    monkeypatch.setattr(clock, "__file__", file)
    assert native.build() == kind


def test_marks_for_the_compiler_change_nothing() -> None:
    class Plain:
        pass

    assert native.trait(Plain) is Plain
    assert native.mypyc_attr(allow_interpreted_subclasses=True)(Plain) is Plain
