"""What cannot be meant in a topology: everything that is wrong, each thing with where it stands."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from halfopen.base.addresses import Address, Prefix, format_address, parse_address, parse_interface
from halfopen.base.errors import ConfigError
from halfopen.sim.addressing import fault_of_address, fault_of_prefix, host_numbers, overlap
from halfopen.sim.profiles import words_of
from halfopen.sim.sysctl import LINUX, write
from halfopen.sim.topology_parts import (
    HUB,
    LINK,
    NAT,
    NODE_KINDS,
    SEGMENT_KINDS,
    SWITCH,
    Node,
    Segment,
    is_ipv6,
    split,
)
from halfopen.wire.ipv6 import MINIMUM_MTU

EXPIRY = ("drop", "rst")
LEAST = {LINK: 2, HUB: 2, SWITCH: 1}

HOST_NAME = re.compile(r"\w([\w.-]*\w)?")


@dataclass(slots=True, frozen=True)
class Problem:
    """``where`` leads to it: ``("segments", 0, "members", 1)``."""

    where: tuple[str | int, ...]
    text: str


def check(nodes: Sequence[Node], segments: Sequence[Segment]) -> None:
    """ConfigError with a line for each problem, if there are any."""
    found = [problem.text for problem in problems(nodes, segments)]
    if found:
        raise ConfigError("\n".join(found))


def problems(nodes: Sequence[Node], segments: Sequence[Segment]) -> list[Problem]:
    """All that is wrong, in the order in which it stands."""
    judge = Judge(nodes, segments)
    return [*judge.nodes(), *judge.segments()]


def check_segment(segment: Segment) -> None:
    """The same for one network, but for its members."""
    found = [problem.text for problem in Judge((), ()).segment(segment, ())]
    if found:
        raise ConfigError("\n".join(found))


def fault_of_name(name: str) -> str | None:
    """Why programs could not ask for a host called ``name``; None if they can."""
    if not name:
        return "needs a name"
    if name.lower() == "localhost":
        return "is a name that every host has for itself"
    if is_address(name):
        return "is an address: a name is needed"
    return None if HOST_NAME.fullmatch(name) else "is no name: expected letters, digits, '-', '_' and '.'"


class Judge:
    """Goes through a topology and remembers what it has seen."""

    def __init__(self, nodes: Sequence[Node], segments: Sequence[Segment]) -> None:
        self._nodes = nodes
        self._segments = segments
        self._owners: dict[Address, str] = {}
        self._prefixes: dict[Prefix, str] = {}
        self._joined: dict[str, int] = {}
        self._unused: dict[str, list[list[Prefix]]] = {}

    def nodes(self) -> Iterator[Problem]:
        """Of the nodes."""
        names: set[str] = set()
        for segment in self._segments:
            for member in segment.members:
                self._joined[member.node] = self._joined.get(member.node, 0) + 1
        for number, node in enumerate(self._nodes):
            where = ("nodes", number)
            fault = fault_of_name(node.name) or ("is there twice" if node.name.lower() in names else None)
            if fault is not None:
                yield Problem(where, f"{node.kind} {node.name!r} {fault}")
            names.add(node.name.lower())
            yield from self._node(node, where)

    def segments(self) -> Iterator[Problem]:
        """Of the networks."""
        names: set[str] = set()
        for number, segment in enumerate(self._segments):
            where = ("segments", number)
            if not segment.name or segment.name in names:
                yield Problem(where, f"{segment.title} {'is there twice' if segment.name else 'needs a name'}")
            names.add(segment.name)
            yield from self.segment(segment, where)
            yield from self._members(segment, where)

    def _node(self, node: Node, where: tuple[str | int, ...]) -> Iterator[Problem]:
        title = f"{node.kind} {node.name}"
        if node.kind not in NODE_KINDS:
            yield Problem((*where, "kind"), f"{node.name} is a {node.kind!r}: expected {_either(NODE_KINDS)}")
        for number, texts in enumerate(node.addresses):
            at = (*where, "addresses", number)
            yield from (Problem(at, f"{title}: {fault}") for fault in self._interface(node.name, texts))
        for name, value in node.sysctl.items():
            try:
                write(LINUX, name, value)
            except ConfigError as error:
                yield Problem((*where, "sysctl", name), f"{title}: {error}")
        yield from self._nat(node, title, where)

    def _interface(self, name: str, texts: str) -> Iterator[str]:
        """Of one interface, which has an address of each version at most."""
        yield from _doubles(texts)
        prefixes: list[Prefix] = []
        for text in split(texts):
            try:
                address, prefix = parse_interface(text)
            except ValueError as error:
                yield str(error)
            else:
                prefixes.append(prefix)
                yield from self._claim(name, address, prefix)
        if not split(texts):
            yield f"{texts!r} is not an interface address such as '192.0.2.1/24'"
        self._unused.setdefault(name, []).append(prefixes)

    def _nat(self, node: Node, title: str, where: tuple[str | int, ...]) -> Iterator[Problem]:
        if node.kind != NAT:
            for name in ("idle_timeout", "on_expire"):
                if getattr(node, name) is not None:
                    yield Problem((*where, name), f"{title} is no NAT: {name} means nothing to it")
            return
        if node.idle_timeout is not None and node.idle_timeout <= 0:
            yield Problem((*where, "idle_timeout"), f"{title}: an idle timeout is longer than nothing")
        if node.on_expire not in (None, *EXPIRY):
            yield Problem((*where, "on_expire"), f"{title}: on_expire is {_either(EXPIRY)}, not {node.on_expire!r}")
        joined = self._joined.get(node.name, 0)
        if joined < 2:
            yield Problem(where, f"{title} needs two networks, first its inside, then its outside: it is on {joined}")

    def segment(self, segment: Segment, where: tuple[str | int, ...]) -> Iterator[Problem]:
        """Of one network, but for its members."""
        title = segment.title
        if segment.kind not in SEGMENT_KINDS:
            text = f"{segment.name} is a {segment.kind!r}: expected {_either(SEGMENT_KINDS)}"
            yield Problem((*where, "kind"), text)
        count = len(segment.members)
        if count < LEAST.get(segment.kind, 1) or (segment.kind == LINK and count > 2):
            needed = "joins two hosts" if segment.kind == LINK else f"joins {LEAST.get(segment.kind, 1)} or more hosts"
            yield Problem((*where, "members"), f"{title} {needed}, not {count}")
        for name, words in (("words", segment.words), ("back", segment.back or "")):
            try:
                words_of(words)
            except ConfigError as error:
                yield Problem((*where, name), f"{title}: {error}")
        if segment.back is not None and segment.kind != LINK:
            yield Problem((*where, "back"), f"{title}: only a link has a way back")
        if not 68 <= segment.mtu <= 65535:
            yield Problem((*where, "mtu"), f"{title}: an MTU is from 68 (RFC 791) to 65535, not {segment.mtu}")
        yield from (Problem((*where, "prefix"), f"{title}: {fault}") for fault in self._prefix(segment))

    def _prefix(self, segment: Segment) -> Iterator[str]:
        if segment.prefix is not None and not split(segment.prefix):
            yield f"{segment.prefix!r} is not a network prefix such as '192.0.2.0/24'"
        yield from _doubles(segment.prefix)
        for text in split(segment.prefix):
            yield from self._one_prefix(segment, text)

    def _one_prefix(self, segment: Segment, text: str) -> Iterator[str]:
        try:
            prefix = Prefix.parse(text)
        except ValueError as error:
            yield str(error)
            return
        if fault := fault_of_prefix(prefix):
            yield fault
            return
        for other, name in self._prefixes.items():
            if overlap(prefix, other):
                yield f"{prefix} overlaps {other}, which is {name}"
        self._prefixes[prefix] = segment.title
        if len(prefix.network) == 16 and segment.mtu < MINIMUM_MTU:
            yield f"{prefix} is of IPv6, where an MTU is at least 1280 (RFC 8200 5), not {segment.mtu}"
        first, last = host_numbers(prefix)
        if last - first + 1 < len(segment.members):
            yield f"{prefix} has room for {last - first + 1} hosts, not for {len(segment.members)}"

    def _members(self, segment: Segment, where: tuple[str | int, ...]) -> Iterator[Problem]:
        known = [node.name for node in self._nodes]
        seen: set[str] = set()
        for number, member in enumerate(segment.members):
            at = (*where, "members", number)
            if member.node not in known:
                hint = _did_you_mean(member.node, known)
                yield Problem(at, f"{segment.title} names a host that does not exist: {member.node!r}{hint}")
            elif member.node in seen:
                yield Problem(at, f"{segment.title} names {member.node!r} twice")
            seen.add(member.node)
            if member.address is not None:
                faults = self._member_addresses(segment, member.node, member.address)
            else:
                faults = self._own_address(segment, member.node)
            yield from (Problem((*at, "address"), f"{segment.title}: {fault}") for fault in faults)

    def _own_address(self, segment: Segment, name: str) -> Iterator[str]:
        """A node that has addresses of its own comes to a network by one of them, as long as there are some."""
        unused = self._unused.get(name, [])
        wanted = split(segment.prefix)
        for prefixes in unused:
            if any(str(prefix) in wanted for prefix in prefixes):
                unused.remove(prefixes)
                return
        if unused and wanted:
            yield f"{name!r} has addresses, but none on {' and '.join(wanted)}"

    def _member_addresses(self, segment: Segment, name: str, texts: str) -> Iterator[str]:
        yield from _doubles(texts)
        if not split(texts):
            yield f"{texts!r} is not an IPv4 or IPv6 address"
        for text in split(texts):
            yield from self._member_address(segment, name, text)

    def _member_address(self, segment: Segment, name: str, text: str) -> Iterator[str]:
        try:
            address = parse_address(text)
        except ValueError as error:
            yield str(error)
            return
        known = [prefix for prefix in split(segment.prefix) if is_ipv6(prefix) == is_ipv6(text)]
        try:
            prefix = Prefix.parse(known[0]) if known else None
        except ValueError:
            return  # Said already.
        if prefix is None:
            example = "2001:db8:1::/64" if is_ipv6(text) else "192.0.2.0/24"
            yield f"{text} needs the network's prefix, such as {example}"
        elif address not in prefix:
            yield f"{text} of {name!r} lies outside of {prefix}"
        else:
            yield from self._claim(name, address, prefix)

    def _claim(self, name: str, address: Address, prefix: Prefix) -> Iterator[str]:
        """Whether ``address`` can be that of host ``name``."""
        text = format_address(address)
        if fault := fault_of_address(address, prefix):
            yield fault
        elif address in self._owners:
            yield f"{text} of {name!r} belongs to {self._owners[address]!r} already"
        else:
            self._owners[address] = name


def is_address(text: str) -> bool:
    """Whether it is one, of either version."""
    try:
        parse_address(text)
    except ValueError:
        return False
    return True


def _doubles(texts: str | None) -> Iterator[str]:
    """Of several in one text each is of another version."""
    versions = [is_ipv6(text) for text in split(texts)]
    if len(set(versions)) < len(versions):
        yield f"{texts!r} has more than one of a version of IP"


def _either(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"


def _did_you_mean(word: str, known: Sequence[str]) -> str:
    close = get_close_matches(word, known, n=1, cutoff=0.5)
    return f" (did you mean {close[0]!r}?)" if close else ""
