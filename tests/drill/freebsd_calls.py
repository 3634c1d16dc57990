"""What calls, ICMP errors and time do in each state of a connection, on FreeBSD."""

from collections.abc import Iterator

from tests.drill.freebsd_openings import ACTIVE, SYN_SENT
from tests.drill.freebsd_states import LISTENING, SYNCHRONIZED, TIME_WAIT, Place, is_state

FRESH = """\
0.000 socket(..., SOCK_STREAM, IPPROTO_TCP) = 4
+0    fcntl(4, F_SETFL, O_RDWR|O_NONBLOCK) = 0
"""
LISTENER = (
    LISTENING.replace("listen(3", "listen(4")
    .replace("bind(3", "bind(4")
    .replace("setsockopt(3", "setsockopt(4")
    .replace("= 3", "= 4")
)
BOUND = "+0    fcntl(4, F_SETFL, O_RDWR|O_NONBLOCK) = 0\n"
CALLS = {
    "read": "read(4, ..., 100)",
    "write": "write(4, ..., 100)",
    "shutdown-rd": "shutdown(4, SHUT_RD)",
    "shutdown-wr": "shutdown(4, SHUT_WR)",
    "shutdown-rdwr": "shutdown(4, SHUT_RDWR)",
    "accept": "accept(4, ..., ...)",
    "listen": "listen(4, 1)",
    "error": "getsockopt(4, SOL_SOCKET, SO_ERROR, [0], [4])",
}
NEVER_CONNECTED = {
    "read": "-1 ENOTCONN",
    "write": "-1 ENOTCONN",
    "shutdown-rd": "-1 ENOTCONN",
    "shutdown-wr": "-1 ENOTCONN",
    "shutdown-rdwr": "-1 ENOTCONN",
    "accept": "-1 EINVAL",
    "listen": "0",
    "error": "0",
}
OPENING = {
    "read": "-1 EAGAIN",
    "write": "-1 ENOTCONN",
    "shutdown-rd": "0",
    "shutdown-wr": "0",
    "shutdown-rdwr": "0",
    "accept": "-1 EINVAL",
    "listen": "-1 EINVAL",
    "error": "0",
    "connect": "-1 EALREADY",
}
STANDING = {**OPENING, "write": "100", "connect": "-1 EISCONN"}
FINISHING = {**STANDING, "write": "-1 EPIPE"}
AT_END = {"read": "0"}
RESULTS = {
    "SYN_SENT": OPENING,
    "SYN_RCVD": OPENING,
    "ESTABLISHED": STANDING,
    "CLOSE_WAIT": {**STANDING, **AT_END},
    "FIN_WAIT_1": FINISHING,
    "FIN_WAIT_2": FINISHING,
    "CLOSING": {**FINISHING, **AT_END},
    "LAST_ACK": {**FINISHING, **AT_END},
    "TIME_WAIT": {
        "read": "0",
        "write": "-1 EPIPE",
        "shutdown-wr": "-1 ENOTCONN",
        "shutdown-rd": "-1 ENOTCONN",
        "accept": "-1 EINVAL",
        "error": "0",
    },
}
HASTY = {"SYN_SENT": "+0    > F 1:1(0) win 65535\n", "SYN_RCVD": "+0    > SF. 0:0(0) ack 1 <...>\n"}
"""A FIN does not wait for the handshake."""
OPEN_TIME_WAIT = Place("TIME_WAIT", TIME_WAIT.prologue.replace("+0    close(4) = 0\n", ""), 2, 2, 2)
PLACES = [SYN_SENT, ACTIVE, *SYNCHRONIZED, OPEN_TIME_WAIT]


def folder(place: Place) -> str:
    return place.state.lower().replace("_", "-")


def call_scripts() -> Iterator[tuple[str, str]]:
    for name, result in NEVER_CONNECTED.items():
        yield f"closed/call-{name}", f"{FRESH}+0    {CALLS[name]} = {result}\n"
        accepted = "-1 EAGAIN" if name == "accept" else result
        listening = f"{LISTENER}{BOUND}+0    {CALLS[name]} = {accepted}\n"
        yield f"listen/call-{name}", listening + is_state("LISTEN", "")
    for place in PLACES:
        nonblocking = "" if place.prologue.startswith(FRESH) else BOUND
        for name, result in RESULTS[place.state].items():
            call = CALLS.get(name, "connect(4, ..., ...)")
            sent = ""
            if name == "write" and result == "100":
                sent = f"+0    > P. 1:101(100) ack {place.rcv}\n"
            elif name in ("shutdown-wr", "shutdown-rdwr"):
                sent = HASTY.get(place.state, "")
                if place.state in ("ESTABLISHED", "CLOSE_WAIT"):
                    sent = f"+0    > F. 1:1(0) ack {place.rcv}\n"
            yield f"{folder(place)}/call-{name}", f"{place.prologue}{nonblocking}+0    {call} = {result}\n{sent}"


def fin_scripts() -> Iterator[tuple[str, str]]:
    """What the end of sending sends, and the state then."""
    sent = {
        "SYN_SENT": (
            1,
            HASTY["SYN_SENT"]
            + "+0.05 < S. 0:0(0) ack 1 win 65535 <mss 1460,sackOK,eol,eol>\n+0    > F. 1:1(0) ack 1\n",
            "FIN_WAIT_1",
        ),
        "SYN_RCVD": (1, HASTY["SYN_RCVD"] + "+0.05 < . 1:1(0) ack 1 win 65535\n", "FIN_WAIT_1"),
        "ESTABLISHED": (1, "+0    > F. 1:1(0) ack 1\n", "FIN_WAIT_1"),
        "CLOSE_WAIT": (2, "+0    > F. 1:1(0) ack 2\n", "LAST_ACK"),
    }
    for place in PLACES:
        _, lines, state = sent.get(place.state, (0, "", place.state))
        if place.state != "TIME_WAIT":
            for how in ("WR", "RDWR"):
                text = f"{place.prologue}+0    shutdown(4, SHUT_{how}) = 0\n{lines}"
                yield f"{folder(place)}/sends-fin-{how.lower()}", text + is_state(state, "")
        if place.state in ("SYN_SENT", "SYN_RCVD"):
            text = f"{place.prologue}+0    close(4) = 0\n"
            yield f"{folder(place)}/close-is-silent", text + is_state("", place.state)
        else:
            text = f"{place.prologue}+0    close(4) = 0\n{lines}"
            yield f"{folder(place)}/close-sends-fin", text + is_state(state, "")
    yield (
        "established/close-unread-text",
        (
            SYNCHRONIZED[0].prologue
            + "+0.05 < P. 1:101(100) ack 1 win 65535\n+0    close(4) = 0\n+0    > F. 1:1(0) ack 101\n"
            + is_state("FIN_WAIT_1", "")
        ),
    )


def linger_scripts() -> Iterator[tuple[str, str]]:
    linger = "+0    setsockopt(4, SOL_SOCKET, SO_LINGER, {onoff=1, linger=0}, 8) = 0\n+0    close(4) = 0\n"
    for place in SYNCHRONIZED:
        reset = f"+0    > R. {place.nxt}:{place.nxt}(0) ack {place.rcv} win 0\n"
        yield f"{folder(place)}/close-no-linger", place.prologue + linger + reset + is_state("", place.state)
    for place in (SYN_SENT, ACTIVE):
        yield f"{folder(place)}/close-no-linger", place.prologue + linger + is_state("", place.state)


def reset_scripts() -> Iterator[tuple[str, str]]:
    """What the user hears of a RST."""
    for place in SYNCHRONIZED:
        rst = f"+0.05 < R {place.rcv}:{place.rcv}(0) win 0\n"
        base = place.prologue + rst
        yield (
            f"{folder(place)}/reset-read",
            base + "+0    read(4, ..., 100) = -1 ECONNRESET\n+0    read(4, ..., 100) = 0\n",
        )
        yield (
            f"{folder(place)}/reset-write",
            (
                base + "+0    write(4, ..., 100) = -1 EPIPE\n"
                "+0    getsockopt(4, SOL_SOCKET, SO_ERROR, [ECONNRESET], [4]) = 0\n"
            ),
        )
        yield f"{folder(place)}/reset-shutdown", base + "+0    shutdown(4, SHUT_WR) = -1 ENOTCONN\n"
    refused = "+0    getsockopt(4, SOL_SOCKET, SO_ERROR, [ECONNREFUSED], [4]) = 0\n"
    yield "syn-sent/reset-error", SYN_SENT.prologue + "+0.05 < R. 0:0(0) ack 1 win 0\n" + refused
    yield "syn-rcvd/reset-error", ACTIVE.prologue + "+0.05 < R 1:1(0) win 0\n" + refused
    yield (
        "established/reset-after-text",
        (
            SYNCHRONIZED[0].prologue
            + "+0.05 < P. 1:101(100) ack 1 win 65535\n+0.04 > . 1:1(0) ack 101\n+0.05 < R 101:101(0) win 0\n"
            + "+0    read(4, ..., 200) = 100\n+0    read(4, ..., 100) = -1 ECONNRESET\n+0    read(4, ..., 100) = 0\n"
        ),
    )


SOFT = (
    "unreachable net_unreachable",
    "unreachable host_unreachable",
    "unreachable source_route_failed",
    "unreachable net_unknown",
    "unreachable host_unknown",
    "unreachable source_host_isolated",
    "unreachable net_unreachable_for_tos",
    "unreachable host_unreachable_for_tos",
    "unreachable precedence_violation",
    "unreachable precedence_cutoff",
    "time_exceeded code_0",
    "time_exceeded code_1",
    "parameter_problem code_0",
    "source_quench",
)
HARD = (
    "unreachable protocol_unreachable",
    "unreachable port_unreachable",
    "unreachable net_prohibited",
    "unreachable host_prohibited",
    "unreachable packet_filtered",
)


def icmp_scripts() -> Iterator[tuple[str, str]]:
    quiet = "+0    getsockopt(4, SOL_SOCKET, SO_ERROR, [0], [4]) = 0\n"
    refused = "+0    getsockopt(4, SOL_SOCKET, SO_ERROR, [ECONNREFUSED], [4]) = 0\n"
    for place in (SYN_SENT, ACTIVE, *SYNCHRONIZED):
        text = ""
        if place.state in ("ESTABLISHED", "CLOSE_WAIT"):
            text = f"+0    write(4, ..., 100) = 100\n+0    > P. 1:101(100) ack {place.rcv}\n"
        for error in (*SOFT, *HARD):
            line = f"+0.01 < icmp {error} [{place.una}:{place.una}(0)]\n"
            name = error.replace(" ", "-").replace("_", "-")
            ends = place is SYN_SENT and error in HARD
            after = refused + is_state("", place.state) if ends else quiet + is_state(place.state, "")
            yield f"{folder(place)}/icmp-{name}-v4", place.prologue + text + line + after
            if ends:
                sysctl, rest = (
                    "0.000 `sysctl -w net.inet.tcp.icmp_may_rst=0`\n",
                    place.prologue.replace("0.000", "+0   ", 1),
                )
                yield f"{folder(place)}/icmp-{name}-may-not-v4", sysctl + rest + line + quiet + is_state("SYN_SENT", "")
                stray = f"+0.01 < icmp {error} [5:5(0)]\n"
                yield f"{folder(place)}/icmp-{name}-stray-v4", place.prologue + stray + quiet + is_state("SYN_SENT", "")
    for error in (*SOFT, *HARD):
        name = error.replace(" ", "-").replace("_", "-")
        passive = (
            LISTENING
            + "+0    < S 0:0(0) win 65535 <mss 1460,sackOK,eol,eol>\n+0    > S. 0:0(0) ack 1 win 65535 <...>\n"
        )
        line = f"+0.01 < icmp {error} [0:0(0)]\n"
        yield f"syn-rcvd/passive-icmp-{name}-v4", passive + line + is_state("SYN_RCVD", "")


def all_scripts() -> Iterator[tuple[str, str]]:
    yield from call_scripts()
    yield from fin_scripts()
    yield from linger_scripts()
    yield from reset_scripts()
    yield from icmp_scripts()
