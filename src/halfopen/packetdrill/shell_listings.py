"""Commands that list connections and counters, and one that ends connections."""

from collections.abc import Iterator
from dataclasses import dataclass

from halfopen.base.addresses import Address, format_address
from halfopen.packetdrill.shell_host import Failed, ShellHost
from halfopen.packetdrill.shell_words import NotUnderstood
from halfopen.stack.ports import PortRow
from halfopen.stack.tcp_socket import TcpSocket
from halfopen.tcp.state import State

SS_STATES = {
    "established": "ESTAB",
    "syn-sent": "SYN-SENT",
    "syn-recv": "SYN-RECV",
    "fin-wait-1": "FIN-WAIT-1",
    "fin-wait-2": "FIN-WAIT-2",
    "time-wait": "TIME-WAIT",
    "closed": "UNCONN",
    "close-wait": "CLOSE-WAIT",
    "last-ack": "LAST-ACK",
    "listening": "LISTEN",
    "closing": "CLOSING",
}
_HEX_STATES = {
    "ESTAB": 1,
    "SYN-SENT": 2,
    "SYN-RECV": 3,
    "FIN-WAIT-1": 4,
    "FIN-WAIT-2": 5,
    "TIME-WAIT": 6,
    "CLOSE-WAIT": 8,
    "LAST-ACK": 9,
    "LISTEN": 10,
    "CLOSING": 11,
}
"""``/proc/net/tcp`` has Linux's numbers."""

FREEBSD_STATES = {
    "ESTAB": "ESTABLISHED",
    "SYN-SENT": "SYN_SENT",
    "SYN-RECV": "SYN_RCVD",
    "FIN-WAIT-1": "FIN_WAIT_1",
    "FIN-WAIT-2": "FIN_WAIT_2",
    "TIME-WAIT": "TIME_WAIT",
    "CLOSE-WAIT": "CLOSE_WAIT",
    "LAST-ACK": "LAST_ACK",
    "LISTEN": "LISTEN",
    "CLOSING": "CLOSING",
}
_EXTENDED = (
    *("Tcp", "Syncookies", "Listen", "PAWS", "OfoPruned", "DelayedACK", "TW", "OutOfWindow", "TCP"),
    *("BeyondWindow", "PruneCalled", "RcvPruned", "EmbryonicRsts"),
)
_PLAIN = frozenset(
    {"ActiveOpens", "PassiveOpens", "AttemptFails", "EstabResets", "RetransSegs", "OutRsts", "InCsumErrors"}
)


@dataclass(slots=True, frozen=True)
class Listed:
    """A connection as ``ss`` has it."""

    row: PortRow
    state: str


def _listed(host: ShellHost) -> Iterator[Listed]:
    for row in host.stack.tcp.rows():
        yield Listed(row, "SYN-RECV" if row.state == State.SYN_RECEIVED.value else row.state)


def ss(host: ShellHost, words: list[str], standard_input: str) -> str:
    """``ss [-FLAGS] [state STATE] [src|dst [ADDRESS]:PORT] [sport|dport = :PORT]``."""
    chosen = list(_listed(host))
    flags = "".join(word[1:] for word in words if word.startswith("-") and word != "-H")
    rest = [word for word in words if not word.startswith("-") and word not in ("(", ")", "and")]
    if not rest and not set(flags) & set("al"):
        chosen = [each for each in chosen if each.state != "LISTEN"]
    while rest:
        word = rest.pop(0)
        if not rest:
            raise NotUnderstood(f"ss {' '.join(words)}")
        value = rest.pop(0)
        if value in ("=", "==", "eq") and rest:
            value = rest.pop(0)
        chosen = [each for each in chosen if _matches(each, word, value)]
    return "".join(_ss_line(each) for each in chosen)


def _matches(listed: Listed, word: str, value: str) -> bool:
    row = listed.row
    if word == "state":
        if value not in SS_STATES:
            raise NotUnderstood(f"ss with the state {value!r}")
        return listed.state == SS_STATES[value]
    address, _, port = value.rpartition(":")
    if word in ("src", "sport"):
        return _is_end(row.local, row.local_port, address, port or value)
    if word in ("dst", "dport"):
        return _is_end(row.remote, row.remote_port, address, port or value)
    raise NotUnderstood(f"ss with {word!r}")


def _is_end(address: Address, port: int, wanted: str, wanted_port: str) -> bool:
    return wanted in ("", "*", format_address(address)) and wanted_port in ("*", str(port))


def _ss_line(listed: Listed) -> str:
    row = listed.row
    ends = [f"{format_address(a)}:{p or '*'}" for a, p in ((row.local, row.local_port), (row.remote, row.remote_port))]
    return f"{listed.state:<12}{row.recv_q:<7}{row.send_q:<7}{ends[0]:>22} {ends[1]:>22}\n"


def proc_net_tcp(host: ShellHost, family: int) -> str:
    """``/proc/net/tcp`` and ``tcp6``."""
    lines = ["  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"]
    for number, each in enumerate(each for each in _listed(host) if len(each.row.local) == family):
        row = each.row
        ends = f"{_hex(row.local)}:{row.local_port:04X} {_hex(row.remote)}:{row.remote_port:04X}"
        queues = f"{row.send_q:08X}:{row.recv_q:08X}"
        lines.append(f"{number:4}: {ends} {_HEX_STATES.get(each.state, 7):02X} {queues} 00:00000000 00000000 0 0 0\n")
    return "".join(lines)


def _hex(address: Address) -> str:
    """Words of 4 octets, each in the order of a little-endian machine."""
    return "".join(address[at : at + 4][::-1].hex().upper() for at in range(0, len(address), 4))


def nstat(host: ShellHost, words: list[str], standard_input: str) -> str:
    """``nstat [-n] [-s] [-z] [-a] [PATTERN]``: what has been counted since ``-n``."""
    flags = "".join(word[1:] for word in words if word.startswith("-"))
    if set(flags) - set("nszarj"):
        raise NotUnderstood(f"nstat {' '.join(words)}")
    counts = host.stack.counters.snapshot()
    shown = {name: count - host.baseline.get(name, 0) for name, count in counts.items()}
    if "s" not in flags:
        host.baseline = counts
    if "n" in flags:
        return ""
    wanted = [word for word in words if not word.startswith("-")]
    lines = ["#kernel\n"]
    for name, count in shown.items():
        full = _mib(name)
        if count and (not wanted or full in wanted):
            lines.append(f"{full:<32}{count:<16} 0.0\n")
    return "".join(lines)


def _mib(name: str) -> str:
    """``TCPTimeouts`` is ``TcpExtTCPTimeouts``, ``OutRsts`` is ``TcpOutRsts``."""
    if name in _PLAIN:
        return f"Tcp{name}"
    if name == "OutOfWindowIcmps" or name.startswith(_EXTENDED):
        return f"TcpExt{name}"
    return f"Ip{name}"


def sockstat(host: ShellHost, words: list[str], standard_input: str) -> str:
    """``sockstat -4|-6 -P tcp [-p PORTS] [-c] [-l] -s`` of FreeBSD: a line for each connection, its state last."""
    ports, flags, rest = "", "", list(words)
    while rest:
        word = rest.pop(0)
        if word == "-p" and rest:
            ports = rest.pop(0)
        elif word == "-P" and rest:
            rest.pop(0)
        elif word.startswith("-"):
            flags += word[1:]
        else:
            raise NotUnderstood(f"sockstat {' '.join(words)}")
    wanted = {int(port) for port in ports.split(",") if port.isdecimal()}
    families = {4} if "4" in flags and "6" not in flags else {16} if "6" in flags and "4" not in flags else {4, 16}
    lines = ["USER     COMMAND    PID   FD  PROTO  LOCAL ADDRESS         FOREIGN ADDRESS       CONN STATE\n"]
    for each in _listed(host):
        row = each.row
        if len(row.local) in families and (not wanted or wanted & {row.local_port, row.remote_port}):
            version = 4 if len(row.local) == 4 else 6
            ends = [_end(row.local, row.local_port), _end(row.remote, row.remote_port)]
            state = FREEBSD_STATES.get(each.state, each.state)
            lines.append(f"root     packetdril 100   3   tcp{version}   {ends[0]:<21} {ends[1]:<21} {state}\n")
    return "".join(lines)


def _end(address: Address, port: int) -> str:
    return f"{format_address(address) if any(address) else '*'}:{port or '*'}"


def tcpdrop(host: ShellHost, words: list[str], standard_input: str) -> str:
    """``tcpdrop -a``, ``tcpdrop -s STATE``, ``tcpdrop ADDRESS PORT ADDRESS PORT`` of FreeBSD."""
    if words[:1] == ["-a"]:
        wanted = set(FREEBSD_STATES.values()) - {"LISTEN"}
    elif words[:1] == ["-s"] and len(words) == 2 and words[1] in FREEBSD_STATES.values():
        wanted = {words[1]}
    else:
        raise NotUnderstood(f"tcpdrop {' '.join(words)}")
    now = host.clock()
    if not any(FREEBSD_STATES.get(each.state) in wanted for each in _listed(host)):
        raise Failed("no such connection")
    for socket in host.stack.tcp.sockets():
        if isinstance(socket, TcpSocket) and FREEBSD_STATES.get(socket.row.state) in wanted:
            socket.abort(now)
    if "TIME_WAIT" in wanted:
        host.stack.tcp.remnants.clear()
    return ""
