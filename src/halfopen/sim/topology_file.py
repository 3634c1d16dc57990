"""Topologies as YAML: what is in a file, and what is wrong with it, all at once and each with line and column.

    nodes:
      client:
      server: {sysctl: {net.ipv4.tcp_syn_retries: 3}}
      r1: {kind: router}
      home: {kind: nat, idle_timeout: 600s, on_expire: drop}
    networks:
      lan: {kind: switch, members: [client, home], words: delay 1ms}
      uplink: {members: [home, r1], words: delay 20ms loss 1%, back: rate 1mbit}
      backbone: {members: {r1: 192.0.2.1, server: 192.0.2.2}, prefix: 192.0.2.0/24}

A node without a kind is a host, a network without one a link. Members without an address get the next that is free.
Networks are of IPv4, unless there is also a line ``families: ipv6`` or ``families: both``, or their prefix says so; a
prefix may be one of each version, ``192.0.2.0/24 2001:db8:1::/64``, and so may the address of a member.
"""

from collections.abc import Mapping
from difflib import get_close_matches
from itertools import takewhile
from pathlib import Path as FilePath
from typing import Literal, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from halfopen.base.errors import ConfigError
from halfopen.base.netem import parse as parse_words
from halfopen.sim.sysctl import Value
from halfopen.sim.topology_check import problems
from halfopen.sim.topology_parts import HOST, IPV4, LINK, Member, Node, Segment
from halfopen.sim.yaml_source import Data, Path, Source, read

M = TypeVar("M", bound=BaseModel)

Parts: TypeAlias = tuple[tuple[Node, ...], tuple[Segment, ...], str]

STRICT = ConfigDict(strict=True, extra="forbid")


class FileSchema(BaseModel):
    """A whole file; what is in each node and network is judged by itself."""

    model_config = STRICT

    nodes: dict[str, object]
    networks: dict[str, object] = {}
    families: Literal["ipv4", "ipv6", "both"] = "ipv4"


class NodeSchema(BaseModel):
    """A value of ``nodes``."""

    model_config = STRICT

    kind: str = HOST
    addresses: list[str] = []
    sysctl: dict[str, Value] = {}
    idle_timeout: str | None = None
    on_expire: str | None = None


class NetworkSchema(BaseModel):
    """A value of ``networks``."""

    model_config = STRICT

    kind: str = LINK
    members: list[str] | dict[str, str | None]
    words: str = ""
    back: str | None = None
    prefix: str | None = None
    mtu: int = 1500


def load(path: FilePath) -> Parts:
    """The topology of a file; ConfigError if it cannot be read, or meant."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is no text in UTF-8: {error.reason} at octet {error.start}") from None
    return parse(text, str(path))


def parse(text: str, name: str) -> Parts:
    """The topology of YAML text; ConfigError has a line for each fault: ``name:line:column: what``."""
    source = read(text, name)
    if not isinstance(source.data, dict):
        source.complain((), "a topology has nodes: and networks:")
        source.check()
    reader = _Reader(source)
    parts = reader.parts()
    for problem in problems(*parts[:2]):
        source.complain(reader.place(problem.where), problem.text, at_key=len(problem.where) == 2)
    source.check()
    return parts


class _Reader:
    """Makes a topology of what can be understood, and complains of the rest."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._names: dict[str, list[str]] = {"nodes": [], "networks": []}

    def parts(self) -> Parts:
        """What nodes and networks there are."""
        schema = self._fit(FileSchema, self._source.data, ())
        nodes = tuple(self._node(name, data) for name, data in self._section("nodes").items())
        segments = tuple(
            segment for name, data in self._section("networks").items() if (segment := self._segment(name, data))
        )
        return nodes, segments, schema.families if schema is not None else IPV4

    def place(self, where: Path) -> Path:
        """Where in the file stands what is at ``where`` in the topology."""
        section, number, *rest = where
        table = "nodes" if section == "nodes" else "networks"
        name = self._names[table][int(number)]
        if rest[:1] == ["members"] and len(rest) > 1 and isinstance(rest[1], int):
            members = _get(_get(self._section(table), name), "members")
            rest[1:] = [list(members)[rest[1]] if isinstance(members, dict) else rest[1]]
        return (table, name, *rest)

    def _section(self, name: str) -> Mapping[str, Data]:
        data = self._source.data
        section = data.get(name) if isinstance(data, dict) else None
        return section if isinstance(section, dict) else {}

    def _node(self, name: str, data: Data) -> Node:
        """Also of one that is wrong, for others may be linked to it."""
        self._names["nodes"].append(name)
        schema = self._fit(NodeSchema, {} if data is None else data, ("nodes", name)) or NodeSchema()
        timeout = None
        if schema.idle_timeout is not None:
            timeout = self._duration(schema.idle_timeout, ("nodes", name, "idle_timeout"))
        return Node(
            name=name,
            kind=schema.kind,
            addresses=tuple(schema.addresses),
            sysctl=schema.sysctl,
            idle_timeout=timeout,
            on_expire=schema.on_expire,
        )

    def _segment(self, name: str, data: Data) -> Segment | None:
        schema = self._fit(NetworkSchema, data, ("networks", name)) or _what_can_be_used(data)
        if schema is None:
            return None
        self._names["networks"].append(name)
        given = schema.members
        pairs = given.items() if isinstance(given, dict) else ((member, None) for member in given)
        return Segment(
            name=name,
            kind=schema.kind,
            members=tuple(Member(node, address) for node, address in pairs),
            words=schema.words,
            back=schema.back,
            prefix=schema.prefix,
            mtu=schema.mtu,
        )

    def _duration(self, text: str, path: Path) -> int | None:
        try:
            return parse_words(f"delay {text}").delay if len(text.split()) == 1 else parse_words("delay").delay
        except ValueError as error:
            self._source.complain(path, f"{path[-1]} {text!r} is no time such as 600s: {error}")
            return None

    def _fit(self, schema: type[M], data: object, path: Path) -> M | None:
        """``data`` as ``schema`` has it; None, and complaints, if it does not fit."""
        try:
            return schema.model_validate(data)
        except ValidationError as error:
            for fault in error.errors():
                at = (*path, *takewhile(lambda step: step not in UNIONS, fault["loc"]))
                self._source.complain(at, said(schema, at, fault["type"]), fault["type"] == "extra_forbidden")
            return None


UNIONS = ("int", "str", "list[str]", "dict[str,nullable[str]]")
"""What pydantic puts into a path for the sides of a union."""

EXPECTED = {
    "families": "ipv4, ipv6 or both",
    "members": "the names of nodes, or a mapping from their names to their addresses",
    "string_type": "text",
    "int_type": "a whole number",
    "list_type": "a list",
    "dict_type": "names with something behind them",
    "model_type": "names with something behind them",
}


def said(schema: type[BaseModel], path: Path, kind: str) -> str:
    """A fault that pydantic has found, in our words."""
    where, last = ".".join(map(str, path)), str(path[-1]) if path else ""
    if kind == "extra_forbidden":
        close = get_close_matches(last, schema.model_fields, n=1, cutoff=0.5)
        hint = f" (did you mean {close[0]!r}?)" if close else f": expected {', '.join(schema.model_fields)}"
        return f"{where} means nothing here{hint}"
    if kind == "missing":
        return f"{where} is missing"
    if "sysctl" in path[:-1]:
        return f"{where}: expected a number or text"
    return f"{where}: expected {EXPECTED.get(last) or EXPECTED.get(kind, 'something else')}"


def _get(data: object, name: str) -> object:
    return data.get(name) if isinstance(data, dict) else None


def _what_can_be_used(data: Data) -> NetworkSchema | None:
    """Of a network in which something is wrong: who is on it, for it may be said of them that they are on none."""
    kind, members = _get(data, "kind"), _get(data, "members")
    try:
        return NetworkSchema.model_validate({"kind": LINK if kind is None else kind, "members": members})
    except ValidationError:
        return None
