"""Holds the source to the size limits of CONTRIBUTING.md; each figure over one is printed with file and line.

    python tools/limits.py [PATH ...]

Physical lines count, blank ones and docstrings too. Complexity is McCabe's: one, and one more for each branch, loop,
handler and case. Nesting counts the compound statements around a statement within its function; an ``elif`` lies no
deeper than its ``if``. A class's attributes are its annotated fields, its ``__slots__`` and whatever its methods assign
to ``self``. Where a limit hurts, the design asks to be cut differently; what must stay stands in `EXCEPTIONS`. An error
of the type checker is silenced by code and with a reason: ``# type: ignore[code]  # reason``.
"""

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

LIMITS = {
    "module lines": 400,
    "function lines": 60,
    "nesting": 3,
    "parameters": 5,
    "complexity": 10,
    "attributes": 12,
    "methods": 20,
}

RECORD = "one for each field of a record that is born per segment: a dataclass would build it in interpreted code"
FIELDS = "one for each field of a header, as struct takes them"

EXCEPTIONS: dict[tuple[str, str, str], str] = {
    ("src/halfopen/aio/loop.py", "StackNetworking.getaddrinfo", "parameters"): "the signature is asyncio's",
    ("src/halfopen/stack/datagram.py", "Datagram.__init__", "parameters"): RECORD,
    ("src/halfopen/stack/datagram.py", "Outgoing.__init__", "parameters"): RECORD,
    (
        "src/halfopen/stack/reassembly.py",
        "Piece.__init__",
        "parameters",
    ): "as a generic dataclass mypyc gives it no slots",
    ("src/halfopen/tcp/congestion/base.py", "AckSample.__init__", "parameters"): RECORD,
    (
        "src/halfopen/tcp/tcb.py",
        "Opening",
        "attributes",
    ): "the arguments of OPEN (RFC 9293 3.10.1) and its host, as one record",
    ("src/halfopen/wire/codec_native.py", "pack_ipv4", "parameters"): FIELDS,
    ("src/halfopen/wire/codec_native.py", "pack_tcp", "parameters"): FIELDS,
    ("src/halfopen/wire/codec_native.py", "pack_tcp_with_timestamps", "parameters"): FIELDS,
    ("src/halfopen/tcp/half_open_record.py", "HalfOpen.__init__", "parameters"): RECORD,
    ("src/halfopen/tcp/passive.py", "PathLimits.__init__", "parameters"): RECORD,
    ("src/halfopen/wire/packet.py", "Packet.__init__", "parameters"): RECORD,
    ("src/halfopen/wire/tcp.py", "Segment.__init__", "parameters"): RECORD,
    ("src/halfopen/wire/tcp_options.py", "Options.__init__", "parameters"): RECORD,
}
"""(path, qualified name or ``""`` for the module, limit) -> why it may stay. One that is not needed is an error."""

ROOTS = ("src", "tools", "bench")

SILENCED = re.compile(r"#\s*type:\s*ignore(?!\[[\w, -]+\]\s+#\s*\w)")

Function = ast.FunctionDef | ast.AsyncFunctionDef
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
LOOPS = (ast.For, ast.AsyncFor, ast.While)
BLOCKS = (ast.If, *LOOPS, ast.With, ast.AsyncWith, ast.Try, ast.TryStar, ast.Match)
BRANCHES = (ast.If, *LOOPS, ast.ExceptHandler, ast.match_case)


@dataclass(slots=True, frozen=True)
class Finding:
    """A figure of one module, function or class, by the name of its limit."""

    path: str
    line: int
    name: str
    limit: str
    figure: int

    @property
    def key(self) -> tuple[str, str, str]:
        """What an exception for it is filed under."""
        return self.path, self.name, self.limit

    def __str__(self) -> str:
        subject = f"{self.name}: " if self.name else ""
        return f"{self.path}:{self.line}: {subject}{self.limit} {self.figure}, limit {LIMITS[self.limit]}"


def measure(path: str, source: str) -> Iterator[Finding]:
    """Every figure of the module called ``path``, whether within its limit or not."""
    yield Finding(path, 1, "", "module lines", len(source.splitlines()))
    for name, node, in_class in definitions(ast.parse(source), ""):
        figures = class_figures(node) if isinstance(node, ast.ClassDef) else function_figures(node, in_class)
        for limit, figure in figures.items():
            yield Finding(path, node.lineno, name, limit, figure)


def definitions(parent: ast.AST, prefix: str) -> Iterator[tuple[str, Function | ast.ClassDef, bool]]:
    """Each class and function below ``parent``: its qualified name, itself, and whether it stands in a class body."""
    for node in ast.iter_child_nodes(parent):
        if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
            name = f"{prefix}{node.name}"
            yield name, node, isinstance(parent, ast.ClassDef)
            yield from definitions(node, f"{name}.")
        else:
            yield from definitions(node, prefix)


def function_figures(node: Function, in_class: bool) -> dict[str, int]:
    """The figures of a function or method."""
    return {
        "function lines": (node.end_lineno or node.lineno) - node.lineno + 1,
        "nesting": max(map(nesting, node.body)),
        "parameters": parameters(node, in_class),
        "complexity": 1 + sum(isinstance(inner, BRANCHES) for inner in ast.walk(node)),
    }


def nesting(node: ast.AST) -> int:
    """How many blocks lie around the deepest statement in ``node``, itself included; not looking into definitions."""
    if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
        return 0
    depth = int(isinstance(node, BLOCKS))
    inner = 0
    for child in ast.iter_child_nodes(node):
        elif_of_node = isinstance(node, ast.If) and isinstance(child, ast.If) and node.orelse == [child]
        inner = max(inner, nesting(child) - int(elif_of_node))
    return depth + inner


def parameters(node: Function, in_class: bool) -> int:
    """Parameters of every kind, without the ``self`` or ``cls`` of a method."""
    arguments = node.args
    count = len(arguments.posonlyargs) + len(arguments.args) + len(arguments.kwonlyargs)
    count += (arguments.vararg is not None) + (arguments.kwarg is not None)
    is_static = any(
        isinstance(decorator, ast.Name) and decorator.id == "staticmethod" for decorator in node.decorator_list
    )
    return count - int(in_class and not is_static)


def class_figures(node: ast.ClassDef) -> dict[str, int]:
    """The figures of a class; a property with a setter is one method."""
    methods = [statement for statement in node.body if isinstance(statement, FUNCTIONS)]
    attributes = set[str]()
    for statement in node.body:
        attributes.update(declared_attributes(statement))
    for method in methods:
        attributes.update(assigned_attributes(method))
    return {"attributes": len(attributes), "methods": len({method.name for method in methods})}


def declared_attributes(statement: ast.stmt) -> Iterator[str]:
    """The annotated field, or the slots, that one statement of a class body declares."""
    if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
        if "ClassVar" not in ast.unparse(statement.annotation):
            yield statement.target.id
    elif isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "__slots__":
        for constant in ast.walk(statement.value):
            if isinstance(constant, ast.Constant) and isinstance(constant.value, str):
                yield constant.value


def assigned_attributes(method: Function) -> Iterator[str]:
    """The attributes of ``self`` that ``method`` assigns."""
    for node in ast.walk(method):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and ast.unparse(node.value) == "self":
            yield node.attr


def silenced(path: str, source: str) -> Iterator[str]:
    """One line for every ``type: ignore`` that lacks its code or its reason."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT and SILENCED.match(token.string):
            yield f"{path}:{token.start[0]}: type: ignore without [code] and a reason behind it"


def judge(findings: Iterator[Finding], exceptions: Mapping[tuple[str, str, str], str]) -> Iterator[str]:
    """One line for every figure over its limit that no exception covers, and for every exception that covers none."""
    unused = set(exceptions)
    for finding in findings:
        if finding.figure <= LIMITS[finding.limit]:
            continue
        if finding.key in exceptions:
            unused.discard(finding.key)
        else:
            yield str(finding)
    for path, name, limit in sorted(unused):
        yield f"{path}: {name}: the exception for its {limit} is not needed"


def sources(roots: list[str]) -> Iterator[Path]:
    """The Python files at and below ``roots``, in order."""
    for root in map(Path, roots):
        yield from sorted(root.rglob("*.py")) if root.is_dir() else [root]


def main(arguments: list[str]) -> int:
    """Checks the files or folders named, or the whole project; 1 if something is over a limit."""
    roots = arguments or [root for root in ROOTS if Path(root).is_dir()]
    texts = {path.as_posix(): path.read_text(encoding="utf-8") for path in sources(roots)}
    exceptions = {key: reason for key, reason in EXCEPTIONS.items() if not arguments or key[0] in texts}
    complaints = list(judge((finding for path, text in texts.items() for finding in measure(path, text)), exceptions))
    complaints += [complaint for path, text in texts.items() for complaint in silenced(path, text)]
    print("\n".join(complaints) or f"Every figure is within its limit; exceptions: {len(exceptions)}.")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
