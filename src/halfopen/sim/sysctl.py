"""A host's configuration by the names of Linux's sysctls, where ours has the same thing."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from difflib import get_close_matches
from operator import attrgetter
from typing import TYPE_CHECKING, TypeVar

from halfopen.base.clock import MICROSECOND, MILLISECOND, SECOND
from halfopen.base.errors import ConfigError
from halfopen.stack.config import StackConfig
from halfopen.stack.ports import PortRange
from halfopen.tcp.config import BufferConfig, Ecn, RetransmissionConfig, TcpConfig
from halfopen.tcp.congestion.algorithms import ALGORITHMS

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    D = TypeVar("D", bound=DataclassInstance)

Value = int | str

LINUX = StackConfig(tcp=TcpConfig(retransmission=RetransmissionConfig(syn_retries=6)))
"""How a host is configured that nobody has configured: as Linux is, which gives up a SYN after 127 s."""

LINUX_ORPHAN_RETRIES = 8
"""What Linux takes a ``tcp_orphan_retries`` of 0 for."""

LINUX_MINIMUM = 4096
"""The first of ``tcp_rmem`` and ``tcp_wmem``, for when memory is short: ours never is, so it is not kept."""

LINUX_SEND_BUFFER = 16384
"""The second of ``tcp_wmem``, with which a socket begins there; ours begin with the third."""

UNLIMITED = 2**32 - 1


@dataclass(slots=True, frozen=True)
class Kind:
    """How a field of ours is written as a sysctl: ``read`` shows it; ``write`` takes words, and the field as it was."""

    read: Callable[[object], Value]
    write: Callable[[str, object], object]


@dataclass(slots=True, frozen=True)
class Sysctl:
    """A field of `StackConfig`, by its path, and what it means."""

    path: str
    kind: Kind
    meaning: str


def whole(least: int = 0, most: int = 2**31 - 1, unit: int = 1) -> Kind:
    """A number of so many ``unit``."""

    def write(text: str, _: object) -> int:
        if not text.isdecimal() or not least <= int(text) <= most:
            raise ValueError(f"expected a number from {least} to {most}")
        return int(text) * unit

    return Kind(lambda field: int(str(field)) // unit, write)


def switch(on: int = 1, off: int = 0) -> Kind:
    """A truth value; ``on`` and ``off`` are what Linux writes for it."""

    def write(text: str, _: object) -> bool:
        if text not in (str(on), str(off)):
            raise ValueError(f"expected {on} (on) or {off} (off)")
        return text == str(on)

    return Kind(lambda field: on if field else off, write)


def _write_ecn(text: str, _: object) -> Ecn:
    if text not in ("0", "1", "2"):
        raise ValueError("expected 0 (never), 1 (asking for it) or 2 (when the peer asks)")
    return Ecn(int(text))


def _write_algorithm(text: str, _: object) -> str:
    if text not in ALGORITHMS:
        raise ValueError(f"expected one of {', '.join(sorted(ALGORITHMS))}")
    return text


def _numbers(text: str, names: str) -> list[int]:
    """As many numbers as ``names``, rising."""
    words = text.split()
    count = len(names.split(", "))
    if len(words) != count or not all(word.isdecimal() for word in words):
        raise ValueError(f"expected {count} numbers: {names}")
    numbers = [int(word) for word in words]
    if numbers != sorted(numbers) or not numbers[0]:
        raise ValueError(f"expected numbers that rise, of at least 1: {names}")
    return numbers


def _write_receive(text: str, field: object) -> BufferConfig:
    _, initial, largest = _numbers(text, "minimum, initial, maximum")
    return replace(_buffers(field), receive_initial=initial, receive=largest)


def _write_send(text: str, field: object) -> BufferConfig:
    return replace(_buffers(field), send=_numbers(text, "minimum, initial, maximum")[2])


def _buffers(field: object) -> BufferConfig:
    assert isinstance(field, BufferConfig)
    return field


def _write_range(text: str, field: object) -> PortRange:
    low, high = _numbers(text, "lowest, highest")
    return replace(_ports(field), low=low, high=high)


def _write_reserved(text: str, _: object) -> frozenset[int]:
    """``"8080,9148-9150"``"""
    ports: set[int] = set()
    for word in text.replace(",", " ").split():
        low, _, high = word.partition("-")
        if not (low.isdecimal() and (high or low).isdecimal() and 0 < int(low) <= int(high or low) <= 0xFFFF):
            raise ValueError("expected ports and ranges of them such as 8080,9148-9150")
        ports.update(range(int(low), int(high or low) + 1))
    return frozenset(ports)


def _read_reserved(field: object) -> str:
    assert isinstance(field, frozenset)
    return ",".join(map(str, sorted(field)))


def _ports(field: object) -> PortRange:
    assert isinstance(field, PortRange)
    return field


_SECONDS = whole(1, 32767, SECOND)
_MILLISECONDS = whole(unit=MILLISECOND)
_SWITCH = switch()
_RETRIES = whole(0, 255)
_ORPHANS = Kind(lambda field: int(str(field)), lambda text, _: _RETRIES.write(text, _) or LINUX_ORPHAN_RETRIES)
_ECN = Kind(lambda field: field.value if isinstance(field, Ecn) else 0, _write_ecn)
_ALGORITHM = Kind(str, _write_algorithm)
_RECEIVE = Kind(
    lambda field: f"{LINUX_MINIMUM} {_buffers(field).receive_initial} {_buffers(field).receive}", _write_receive
)
_SEND = Kind(lambda field: f"{LINUX_MINIMUM} {LINUX_SEND_BUFFER} {_buffers(field).send}", _write_send)
_RANGE = Kind(lambda field: f"{_ports(field).low} {_ports(field).high}", _write_range)
_RESERVED = Kind(_read_reserved, _write_reserved)
_LOW_WATER = Kind(
    lambda field: UNLIMITED if field is None else int(str(field)),
    lambda text, _: None if text == str(UNLIMITED) else whole(1).write(text, _),
)
_RATE = Kind(
    lambda field: SECOND // int(str(field)), lambda text, _: SECOND // int(str(whole(1, SECOND).write(text, _)))
)

_TABLE = {
    "net.core.somaxconn": Sysctl("tcp_layer.backlog", whole(1), "connections that wait to be accepted, per listener"),
    "net.ipv4.conf.all.rp_filter": Sysctl(
        "ip.ingress_filter", _SWITCH, "a router forwards only what came by the way back to its source"
    ),
    "net.ipv4.icmp_echo_ignore_all": Sysctl("icmp.echo", switch(0, 1), "do not answer ping"),
    "net.ipv4.icmp_echo_ignore_broadcasts": Sysctl(
        "icmp.echo_broadcast", switch(0, 1), "do not answer ping to a broadcast address"
    ),
    "net.ipv4.icmp_msgs_burst": Sysctl("icmp.error_burst", whole(1), "ICMP errors that may be sent at once"),
    "net.ipv4.icmp_msgs_per_sec": Sysctl("icmp.error_interval", _RATE, "ICMP errors a second"),
    "net.ipv4.ip_forward": Sysctl("ip.forwarding", _SWITCH, "be a router"),
    "net.ipv4.ip_local_port_range": Sysctl("ports", _RANGE, "ephemeral ports: lowest, highest"),
    "net.ipv4.ip_local_reserved_ports": Sysctl("ports.excluded", _RESERVED, "ports that are never ephemeral"),
    "net.ipv4.ipfrag_high_thresh": Sysctl("fragments.memory", whole(1), "octets of fragments held"),
    "net.ipv4.ipfrag_time": Sysctl("fragments.timeout", _SECONDS, "seconds that fragments are held"),
    "net.ipv4.neigh.default.base_reachable_time_ms": Sysctl(
        "arp.reachable", _MILLISECONDS, "how long a neighbour counts as reachable, on average"
    ),
    "net.ipv4.neigh.default.delay_first_probe_time": Sysctl(
        "arp.delay", _SECONDS, "how long traffic may confirm a stale neighbour before it is probed"
    ),
    "net.ipv4.neigh.default.gc_stale_time": Sysctl("arp.stale", _SECONDS, "unused neighbours are forgotten then"),
    "net.ipv4.neigh.default.gc_thresh3": Sysctl("arp.table_size", whole(1), "neighbours at most"),
    "net.ipv4.neigh.default.mcast_solicit": Sysctl("arp.solicits", whole(1, 255), "ARP requests before giving up"),
    "net.ipv4.neigh.default.retrans_time_ms": Sysctl("arp.retransmit", _MILLISECONDS, "time between ARP requests"),
    "net.ipv4.neigh.default.unres_qlen": Sysctl("arp.queue_packets", whole(1), "packets that wait for one neighbour"),
    "net.ipv4.route.min_pmtu": Sysctl("ip.pmtu_min", whole(68, 65535), "a smaller path MTU is not believed"),
    "net.ipv4.route.mtu_expires": Sysctl("ip.pmtu_lifetime", _SECONDS, "a larger path MTU is tried then"),
    "net.ipv4.tcp_congestion_control": Sysctl("tcp.congestion.algorithm", _ALGORITHM, "congestion control"),
    "net.ipv4.tcp_early_retrans": Sysctl("tcp.retransmission.tail_loss_probe", switch(3), "tail loss probe: 3 or 0"),
    "net.ipv4.tcp_ecn": Sysctl("tcp.options.ecn", _ECN, "ECN: 0 never, 1 ask for it, 2 when the peer asks"),
    "net.ipv4.tcp_fin_timeout": Sysctl("tcp.closing.fin_wait_2", _SECONDS, "seconds in FIN-WAIT-2 without a user"),
    "net.ipv4.tcp_invalid_ratelimit": Sysctl(
        "tcp.acks.challenge_interval", _MILLISECONDS, "time between challenge ACKs of a connection"
    ),
    "net.ipv4.tcp_keepalive_intvl": Sysctl("tcp.keep_alive.interval", _SECONDS, "seconds between keep-alive probes"),
    "net.ipv4.tcp_keepalive_probes": Sysctl(
        "tcp.keep_alive.count", whole(1, 127), "keep-alive probes before the peer counts as dead"
    ),
    "net.ipv4.tcp_keepalive_time": Sysctl("tcp.keep_alive.idle", _SECONDS, "idle seconds before keep-alive probes"),
    "net.ipv4.tcp_max_syn_backlog": Sysctl("tcp_layer.half_open", whole(1), "half-open peers, per listener"),
    "net.ipv4.tcp_max_tw_buckets": Sysctl("tcp_layer.time_wait", whole(), "connections in TIME-WAIT at most"),
    "net.ipv4.tcp_notsent_lowat": Sysctl("tcp.buffers.unsent_low", _LOW_WATER, "unsent octets that make SEND wait"),
    "net.ipv4.tcp_orphan_retries": Sysctl(
        "tcp.retransmission.orphan_retries", _ORPHANS, "retransmissions when the user has closed; 0 means 8"
    ),
    "net.ipv4.tcp_recovery": Sysctl("tcp.retransmission.rack", _SWITCH, "RACK loss detection"),
    "net.ipv4.tcp_reordering": Sysctl("tcp.retransmission.dupthresh", whole(1, 300), "duplicate ACKs that mean loss"),
    "net.ipv4.tcp_retries1": Sysctl("tcp.retransmission.soft_retries", _RETRIES, "R1, in retransmissions"),
    "net.ipv4.tcp_retries2": Sysctl("tcp.retransmission.retries", _RETRIES, "R2, in retransmissions"),
    "net.ipv4.tcp_rmem": Sysctl("tcp.buffers", _RECEIVE, "receive buffer: minimum (not kept), initial, maximum"),
    "net.ipv4.tcp_rto_max_ms": Sysctl(
        "tcp.retransmission.rto_max", whole(1000, 120000, MILLISECOND), "longest retransmission timeout"
    ),
    "net.ipv4.tcp_rto_min_us": Sysctl(
        "tcp.retransmission.rto_min", whole(1, 10**6, MICROSECOND), "shortest retransmission timeout"
    ),
    "net.ipv4.tcp_sack": Sysctl("tcp.options.sack", _SWITCH, "selective acknowledgments"),
    "net.ipv4.tcp_slow_start_after_idle": Sysctl(
        "tcp.congestion.restart_after_idle", _SWITCH, "begin with slow start again after a pause"
    ),
    "net.ipv4.tcp_syn_retries": Sysctl("tcp.retransmission.syn_retries", whole(1, 127), "retransmissions of a SYN"),
    "net.ipv4.tcp_synack_retries": Sysctl(
        "tcp.retransmission.synack_retries", _RETRIES, "retransmissions of a SYN,ACK"
    ),
    "net.ipv4.tcp_timestamps": Sysctl("tcp.options.timestamps", _SWITCH, "timestamps option"),
    "net.ipv4.tcp_window_scaling": Sysctl("tcp.options.window_scaling", _SWITCH, "window scale option"),
    "net.ipv4.tcp_wmem": Sysctl("tcp.buffers", _SEND, "send buffer: minimum, initial (neither is kept), maximum"),
}


def read(config: StackConfig, name: str) -> Value:
    """What ``sysctl name`` would print of a host with this configuration; ConfigError if there is no such name."""
    entry = _entry(name)
    return entry.kind.read(attrgetter(entry.path)(config))


def write(config: StackConfig, name: str, value: Value) -> StackConfig:
    """``sysctl name=value``; ConfigError if there is no such name, or the value cannot be meant."""
    entry = _entry(name)
    text = " ".join(str(value).split())
    try:
        return _replaced(config, entry.path.split("."), entry.kind.write(text, attrgetter(entry.path)(config)))
    except (ValueError, ConfigError) as error:
        raise ConfigError(f"sysctl {name} cannot be {value!r}: {error}") from None


def sysctl_names() -> str:
    """A line for each sysctl there is: its name, its default in a simulated host, and what it means."""
    rows = [(name, str(read(LINUX, name)), entry.meaning) for name, entry in _TABLE.items()]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    return "\n".join(f"{name:{widths[0]}}  {value:{widths[1]}}  {meaning}" for name, value, meaning in rows)


def _entry(name: str) -> Sysctl:
    """By its name with dots, or with slashes as below ``/proc/sys``."""
    dotted = name.replace("/", ".")
    if dotted in _TABLE:
        return _TABLE[dotted]
    last = {known.rpartition(".")[2]: known for known in _TABLE}
    close = get_close_matches(dotted, _TABLE, n=3, cutoff=0.8)
    close += [last[word] for word in get_close_matches(dotted.rpartition(".")[2], last, n=3, cutoff=0.8)]
    hint = f" (did you mean {' or '.join(repr(each) for each in dict.fromkeys(close))}?)" if close else ""
    raise ConfigError(f"there is no sysctl {name!r}{hint}")


def _replaced(config: "D", path: list[str], value: object) -> "D":
    """A copy of ``config`` in which the field at ``path`` is ``value``."""
    first, *rest = path
    return replace(config, **{first: _replaced(getattr(config, first), rest, value) if rest else value})
