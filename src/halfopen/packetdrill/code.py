"""Code blocks: a little Python about the fields of TCP_INFO, in which nothing else can be reached."""

import ast
import re
import sys
from collections.abc import Mapping
from types import FrameType
from typing import Final, TypeAlias

from halfopen.packetdrill.errors import Mismatch, ScriptError, Unsupported
from halfopen.packetdrill.script import Position

STEPS: Final = 100_000
"""Lines that one block may run through, loops included."""
LARGEST: Final = 4096
"""Bits of a number, items of a list, and characters of a text that an operator makes of smaller ones."""

_ALLOWED: Final = (
    ast.Module,
    ast.Expr,
    ast.Assign,
    ast.AugAssign,
    ast.AnnAssign,
    ast.Assert,
    ast.If,
    ast.For,
    ast.While,
    ast.Break,
    ast.Continue,
    ast.Pass,
    ast.Raise,
    ast.Name,
    ast.Load,
    ast.Store,
    ast.Constant,
    ast.BinOp,
    ast.UnaryOp,
    ast.BoolOp,
    ast.Compare,
    ast.IfExp,
    ast.Call,
    ast.keyword,
    ast.Tuple,
    ast.List,
    ast.Dict,
    ast.Set,
    ast.Subscript,
    ast.Slice,
    ast.JoinedStr,
    ast.FormattedValue,
    ast.operator,
    ast.unaryop,
    ast.boolop,
    ast.cmpop,
)
"""No attributes, imports, functions, classes, comprehensions: by none of these is there a way out."""

_BUILTINS: Final = (
    abs,
    all,
    any,
    bin,
    bool,
    divmod,
    float,
    hex,
    int,
    len,
    list,
    max,
    min,
    round,
    sorted,
    str,
    sum,
    tuple,
)
_ERRORS: Final = (AssertionError, Exception, ValueError)
_GROWING: Final = {ast.Mult: "__times", ast.Pow: "__power", ast.LShift: "__shift", ast.Mod: "__modulo"}
"""Operators that can make something huge of something small, and the names of what stands in for them."""

Namespace: TypeAlias = dict[str, object]


class CodeBlocks:
    """The blocks of one script, which share their variables."""

    __slots__ = ("_names", "output")

    def __init__(self) -> None:
        self.output: list[str] = []
        """What has been printed."""
        allowed: Namespace = {each.__name__: each for each in (*_BUILTINS, *_ERRORS)}
        allowed |= {"print": self._print, "range": _short_range}
        allowed |= {"__times": _times, "__power": _power, "__shift": _shift, "__modulo": _modulo}
        self._names: Namespace = {"__builtins__": allowed}

    def run(self, text: str, fields: Mapping[str, object], position: Position) -> None:
        """Runs one block with ``fields`` as variables; Mismatch if it raises."""
        code = compile(_parse(text, position), "<code>", "exec")
        self._names.update(fields)
        before = sys.gettrace()
        sys.settrace(_Limit())
        try:
            exec(code, self._names)
        except AssertionError as error:
            line = _line_of(text, error)
            raise Mismatch(position, f"the code asserts {line}" + (f": {error}" if str(error) else "")) from None
        except Exception as error:
            raise Mismatch(position, f"the code raises {type(error).__name__}: {error}") from None
        finally:
            sys.settrace(before)

    def _print(self, *words: object, sep: str = " ", end: str = "\n") -> None:
        self.output.append(sep.join(str(word) for word in words) + end)


class _Limit:
    """Counts the lines that a block runs through: ValueError for a loop without end."""

    __slots__ = ("_left",)

    def __init__(self) -> None:
        self._left = STEPS

    def __call__(self, frame: FrameType, event: str, argument: object) -> "_Limit | None":
        if frame.f_code.co_filename != "<code>":
            return None
        self._left -= 1
        if self._left < 0:
            raise ValueError(f"more than {STEPS} lines were run")
        return self


def _parse(text: str, position: Position) -> ast.Module:
    try:
        tree = ast.parse(text)
        for node in ast.walk(tree):
            _check(node, position)
        _Bounded().visit(tree)
        return ast.fix_missing_locations(tree)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ScriptError(position, f"the code is no Python: {error}") from None


def _check(node: ast.AST, position: Position) -> None:
    if not isinstance(node, _ALLOWED):
        raise Unsupported(position, f"code with {type(node).__name__}")
    if isinstance(node, ast.Name) and node.id.startswith("__"):
        raise Unsupported(position, f"code with {node.id}")
    if isinstance(node, ast.AugAssign) and type(node.op) in _GROWING:
        raise Unsupported(position, "code with an operator that grows what it is assigned to")
    if isinstance(node, ast.FormattedValue) and node.format_spec is not None and _is_wide(ast.unparse(node)):
        raise Unsupported(position, "code with a very wide field")


def _is_wide(text: str) -> bool:
    """Whether a format has room for more than some hundred characters, or says so elsewhere."""
    return re.search(r"\d{4}|\*", text) is not None


class _Bounded(ast.NodeTransformer):
    """Puts functions that know a limit in the place of operators that know none."""

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        """An operator, and whatever is in its operands."""
        self.generic_visit(node)
        name = _GROWING.get(type(node.op))
        if name is None:
            return node
        return ast.copy_location(ast.Call(ast.Name(name, ast.Load()), [node.left, node.right], []), node)


def _bounded(size: int) -> None:
    if size > LARGEST:
        raise ValueError("a number or text that is too large")


def _integer(value: object) -> int:
    if not isinstance(value, int):
        raise TypeError(f"expected a whole number, not {value!r}")
    return value


def _times(left: object, right: object) -> object:
    if isinstance(left, float | int) and isinstance(right, float | int):
        if isinstance(left, int) and isinstance(right, int):
            _bounded(left.bit_length() + right.bit_length())
        return left * right
    if isinstance(left, int):
        left, right = right, left
    count = _integer(right)
    if not isinstance(left, str | list | tuple):
        raise TypeError(f"{left!r} cannot be multiplied")
    _bounded(len(left) * count)
    return left * count


def _power(left: object, right: object) -> object:
    if isinstance(left, float):
        return left ** _integer(right)
    base, exponent = _integer(left), _integer(right)
    _bounded(base.bit_length() * abs(exponent))
    return base**exponent


def _shift(left: object, right: object) -> int:
    _bounded(_integer(left).bit_length() + _integer(right))
    return _integer(left) << _integer(right)


def _modulo(left: object, right: object) -> object:
    if isinstance(left, str):
        if _is_wide(left):
            raise ValueError("a format with a very wide field")
        return left % right
    if isinstance(left, float | int) and isinstance(right, float | int):
        return left % right
    raise TypeError(f"{left!r} has no remainder")


def _short_range(*bounds: int) -> range:
    numbers = range(*bounds)
    if len(numbers) > STEPS:
        raise ValueError(f"a range of more than {STEPS} numbers")
    return numbers


def _line_of(text: str, error: BaseException) -> str:
    """The line of the block that has failed, as written."""
    lines = text.splitlines()
    traceback, number = error.__traceback__, 0
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename == "<code>":
            number = traceback.tb_lineno
        traceback = traceback.tb_next
    return repr(lines[number - 1].strip()) if 0 < number <= len(lines) else "something"
