"""What a scenario is: a story that runs on the simulated network, its knobs, and what came of it.

How to write one (``halfopen.lab.attacks.handshake`` is the pattern)::

    class Silence(Scenario):
        name = "silence"                                    # what `halfopen lab run` calls it
        title = "A backlog of eight and nine SYNs"
        text = "What happens, and what it teaches: one paragraph."
        parameters: ClassVar[Mapping[str, Parameter]] = {
            "rate": Parameter(10.0, "SYN/s", "spoofed SYNs a second", above=0),
        }
        defences: ClassVar[Mapping[str, str]] = {"syn-cookies": "the server keeps no state for a SYN (RFC 4987 3.6)"}

        def play(self, settings: Settings) -> Outcome:      # settings are checked and complete
            rate = settings.number("rate")
            config = StackConfig() if "syn-cookies" in settings.defences else OLD
            with World(settings, Layout(configs={"server": config}, attacker="remote")) as world:
                return world.run(story(world, rate))

    async def story(world: World, rate: float) -> Outcome:
        world.tape.shorten(SPOOFED, 12)                     # of a flood, the capture keeps twelve packets
        attacker, server = world.attacker, world.server
        attacker.send(make_segment((1023, 80), "S", seq=7), source=world.client.address, destination=server.address,
                      comment="spoofed SYN")                # the comment stands in the capture
        ...
        return world.outcome(
            attack_succeeded=..., metrics={"success": 0.2}, theory={"success": 0.203},
            counts={"success": (20, 100)},                  # for proportions: the verdict then has a Wilson interval
            tolerance={"rate": 0.02},                       # for others: how far from theory is still the same
            notes=("what a student should see in it",), figures={"curve": "<svg ..."},
        )

Rules: all randomness from ``world.rng`` (or a fork of it), all time from the network; nothing global; less than 10 s of
wall time; the same settings give the same capture, octet for octet. ``attack_succeeded`` is the attacker's view; a
scenario with ``is_attack = False`` says False. Metrics are floats, 0 or 1 for a yes or no. A figure of theory has the
same key as its metric, and says what theory says, whatever was measured. Then add the scenario to
`halfopen.lab.catalogue`, and tests to ``tests/lab/attacks/test_<module>.py``: it succeeds undefended, and fails with
each defence that stops it.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import ClassVar, TypeAlias

from halfopen.base.errors import ConfigError
from halfopen.report.arrows import Arrow

Value: TypeAlias = float | int | str


def nearest(word: str, known: Iterable[str]) -> str:
    """``"did you mean 'rate'?"`` or, if nothing is near, all that there is."""
    names = list(known)
    near = get_close_matches(word.lower(), names, n=1)
    if near:
        return f"did you mean {near[0]!r}?"
    return f"expected one of {', '.join(names)}" if names else "there are none"


def shown(value: Value) -> str:
    """As people write it: ``"1000000"``, ``"0.5"``, ``"bsd43"``."""
    if isinstance(value, str):
        return value
    return str(int(value)) if value == int(value) else f"{value:g}"


@dataclass(frozen=True, slots=True)
class Parameter:
    """A knob: its default, whose type its values have, and the range of them.

    ``least`` is allowed, ``above`` is not; ``choices`` are for texts.
    """

    default: Value
    unit: str = ""
    text: str = ""
    least: float | None = None
    above: float | None = None
    most: float | None = None
    choices: tuple[str, ...] = ()

    def read(self, name: str, given: Value) -> Value:
        """``given`` as a value of the right type and in range; ConfigError says what was expected."""
        value = self._typed(name, given)
        if isinstance(value, str):
            if self.choices and value not in self.choices:
                raise ConfigError(f"{name}: {value!r} is not known: {nearest(value, self.choices)}")
            return value
        is_good = (
            (self.least is None or value >= self.least)
            and (self.above is None or value > self.above)
            and (self.most is None or value <= self.most)
        )
        if not is_good:
            raise ConfigError(f"{name}: {shown(value)} is out of range: expected {self.range}")
        return value

    @property
    def range(self) -> str:
        """``"a number above 0, SYN/s"``."""
        kind = "a text" if isinstance(self.default, str) else "an integer" if self._is_whole else "a number"
        limits = (("from", self.least), ("above", self.above), ("up to", self.most))
        words = " ".join(f"{word} {shown(limit)}" for word, limit in limits if limit is not None)
        return " ".join(filter(None, (", ".join(self.choices) or kind, words))) + (
            f", {self.unit}" if self.unit else ""
        )

    @property
    def _is_whole(self) -> bool:
        return isinstance(self.default, int)

    def _typed(self, name: str, given: Value) -> Value:
        if isinstance(self.default, str):
            return str(given)
        try:
            value = float(given)
        except ValueError:
            value = float("nan")
        if value != value or abs(value) == float("inf") or (self._is_whole and value != int(value)):
            raise ConfigError(f"{name}: {given!r} will not do: expected {self.range}")
        return int(value) if self._is_whole else value


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What is chosen for a run; without ``record`` there is no capture, which sweeps do not need.

    Not every story can be told in IPv6: `Scenario.ip_versions`.
    """

    seed: int = 0
    defences: frozenset[str] = frozenset()
    parameters: Mapping[str, Value] = field(default_factory=dict)
    record: bool = True
    ip_version: int = 4

    def number(self, name: str) -> float:
        """A parameter that is one."""
        value = self.parameters[name]
        if isinstance(value, str):
            raise ConfigError(f"{name} is not a number")
        return float(value)

    def whole(self, name: str) -> int:
        """A parameter that is an integer."""
        return int(self.number(name))

    def word(self, name: str) -> str:
        """A parameter that is a text."""
        return str(self.parameters[name])


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of a run; ``theory`` has the keys of those metrics that it says something about.

    ``counts`` are (hits, trials) behind metrics that are proportions, for their intervals; ``tolerance`` is how far
    others may be from theory, relatively, and agree. ``figures`` are SVG drawings. ``port`` restricts the ladder.
    """

    attack_succeeded: bool
    metrics: dict[str, float]
    theory: dict[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    capture: bytes = b""
    counts: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    tolerance: Mapping[str, float] = field(default_factory=dict)
    figures: Mapping[str, str] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    """What else there is to read, by heading: a Mermaid diagram, a table."""
    lifelines: tuple[str, ...] = ("client", "server", "attacker")
    """Who stands in the ladder, from left to right; of others only what they exchange with these by IP is drawn."""
    port: int | None = None
    essential: Callable[[Sequence[Arrow]], Sequence[Arrow]] | None = None
    """Chooses what the ladder shows, where the story is much longer than what is to be seen in it."""


class Scenario(ABC):
    """One of the catalogue. The class attributes say what it is; `play` does it."""

    name: str
    title: str
    text: str
    is_attack: bool = True
    """False for those that only show how things are."""
    parameters: ClassVar[Mapping[str, Parameter]] = {}
    defences: ClassVar[Mapping[str, str]] = {}
    ip_versions: ClassVar[tuple[int, ...]] = (4,)
    ipv4_defences: ClassVar[frozenset[str]] = frozenset()
    """Those that know nothing of IPv6."""

    def run(self, settings: Settings) -> Outcome:
        """Plays it once; ConfigError, before anything is done, names what is wrong with ``settings``."""
        return self.play(self.checked(settings))

    @abstractmethod
    def play(self, settings: Settings) -> Outcome:
        """The story itself; ``settings`` are known to be good, and all parameters are there."""

    def checked(self, settings: Settings) -> Settings:
        """``settings`` with all parameters, each of the right type; ConfigError names the nearest right word."""
        for name in sorted(settings.defences):
            if name not in self.defences:
                raise ConfigError(f"{self.name} has no defence {name!r}: {nearest(name, self.defences)}")
        for name in settings.parameters:
            if name not in self.parameters:
                raise ConfigError(f"{self.name} has no parameter {name!r}: {nearest(name, self.parameters)}")
        self._check_version(settings)
        values = {
            name: parameter.read(name, settings.parameters.get(name, parameter.default))
            for name, parameter in self.parameters.items()
        }
        return replace(settings, parameters=values)

    def _check_version(self, settings: Settings) -> None:
        if settings.ip_version not in self.ip_versions:
            known = " and ".join(f"IPv{version}" for version in self.ip_versions)
            raise ConfigError(f"{self.name} is told in {known} only, not in IPv{settings.ip_version}")
        old = settings.defences & self.ipv4_defences
        if old and settings.ip_version != 4:
            raise ConfigError(f"{self.name}: the defence {min(old)!r} knows nothing of IPv6")
