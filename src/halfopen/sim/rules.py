"""Rules of a cable: each maps a packet to what shall befall it. Any callable is one; the usual ones stand here."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import TypeAlias, Unpack

from halfopen.base.clock import Duration, millis
from halfopen.base.errors import ConfigError
from halfopen.sim.match import Match, Matching, Passing
from halfopen.wire.ecn import marked
from halfopen.wire.offload import complete_checksum
from halfopen.wire.packet import CHECKSUM_NONE, Packet


@dataclass(slots=True, frozen=True)
class Pass:
    """The packet goes on; no later rule is asked."""


@dataclass(slots=True, frozen=True)
class Drop:
    """The packet is gone."""


@dataclass(slots=True, frozen=True)
class Delay:
    """The packet enters the cable so much later; others may overtake it."""

    duration: Duration


@dataclass(slots=True, frozen=True)
class Duplicate:
    """So many more of the packet."""

    copies: int = 1


@dataclass(slots=True, frozen=True)
class Rewrite:
    """This packet instead."""

    packet: Packet


Verdict: TypeAlias = Pass | Drop | Delay | Duplicate | Rewrite

Rule: TypeAlias = Callable[[Passing], Verdict | None]
"""The first rule of a cable with a verdict decides; None is no opinion. Rules see packets, never super-segments."""

PASS = Pass()
DROP = Drop()


class UnusedRuleWarning(UserWarning):
    """A rule was taken away, or its network closed, before any packet met it: it may not say what was meant."""


class InstalledRule:
    """A rule at work on a cable, until `remove`, or to the end of a ``with``.

    ``number`` counts the rules of the cable from 1 on; ``matched`` the packets that it had a verdict on.
    """

    def __init__(self, rules: "Rules", rule: Rule, number: int, towards: str | None) -> None:
        self.rule = rule
        self.number = number
        self.towards = towards
        self.matched = 0
        self._rules = rules

    def remove(self) -> None:
        """Takes it away; harmless when repeated. `UnusedRuleWarning` if it has never matched."""
        self._remove(3)

    def _remove(self, level: int) -> None:
        if self._rules.forget(self) and not self.matched:
            warnings.warn(f"{self} never matched a packet", UnusedRuleWarning, stacklevel=level)

    def __enter__(self) -> "InstalledRule":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is None:
            self._remove(3)
        else:
            # The error is what there is to tell; a warning, which may be an error itself, would hide it.
            self._rules.forget(self)

    def __str__(self) -> str:
        """``"rule 2 of link a-b: drop(syn=True) towards b"``"""
        name = getattr(self.rule, "__qualname__", None) or repr(self.rule)
        towards = f" towards {self.towards}" if self.towards else ""
        return f"rule {self.number} of link {self._rules.title}: {name}{towards}"


class Rules:
    """The rules of one cable, asked in the order in which they were installed."""

    def __init__(self, title: Callable[[], str]) -> None:
        self.installed: list[InstalledRule] = []
        self._title = title
        self._count = 0

    @property
    def title(self) -> str:
        """That of the cable."""
        return self._title()

    def add(self, rule: Rule, towards: str | None) -> InstalledRule:
        """Installs ``rule``; with ``towards``, for packets to that host only."""
        if not callable(rule):
            raise ConfigError(f"link {self.title}: {rule!r} is no rule: expected a callable that takes a Passing")
        self._count += 1
        installed = InstalledRule(self, rule, self._count, towards)
        self.installed.append(installed)
        return installed

    def forget(self, installed: InstalledRule) -> bool:
        """Whether it was still at work."""
        if installed not in self.installed:
            return False
        self.installed.remove(installed)
        return True

    def judge(self, passing: Passing) -> tuple[Verdict, int]:
        """The first verdict and the number of its rule; 0 if none has one."""
        for installed in tuple(self.installed):
            if installed.towards in (None, passing.destination):
                verdict = installed.rule(passing)
                if verdict is not None:
                    installed.matched += 1
                    return verdict, installed.number
        return PASS, 0

    def close(self) -> None:
        """Takes all away, with their warnings."""
        for installed in tuple(self.installed):
            installed.remove()


class MatchRule:
    """A verdict on the packets that a `Match` picks. ``name`` is that of its maker, ``value`` the argument of that."""

    def __init__(self, name: str, match: Match, verdict: Callable[[Passing], Verdict], value: str = "") -> None:
        self._name = name
        self._match = match
        self._verdict = verdict
        self._value = value

    def __call__(self, passing: Passing) -> Verdict | None:
        """The verdict if ``passing`` is picked."""
        return self._verdict(passing) if self._match(passing) else None

    def __repr__(self) -> str:
        """As it was written: ``"drop(syn=True)"``"""
        arguments = ", ".join(words for words in (self._value, str(self._match)) if words)
        return f"{self._name}({arguments})"


def drop(**match: Unpack[Matching]) -> MatchRule:
    """Loses what matches: ``drop(syn=True, ack=True)``, ``drop(flags=".", nth=3)``."""
    return MatchRule("drop", Match(**match), lambda _: DROP)


def delay(milliseconds: float, **match: Unpack[Matching]) -> MatchRule:
    """Holds up what matches."""
    if milliseconds < 0:
        raise ConfigError(f"a packet cannot be delayed by {milliseconds:g} ms")
    verdict = Delay(millis(milliseconds))
    return MatchRule("delay", Match(**match), lambda _: verdict, f"{milliseconds:g}")


def duplicate(copies: int = 1, **match: Unpack[Matching]) -> MatchRule:
    """Sends what matches so many times more."""
    if copies < 1:
        raise ConfigError(f"a packet cannot have {copies} duplicates")
    verdict = Duplicate(copies)
    return MatchRule("duplicate", Match(**match), lambda _: verdict, str(copies))


def corrupt(**match: Unpack[Matching]) -> MatchRule:
    """Inverts the last bit of what matches: in the text, if there is some; checksums tell."""
    return MatchRule("corrupt", Match(**match), lambda passing: Rewrite(corrupted(passing.packet)))


def mark(**match: Unpack[Matching]) -> MatchRule:
    """Marks what matches with CE (RFC 3168), if its transport understands that; else lets it pass."""
    return MatchRule("mark", Match(**match), _marked)


def _marked(passing: Passing) -> Verdict:
    packet = marked(passing.packet, passing.network_offset)
    return PASS if packet is None else Rewrite(packet)


def corrupted(packet: Packet) -> Packet:
    """The packet with its last bit inverted and its checksum as it was right before."""
    octets = bytearray(complete_checksum(packet).joined())
    octets[-1] ^= 1
    return Packet(bytes(octets), (), CHECKSUM_NONE)
