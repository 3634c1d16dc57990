"""The idle scan: to learn a port's state without ever sending the victim a packet of one's own (Sanfilippo 1998)."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import exp, log
from typing import ClassVar

from halfopen.base.rng import Rng
from halfopen.lab.contacts import ContactLog, Watcher
from halfopen.lab.crafting import make_segment
from halfopen.lab.detectors import SCANNER, Zeek
from halfopen.lab.information import entropy, mutual_information
from halfopen.lab.permit import SIMULATION_ONLY
from halfopen.lab.scans import CLOSED, FILTERED, OPEN
from halfopen.lab.scenario import Outcome, Parameter, Scenario, Settings
from halfopen.lab.world import Layout, World, packed
from halfopen.report.tables import format_table
from halfopen.sim.host import SimHost
from halfopen.sim.match import Passing
from halfopen.sim.rules import DROP, PASS, Verdict
from halfopen.stack.config import IpConfig, StackConfig

FIRST_PORT = 1000
FILTERED_PORT = 999
DISCARD = 9
ZOMBIE_PORT = 40000
WAIT = 0.2
"""Seconds before the forged SYN, and after it: several round trips."""
BETWEEN_LOOKS = 2 * WAIT + 0.03
"""Seconds between the zombie's two answers: there is the attacker's round trip to it as well."""
OPEN_STEP, CLOSED_STEP = 2, 1

HEADS = ("port", "is", "before", "after", "step", "so it must be")

POLICIES = {"ip-id-zero": "zero", "ip-id-random": "random", "ip-id-per-destination": "destination"}


class IdleScan(Scenario):
    """A scan whose sender the victim never hears of."""

    name = "idle-scan"
    title = "The idle scan: a third host counts for the scanner"
    text = (
        "A host that numbers all its datagrams with one counter tells everybody how many it sends. The attacker asks"
        " that zombie for a datagram, by a SYN,ACK that nobody expects, and notes the Identification of its RST. Then"
        " he sends the victim a SYN in the zombie's name. From an open port the zombie gets a SYN,ACK, which it answers"
        " by RST: the counter moves. From a closed port it gets a RST, from a filtered one nothing, and says nothing."
        " The attacker asks again: the number is two higher, or one. The victim has seen the zombie only, and accuses"
        " it. Datagrams that may not be fragmented need no number (RFC 6864): ours have 0, and nobody learns anything."
    )
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "ports": Parameter(60, "ports", "to find out about, half of them open", least=2, most=1000),
        "noise": Parameter(0.0, "datagrams/s", "that the zombie sends to others at random", least=0, most=1000),
    }
    defences: ClassVar[Mapping[str, str]] = {
        "ip-id-zero": "the zombie numbers no datagram that may not be fragmented (RFC 6864; our default)",
        "ip-id-random": "the zombie draws each number",
        "ip-id-per-destination": "the zombie counts for each destination apart",
        "ingress-filter": "the attacker's provider lets no forged sources out (BCP 38)",
    }

    def play(self, settings: Settings) -> Outcome:
        """One port after the other."""
        policy = next((word for name, word in POLICIES.items() if name in settings.defences), "global")
        zombie = StackConfig(ip=IpConfig(ip_id=policy, permit=SIMULATION_ONLY))
        edge = StackConfig(ip=IpConfig(forwarding=True, ingress_filter="ingress-filter" in settings.defences))
        with World(settings, Layout(configs={"client": zombie, "edge": edge}, silent=True)) as world:
            return world.run(Story(world).tell())


@dataclass(frozen=True, slots=True)
class Trial:
    """A port, what it is, and the zombie's numbers before and after the forged SYN; None if it did not answer."""

    port: int
    state: str
    before: int | None
    after: int | None

    @property
    def is_open(self) -> bool:
        """The secret."""
        return self.state == OPEN

    @property
    def step(self) -> int | None:
        """By how much the number had moved."""
        return None if self.before is None or self.after is None else (self.after - self.before) & 0xFFFF

    @property
    def row(self) -> tuple[object, ...]:
        """For a table."""
        words = {True: OPEN, False: f"{CLOSED} or {FILTERED}", None: "nothing"}
        return self.port, self.state, self.before, self.after, self.step, words[self.reading]

    @property
    def reading(self) -> bool | None:
        """What the step says about the port, if anything."""
        return {OPEN_STEP: True, CLOSED_STEP: False}.get(self.step or 0)


class Story:
    """One run."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.zombie, self.victim = packed(world.client), packed(world.server)
        self.watcher = Watcher(world.server, ContactLog(), [Zeek()])

    async def tell(self) -> Outcome:
        """The zombie is tried out, then the scan itself."""
        world = self.world
        world.network.observe(self.watcher)
        if "ingress-filter" not in world.settings.defences:
            world.cables["server-side"].rule(_firewall, towards="server")
        world.attacker.sniff()
        noise = world.client.run(
            _chatter(world.client, world.rng, world.settings.number("noise"), world.server.address)
        )
        secrets = await self._open_some(world.settings.whole("ports"))
        trials = [await self._look(port, OPEN if is_open else CLOSED) for port, is_open in secrets.items()]
        filtered = await self._look(FILTERED_PORT, FILTERED)
        noise.cancel()
        await world.at_rest()
        self.watcher.finish(world.server.pump.now())
        return self._outcome(trials, filtered)

    async def _open_some(self, count: int) -> dict[int, bool]:
        """Each port is open or not, as a coin falls."""
        secrets = {port: self.world.rng.below(2) == 1 for port in range(FIRST_PORT, FIRST_PORT + count)}
        for port in (port for port, is_open in secrets.items() if is_open):
            await self.world.server.start_server(lambda reader, writer: writer.close(), None, port)
        return secrets

    async def _look(self, port: int, state: str) -> Trial:
        """The zombie's numbers around a forged SYN to ``port``, which is in ``state``."""
        before = await self._ask_zombie("how many have you sent?")
        await asyncio.sleep(WAIT)
        forged = make_segment((ZOMBIE_PORT, port), "S", seq=self.world.rng.below(1 << 32))
        self.world.attacker.send(forged, source=self.zombie, destination=self.victim, comment="in the zombie's name")
        await asyncio.sleep(WAIT)
        after = await self._ask_zombie("and now?")
        return Trial(port, state, before, after)

    async def _ask_zombie(self, comment: str) -> int | None:
        """The Identification of the RST that answers a SYN,ACK out of the blue."""
        attacker, port = self.world.attacker, 1024 + self.world.rng.below(60000)
        asking = make_segment((port, 1 + self.world.rng.below(1023)), "S.", ack=self.world.rng.below(1 << 32))
        attacker.send(asking, destination=self.zombie, comment=comment)
        try:
            heard = await attacker.hear(lambda passing: _is_reset_to(passing, port), 1.0)
        except TimeoutError:
            return None
        return heard.ip.identification if heard.ip is not None else None

    def _outcome(self, trials: list[Trial], filtered: Trial) -> Outcome:
        guesses = [_guess(trial, self.world.rng) == trial.is_open for trial in trials]
        right, count = sum(guesses), len(trials)
        bits = mutual_information((trial.reading, trial.is_open) for trial in trials)
        contacts = [contact.source for contact in self.watcher.contacts]
        accused = {each.source for each in self.watcher.findings["zeek"] if each.verdict == SCANNER}
        metrics = {
            "ports guessed right": right / count,
            "bits learnt per port": bits,
            "usual step at an open port": _usual(trial.step for trial in trials if trial.is_open),
            "usual step at a closed port": _usual(trial.step for trial in trials if not trial.is_open),
            "usual step at a filtered port": _usual([filtered.step]),
            "attacker's packets at the victim": float(contacts.count(self.world.attacker.address)),
            "zombie accused by Zeek": float(self.zombie in accused),
        }
        return self.world.outcome(
            attack_succeeded=bits >= 1 / 2,
            metrics=metrics,
            theory=theory(self.world.settings, entropy(trial.is_open for trial in trials)),
            counts={"ports guessed right": (right, count)},
            notes=(
                "Two more than before: the zombie has answered somebody in between. One more: it has only answered us.",
                "A detector at the victim accuses whose address it has seen: the zombie's.",
            ),
            texts={
                "What the zombie's number said": format_table([each.row for each in (filtered, *trials[:12])], HEADS)
            },
            lifelines=("attacker", "client", "server"),
        )


def theory(settings: Settings, secret: float) -> dict[str, float]:
    """What is to be expected of ports with ``secret`` bits each.

    With noise of rate r and time w between the looks, n other datagrams come in between. n = 0: the reading is right.
    n = 1: a closed port looks open, an open one like nothing. More: like nothing, and the attacker tosses a coin.
    """
    figures = {"attacker's packets at the victim": 0.0}
    if settings.defences:
        return figures | {"ports guessed right": 1 / 2, "bits learnt per port": 0.0}
    quiet = settings.number("noise") * BETWEEN_LOOKS
    none, one = exp(-quiet), quiet * exp(-quiet)
    right = none + (1 - none) / 4 + (1 - none - one) / 4
    figures["ports guessed right"] = right
    if not quiet:
        figures["bits learnt per port"] = secret
        figures |= {
            "usual step at an open port": 2.0,
            "usual step at a closed port": 1.0,
            "usual step at a filtered port": 1.0,
        }
    return figures


def _guess(trial: Trial, rng: Rng) -> bool:
    reading = trial.reading
    return rng.below(2) == 1 if reading is None else reading


def _usual(steps: Iterable[int | None]) -> float:
    """The most frequent; -1 if there was none."""
    counts = Counter(-1 if step is None else step for step in steps)
    return float(counts.most_common(1)[0][0]) if counts else -1.0


def _firewall(passing: Passing) -> Verdict:
    """In front of the victim."""
    return DROP if passing.ports and passing.ports[1] == FILTERED_PORT else PASS


def _is_reset_to(passing: Passing, port: int) -> bool:
    return passing.tcp is not None and "R" in passing.flags and passing.tcp.destination_port == port


async def _chatter(host: SimHost, rng: Rng, rate: float, other: str) -> None:
    """UDP datagrams that leave as a Poisson process."""
    if not rate:
        return
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, remote_addr=(other, DISCARD))
    try:
        while True:
            await asyncio.sleep(-log(1 - rng.uniform()) / rate)
            transport.sendto(b"noise")
    finally:
        transport.close()
