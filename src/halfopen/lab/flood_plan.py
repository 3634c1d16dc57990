"""What the defences of a SYN flood come to: configurations, how long to measure, and the closed form that holds."""

from dataclasses import dataclass

from halfopen.lab import theory_floods as theory
from halfopen.lab.scenario import Settings
from halfopen.lab.theory_floods import Table, Window
from halfopen.lab.world import Layout
from halfopen.stack.config import IpConfig, StackConfig, TcpLayerConfig
from halfopen.tcp.config import OptionsConfig, RetransmissionConfig, TcpConfig

BIGGER = 8
"""How much larger "bigger-backlog" is."""
CACHE = 512 * 30
"""Records of "syn-cache", as FreeBSD."""
RESERVE = 0.25
"""Linux keeps the last quarter of its backlog for those who were proven alive."""
_LATE = 1.05
"""The flood goes on for so many RTTs after the last client's SYN has come to the server."""
_LEAST = 0.1
"""RTTs of flood before and with the clients' SYNs, at the least."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What the chosen defences come to."""

    defences: frozenset[str]
    backlog: int
    rtt: float
    tries: int
    is_returning: bool
    has_timestamps: bool
    rate: float
    clients: int

    @classmethod
    def of(cls, settings: Settings) -> "Plan":
        """By the settings."""
        return cls(
            settings.defences,
            settings.whole("backlog"),
            settings.number("rtt") / 1000,
            settings.whole("tries"),
            settings.word("clients-are") == "returning",
            settings.word("timestamps") == "yes",
            settings.number("rate"),
            settings.whole("clients"),
        )

    @property
    def retries(self) -> int:
        """Of the server's SYN,ACK."""
        return 1 if "shorter-timer" in self.defences else RetransmissionConfig().synack_retries

    @property
    def cookies(self) -> str:
        """`TcpLayerConfig.syn_cookies`."""
        if "cookies-always" in self.defences:
            return "always"
        return "overflow" if self.defences & {"hybrid", "cookies-on-overflow"} else "off"

    @property
    def eviction(self) -> str:
        """`TcpLayerConfig.eviction`."""
        if self.defences & {"recycle-oldest", "syn-cache"}:
            return "oldest"
        return "random" if "random-drop" in self.defences else "drop-new"

    @property
    def half_open(self) -> int:
        """Records in the table."""
        if "syn-cache" in self.defences:
            return CACHE
        backlog = TcpLayerConfig().half_open if "hybrid" in self.defences else self.backlog
        return backlog * BIGGER if "bigger-backlog" in self.defences else backlog

    @property
    def table(self) -> Table:
        """As the stack lays it out."""
        return Table.of(self.half_open)

    @property
    def reserve(self) -> float:
        """Share of the table that is for proven peers."""
        return RESERVE if "proven-reserve" in self.defences else 0.0

    @property
    def shields(self) -> bool:
        """Whether the flood does not get as far as the server."""
        return bool(self.defences & {"syn-proxy", "ingress-filter"})

    def server(self) -> StackConfig:
        """The server's configuration."""
        layer = TcpLayerConfig(
            syn_cookies=self.cookies, eviction=self.eviction, half_open=self.half_open, proven_reserve=self.reserve
        )
        retransmission = RetransmissionConfig(synack_retries=self.retries)
        return StackConfig(tcp_layer=layer, tcp=TcpConfig(retransmission=retransmission))

    def client(self) -> StackConfig:
        """The real clients'."""
        return StackConfig(
            tcp=TcpConfig(
                options=OptionsConfig(timestamps=self.has_timestamps),
                retransmission=RetransmissionConfig(syn_retries=self.tries - 1),
            )
        )

    def layout(self) -> Layout:
        """Two cables each way make one RTT."""
        configs = {"server": self.server(), "client": self.client()}
        if "ingress-filter" in self.defences:
            configs["edge"] = StackConfig(ip=IpConfig(forwarding=True, ingress_filter=True))
        return Layout(words=f"delay {self.rtt * 250:g}ms limit 1000000", configs=configs, silent=True)

    def survival(self, seconds: float, rate: float | None = None) -> float:
        """How many records are still there after so many seconds, if SYNs come at ``rate``, else that of the flood."""
        rate = self.rate if rate is None else rate
        table = self.table
        if self.eviction == "oldest":
            return theory.recycle_oldest(table, rate, seconds)
        if self.eviction == "random":
            return theory.random_drop(table, rate, seconds)
        return theory.drop_tail_second(_unreserved(table, self.reserve), rate, theory.lifetime(self.retries))

    def success(self, seconds: float) -> float:
        """What theory says of the real clients, who come within ``seconds``; each SYN is a trial of its own.

        Where SYNs drive each other out, those of clients count with the flood's.
        """
        if self.shields or self.cookies != "off" or (self.reserve and self.is_returning):
            return 1.0
        crowd = self._crowd(seconds) if self.eviction != "drop-new" else 0.0
        return theory.with_retries(self.survival(self.rtt, self.rate + crowd), self.tries)

    def _crowd(self, seconds: float) -> float:
        """SYNs a second of other clients while one waits, on average: behind the last one there are no more."""
        overlap = min(self.rtt, seconds)
        return self.clients * (overlap * seconds - overlap**2 / 2) / seconds**2 / self.rtt

    def options_kept(self) -> float | None:
        """Share of the clients that keep their options; None if it depends on who gets into the table."""
        without_table = self.cookies == "always" or "syn-proxy" in self.defences
        if self.has_timestamps or (self.cookies == "off" and "syn-proxy" not in self.defences):
            return 1.0
        return 0.0 if without_table else None

    def synacks(self, window: Window) -> float | None:
        """SYN,ACKs for each spoofed SYN; None where the flood has not been long enough for a steady state."""
        if "ingress-filter" in self.defences:
            return 0.0
        if "syn-proxy" in self.defences or self.cookies == "always":
            return 1.0
        is_steady = window.before >= theory.lifetime(self.retries)
        tail = self.eviction == "drop-new" or self.cookies != "off"
        if tail and not is_steady:
            return None
        sent = theory.synacks_per_syn(self.survival, self.retries, window)
        return sent + 1 - self.survival(0.0) if self.cookies == "overflow" else sent


def _unreserved(table: Table, reserve: float) -> Table:
    return Table(table.buckets, table.ways - int(table.ways * reserve))


@dataclass(frozen=True, slots=True)
class Schedule:
    """Seconds of the flood before, while and after the clients' SYNs come to the server."""

    before: float
    clients: float
    after: float

    @classmethod
    def of(cls, settings: Settings, plan: Plan) -> "Schedule":
        """No more SYNs than allowed, unless even the shortest flood needs them.

        A drop-tail table empties as it was filled, a lifetime later: the clients come for whole lifetimes if they can.
        """
        after = _LATE * plan.rtt + 2 ** (plan.tries - 1) - 1
        seconds = settings.number("seconds")
        most = max(settings.number("syns") / plan.rate, after + _LEAST * plan.rtt)
        each = min(seconds, (most - after) / 2)
        cycle = theory.lifetime(plan.retries)
        if plan.eviction == "drop-new" and each > cycle:
            each -= each % cycle
        return cls(each, each, after)

    @property
    def window(self) -> Window:
        """Of measurement."""
        return Window(self.before, self.clients)
