"""YAML as plain data that knows where each piece of it stands, so that errors can say so."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import yaml

from halfopen.base.errors import ConfigError

Data: TypeAlias = "dict[str, Data] | list[Data] | str | int | float | bool | None"
Path: TypeAlias = tuple[str | int, ...]
Mark: TypeAlias = tuple[int, int]
"""Line and column, from 1 on."""

MOST_NODES = 100_000
"""Aliases of aliases may stand for more than fits into any memory."""

DEEPEST = 50

PLAIN = ("int", "float", "bool", "null")


@dataclass(slots=True)
class Source:
    """The data of a document called ``name``, and what is wrong with it so far."""

    name: str
    data: Data = None
    values: dict[Path, Mark] = field(default_factory=dict)
    keys: dict[Path, Mark] = field(default_factory=dict)
    faults: list[tuple[Mark, str]] = field(default_factory=list)

    def complain(self, path: Path, text: str, at_key: bool = False) -> None:
        """``text`` is wrong with what is at ``path``, or where that should be."""
        if at_key and path in self.keys:
            mark = self.keys[path]
        else:
            known = (path[:length] for length in range(len(path), -1, -1))
            mark = next((self.values[each] for each in known if each in self.values), (1, 1))
        self.faults.append((mark, text))

    def check(self) -> None:
        """ConfigError with a line for each fault, in the order of the document, if there are any."""
        if self.faults:
            lines = [f"{self.name}:{line}:{column}: {text}" for (line, column), text in sorted(self.faults)]
            raise ConfigError("\n".join(dict.fromkeys(lines)))


def read(text: str, name: str) -> Source:
    """The first and only document of ``text``; ConfigError, with its place, if that is no YAML at all."""
    source = Source(name)
    try:
        loader = yaml.SafeLoader(text)
        root = loader.get_single_node()
        if root is not None:
            source.data = _Reader(source, loader).read(root, ())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{mark.line + 1}:{mark.column + 1}" if mark is not None else "1:1"
        raise ConfigError(f"{name}:{place}: this is no YAML: {error.problem or error.context}") from None
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        place = f"{before.count(chr(10)) + 1}:{error.position - before.rfind(chr(10))}"
        raise ConfigError(f"{name}:{place}: this is no YAML: {error.reason}") from None
    except RecursionError:
        raise ConfigError(f"{name}: this is nested too deeply") from None
    return source


class _Reader:
    """Turns PyYAML's nodes into data, and remembers their places."""

    def __init__(self, source: Source, loader: yaml.SafeLoader) -> None:
        self._source = source
        self._loader = loader
        self._count = 0

    def read(self, node: yaml.Node, path: Path) -> Data:
        """The data of ``node``, which stands at ``path``."""
        mark = (node.start_mark.line + 1, node.start_mark.column + 1)
        self._source.values[path] = mark
        self._count += 1
        if self._count > MOST_NODES or len(path) > DEEPEST:
            raise ConfigError(f"{self._source.name}:{mark[0]}:{mark[1]}: this is too much, or an alias within itself")
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node.value, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.read(item, (*path, number)) for number, item in enumerate(node.value)]
        return self._scalar(node, path)

    def _mapping(self, pairs: Sequence[tuple[yaml.Node, yaml.Node]], path: Path) -> Data:
        """Keys are text, whatever they look like: ``no`` may be the name of a host."""
        mapping: dict[str, Data] = {}
        for key, value in pairs:
            mark = (key.start_mark.line + 1, key.start_mark.column + 1)
            if not isinstance(key, yaml.ScalarNode):
                self._source.faults.append((mark, "a name is needed here"))
            elif key.value in mapping:
                first = self._source.keys[(*path, key.value)]
                self._source.faults.append((mark, f"{key.value!r} is there already, in line {first[0]}"))
            else:
                self._source.keys[(*path, key.value)] = mark
                mapping[key.value] = self.read(value, (*path, key.value))
        return mapping

    def _scalar(self, node: yaml.Node, path: Path) -> Data:
        kind = node.tag.rpartition(":")[2]
        if not node.tag.startswith("tag:yaml.org,2002:"):
            self._source.complain(path, f"the tag {node.tag} means nothing here")
        if kind not in PLAIN:
            return str(node.value)
        try:
            value: int | float | bool | None = self._loader.construct_object(node)
        except ValueError:
            self._source.complain(path, f"{node.value!r} is no {kind}")
            value = None
        return value
