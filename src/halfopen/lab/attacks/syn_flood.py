"""SYN flooding (RFC 4987): half-open connections from nobody, and every known way to live with them."""

import asyncio
from collections.abc import Mapping
from math import sqrt
from typing import ClassVar

from halfopen.lab import survival
from halfopen.lab import theory_floods as theory
from halfopen.lab.flood_plan import BIGGER, CACHE, Plan, Schedule
from halfopen.lab.floods import PORT, SAMPLE, Aim, Drain, Gauge, SynFlood, ends_of
from halfopen.lab.scenario import Outcome, Parameter, Scenario, Settings
from halfopen.lab.syn_proxy import SynProxy
from halfopen.lab.visitors import Served, Visitors
from halfopen.lab.world import World, listener_of, packed
from halfopen.sim.cable import CableEnd
from halfopen.tcp.half_open import HalfOpenTable

RECORD_OCTETS = {4: 36, 6: 60}
"""Of a half-open peer, by version of IP."""
PATIENCE = 3.0
"""Seconds that a connected client waits for its answer."""


class SynFloodScenario(Scenario):
    """Spoofed SYNs against a listener with real clients beside them."""

    name = "syn-flood"
    title = "SYN flood: half-open connections from nobody"
    text = (
        "The attacker sends SYNs from addresses where nobody lives. The server answers each by SYN,ACK and keeps a"
        " record until it gives up: 63 s for five retransmissions. A table of B records is full from B/63 SYNs a"
        " second on, and then real clients stand before a closed door. They come beside the flood, each with"
        " a request of one octet; served is who gets the answer. Every mitigation of RFC 4987 and of later practice can"
        " be switched on, alone or together; theory is the closed form for what is switched on."
    )
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "rate": Parameter(40.0, "SYN/s", "spoofed SYNs a second, a Poisson process", above=0, most=1_000_000),
        "backlog": Parameter(128, "records", "half-open table, if no defence says otherwise", least=1, most=8000),
        "rtt": Parameter(100.0, "ms", "between real clients and server", least=1, most=2000),
        "clients": Parameter(200, "clients", "real ones, a Poisson process", least=1, most=20_000),
        "tries": Parameter(1, "SYNs", "of each client before it gives up", least=1, most=7),
        "clients-are": Parameter("new", "", "or were they here before the flood?", choices=("new", "returning")),
        "timestamps": Parameter("yes", "", "whether the clients offer them", choices=("yes", "no")),
        "seconds": Parameter(63.0, "s", "that clients come, and of flood before", above=0, most=600),
        "syns": Parameter(40_000, "SYNs", "at most; the seconds are cut to it", least=100, most=10_000_000),
    }
    ip_versions: ClassVar[tuple[int, ...]] = (4, 6)
    ipv4_defences: ClassVar[frozenset[str]] = frozenset({"syn-proxy"})
    defences: ClassVar[Mapping[str, str]] = {
        "bigger-backlog": f"{BIGGER} times the records (RFC 4987 3.2): the attacker needs {BIGGER} times the rate",
        "shorter-timer": "one retransmission of SYN,ACK instead of five: 3 s instead of 63 (RFC 4987 3.3)",
        "recycle-oldest": "the oldest half-open record makes room (RFC 4987 3.4)",
        "random-drop": "any half-open record makes room",
        "syn-cache": f"a hashed cache of {CACHE:,} small records, the oldest of a bucket makes room (RFC 4987 3.5)",
        "cookies-on-overflow": "who finds no place in the table is sent a cookie (RFC 4987 3.6)",
        "cookies-always": "nobody gets a place, all get cookies (RFC 4987 3.6)",
        "hybrid": "the library's default: a table of fixed memory, and cookies when it is full (RFC 4987 3.7)",
        "proven-reserve": "a quarter of the table is for addresses that completed a handshake lately (Linux)",
        "syn-proxy": "the router completes handshakes by cookies before the server hears of them (RFC 4987 3.8)",
        "ingress-filter": "the attacker's own router forwards no source that is not behind it (BCP 38, RFC 4987 3.1)",
    }

    def play(self, settings: Settings) -> Outcome:
        """Flood, clients, and what came of both."""
        plan = Plan.of(settings)
        with World(settings, plan.layout()) as world:
            return world.run(Story(world, plan, Schedule.of(settings, plan)).tell())


class Story:
    """One flood."""

    def __init__(self, world: World, plan: Plan, schedule: Schedule) -> None:
        self.world = world
        self.plan = plan
        self.schedule = schedule
        self.proxy: SynProxy | None = None
        self.gauge = Gauge()

    async def tell(self) -> Outcome:
        """Some flood, clients and flood, a little more flood."""
        world, plan, schedule = self.world, self.plan, self.schedule
        world.tape.shorten(world.places.spoofed, SAMPLE)
        entry, door = self._doors()
        drain = Drain(door, most=SAMPLE)
        visitors = Visitors(world, PORT, PATIENCE)
        if plan.reserve and not plan.is_returning:
            visitors.spread()
        await visitors.open()
        table = self._table()
        if plan.is_returning:
            await world.client.run(visitors.visit())
            visitors.result = Served()
        flood = SynFlood(world, Aim(rate=plan.rate, entry=entry, comment="SYN of nobody"))
        lead = schedule.before - plan.rtt / 2
        if lead >= 0:
            flood.start()
            await asyncio.sleep(lead)
        coming = asyncio.create_task(visitors.come(world.settings.whole("clients"), schedule.clients))
        if lead < 0:
            await asyncio.sleep(-lead)
            flood.start()
        await asyncio.sleep(min(schedule.before, plan.rtt / 2))
        before = (flood.count, drain.synacks)
        await asyncio.sleep(schedule.clients)
        counts = (flood.count - before[0], drain.synacks - before[1])
        held = len(table)
        await asyncio.sleep(schedule.after)
        await flood.stop()
        await world.at_rest(2 * plan.rtt)
        await coming
        return self._outcome(visitors.result, flood, counts, (table, held))

    def _doors(self) -> tuple[CableEnd | None, CableEnd]:
        """Where the flood may appear unseen, and where its answers leave."""
        world = self.world
        (server,) = ends_of(world, world.server)
        server.filters.append(self.gauge)
        if "syn-proxy" in self.plan.defences:
            uplink = world.cables["uplink"].end(world.router)
            self.proxy = SynProxy(world.router, packed(world.server), [PORT], world.rng.fork("proxy"))
            self.proxy.install(ends_of(world, world.router))
            return (None if "ingress-filter" in self.plan.defences else uplink), uplink
        return (None if "ingress-filter" in self.plan.defences else server), server

    def _table(self) -> HalfOpenTable:
        return listener_of(self.world.server.stack).listener.half_open

    def _outcome(
        self, served: Served, flood: SynFlood, counts: tuple[int, int], kept: tuple[HalfOpenTable, int]
    ) -> Outcome:
        plan, schedule = self.plan, self.schedule
        table, held = kept
        reached = self.gauge.count
        metrics = {
            "clients served": served.share,
            "options kept": served.kept / served.served if served.served else 0.0,
            "median wait, RTT": served.median / plan.rtt,
            "spoofed SYNs": float(flood.count),
            "spoofed SYNs at the server": reached / flood.count if flood.count else 0.0,
            "SYN,ACKs for each": counts[1] / counts[0] if counts[0] else 0.0,
            "half-open records": float(held),
            "half-open memory, octets": float(table.octets),
            "octets for a record": table.octets / table.capacity,
            "state of the proxy, connections": float(len(self.proxy.connections) if self.proxy else 0),
            "rate that fills the table, SYN/s": theory.keep_full_rate(table.capacity, theory.lifetime(plan.retries)),
            "seconds of flood": schedule.before + schedule.clients + schedule.after,
        }
        expected = {
            "clients served": plan.success(schedule.clients),
            "spoofed SYNs at the server": 0.0 if plan.shields else 1.0,
            "half-open memory, octets": plan.table.capacity * RECORD_OCTETS[self.world.places.version]
            + plan.table.buckets * 4.0,
        }
        # The request goes with the ACK: two RTTs. A proxy half way opens its window half an RTT later.
        expected["median wait, RTT"] = 2.5 if "syn-proxy" in plan.defences else 2.0
        kept_share, synacks = plan.options_kept(), plan.synacks(schedule.window)
        if kept_share is not None and served.served:
            expected["options kept"] = kept_share
        if synacks is not None:
            expected["SYN,ACKs for each"] = synacks
        if not served.served or plan.tries > 1:
            del expected["median wait, RTT"]
        # What enters a table is a small number of events, and as uncertain.
        is_exact = plan.shields or plan.cookies == "always"
        spread = 0.0 if is_exact else 2 / sqrt(max(1.0, counts[0] * plan.survival(0.0)))
        return self.world.outcome(
            attack_succeeded=served.share < 0.5,
            metrics=metrics,
            theory=expected,
            counts={"clients served": (served.served, served.asked)},
            tolerance={"SYN,ACKs for each": max(0.1, spread), "median wait, RTT": 0.05},
            notes=self._notes(served),
            figures={"survival": survival.draw(plan.rtt, [survival.Point("this run", plan.rate, served.share)])},
            port=PORT,
        )

    def _notes(self, served: Served) -> tuple[str, ...]:
        plan, schedule = self.plan, self.schedule
        notes = [
            f"The clients came within {schedule.clients:.3g} s, after {schedule.before:.3g} s of flood, of which the"
            f" capture shows the first {SAMPLE} packets.",
        ]
        if plan.eviction == "drop-new" and plan.cookies == "off" and not plan.shields:
            notes.append("Clients of one run meet the same full buckets: only other seeds are independent trials.")
        if plan.tries > 1 and plan.success(schedule.clients) < 1:
            notes.append("Theory takes a client's SYNs for independent; a full table is still full at the next one.")
        if plan.cookies != "off" and not plan.has_timestamps:
            notes.append("A cookie without timestamps has room for the MSS only: window scale and SACK are lost.")
        if plan.defences == {"bigger-backlog"} and served.share < 0.5:
            notes.append("A bigger backlog alone only raises the price: the attacker needs a higher rate.")
        return tuple(notes)
