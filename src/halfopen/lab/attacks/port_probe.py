"""Port probing: what eight kinds of scans learn, and what it costs a host, and its friends, to say less."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from heapq import heappushpop
from statistics import fmean
from typing import ClassVar

from halfopen.base.clock import SECOND
from halfopen.lab.contacts import Bouncer, ContactLog, Watcher
from halfopen.lab.crowd import shuffled
from halfopen.lab.detectors import ThresholdRandomWalk
from halfopen.lab.information import share_known
from halfopen.lab.scans import (
    CLOSED,
    FILTERED,
    OPEN,
    OPEN_FILTERED,
    SCANS,
    UNFILTERED,
    PortReport,
    Scan,
    Scanner,
    Timing,
    learnt,
)
from halfopen.lab.scenario import Outcome, Parameter, Scenario, Settings
from halfopen.lab.world import Layout, World, packed
from halfopen.report.tables import format_table
from halfopen.sim.match import Passing
from halfopen.sim.rules import DROP, Verdict
from halfopen.stack.config import StackConfig, TcpLayerConfig
from halfopen.tcp.config import TcpConfig
from halfopen.wire.tcp import SYN

OPEN_PORTS = (21, 22, 25, 80, 110, 443)
FILTERED_PORTS = (111, 135, 139, 445, 512, 514)
IDENT = 113
"""Closed, and what a server of those days asked its clients for (RFC 1413)."""
OTHERS = tuple(port for port in range(1, 1024) if port not in (*OPEN_PORTS, *FILTERED_PORTS, IDENT))

DELAY, CABLES, NEAR_CABLES = 0.005, 3, 2
"""Seconds on each cable; from the attacker there are three to the server, from the client two."""
TIMEOUT, PARALLEL = 0.1, 10
KNOCKS, KNOCK_GAP = 20, 0.02
"""Clients at the wrong door during a scan, and seconds between them."""
PATIENCE = 600.0
"""Seconds that a client waits for somebody who has accepted its connection, before its user gives up."""

TABLE: Mapping[str, tuple[str, str, str]] = {
    "syn": (OPEN, CLOSED, FILTERED),
    "connect": (OPEN, CLOSED, FILTERED),
    "fin": (OPEN_FILTERED, CLOSED, OPEN_FILTERED),
    "null": (OPEN_FILTERED, CLOSED, OPEN_FILTERED),
    "xmas": (OPEN_FILTERED, CLOSED, OPEN_FILTERED),
    "ack": (UNFILTERED, UNFILTERED, FILTERED),
    "window": (CLOSED, CLOSED, FILTERED),
    "maimon": (CLOSED, CLOSED, OPEN_FILTERED),
}
"""What nmap makes of open, closed and filtered ports of a host that follows RFC 9293 and hides its window in RSTs."""

RESPONSES = ("tarpit", "blackhole", "blackhole-syn", "rst-limit")
"""Only one of them can be; of several the first is."""
SILENT = ("blackhole", "blackhole-syn")


class PortProbe(Scenario):
    """All scans against one host."""

    name = "port-probe"
    title = "Port probing: what answers give away, and what silence costs"
    text = (
        "A host has open and closed ports, and some that a firewall in front of it swallows. RFC 9293 says what each"
        " must answer to each segment, and so a scanner needs no connection to tell them apart. The attacker tries"
        " eight kinds of segments on sixty ports. A host may say less: nothing from closed ports, or few RSTs, or a"
        " SYN,ACK from everywhere. Then a client that knocks at the wrong door does not hear that it is wrong. And what"
        " silence hides from one kind of scan it may show to another: if closed ports say nothing to an ACK, only open"
        " ones answer. The attack has succeeded if any kind of scan learns half of what there is to learn about which"
        " ports are open, in bits. No answer and no silence keeps all eight from that, only each some of them; what"
        " stops them all is to notice the scanner, and to talk to him no more."
    )
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "scan": Parameter("all", "", "which kind", choices=("all", *SCANS)),
        "ports": Parameter(60, "ports", "that are tried: 6 open, 6 filtered, the rest closed", least=20, most=1000),
        "rst-rate": Parameter(20, "RST/s", "that the host allows itself with the defence rst-limit", least=1, most=1e6),
    }
    defences: ClassVar[Mapping[str, str]] = {
        "blackhole": "closed ports say nothing at all (FreeBSD blackhole=2)",
        "blackhole-syn": "closed ports say nothing to a SYN (FreeBSD blackhole=1)",
        "rst-limit": "only so many RSTs a second (FreeBSD icmplim)",
        "tarpit": "closed ports answer SYN,ACK, without state, and hold who comes back (LaBrea)",
        "trw": "the server's router drops who has four net failures (Jung et al. 2004)",
    }

    def play(self, settings: Settings) -> Outcome:
        """What clients feel first, then one scan after the other."""
        words = {"rst-limit": "limit"}
        response = next((words.get(name, name) for name in RESPONSES if name in settings.defences), "reset")
        layer = TcpLayerConfig(closed_ports=response, rst_rate=settings.whole("rst-rate"))
        with World(settings, Layout(configs={"server": StackConfig(tcp_layer=layer)})) as world:
            return world.run(Story(world, response).tell())


@dataclass(slots=True)
class Round:
    """One scan of all ports."""

    scan: Scan
    reports: Mapping[int, PortReport]
    seconds: float


@dataclass(slots=True)
class Costs:
    """What a client feels: seconds until it is served, and until it knows that nobody is there, in peace and later."""

    served: float = 0.0
    refused: float = 0.0
    refused_under_scan: float = 0.0
    rounds: list[Round] = field(default_factory=list)


class Story:
    """One run."""

    def __init__(self, world: World, response: str) -> None:
        self.world = world
        self.response = response
        closed = world.settings.whole("ports") - len(OPEN_PORTS) - len(FILTERED_PORTS) - 1
        self.closed = frozenset((IDENT, *shuffled(OTHERS, world.rng, closed)))
        self.ports = shuffled((*OPEN_PORTS, *FILTERED_PORTS, *sorted(self.closed)), world.rng)

    async def tell(self) -> Outcome:
        """All of it."""
        world, costs = self.world, Costs()
        for port in OPEN_PORTS:
            await world.server.start_server(_greet, None, port)
        world.cables["server-side"].rule(_firewall, towards="server")
        if "trw" in world.settings.defences:
            bouncer = Bouncer({"trw"})
            log = ContactLog(services=OPEN_PORTS)  # else whatever a tarpit says would speak for a scanner
            watcher = Watcher(world.server, log, [ThresholdRandomWalk()], bouncer.on_finding)
            world.network.observe(watcher)
            world.cables["server-side"].rule(bouncer, towards="server")
        costs.served = await world.client.run(_knock(world, OPEN_PORTS[0]))
        costs.refused = await world.client.run(_knock(world, IDENT))
        world.attacker.sniff()
        await world.attacker.resolve(packed(world.server))
        chosen = world.settings.word("scan")
        for name in SCANS if chosen == "all" else (chosen,):
            costs.rounds.append(await self._scan(SCANS[name]))
            await world.at_rest()
        costs.refused_under_scan = await self._refuse_under_scan()
        return self._outcome(costs)

    async def _refuse_under_scan(self) -> float:
        """The mean of several clients that knock in vain while somebody scans."""
        scanning = asyncio.create_task(self._scan(SCANS["syn"]))
        knocks = []
        for _ in range(KNOCKS):
            await asyncio.sleep(KNOCK_GAP)
            knocks.append(self.world.client.run(_knock(self.world, IDENT)))
        await scanning
        return fmean(await asyncio.gather(*knocks))

    async def _scan(self, scan: Scan) -> Round:
        world = self.world
        start = world.elapsed
        scanner = Scanner(world.attacker, packed(world.server), world.rng, Timing(parallel=PARALLEL, timeout=TIMEOUT))
        reports = await scanner.scan(scan, self.ports)
        return Round(scan, reports, world.elapsed - start)

    def _outcome(self, costs: Costs) -> Outcome:
        is_steady = self.response != "limit" and "trw" not in self.world.settings.defences
        figures = Figures(self.response, {port: self._state(port) for port in self.ports}, is_steady=is_steady)
        for each in costs.rounds:
            figures.judge(each)
        figures.judge_costs(costs)
        best = max(costs.rounds, key=lambda each: figures.metrics[f"{each.scan.name}: learnt"]).scan.name
        most = figures.metrics[f"{best}: learnt"]
        return self.world.outcome(
            attack_succeeded=most >= 1 / 2,
            metrics=figures.metrics,
            theory=figures.theory,
            tolerance=figures.tolerance,
            notes=(
                f"The scan that learns most of which ports are open is {best}: {most:.0%} of what there is.",
                *NOTES.get(self.response, ()),
                *(NOT_NOTICED if self.response in SILENT and "trw" in self.world.settings.defences else ()),
            ),
            texts={"What each scan got, and what it took the port for": answers(costs.rounds)},
            lifelines=("attacker", "server"),
        )

    def _state(self, port: int) -> str:
        return OPEN if port in OPEN_PORTS else CLOSED if port in self.closed else FILTERED


NOTES: Mapping[str, tuple[str, ...]] = {
    "reset": ("RSTs have window 0, from open and closed ports alike: a window scan learns nothing here.",),
    "blackhole": (
        "To a SYN scan closed ports look filtered now, and open ones as open as ever.",
        "An ACK that only open ports answer gives them away: silence is an answer if not everybody is silent.",
    ),
    "blackhole-syn": ("Silence to SYNs only: FIN, NULL and Xmas scans are answered as before.",),
    "limit": (
        "The budget is shared: a scanner spends it, and clients wait. Who sees how much is left learns what others do.",
    ),
    "tarpit": (
        "A SYN scan finds every port open; but their window is 0, and a scanner that looks at it is not fooled.",
        "Nor is an ACK scan: listeners answer RST, and this tarpit nothing.",
    ),
}

NOT_NOTICED = (
    "Silence blinds the detector: open ports answer at once and speak for the scanner, and that the others have not"
    " answered is clear only later, when he already counts as benign.",
)


class Figures:
    """Metrics beside theory. ``states`` are the ports, in the order in which they are tried.

    Theory has little to say unless the host is ``is_steady``: gives the same answer whatever was asked before.
    """

    def __init__(self, response: str, states: Mapping[int, str], *, is_steady: bool) -> None:
        self.metrics: dict[str, float] = {}
        self.theory: dict[str, float] = {}
        self.tolerance: dict[str, float] = {}
        self._response = response
        self._states = states
        self._is_steady = is_steady

    def judge(self, each: Round) -> None:
        """A scan beside what its kind must find out, and how long that must take."""
        name, states = each.scan.name, self._states
        verdicts = expected_verdicts(each.scan, self._response)
        expected = {port: verdicts[state] for port, state in states.items()}
        found = {port: report.state for port, report in each.reports.items()}
        known = share_known((expected[port], state == OPEN) for port, state in states.items())
        self._add(f"{name}: as expected", _share(found[port] == expected[port] for port in states), 1.0)
        self._add(f"{name}: falsely open", self._false(found), self._false(expected))
        self._add(f"{name}: learnt", learnt(each.reports, OPEN_PORTS), known)
        self._add(f"{name}: time, s", each.seconds, expected_time(each.scan, self._response, states.values()), 0.01)
        if OPEN in found.values():
            self._add(f"{name}: P(open if it says so)", self._posterior(found), self._posterior(expected))
        if name == "syn":
            by_window = ((_has_window(report), port in OPEN_PORTS) for port, report in each.reports.items())
            self._add("syn: learnt with an eye on the window", share_known(by_window), 1.0)

    def judge_costs(self, costs: Costs) -> None:
        """What clients pay for what scanners are not told."""
        trip = 2 * NEAR_CABLES * DELAY
        silent = {"blackhole": syn_patience(), "blackhole-syn": syn_patience(), "tarpit": trip + PATIENCE}
        known = silent.get(self._response, trip)
        self._add("cost: client served after, s", costs.served, 2 * trip, 0.01)
        self._add("cost: closed port known after, s", costs.refused, known, 0.01)
        self._add("cost: the same during a scan, s", costs.refused_under_scan, known, 0.01)

    def _add(self, name: str, measured: float, theory: float, tolerance: float = 0.0) -> None:
        self.metrics[name] = measured
        if self._is_steady or "known after" in name or "served" in name:
            self.theory[name] = theory
            self.tolerance[name] = tolerance

    def _false(self, verdicts: Mapping[int, str]) -> float:
        return _share(verdicts[port] == OPEN != state for port, state in self._states.items())

    def _posterior(self, verdicts: Mapping[int, str]) -> float:
        """What a verdict "open" is worth."""
        return _share(self._states[port] == OPEN for port, verdict in verdicts.items() if verdict == OPEN)


def is_answered(scan: Scan, response: str, state: str) -> bool:
    """Whether anything comes back from a port (the table of `halfopen.lab.scans`, and the responses)."""
    if state == FILTERED:
        return False
    is_syn = scan.flags == "S"
    if state == OPEN:
        return is_syn or "." in scan.flags
    return {"blackhole": False, "blackhole-syn": not is_syn, "tarpit": is_syn}.get(response, True)


def expected_verdicts(scan: Scan, response: str) -> dict[str, str]:
    """What nmap must take ports for, by what they are."""
    verdicts = dict(zip((OPEN, CLOSED, FILTERED), TABLE[scan.name], strict=True))
    if not is_answered(scan, response, CLOSED):
        verdicts[CLOSED] = scan.silence
    elif response == "tarpit":
        verdicts[CLOSED] = OPEN
    return verdicts


def expected_time(scan: Scan, response: str, states: Iterable[str]) -> float:
    """Seconds: a round trip for who answers, two timeouts for others, some at a time, each as soon as one is done."""
    ends = [0.0] * PARALLEL
    for state in states:
        seconds = 2 * CABLES * DELAY if is_answered(scan, response, state) else 2 * TIMEOUT
        heappushpop(ends, ends[0] + seconds)
    return max(ends)


def syn_patience() -> float:
    """Seconds until a client gives up to whom nobody says anything (RFC 9293 3.8.3)."""
    config = TcpConfig().retransmission
    return sum(min(config.rto_initial << count, config.rto_max) for count in range(config.syn_retries + 1)) / SECOND


def answers(rounds: Sequence[Round]) -> str:
    """A table: for each scan and each kind of port, the most usual answer and verdict."""
    rows = []
    for each in rounds:
        cells = []
        for ports in (OPEN_PORTS, _closed_of(each), FILTERED_PORTS):
            seen = Counter(f"{each.reports[port].heard} -> {each.reports[port].state}" for port in ports)
            cells.append(seen.most_common(1)[0][0])
        rows.append((each.scan.option, each.scan.flags or "none", *cells))
    return format_table(rows, ("scan", "flags", "open", "closed", "filtered"))


def _closed_of(each: Round) -> list[int]:
    return [port for port in each.reports if port not in OPEN_PORTS and port not in FILTERED_PORTS]


def _has_window(report: PortReport) -> bool:
    segment = report.answer.segment if report.answer is not None else None
    return segment is not None and bool(segment.flags & SYN) and segment.window > 0


def _share(hits: Iterable[bool]) -> float:
    each = list(hits)
    return sum(each) / len(each)


def _firewall(passing: Passing) -> Verdict | None:
    """In front of the server."""
    return DROP if passing.ports and passing.ports[1] in FILTERED_PORTS else None


def _greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"220 ready\r\n")
    writer.close()


async def _knock(world: World, port: int) -> float:
    """Seconds until the server's ``port`` has said something to a client, or it is clear that nobody is there."""
    start = world.elapsed
    with suppress(OSError):  # a refusal, and TimeoutError
        reader, writer = await asyncio.open_connection(world.server.address, port)
        writer.write(b"6193, 23\r\n")
        try:
            await asyncio.wait_for(reader.readline(), PATIENCE)
        finally:
            writer.transport.abort()
    return world.elapsed - start
