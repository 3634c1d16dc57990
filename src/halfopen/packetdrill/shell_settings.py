"""Commands that set something up: sysctls, routes and their metrics, the device and its queue."""

import re
from dataclasses import replace
from pathlib import PurePosixPath

from halfopen.base.addresses import Prefix, parse_address
from halfopen.base.clock import MILLISECOND, SECOND, Duration
from halfopen.packetdrill.linux_sysctls import SCRIPT_DEFAULTS
from halfopen.packetdrill.shell_host import Failed, ShellHost
from halfopen.packetdrill.shell_texts import setting_of
from halfopen.packetdrill.shell_words import NotUnderstood
from halfopen.stack.routes import Route
from halfopen.tcp.metrics import Metrics


def sysctl(host: ShellHost, words: list[str], standard_input: str) -> str:
    """``sysctl [-q] [-e] [-n] [-w] NAME[=VALUE]...``."""
    flags = {word for word in words if word.startswith("-")}
    lines = []
    for word in words:
        name, is_set, value = word.partition("=")
        if word in flags:
            continue
        if is_set:
            host.sysctls.write(name.strip(), value.strip())
        elif flags & {"-n"}:
            lines.append(host.sysctls.read(name))
        else:
            lines.append(f"{name} = {host.sysctls.read(name)}")
    return "".join(f"{line}\n" for line in lines)


def set_sysctls(host: ShellHost, words: list[str], standard_input: str) -> str:
    """``set_sysctls.py /proc/sys/NAME=VALUE...``, which keeps what was, for the command that restores it."""
    for word in words:
        path, is_set, value = word.partition("=")
        if not is_set:
            raise Failed(f"{word}: expected a path, = and a value")
        name = (setting_of(path) or path).replace("/", ".")
        host.saved.setdefault(name, host.sysctls.read(name).replace("\t", " "))
        host.sysctls.write(name, value)
    return ""


def restore_sysctls(host: ShellHost, words: list[str], standard_input: str) -> str:
    """``sysctl_restore_N.sh``."""
    while host.saved:
        host.sysctls.write(*host.saved.popitem())
    return ""


def set_defaults(host: ShellHost, words: list[str], standard_input: str) -> str:
    """``defaults.sh``: the sysctls that all scripts of a suite begin with."""
    for name, value in SCRIPT_DEFAULTS.items():
        host.sysctls.write(name, value)
    host.device.drops = host.device.paces = False
    return ""


def ip(host: ShellHost, words: list[str], standard_input: str) -> str:
    """``ip tcp_metrics flush all``, ``ip route change ...``, ``ip link set dev tun0 mtu N``."""
    words = [word for word in words if word not in ("-4", "-6")]
    if words[:2] == ["tcp_metrics", "flush"]:
        host.stack.tcp.active.cookies.forget()
        return ""
    if words[:1] in (["route"], ["ro"], ["r"]) and words[1:2] in (["change"], ["replace"], ["add"]):
        _change_route(host, words[2:])
        return ""
    if words[:2] == ["link", "set"]:
        _set_link(host, [word for word in words[2:] if word != "dev"])
        return ""
    raise NotUnderstood(f"ip {' '.join(words)}")


def _set_link(host: ShellHost, words: list[str]) -> None:
    names = {each.name: each for each in host.stack.interfaces}
    if len(words) != 3 or words[1] != "mtu" or not words[2].isdecimal():
        raise NotUnderstood(f"ip link set {' '.join(words)}")
    if words[0] not in names:
        raise Failed(f"there is no device {words[0]}")
    names[words[0]].mtu = int(words[2])
    host.stack.routes.advance()


def _change_route(host: ShellHost, words: list[str]) -> None:
    """``PREFIX [via GATEWAY] [dev DEVICE] [METRIC [lock] N]...``."""
    prefix, rest = _prefix(words[0]), list(words[1:])
    gateway, metrics = None, Metrics()
    while rest:
        word = rest.pop(0)
        value = _value(rest)
        if word == "via":
            gateway = parse_address(value)
        elif word in ("dev", "proto", "scope", "src", "metric", "table", "onlink"):
            continue
        else:
            is_locked = value == "lock"
            metrics = _with_metric(metrics, word, _value(rest) if is_locked else value, is_locked)
    same = [route for route in host.stack.routes if route.prefix == prefix]
    old = same[0] if same else Route(prefix=prefix, interface=host.stack.interfaces[0])
    for route in same:
        host.stack.routes.remove(route)
    host.stack.routes.add(replace(old, gateway=gateway or old.gateway, metrics=metrics))


def _value(rest: list[str]) -> str:
    if not rest:
        raise Failed("a route ends with a word that wants a value")
    return rest.pop(0)


def _prefix(word: str) -> Prefix:
    if word == "default":
        return Prefix.parse("0.0.0.0/0")
    if "/" in word:
        return Prefix.parse(word)
    return Prefix.parse(f"{word}/{128 if ':' in word else 32}")


def _with_metric(metrics: Metrics, word: str, value: str, is_locked: bool) -> Metrics:
    if word == "mtu":
        return replace(metrics, mtu=int(value), mtu_is_locked=is_locked)
    if word == "advmss":
        return replace(metrics, advertised_mss=int(value))
    if word == "initcwnd":
        return replace(metrics, initial_window=int(value))
    if word == "initrwnd":
        return replace(metrics, initial_receive_window=int(value))
    if word == "rto_min":
        return replace(metrics, rto_min=_duration(value))
    if word == "quickack":
        return replace(metrics, quick_ack=value != "0")
    raise NotUnderstood(f"the route metric {word!r}")


def _duration(text: str) -> Duration:
    match = re.fullmatch(r"(\d+)(ms|s|)", text)
    if match is None:
        raise Failed(f"{text}: expected a time")
    return int(match.group(1)) * (SECOND if match.group(2) == "s" else MILLISECOND)


def tc(host: ShellHost, words: list[str], standard_input: str) -> str:
    """``tc qdisc add|replace|change|delete dev DEVICE root KIND [limit N]``."""
    if words[:1] != ["qdisc"] or words[1:2] not in (["add"], ["replace"], ["change"], ["delete"], ["del"]):
        raise NotUnderstood(f"tc {' '.join(words)}")
    kinds = {"pfifo", "fq", "pfifo_fast", "bfifo", "noqueue", "fq_codel", "mq"} & set(words)
    if not kinds and words[1] not in ("delete", "del"):
        raise NotUnderstood(f"tc {' '.join(words)}")
    is_limit = "limit" in words[:-1]
    is_removed = words[1] in ("delete", "del")
    host.device.drops = not is_removed and is_limit and words[words.index("limit") + 1] == "0"
    host.device.paces = not is_removed and "fq" in kinds
    return ""


def ethtool(host: ShellHost, words: list[str], standard_input: str) -> str:
    """``ethtool -K DEVICE FEATURE on|off...``."""
    if words[:1] not in (["-K"], ["--offload"]) or len(words) < 4 or len(words) % 2:
        raise NotUnderstood(f"ethtool {' '.join(words)}")
    for feature, chosen in zip(words[2::2], words[3::2], strict=True):
        if feature in ("tso", "gso") and chosen in ("on", "off"):
            host.device.offloads = chosen == "on"
    return ""


def script_name(word: str) -> str:
    """The name of the suites' own script that ``word`` is a path to, or ``""``."""
    name = PurePosixPath(word).name
    if re.fullmatch(r"sysctl_restore_.*\.sh", name):
        return "sysctl_restore"
    return name if name in ("defaults.sh", "set_sysctls.py") else ""
