"""The defences that are a matter of configuration, by the names that all scenarios know them by, and a host without.

Each is a change of one host's configuration, so that any set of them can be switched on together. Defences that are
programs (a SYN proxy, an ISN modulator, detectors) are their scenarios' to start.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from halfopen.base.errors import ConfigError
from halfopen.lab.scenario import nearest
from halfopen.stack.config import StackConfig
from halfopen.tcp.isn import IsnGenerator

BIG_BACKLOG = 16_384
"""Half-open peers: eight times Linux's default of a large machine."""
BACKLOG_1985 = 8
"""What a listener of 4.2BSD could hold, as did Mitnick's target in 1994."""


@dataclass(frozen=True, slots=True)
class Defence:
    """A change of the configuration of ``host``, one of a `halfopen.lab.world.Layout`."""

    host: str
    text: str
    change: Callable[[StackConfig], StackConfig]


def _with_half_open(config: StackConfig) -> StackConfig:
    return replace(config, tcp_layer=replace(config.tcp_layer, half_open=BIG_BACKLOG))


def _with_short_timer(config: StackConfig) -> StackConfig:
    retransmission = replace(config.tcp.retransmission, synack_retries=1)
    return replace(config, tcp=replace(config.tcp, retransmission=retransmission))


def _evicting(policy: str) -> Callable[[StackConfig], StackConfig]:
    return lambda config: replace(config, tcp_layer=replace(config.tcp_layer, eviction=policy))


def _with_cookies(when: str) -> Callable[[StackConfig], StackConfig]:
    return lambda config: replace(config, tcp_layer=replace(config.tcp_layer, syn_cookies=when))


def _with_reserve(config: StackConfig) -> StackConfig:
    return replace(config, tcp_layer=replace(config.tcp_layer, proven_reserve=0.25))


def _with_budget(config: StackConfig) -> StackConfig:
    return replace(config, tcp_layer=replace(config.tcp_layer, bad_ack_budget=3))


def _with_rfc6528(config: StackConfig) -> StackConfig:
    return replace(config, tcp_layer=replace(config.tcp_layer, isn=None))


def _with_timestamps(config: StackConfig) -> StackConfig:
    return replace(config, tcp=replace(config.tcp, options=replace(config.tcp.options, timestamps=True)))


def _with_ingress_filter(config: StackConfig) -> StackConfig:
    return replace(config, ip=replace(config.ip, ingress_filter=True))


DEFENCES: Mapping[str, Defence] = {
    "bigger-backlog": Defence("server", f"room for {BIG_BACKLOG:,} half-open peers (RFC 4987 3.2)", _with_half_open),
    "short-timer": Defence("server", "one SYN,ACK retransmission, 3 s in all (RFC 4987 3.3)", _with_short_timer),
    "recycle-oldest": Defence("server", "the oldest half-open peer makes room (RFC 4987 3.4)", _evicting("oldest")),
    "random-drop": Defence("server", "any half-open peer makes room", _evicting("random")),
    "proven-reserve": Defence("server", "a quarter of the backlog is for peers that were there before", _with_reserve),
    "syn-cookies": Defence("server", "no state for a SYN, ever (RFC 4987 3.6)", _with_cookies("always")),
    "hybrid": Defence("server", "a table, and cookies when it is full (RFC 4987 3.7)", _with_cookies("overflow")),
    "bad-ack-budget": Defence("server", "a half-open peer is forgotten after 3 wrong ACKs", _with_budget),
    "rfc6528": Defence("server", "initial sequence numbers by a keyed hash and a clock (RFC 6528)", _with_rfc6528),
    "timestamps": Defence("server", "old segments are told by their timestamps (RFC 7323 5)", _with_timestamps),
    "ingress-filter": Defence("edge", "only honest sources leave their network (BCP 38)", _with_ingress_filter),
}


def texts(*names: str) -> dict[str, str]:
    """What a scenario says of these, for its ``defences``."""
    return {name: defence(name).text for name in names}


def defence(name: str) -> Defence:
    """The one called ``name``; ConfigError names the nearest."""
    try:
        return DEFENCES[name]
    except KeyError:
        raise ConfigError(f"there is no defence {name!r}: {nearest(name, DEFENCES)}") from None


def configured(configs: Mapping[str, StackConfig], chosen: Iterable[str]) -> dict[str, StackConfig]:
    """``configs``, by host, with the defences of ``chosen`` that are here; of others their scenarios take care."""
    changed = dict(configs)
    for name in sorted(chosen):
        if name in DEFENCES:
            host, change = DEFENCES[name].host, DEFENCES[name].change
            changed[host] = change(changed.get(host, StackConfig()))
    return changed


def historic(backlog: int = BACKLOG_1985, isn: IsnGenerator | None = None) -> StackConfig:
    """A host without defences: a short backlog that nobody has to leave, and no cookies.

    ``isn`` is one of `halfopen.lab.generators.GENERATORS`; None is today's.
    """
    config = StackConfig()
    layer = replace(config.tcp_layer, half_open=backlog, syn_cookies="off", eviction="drop-new", isn=isn)
    return replace(config, tcp_layer=layer)
