"""What a host has for those who are no peers yet: how listeners are made and what they share, and closed ports."""

from halfopen.base.counters import Counters
from halfopen.base.rng import Rng
from halfopen.stack.closed_ports import ClosedPorts
from halfopen.stack.config import TcpLayerConfig
from halfopen.tcp.challenges import ChallengeBudget
from halfopen.tcp.config import TcpConfig
from halfopen.tcp.cookies import Cookies
from halfopen.tcp.eviction import EVICTIONS, DropNew, EvictionPolicy
from halfopen.tcp.fast_open import FastOpenServer
from halfopen.tcp.half_open import HalfOpenTable
from halfopen.tcp.isn import IsnGenerator
from halfopen.tcp.passive import Admission, Listening, Paths
from halfopen.tcp.proven import ProvenPeers
from halfopen.tcp.siphash import KEY_OCTETS
from halfopen.tcp.syncache import synack_waits


class PassiveOpens:
    """Passive OPENs of one host (RFC 9293 3.10.1)."""

    __slots__ = ("_counters", "_fast_open_key", "_isn", "_paths", "_proven", "_rng", "challenges", "closed_ports")

    def __init__(self, isn: IsnGenerator, paths: Paths, rng: Rng, counters: Counters) -> None:
        self._isn = isn
        self._paths = paths
        self._rng = rng
        self._counters = counters
        self._fast_open_key = rng.octets(KEY_OCTETS)
        self._proven = ProvenPeers()
        self.challenges = ChallengeBudget()
        """Of all connections, those that we open too."""
        self.closed_ports = ClosedPorts(isn, counters)

    def make_listening(self, port: int, flow_octets: int, layer: TcpLayerConfig, config: TcpConfig) -> Listening:
        """A half-open table, and cookies if there are to be any, for one port."""
        has_cookies, retransmission = layer.syn_cookies != "off", config.retransmission
        eviction: EvictionPolicy = DropNew() if has_cookies else EVICTIONS[layer.eviction](self._rng)
        waits = synack_waits(config) if config.arrivals.order == "bsd" else retransmission.synack_retries
        table = HalfOpenTable(layer.half_open, self._rng.octets(32), eviction, waits, flow_octets=flow_octets)
        return Listening(
            port=port,
            isn=self._isn,
            paths=self._paths,
            table=table,
            cookies=self._make_cookies(layer, config),
            admission=Admission(
                always_cookies=layer.syn_cookies == "always",
                sealed=has_cookies and layer.isn is None and config.arrivals.order != "linux",
                proven_reserve=layer.proven_reserve,
                proven=self._proven if layer.proven_reserve else None,
                bad_ack_budget=layer.bad_ack_budget,
                fast_open=FastOpenServer(self._fast_open_key, self._counters),
            ),
            challenges=self.challenges,
            config=config,
            counters=self._counters,
        )

    def _make_cookies(self, layer: TcpLayerConfig, config: TcpConfig) -> Cookies | None:
        if layer.syn_cookies == "off":
            return None
        return Cookies(self._rng, layer.keyed_hash, is_complete=config.listening.complete_cookies)
