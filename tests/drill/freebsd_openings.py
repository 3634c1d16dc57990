"""What FreeBSD does with each segment where there is no connection yet: CLOSED, LISTEN, SYN-SENT, SYN-RECEIVED."""

from collections.abc import Iterator

from tests.drill.freebsd_states import (
    CONNECTING,
    ESTABLISHED,
    FIN_SENT,
    LISTENING,
    SYN_RECEIVED,
    WINDOW,
    Arrival,
    Outcome,
    Place,
    is_state,
    script,
    synchronized_scripts,
)

SYN_SENT = Place("SYN_SENT", CONNECTING, 0, 1, 0)
PASSIVE = Place(
    "SYN_RCVD",
    "0.000 `sysctl -w net.inet.tcp.syncookies=0`\n" + LISTENING.replace("0.000", "+0   ") + SYN_RECEIVED,
    0,
    1,
    1,
)
ACTIVE = Place(
    "SYN_RCVD",
    CONNECTING + "+0.05 < S 0:0(0) win 65535 <mss 1460,sackOK,eol,eol>\n+0    > S. 0:0(0) ack 1 <...>\n",
    0,
    1,
    1,
)
NOBODY = "0.000 `sysctl -w net.inet.tcp.blackhole={}`\n"
EVERY = ("S", "F", "R", "-", "P", "U", "SF", "SR", "FR", "SP", "FPU", "SFRPU")
EVERY_ACK = (".", "S.", "F.", "R.", "P.", "SF.", "FPU.", "SR.")


def _segments(seq: int, acks: tuple[int, ...], where: str = "any") -> Iterator[Arrival]:
    for flags in EVERY:
        yield Arrival(flags, where, seq, 0, "", 0)
    yield Arrival("P", where, seq, 10, "", 0)
    yield Arrival("SP", where, seq, 10, "", 0)
    for ack in acks:
        for flags in EVERY_ACK:
            yield Arrival(flags, where, seq, 0, f"ack-{ack}", ack)
        yield Arrival("P.", where, seq, 10, f"ack-{ack}", ack)


def _refusal(seg: Arrival) -> tuple[str, ...]:
    """RFC 9293 3.10.7.1."""
    if "R" in seg.flags:
        return ()
    if "." in seg.flags:
        return (f"+0    > R {seg.ack}:{seg.ack}(0) win 0",)
    length = seg.octets + ("S" in seg.flags) + ("F" in seg.flags)
    base = seg.seq if "S" in seg.flags else 0
    return (f"+0    > R. 0:0(0) ack {base + length} win 0",)


def on_closed(seg: Arrival, blackhole: int) -> tuple[str, ...]:
    if blackhole >= 2 or (blackhole and "S" in seg.flags):
        return ()
    return _refusal(seg)


def on_listen(seg: Arrival, drops_synfin: bool) -> tuple[str, ...]:
    if "R" in seg.flags:
        return ()
    if "." in seg.flags:
        return _refusal(seg)
    if "S" not in seg.flags or ("F" in seg.flags and drops_synfin):
        return ()
    return (f"+0    > S. 0:0(0) ack {seg.seq + 1} <...>",)


def on_syn_sent(seg: Arrival) -> Outcome:
    if "." in seg.flags and seg.ack != 1:
        return Outcome("SYN_SENT", _refusal(seg))
    if "R" in seg.flags:
        return Outcome("" if "." in seg.flags else "SYN_SENT")
    if "S" not in seg.flags:
        return Outcome("SYN_SENT")
    if "." not in seg.flags:
        return Outcome("SYN_RCVD", (f"+0    > S. 0:0(0) ack {seg.seq + 1} <...>",))
    if "F" in seg.flags:
        return Outcome("CLOSE_WAIT", ("+0    > . 1:1(0) ack 2 <...>",))
    return Outcome("ESTABLISHED", ("+0    > . 1:1(0) ack 1 <...>",))


def on_passive(seg: Arrival) -> Outcome:
    """FreeBSD's ``syncache_chkrst``, ``syncache_add``, ``syncache_badack``, ``syncache_expand``."""
    offset = seg.seq - PASSIVE.rcv
    if "R" in seg.flags:
        if seg.flags.strip("PU") != "R" or not 0 <= offset < 65535:
            return Outcome("SYN_RCVD")
        return Outcome("SYN_RCVD", ("+0    > . 1:1(0) ack 1",)) if offset else Outcome("")
    if "S" in seg.flags:
        if "." in seg.flags:
            return Outcome("", _refusal(seg))
        return Outcome("SYN_RCVD", ("+0    > S. 0:0(0) ack 1 <...>",))
    if "." not in seg.flags:
        return Outcome("SYN_RCVD")
    if not 0 <= offset < 65535:
        return Outcome("SYN_RCVD", ("+0    > . 1:1(0) ack 1",))
    if seg.ack != 1:
        return Outcome("SYN_RCVD", _refusal(seg))
    if offset:
        return Outcome(
            "ESTABLISHED",
            (
                ("+0    > . 1:1(0) ack 1",)
                if "F" in seg.flags and not seg.octets
                else (f"+0    > . 1:1(0) ack 1 <nop,nop,sack {seg.seq}:{seg.seq + seg.octets}>",)
            )
            if seg.octets or "F" in seg.flags
            else (),
        )
    if "F" in seg.flags:
        return Outcome("CLOSE_WAIT", (f"+0    > . 1:1(0) ack {2 + seg.octets}",))
    return Outcome("ESTABLISHED", (f"+0.04 > . 1:1(0) ack {1 + seg.octets}",) if seg.octets else ())


def on_active(seg: Arrival) -> Outcome:
    """SYN-RECEIVED by simultaneous open; what the output routine acknowledges is a SYN,ACK again."""
    again = ("+0    > S. 0:0(0) ack 1 <...>",)
    offset = seg.seq - ACTIVE.rcv
    if "R" in seg.flags:
        if not 0 <= offset < WINDOW:
            return Outcome("SYN_RCVD")
        return Outcome("SYN_RCVD", ("+0    > . 1:1(0) ack 1",)) if offset else Outcome("")
    if "." in seg.flags and seg.ack != 1:
        return Outcome("SYN_RCVD", _refusal(seg))
    is_old = offset < 0 and "S" not in seg.flags
    octets = seg.octets - is_old if seg.octets else 0
    has_fin = "F" in seg.flags and not is_old
    owes = offset < 0 and not has_fin
    if offset + (octets > 0) > WINDOW:
        return Outcome("SYN_RCVD", again)
    if "." not in seg.flags:
        return Outcome("SYN_RCVD", again if owes or octets or has_fin else ())
    return _established(max(0, offset), octets, has_fin, owes, " <nop,nop,sack 0:1>" if is_old and seg.octets else "")


def _established(offset: int, octets: int, has_fin: bool, owes: bool, options: str) -> Outcome:
    """The handshake is over; text and FIN count as they do then."""
    if offset and (octets or has_fin):
        octets = min(octets, WINDOW - offset)
        sack = f" <nop,nop,sack {1 + offset}:{1 + offset + octets}>" if octets else ""
        return Outcome("ESTABLISHED", (f"+0    > . 1:1(0) ack 1{sack}",))
    state = "CLOSE_WAIT" if has_fin else "ESTABLISHED"
    if owes or has_fin:
        return Outcome(state, (f"+0    > . 1:1(0) ack {1 + octets + has_fin}{options}",))
    return Outcome(state, (f"+0.04 > . 1:1(0) ack {1 + octets}",) if octets else ())


def closed_scripts() -> Iterator[tuple[str, str]]:
    for blackhole in range(3):
        for seg in _segments(0, (1, 1000)):
            name = f"closed/{_name(seg)}" + (f"-blackhole-{blackhole}" if blackhole else "")
            yield name, NOBODY.format(blackhole) + seg.line + _lines(on_closed(seg, blackhole))


def listen_scripts() -> Iterator[tuple[str, str]]:
    for drops in range(2):
        for seg in _segments(0, (1, 1000)):
            if drops and not {"S", "F"} <= set(seg.flags):
                continue
            sysctl = f"0.000 `sysctl -w net.inet.tcp.drop_synfin={drops}`\n"
            name = f"listen/{_name(seg)}" + ("-dropped" if drops else "")
            text = sysctl + LISTENING.replace("0.000", "+0   ") + seg.line + _lines(on_listen(seg, bool(drops)))
            yield name, text + is_state("LISTEN", "")


def opening_scripts() -> Iterator[tuple[str, str]]:
    for seg in _segments(0, (0, 1, 2, 1000)):
        if seg.flags in ("SF", "SP", "SFP") or (seg.octets and "S" in seg.flags):
            continue
        yield f"syn-sent/{_name(seg)}", script(SYN_SENT, seg, on_syn_sent(seg))
    for where, seq in {"irs": 0, "exact": 1, "inside": 101, "right": 70001}.items():
        for seg in _segments(seq, (0, 1, 2), where):
            yield f"syn-rcvd/{_name(seg)}-{where}", script(PASSIVE, seg, on_passive(seg))
    for where, seq in {"irs": 0, "exact": 1, "inside": 101, "last": WINDOW, "edge": WINDOW + 1, "right": 70001}.items():
        for seg in _segments(seq, (0, 1, 2), where):
            if not (seg.octets and "S" in seg.flags):
                yield f"syn-rcvd/active-{_name(seg)}-{where}", script(ACTIVE, seg, on_active(seg))


def gone_scripts() -> Iterator[tuple[str, str]]:
    """The user has closed: text is refused, and nothing else is."""
    fin_sent = FIN_SENT.replace("shutdown(4, SHUT_WR)", "close(4)")
    for place in (
        Place("FIN_WAIT_1", ESTABLISHED + fin_sent, 1, 2, 1),
        Place("FIN_WAIT_2", ESTABLISHED + fin_sent + "+0.05 < . 1:1(0) ack 2 win 65535\n", 2, 2, 1),
    ):
        folder = place.state.lower().replace("_", "-")
        for where, seq in {"exact": 1, "inside": 101}.items():
            for ack in {place.una, place.nxt}:
                seg = Arrival("P.", where, seq, 10, f"ack-{ack}", ack)
                refused = Outcome("", (f"+0    > R {ack}:{ack}(0) win 0",))
                yield f"{folder}/user-gone-{seg.name}", script(place, seg, refused)
            seg = Arrival("P", where, seq, 10, "", 0)
            refused = Outcome("", (f"+0    > R. ...(0) ack {seq + 10} win 0",))
            yield f"{folder}/user-gone-{seg.name}", script(place, seg, refused)


def _name(seg: Arrival) -> str:
    return seg.name.replace("-any", "").replace(f"-{seg.where}", "")


def _lines(replies: tuple[str, ...]) -> str:
    return "".join(f"{each}\n" for each in replies)


def all_scripts() -> Iterator[tuple[str, str]]:
    yield from synchronized_scripts()
    yield from closed_scripts()
    yield from listen_scripts()
    yield from opening_scripts()
    yield from gone_scripts()
