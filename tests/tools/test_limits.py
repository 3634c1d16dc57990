from pathlib import Path
from textwrap import dedent

import pytest

from tools.limits import EXCEPTIONS, LIMITS, Finding, judge, main, measure, silenced


def figure(source: str, name: str, limit: str) -> int:
    findings = {(finding.name, finding.limit): finding.figure for finding in measure("m.py", dedent(source))}
    return findings[name, limit]


def test_a_module_counts_all_of_its_lines() -> None:
    assert figure('"""Doc."""\n\n\nX = 1\n', "", "module lines") == 4


def test_a_function_counts_from_def_to_its_last_line_without_decorators() -> None:
    assert figure("@cache\ndef f():\n    a = 1\n\n    return a\n", "f", "function lines") == 4


def test_async_functions_and_inner_functions_are_measured_by_qualified_name() -> None:
    source = """
        class C:
            async def m(self):
                def inner(a, b): ...
    """
    assert figure(source, "C.m.inner", "parameters") == 2
    assert figure(source, "C.m", "parameters") == 0


def test_a_function_inside_of_a_condition_is_found() -> None:
    assert figure("if X:\n    def f(a): ...\n", "f", "parameters") == 1


@pytest.mark.parametrize(
    ("signature", "count"),
    [
        ("def f(): ...", 0),
        ("def f(a, /, b, *, c): ...", 3),
        ("def f(*args, **kwargs): ...", 2),
        ("class C:\n    def f(self, a): ...", 1),
        ("class C:\n    @classmethod\n    def f(cls, a): ...", 1),
        ("class C:\n    @staticmethod\n    def f(a): ...", 1),
    ],
)
def test_parameters_of_every_kind_count_but_not_self(signature: str, count: int) -> None:
    name = "C.f" if signature.startswith("class") else "f"
    assert figure(signature, name, "parameters") == count


def test_nesting_counts_blocks_and_an_elif_is_no_deeper_than_its_if() -> None:
    source = """
        def flat():
            return 1

        def chain(x):
            if x == 1:
                return 1
            elif x == 2:
                return 2
            elif x == 3:
                return 3

        def deep(x):
            for a in x:
                with a:
                    try:
                        while a:
                            a.step()
                    finally:
                        pass

        def other_branch(x):
            if x:
                pass
            else:
                for a in x:
                    if a:
                        pass

        def cases(x):
            match x:
                case 1:
                    if x:
                        pass

        def inner_function():
            if True:
                def inner():
                    for a in b:
                        pass
    """
    assert [figure(source, name, "nesting") for name in ("flat", "chain", "deep")] == [0, 1, 4]
    assert [figure(source, name, "nesting") for name in ("other_branch", "cases", "inner_function")] == [3, 2, 1]


def test_complexity_is_one_and_one_for_each_branch_loop_handler_and_case() -> None:
    source = """
        def f(x):
            if x:
                pass
            elif y:
                pass
            for a in x:
                while a:
                    pass
            try:
                pass
            except ValueError:
                pass
            match x:
                case 1:
                    pass
                case _:
                    pass
    """
    assert figure(source, "f", "complexity") == 1 + 2 + 2 + 1 + 2


def test_attributes_are_fields_slots_and_what_methods_assign_to_self_each_once() -> None:
    source = """
        class C:
            __slots__ = ("a", "b")
            c: int
            d: ClassVar[int] = 1
            CONSTANT = 2

            def __init__(self, other):
                self.a = 1
                self.e, (self.f, other.g) = 2, (3, 4)
                for self.h in other:
                    self.i += self.j
    """
    assert figure(source, "C", "attributes") == len("abcefhi")


def test_methods_are_counted_by_name_so_that_a_property_with_a_setter_is_one() -> None:
    source = """
        class C:
            @property
            def p(self): ...
            @p.setter
            def p(self, value): ...
            def q(self): ...
    """
    assert figure(source, "C", "methods") == 2


def findings(**figures: int) -> list[Finding]:
    return [Finding("m.py", 7, "f", limit.replace("_", " "), value) for limit, value in figures.items()]


def test_the_limit_itself_is_allowed_and_one_more_is_not() -> None:
    for limit, allowed in LIMITS.items():
        assert list(judge(iter([Finding("m.py", 7, "f", limit, allowed)]), {})) == []
        assert list(judge(iter([Finding("m.py", 7, "f", limit, allowed + 1)]), {})) == [
            f"m.py:7: f: {limit} {allowed + 1}, limit {allowed}"
        ]


def test_an_exception_covers_its_own_limit_only() -> None:
    exceptions = {("m.py", "f", "parameters"): "the header has six fields"}
    complaints = list(judge(iter(findings(parameters=6, nesting=4)), exceptions))
    assert complaints == ["m.py:7: f: nesting 4, limit 3"]


def test_an_exception_that_covers_nothing_is_an_error() -> None:
    complaints = list(judge(iter(findings(parameters=5)), {("m.py", "f", "parameters"): "not any more"}))
    assert complaints == ["m.py: f: the exception for its parameters is not needed"]


@pytest.mark.parametrize(
    ("comment", "is_refused"),
    [
        ("# type: ignore", True),
        ("# type: ignore[arg-type]", True),
        ("# type: ignore[arg-type]  # ", True),
        ("# type: ignore  # because", True),
        ("# type: ignore[arg-type, misc]  # the stubs lag behind", False),
        ("# a type: ignore[x] in prose", False),
    ],
)
def test_silencing_the_type_checker_takes_a_code_and_a_reason(comment: str, is_refused: bool) -> None:
    complaints = list(silenced("m.py", f'X = "# type: ignore"\nY = 1  {comment}\n'))
    assert complaints == (["m.py:2: type: ignore without [code] and a reason behind it"] if is_refused else [])


def test_every_exception_of_the_project_has_a_reason_and_a_known_limit() -> None:
    assert all(limit in LIMITS and len(reason) > 10 for (_, _, limit), reason in EXCEPTIONS.items())


def test_the_command_prints_the_offenders_of_a_folder_and_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "good.py").write_text("def f(a): ...\n")
    (tmp_path / "bad.py").write_text("def f(a, b, c, d, e, g): ...\n")
    assert main([str(tmp_path)]) == 1
    assert capsys.readouterr().out == f"{tmp_path}/bad.py:1: f: parameters 6, limit 5\n"


def test_the_command_succeeds_on_a_file_within_all_limits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = tmp_path / "good.py"
    good.write_text("def f(a): ...\n")
    assert main([str(good)]) == 0
    assert "within" in capsys.readouterr().out
