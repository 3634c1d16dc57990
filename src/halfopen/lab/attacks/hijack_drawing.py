"""What of a hijack is drawn: of probes and floods a few, of the impersonation everything."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from halfopen.lab.trust import LOGIN, PORT
from halfopen.report.arrows import Arrow
from halfopen.tcp.seqnum import wrap

_LABEL = re.compile(r"(?:\[from (\S+)\] )?(\d+) > (\d+) (\S+) seq=(\d+)(?: ack=(\d+))?.*?(?: len=(\d+))?$")
_PROBE = re.compile(r"probe (\d+) of (\d+)")
GUESSES = 4
"""Guesses, and looks whether one was right, that are drawn of many."""


@dataclass(frozen=True, slots=True)
class Said:
    """An arrow and what its label says."""

    arrow: Arrow
    claimed: str
    ports: tuple[int, int]
    flags: str
    seq: int
    ack: int
    octets: int

    @property
    def is_impersonation(self) -> bool:
        """Between the two ports that the trust is about."""
        return set(self.ports) == {LOGIN, PORT}


def understood(arrows: Sequence[Arrow]) -> list[Said]:
    """Those that are TCP segments."""
    said = []
    for arrow in arrows:
        found = _LABEL.match(arrow.label)
        if found:
            claimed, source, destination, flags, seq, ack, octets = found.groups()
            ports = int(source), int(destination)
            said.append(Said(arrow, claimed or "", ports, flags, int(seq), int(ack or 0), int(octets or 0)))
    return said


def essential(arrows: Sequence[Arrow]) -> list[Arrow]:
    """What a teacher would draw, with what is to be seen in it beside."""
    return [arrow for _, arrow in sorted(_chosen(understood(arrows)), key=lambda each: (each[1].when, each[0]))]


def _chosen(said: list[Said]) -> list[tuple[int, Arrow]]:
    kept: list[tuple[int, Arrow]] = []
    for part in (_probes, _flood, _impersonation, _logins):
        kept += [(arrow.number, arrow) for arrow in part(said)]
    return kept


def _probes(said: list[Said]) -> list[Arrow]:
    """The first three, the last, and those right before a guess; by how much the number has grown at each."""
    questions = {each.ports[0]: each for each in said if each.arrow.note and "probe" in each.arrow.note}
    answers = {each.ports[1]: each for each in said if each.ports[1] in questions and each.flags == "SYN,ACK"}
    resets = [each for each in said if each.ports[0] in questions and each.flags == "RST"]
    kept, last = [], None
    for port, question in questions.items():
        found = _PROBE.search(question.arrow.note)
        number, total = (int(found[1]), int(found[2])) if found else (0, 0)
        answer = answers.get(port)
        note = "" if answer is None else f"SSEQ = {answer.seq}"
        if answer is not None and last is not None:
            note = f"SSEQ: {wrap(answer.seq - last):,} more"
        last = last if answer is None else answer.seq
        if 3 < number < total:
            continue
        more = f" (probes 4 to {total - 1} go the same way)" if number == 3 and total > 4 else ""
        kept.append(question.arrow)
        if answer is not None:
            kept.append(replace(answer.arrow, details="", note=note + more))
    if resets:
        kept.append(replace(resets[0].arrow, note="the attacker's stack knows nothing of it: RST, as each time"))
    return kept


def _flood(said: list[Said]) -> list[Arrow]:
    """The first SYN of it and the last, and whether the client answers after each."""
    syns = [each for each in said if each.claimed and each.ports[1] == LOGIN and each.flags == "SYN"]
    if not syns:
        return []
    asked = [each for each in said if each.flags == "SYN,ACK" and each.arrow.source == "attacker"]
    kept = [replace(syns[0].arrow, note=f"{syns[0].arrow.note}: from nobody's address, and nobody will answer")]
    if len(syns) > 1:
        kept.append(replace(syns[-1].arrow, note=f"SYN {len(syns)}, as all between them from nobody's address: full"))
    for each in (asked[0], asked[-1]) if asked else ():
        reset = next((other for other in said if other.ports == each.ports[::-1] and other.flags == "RST"), None)
        silence = "is the client silent now? Yes: no RST comes"
        kept.append(each.arrow if reset else replace(each.arrow, note=silence))
        if reset is not None:
            kept.append(replace(reset.arrow, note="no: it says that it never asked"))
    ended = [each for each in said if each.claimed and each.ports[1] == LOGIN and each.flags == "RST"]
    if ended:
        kept.append(replace(ended[0].arrow, note=f"takes a SYN back, and the other {len(ended) - 1}"))
    return list({arrow.number: arrow for arrow in kept}.values())


def _impersonation(said: list[Said]) -> list[Arrow]:
    """All that has to do with the trusted port, but of many guesses only the first and the last."""
    between = [each for each in said if each.is_impersonation]
    guesses = [each for each in between if each.claimed and each.octets]
    hidden = {each.arrow.number for each in guesses[GUESSES:-1]} if len(guesses) > GUESSES + 1 else set()
    wrong = [each for each in between if each.arrow.source == "server" and each.flags == "RST"]
    hidden |= {each.arrow.number for each in wrong[GUESSES:]}
    denied = {each.ack for each in between if each.arrow.source == "client" and "RST" in each.flags}
    kept = []
    for each in between:
        is_bare = each.arrow.source == "server" and each.flags == "ACK" and not each.octets
        if each.arrow.number not in hidden and not is_bare:
            kept.append(_with_remark(each, has_denied=bool(denied)))
    return kept


def _with_remark(each: Said, *, has_denied: bool) -> Arrow:
    arrow = each.arrow
    if arrow.source == "client" and "RST" in each.flags:
        return replace(arrow, note="the client never asked for this connection")
    if arrow.source == "server" and each.flags == "SYN,ACK":
        silent = "" if has_denied else "; the client says nothing"
        return replace(arrow, details="", note=f"SSEQ = {each.seq}, which the attacker does not see{silent}")
    if arrow.source == "server" and each.flags == "RST":
        return replace(arrow, note="nobody is half-open there any more" if has_denied else "a wrong guess")
    if arrow.source == "attacker":
        return replace(arrow, note=arrow.note.removeprefix("retransmission; "))
    if arrow.source == "server" and not has_denied:
        return replace(arrow, details="", note="the guess was right: the answer to the command")
    return arrow


def _logins(said: list[Said]) -> list[Arrow]:
    """What the attacker, under his own address, and at the end the client ask the service, and what it says."""
    ports = dict.fromkeys(each.ports[0] for each in said if each.octets and each.ports[1] == PORT and not each.claimed)
    kept = []
    for number, port in enumerate(ports):
        asked = next(each for each in said if each.ports == (port, PORT) and each.octets)
        told = next((each for each in said if each.ports == (PORT, port) and each.octets), None)
        if GUESSES <= number < len(ports) - 1:
            continue
        if asked.arrow.source == "client":
            note, reply = "the client itself", "is served"
        else:
            note, reply = "under his own address: is he let in?", "permission denied"
        kept.append(replace(asked.arrow, details="", note=note))
        if told is not None:
            is_in = asked.arrow.source == "attacker" and told.octets < len(b"\x01Permission denied.\n")
            kept.append(replace(told.arrow, details="", note="let in: everybody is trusted now" if is_in else reply))
    return kept


def mermaid(arrows: Sequence[Arrow], payload: str) -> str:
    """The same as a textbook draws it (a Mermaid sequence diagram), but every arrow is a packet that was sent."""
    lines = ["sequenceDiagram", "    participant C as Client", "    participant S as Server"]
    lines += ["    participant A as Attacker"]
    names = {"client": "C", "server": "S", "attacker": "A"}
    said = understood(arrows)
    # Defences have packets end, or begin, at routers.
    places = dict.fromkeys(place for each in said for place in (each.arrow.source, each.arrow.destination))
    names |= {place: place.capitalize() for place in places if place not in names}
    syn = next((each for each in said if each.is_impersonation and each.flags == "SYN"), None)
    syn_ack = next((each for each in said if each.is_impersonation and each.flags == "SYN,ACK"), None)
    for each in said:
        arrow = each.arrow
        if each.is_impersonation and each.flags == "SYN" and each.claimed:
            lines.append("    Note over S, A: Attacker impersonates C.")
        words = [each.flags.replace(",", "/")]
        if each.is_impersonation:
            words.append(_ends(each, syn, syn_ack))
        elif each.claimed:
            words.append(f"[Src={each.claimed}]")
        if each.octets and each.is_impersonation and each.claimed:
            words.append(payload)
        dash = "-->>" if each.ports[0] == PORT else "->>"
        lines.append(f"    {names[arrow.source]}{dash}{names[arrow.destination]}: {' '.join(words)}")
        if arrow.note:
            lines.append(f"    Note right of {names[arrow.source]}: {_plain(arrow.note)}")
    return "\n".join(lines)


def _ends(each: Said, syn: Said | None, syn_ack: Said | None) -> str:
    """``"[Src=C, Dst=S, CSEQ=X+1, SSEQ=Y+1]"``: X and Y are the initial numbers."""
    from_server = each.ports[0] == PORT
    ends = "Src=S, Dst=C" if from_server else "Src=C, Dst=S"
    x, y = syn.seq if syn else 0, syn_ack.seq if syn_ack else 0
    client, server = (each.ack, each.seq) if from_server else (each.seq, each.ack)
    parts = [ends, f"CSEQ={_from('X', client - x)}"]
    if syn_ack is not None and "ACK" in each.flags and (from_server or abs(server - y) < 1000):
        parts.append(f"SSEQ={_from('Y', server - y)}")
    elif "ACK" in each.flags:
        parts.append(f"SSEQ={server}")
    return f"[{', '.join(parts)}]"


def _from(name: str, distance: int) -> str:
    return f"{name}+{distance}" if distance else name


def _plain(text: str) -> str:
    """Without what Mermaid takes for its own."""
    return text.replace(";", ",").replace(":", ",")
