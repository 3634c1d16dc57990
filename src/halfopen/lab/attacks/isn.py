"""Initial sequence numbers: all generators behind the ports of one host, measured as nmap and as an attacker would."""

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from halfopen.base.rng import Rng, SeededRng
from halfopen.lab.attacks.isn_drawing import Panel, attractors
from halfopen.lab.crafting import make_segment
from halfopen.lab.generators import GENERATORS
from halfopen.lab.modulator import Modulator
from halfopen.lab.places import ATTACKER, SERVER
from halfopen.lab.predictability import (
    MODULUS,
    FirstGeneration,
    NmapFigures,
    Sample,
    attractor,
    first_generation,
    nmap_figures,
)
from halfopen.lab.predictors import BLIND, BUDGET, MT_OUTPUTS, Predictability, predictability
from halfopen.lab.probing import NMAP_SYNS, Prober
from halfopen.lab.scenario import Outcome, Parameter, Scenario, Settings
from halfopen.lab.world import Layout, World
from halfopen.report.tables import format_table
from halfopen.sim.cable import Cable
from halfopen.stack.config import StackConfig, TcpLayerConfig
from halfopen.tcp.isn import IsnGenerator

ALL = "all"
FIRST_PORT = 9001
NMAP_PAUSE, PAUSE = 0.1, 0.05
NMAP_JITTER, JITTER = 0.0005, 1.0
"""Standard deviations with which the figures of theory were computed: of nmap's pauses in seconds, which it knows, and
of the arrival of an attacker's SYNs in milliseconds, which he does not know."""
LEARN, MORE = 40, 200
"""Numbers before the first prediction, and at least so many behind them for the drawing."""
FRAMES = 4000
"""Of the capture: nmap's probes and what follows first."""


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What theory says of a generator: nmap's SP and ISR from the 0.1st to the 99.9th percentile, and guesses."""

    sp: tuple[int, int]
    isr: tuple[int, int]
    median: float
    p95: float


_UNIFORM = Expected(sp=(237, 267), isr=(251, 274), median=BLIND, p95=MODULUS * 0.95)
THEORY: Mapping[str, Expected] = {
    "constant": Expected(sp=(0, 0), isr=(0, 0), median=1, p95=1),
    "i800": Expected(sp=(0, 0), isr=(104, 104), median=1, p95=1),
    "bsd42": Expected(sp=(0, 20), isr=(75, 78), median=1, p95=2),
    "bsd43": Expected(sp=(0, 20), isr=(154, 158), median=1, p95=2),
    "win9x": Expected(sp=(0, 26), isr=(80, 80), median=2, p95=5),
    "rfc793": Expected(sp=(0, 24), isr=(143, 143), median=337, p95=979),
    "bsd44lite2": Expected(sp=(133, 160), isr=(153, 162), median=36_409, p95=131_072),
    "randinc15": Expected(sp=(111, 138), isr=(124, 145), median=16_384, p95=31_130),
    "randinc16": Expected(sp=(119, 147), isr=(130, 153), median=32_768, p95=62_260),
    "randinc24": Expected(sp=(183, 211), isr=(195, 218), median=2**23, p95=2**24 * 0.95),
    "lnx24": Expected(sp=(181, 210), isr=(189, 216), median=2**23, p95=2**24 * 0.95),
    "mt19937": Expected(sp=(237, 267), isr=(251, 274), median=1, p95=1),
    "linux": _UNIFORM,
    "csprng": _UNIFORM,
    "rfc6528": _UNIFORM,
}
"""Guesses of an optimal attacker: 50 ms to the last number seen, 1 ms of jitter, nobody else connecting.

With bsd44lite2 a slow tick, which adds more than all connections do, comes between in one of ten: 65,536 * 0.5 / 0.9.
"""


class PerPort(IsnGenerator):
    """A generator for each local port: many hosts in one, none of which sees the connections of another."""

    __slots__ = ("_generators",)

    def __init__(self, generators: Mapping[int, IsnGenerator]) -> None:
        self._generators = generators

    def next(self, flow: bytes, now: int) -> int:
        """That of the port which the flow ends in."""
        return self._generators[int.from_bytes(flow[-2:], "big")].next(flow, now)


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What was found of one generator."""

    name: str
    nmap: NmapFigures
    old: FirstGeneration
    same_tuple: NmapFigures
    guesses: Predictability
    samples: Sequence[Sample]

    @property
    def is_predictable(self) -> bool:
        """By Zalewski's measure: half of all attacks succeed within his budget."""
        return self.guesses.median <= BUDGET

    def row(self, theory: Expected) -> tuple[str, ...]:
        """Of the table."""
        found = self.guesses
        return (
            self.name,
            *_beside(self.nmap.sp, theory.sp),
            *_beside(self.nmap.isr, theory.isr),
            f"{self.nmap.gcd:,}",
            self.nmap.words,
            f"{self.old.name} {self.old.index:,}",
            str(self.same_tuple.sp),
            found.predictor,
            _guesses(found.median),
            _guesses(theory.median),
            _guesses(found.p95),
            _time(found.seconds),
            f"{found.feasibility:.2%}" if found.feasibility > 1e-4 else f"{found.feasibility:.1e}",
        )


HEADER = (
    "generator", "SP", "theory", "", "ISR", "theory", "", "GCD", "nmap says", "nmap 1998", "SP same tuple",
    "best predictor", "guesses", "theory", "p95", "time", "feasible",
)  # fmt: skip


class Isn(Scenario):
    """The meter, at work on real hosts."""

    name = "isn"
    title = "Initial sequence numbers: what nmap says of them, and what an attacker makes of them"
    text = (
        "A server has a generator of another epoch behind each of its ports. Each is asked as nmap -O does, by six SYNs"
        " 100 ms apart, and then as an attacker would, who goes on asking and tries to foresee the next number. nmap's"
        " SP tells how much the rate varies, not how hard the next number is to guess: Python's generator has the best"
        " mark and is known for ever after 624 numbers, and the clock of RFC 793 has almost the worst, though it takes"
        " hundreds of guesses as soon as the network jitters. The attractors show three successive differences as a"
        " point: what has a structure can be guessed."
    )
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "generator": Parameter(ALL, text="one of them", choices=(ALL, *GENERATORS)),
        "trials": Parameter(200, "numbers", "that predictors are tried on", least=20, most=2000),
        "jitter": Parameter(JITTER, "ms", "standard deviation of the SYN's arrival", least=0, most=5),
    }
    defences: ClassVar[Mapping[str, str]] = {
        "rfc6528": "the server adds a keyed hash of addresses and ports to its clock (RFC 6528)",
        "modulate": "the server's router adds a keyed offset to its numbers (pf's modulate state)",
    }

    def play(self, settings: Settings) -> Outcome:
        """Everything at once: the ports do not disturb each other."""
        chosen = settings.word("generator")
        names = tuple(GENERATORS) if chosen == ALL else (chosen,)
        with World(settings, make_layout(settings, names)) as world:
            if "modulate" in settings.defences:
                Modulator(world.network, world.router, "198.51.100.0/24", world.rng.octets(32))
            found = world.run(measure(world, names, settings))
            return make_outcome(world, found)


def make_layout(settings: Settings, names: Sequence[str]) -> Layout:
    """A server with these generators."""
    rng = SeededRng(f"generators {settings.seed}")
    strong = "rfc6528" in settings.defences
    isn = {
        port: GENERATORS["rfc6528" if strong else name](rng.fork(name)) for port, name in enumerate(names, FIRST_PORT)
    }
    return Layout(configs={"server": StackConfig(tcp_layer=TcpLayerConfig(isn=PerPort(isn), syn_cookies="off"))})


async def measure(world: World, names: Sequence[str], settings: Settings) -> list[Measured]:
    """All ports side by side."""

    async def nobody(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    world.tape.shorten(f"{ATTACKER}/32", FRAMES)
    world.attacker.sniff()
    for port, _ in enumerate(names, FIRST_PORT):
        await world.server.start_server(nobody, None, port)
    await asyncio.sleep(world.rng.below(500) / 1000)
    line = world.cables["attacker-side"]
    ports = range(FIRST_PORT, FIRST_PORT + len(names))
    seconds = await asyncio.gather(*(as_nmap(world, port) for port in ports))
    same = await asyncio.gather(*(from_one_port(world, port) for port in ports))
    _jitter(line, settings.number("jitter"))
    trials = settings.whole("trials")
    more = max(MORE, trials)
    trains = await asyncio.gather(
        *(train(world, port, learn(name) + more) for port, name in zip(ports, names, strict=True))
    )
    return [
        Measured(
            name=name,
            nmap=nmap_figures(six),
            old=first_generation([sample.isn for sample in six]),
            same_tuple=nmap_figures(again),
            guesses=predictability(long, learn(name), trials),
            samples=long,
        )
        for name, six, again, long in zip(names, seconds, same, trains, strict=True)
    ]


def learn(name: str) -> int:
    """Numbers that an attacker needs first."""
    return MT_OUTPUTS + 16 if name == "mt19937" else LEARN


def _jitter(line: Cable, deviation: float) -> None:
    words = f" {deviation:g}ms distribution normal" if deviation else ""
    line.impair(f"delay 5ms{words} limit 1000000")


async def as_nmap(world: World, port: int) -> list[Sample]:
    """The six SYNs of ``nmap -O``'s sequence generation, from six ports that follow a random one."""
    prober = Prober(world.attacker, SERVER, port, first_port=33_000 + world.rng.below(32_000))
    ack = world.rng.below(1 << 32)
    for number in range(len(NMAP_SYNS)):
        comment = f"nmap's SYN {number + 1} of {len(NMAP_SYNS)}"
        await paced(prober.ask_as_nmap(number, ack, comment), NMAP_PAUSE + deviation(world.rng, NMAP_JITTER))
    return prober.samples


async def from_one_port(world: World, port: int) -> list[Sample]:
    """Six numbers of one tuple, which nmap never asks for."""
    prober = Prober(world.attacker, SERVER, port)
    for number in range(len(NMAP_SYNS)):
        syn = make_segment((port, port), "S", seq=number)
        await paced(
            prober.send(syn, "the same addresses and ports again"), NMAP_PAUSE + deviation(world.rng, NMAP_JITTER)
        )
    return prober.samples


async def train(world: World, port: int, count: int) -> list[Sample]:
    """So many numbers, as an attacker would ask for them."""
    prober = Prober(world.attacker, SERVER, port, first_port=2000 + 2000 * (port - FIRST_PORT))
    for _ in range(count):
        await paced(prober.ask(), PAUSE)
    return prober.samples


def deviation(rng: Rng, standard: float) -> float:
    """Normal, with mean 0, as nearly as twelve uniform numbers make it."""
    return standard * (sum(rng.uniform() for _ in range(12)) - 6)


async def paced(asking: Coroutine[Any, Any, Sample | None], pause: float) -> None:
    """Takes ``pause`` seconds, if the answer does not take longer."""
    loop = asyncio.get_running_loop()
    begin = loop.time()
    await asking
    await asyncio.sleep(max(0.0, begin + pause - loop.time()))


def make_outcome(world: World, found: Sequence[Measured]) -> Outcome:
    """The table, the figures of each generator beside theory, the attractors."""
    metrics: dict[str, float] = {}
    theory: dict[str, float] = {}
    tolerance: dict[str, float] = {}
    strong = world.settings.defences
    expectations = {each.name: _UNIFORM if strong else THEORY[each.name] for each in found}
    for each in found:
        expected = expectations[each.name]
        slack = max(1.0, expected.median / 4) if expected.median > 1 else 0.0
        for name, value, low, high in (
            ("SP", each.nmap.sp, *expected.sp),
            ("ISR", each.nmap.isr, *expected.isr),
            ("guesses", each.guesses.median, expected.median - slack, expected.median + slack),
        ):
            key = f"{each.name}: {name}"
            metrics[key], theory[key] = value, (low + high) / 2
            tolerance[key] = (high - low) / 2 / max(theory[key], 1)
    metrics["predictable generators"] = float(sum(each.is_predictable for each in found))
    return world.outcome(
        attack_succeeded=any(each.is_predictable for each in found),
        metrics=metrics,
        theory=theory,
        tolerance=tolerance,
        notes=remarks(found),
        figures={"attractors": attractors([panel(each) for each in found])},
        texts={"All generators": format_table([each.row(expectations[each.name]) for each in found], HEADER)},
        lifelines=("server", "attacker"),
        port=FIRST_PORT,
    )


def panel(measured: Measured) -> Panel:
    """Its attractor, and what to write there."""
    guesses = measured.guesses
    count = _guesses(guesses.median)
    verdict = "cannot be guessed" if guesses.predictor == "none" else f"{count} guess{'es' * (count != '1')}"
    return Panel(
        name=measured.name,
        points=attractor([sample.isn for sample in measured.samples]),
        remark=f"SP {measured.nmap.sp}, {verdict}",
    )


def remarks(found: Sequence[Measured]) -> tuple[str, ...]:
    """What to see."""
    by_name = {each.name: each for each in found}
    notes = []
    if "mt19937" in by_name:
        notes.append(
            f"mt19937 has SP {by_name['mt19937'].nmap.sp}, as good as any: nmap does not see that its next number is"
            " known."
        )
    if "bsd43" in by_name and by_name["bsd43"].old.name == "64K":
        notes.append("nmap of 1998 knew the 64K rule of 4.3BSD by its name; today's only sees a low SP.")
    if "rfc6528" in by_name:
        same = by_name["rfc6528"].same_tuple.sp
        notes.append(
            f"rfc6528 asked from one port only has SP {same}: its clock shows within a tuple, where it has to, and"
            " nowhere else. nmap changes the port and never sees it."
        )
    return tuple(notes)


def _beside(measured: int, theory: tuple[int, int]) -> tuple[str, str, str]:
    low, high = theory
    return str(measured), str(low) if low == high else f"{low}-{high}", "" if low <= measured <= high else "OUTSIDE"


def _guesses(count: float) -> str:
    return f"{count:,.0f}" if count < 1e6 else f"{count:.2g}"


def _time(seconds: float) -> str:
    """At line rate."""
    for unit, size in (("min", 60.0), ("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e9:.0f} ns"
