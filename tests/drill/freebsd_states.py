"""What FreeBSD does in each state with each segment, as scripts: the tables that `test_freebsd_states` runs through."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

LISTENING = """\
0.000 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0    setsockopt(3, SOL_SOCKET, SO_REUSEADDR, [1], 4) = 0
+0    bind(3, ..., ...) = 0
+0    listen(3, 1) = 0
"""
SYN_RECEIVED = """\
+0    < S 0:0(0) win 65535 <mss 1460,sackOK,eol,eol>
+0    > S. 0:0(0) ack 1 win 65535 <...>
"""
ACCEPTED = """\
+0.05 < . 1:1(0) ack 1 win 65535
+0    accept(3, ..., ...) = 4
+0    close(3) = 0
"""
ESTABLISHED = LISTENING + SYN_RECEIVED + ACCEPTED
FIN_SENT = """\
+0.05 shutdown(4, SHUT_WR) = 0
+0    > F. 1:1(0) ack 1
"""
FIN_RECEIVED = """\
+0.05 < F. 1:1(0) ack 1 win 65535
+0    > . 1:1(0) ack 2
"""
CONNECTING = """\
0.000 socket(..., SOCK_STREAM, IPPROTO_TCP) = 4
+0    fcntl(4, F_SETFL, O_RDWR|O_NONBLOCK) = 0
+0    connect(4, ..., ...) = -1 EINPROGRESS
+0    > S 0:0(0) win 65535 <...>
"""
CONNECTED = """\
+0.05 < S. 0:0(0) ack 1 win 65535 <mss 1460,sackOK,eol,eol>
+0    > . 1:1(0) ack 1
"""
WINDOW = 65700
STATES = {"ESTABLISHED", "FIN_WAIT_1", "FIN_WAIT_2", "CLOSE_WAIT", "CLOSING", "LAST_ACK", "TIME_WAIT", "SYN_RCVD"}


@dataclass(frozen=True)
class Place:
    """A state, how to get there, and the numbers that hold there."""

    state: str
    prologue: str
    una: int
    nxt: int
    rcv: int

    @property
    def is_finishing(self) -> bool:
        """Our FIN is out: what is acknowledged by the output routine says so again."""
        return self.una < self.nxt

    @property
    def has_peers_fin(self) -> bool:
        return self.rcv > 1


SYNCHRONIZED = [
    Place("ESTABLISHED", ESTABLISHED, 1, 1, 1),
    Place("FIN_WAIT_1", ESTABLISHED + FIN_SENT, 1, 2, 1),
    Place("FIN_WAIT_2", ESTABLISHED + FIN_SENT + "+0.05 < . 1:1(0) ack 2 win 65535\n", 2, 2, 1),
    Place("CLOSE_WAIT", ESTABLISHED + FIN_RECEIVED, 1, 1, 2),
    Place(
        "CLOSING",
        ESTABLISHED + FIN_SENT + "+0.05 < F. 1:1(0) ack 1 win 65535\n+0    > F. 1:1(0) ack 2\n",
        1,
        2,
        2,
    ),
    Place("LAST_ACK", ESTABLISHED + FIN_RECEIVED + FIN_SENT.replace("ack 1", "ack 2"), 1, 2, 2),
]
TIME_WAIT = Place(
    "TIME_WAIT",
    ESTABLISHED + FIN_SENT + "+0.05 < F. 1:1(0) ack 2 win 65535\n+0    > . 2:2(0) ack 2\n+0    close(4) = 0\n",
    2,
    2,
    2,
)


@dataclass(frozen=True)
class Arrival:
    """A segment, by where it stands."""

    flags: str
    where: str
    seq: int
    octets: int
    acks: str
    ack: int

    @property
    def name(self) -> str:
        names = {".": "ack", "S": "syn", "F": "fin", "R": "rst", "P": "psh", "U": "urg", "-": "none"}
        kind = "-".join(names[flag] for flag in self.flags)
        text = "-text" if self.octets else ""
        return f"{kind}{text}-{self.where}" + (f"-{self.acks}" if "." in self.flags else "")

    @property
    def line(self) -> str:
        end = self.seq + self.octets
        ack = f" ack {self.ack}" if "." in self.flags else ""
        return f"+0.05 < {self.flags} {self.seq}:{end}({self.octets}){ack} win 65535\n"


def wheres(place: Place) -> dict[str, int]:
    return {"left": place.rcv - 1, "exact": place.rcv, "inside": place.rcv + 100, "right": place.rcv + 70000}


def arrivals(place: Place) -> Iterator[Arrival]:
    """All of them; those without ACK once, those with it for each acknowledgment."""
    for where, seq in wheres(place).items():
        for flags in ("S", "F", "R", "-", "P", "SF", "SR", "FR", "U"):
            yield Arrival(flags, where, seq, 0, "", 0)
        yield Arrival("P", where, seq, 10, "", 0)
        for acks, ack in {"ghost": 0, "una": place.una, "nxt": place.nxt, "unsent": place.nxt + 10}.items():
            if acks == "nxt" and place.una == place.nxt:
                continue
            for flags in (".", "S.", "F.", "R.", "SF."):
                yield Arrival(flags, where, seq, 0, acks, ack)
            yield Arrival("P.", where, seq, 10, acks, ack)
            yield Arrival("FP.", where, seq, 10, acks, ack)


def arrivals_at_edges(place: Place) -> Iterator[Arrival]:
    """On the last octet of the window, right behind it, and one further."""
    for where, offset in {"last": WINDOW - 1, "edge": WINDOW, "past": WINDOW + 1}.items():
        for flags, octets in (("R", 0), ("S", 0), ("F", 0), ("P", 10)):
            yield Arrival(flags, where, place.rcv + offset, octets, "", 0)
        for flags, octets in ((".", 0), ("F.", 0), ("P.", 10), ("FP.", 10)):
            yield Arrival(flags, where, place.rcv + offset, octets, "una", place.una)


@dataclass(frozen=True)
class Outcome:
    """What is sent, when, and the state then."""

    state: str
    replies: tuple[str, ...] = ()


def _challenge(place: Place) -> Outcome:
    return Outcome(place.state, (f"+0    > . {place.nxt}:{place.nxt}(0) ack {place.rcv}",))


def _output(place: Place, at: str = "+0   ", options: str = "") -> Outcome:
    """An ACK by the output routine, which sends what the state wants beside."""
    if place.is_finishing:
        return Outcome(place.state, (f"{at} > F. {place.nxt - 1}:{place.nxt - 1}(0) ack {place.rcv}{options}",))
    return Outcome(place.state, (f"{at} > . {place.nxt}:{place.nxt}(0) ack {place.rcv}{options}",))


def on_rst(place: Place, seg: Arrival, insecure: bool = False) -> Outcome:
    offset = seg.seq - place.rcv
    if not 0 <= offset < WINDOW:
        return Outcome(place.state)
    return Outcome("") if insecure or not offset else _challenge(place)


def on_syn(place: Place, seg: Arrival, insecure: bool = False) -> Outcome:
    if insecure and 0 <= seg.seq - place.rcv < WINDOW:
        return Outcome("", (f"+0    > R. {place.nxt}:{place.nxt}(0) ack {place.rcv} win 0",))
    return _challenge(place)


def on_segment(place: Place, seg: Arrival, insecure: frozenset[str] = frozenset()) -> Outcome:
    """SEGMENT ARRIVES in a synchronized state, as FreeBSD's ``tcp_do_segment``."""
    if "R" in seg.flags:
        return on_rst(place, seg, "rst" in insecure)
    if "S" in seg.flags:
        return on_syn(place, seg, "syn" in insecure)
    return _on_text(place, seg, "ack" in insecure)


def _on_text(place: Place, seg: Arrival, insecure: bool) -> Outcome:
    seq, octets, has_fin, owes, options = seg.seq, seg.octets, "F" in seg.flags, False, ""
    drop = place.rcv - seq
    if drop > 0:
        if octets:
            owes, options = True, f" <nop,nop,sack {seq}:{seq + min(drop, octets)}>"
        if drop > octets or (drop == octets and not has_fin):
            has_fin, owes, drop = False, True, octets
        seq, octets = seq + drop, octets - drop
    beyond = max(0, seq + octets - place.rcv - WINDOW)
    if beyond and beyond >= octets:
        return _output(place)
    octets, has_fin = octets - beyond, has_fin and not beyond
    if "." not in seg.flags:
        return _output(place, options=options) if owes else Outcome(place.state)
    if seg.ack > place.nxt or (seg.ack < 1 and not insecure):
        return _challenge(place)
    after = place
    if place.is_finishing and seg.ack == place.nxt:
        state = {"FIN_WAIT_1": "FIN_WAIT_2", "CLOSING": "TIME_WAIT", "LAST_ACK": ""}[place.state]
        after = replace(place, state=state, una=place.nxt)
        if not state:
            return Outcome("")
        if state == "TIME_WAIT":
            return _output(after, options=options) if owes else Outcome(state)
    return _after_ack(after, seq, octets, has_fin, owes, options)


def _after_ack(place: Place, seq: int, octets: int, has_fin: bool, owes: bool, options: str) -> Outcome:
    is_delayed = False
    if (octets or has_fin) and not place.has_peers_fin:
        if seq > place.rcv:
            return _output(place, options=f" <nop,nop,sack {seq}:{seq + octets}>" if octets else "")
        is_delayed = octets > 0
        place = replace(place, rcv=place.rcv + octets)
        if has_fin:
            states = {"ESTABLISHED": "CLOSE_WAIT", "FIN_WAIT_1": "CLOSING", "FIN_WAIT_2": "TIME_WAIT"}
            place = replace(place, rcv=place.rcv + 1, state=states[place.state])
            owes = True
    if owes:
        return _output(place, options=options)
    return _output(place, "+0.04") if is_delayed else Outcome(place.state)


def on_time_wait(place: Place, seg: Arrival) -> Outcome:
    """FreeBSD's ``tcp_twcheck``, where nobody listens."""
    if "R" in seg.flags:
        return Outcome("TIME_WAIT")
    if "S" in seg.flags and "." not in seg.flags and seg.seq > place.rcv:
        length = 1 + seg.octets + ("F" in seg.flags)
        return Outcome("", (f"+0    > R. ...(0) ack {seg.seq + length} win 0",))
    if "." not in seg.flags:
        return Outcome("TIME_WAIT")
    if seg.flags == "." and not seg.octets and seg.seq == place.rcv and seg.ack == place.nxt:
        return Outcome("TIME_WAIT")
    return Outcome("TIME_WAIT", (f"+0    > . {place.nxt}:{place.nxt}(0) ack {place.rcv}",))


def is_state(state: str, before: str) -> str:
    """A line that says so; a connection that is gone is no longer in the state it had."""
    count = 1 if state else 0
    return f"+0    `sockstat -4 -6 -P tcp -p 8080 -s | grep -c {state or before} | grep {count}`\n"


def script(place: Place, seg: Arrival, outcome: Outcome, first: str = "") -> str:
    """Comes to the place, lets the segment arrive, and looks."""
    prologue = place.prologue
    if first:
        begin, rest = prologue.split("\n", 1)
        prologue = f"0.000 `{first}`\n+0    {begin.removeprefix('0.000 ')}\n{rest}"
    replies = "".join(f"{each}\n" for each in outcome.replies)
    return prologue + seg.line + replies + is_state(outcome.state, place.state)


SYSCTLS = {"rst": "net.inet.tcp.insecure_rst", "syn": "net.inet.tcp.insecure_syn", "ack": "net.inet.tcp.insecure_ack"}


def synchronized_scripts() -> Iterator[tuple[str, str]]:
    """Name and text of each cell."""
    for place in SYNCHRONIZED:
        folder = place.state.lower().replace("_", "-")
        for seg in (*arrivals(place), *arrivals_at_edges(place)):
            yield f"{folder}/{seg.name}", script(place, seg, on_segment(place, seg))
            for part, name in SYSCTLS.items():
                outcome = on_segment(place, seg, frozenset({part}))
                if outcome != on_segment(place, seg):
                    yield f"{folder}/{seg.name}-insecure-{part}", script(place, seg, outcome, f"sysctl -w {name}=1")
    for seg in arrivals(TIME_WAIT):
        yield f"time-wait/{seg.name}", script(TIME_WAIT, seg, on_time_wait(TIME_WAIT, seg))
