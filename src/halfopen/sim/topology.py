"""A network as a description: which nodes there are, and which networks they are on."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from halfopen.base.errors import ConfigError
from halfopen.sim import drawing
from halfopen.sim.topology_parts import IPV4, Node, Segment, addresses_of, split


@dataclass(slots=True, frozen=True)
class Topology:
    """Nodes and the networks that join them, in the order in which they were made.

    Networks that are not told are of ``families``: ``"ipv4"``, ``"ipv6"`` or ``"both"``, which all are then.
    """

    nodes: tuple[Node, ...] = ()
    segments: tuple[Segment, ...] = ()
    families: str = IPV4

    @classmethod
    def load(cls, path: str | Path) -> "Topology":
        """The topology of a YAML file; ConfigError has a line for each thing wrong, with its line and column."""
        try:
            from halfopen.sim import topology_file
        except ModuleNotFoundError as error:
            raise _not_installed(error) from None
        return cls(*topology_file.load(Path(path)))

    @classmethod
    def parse(cls, text: str, name: str = "topology") -> "Topology":
        """The same of YAML text, which errors call ``name``."""
        try:
            from halfopen.sim import topology_file
        except ModuleNotFoundError as error:
            raise _not_installed(error) from None
        return cls(*topology_file.parse(text, name))

    def as_mermaid(self) -> str:
        """A flowchart for Markdown."""
        return drawing.mermaid(self.nodes, self.segments)

    def as_svg(self) -> str:
        """A drawing."""
        return drawing.svg(self.nodes, self.segments)

    def _repr_svg_(self) -> str:
        """What a notebook shows."""
        return self.as_svg()

    def __str__(self) -> str:
        """A line for each node, then one for each network with its members below it."""
        nodes = [
            (node.name, node.kind, ", ".join([*addresses_of(node, self.segments), *node.remarks]))
            for node in self.nodes
        ]
        lines = _columns(nodes)
        heads = _columns(
            [(each.name, each.kind, ", ".join(split(each.prefix)), ", ".join(each.remarks)) for each in self.segments]
        )
        for segment, head in zip(self.segments, heads, strict=True):
            members = ", ".join(" ".join([each.node, *split(each.address)]) for each in segment.members)
            lines += ["", head, f"    {members}"] if segment is self.segments[0] else [head, f"    {members}"]
        return "\n".join(lines)


def _columns(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)] if rows else []
    return ["  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _not_installed(error: ModuleNotFoundError) -> Exception:
    """What to say of it, if it is one of what reads files."""
    if error.name not in ("pydantic", "yaml"):
        return error
    return ConfigError(f"a topology in a file needs {error.name}: install 'halfopen[scenario]'")
