"""Accurate ECN (RFC 9768): how many marked packets, and octets of each codepoint, have come, told in every segment.

Without SYN the flags AE, CWR and ECE are the ACE field, the low bits of a count of packets with CE; in a handshake they
say with which codepoint the other's SYN came. An option has three counters of octets. What is kept here lacks the
initial values that the wire's counters have (3.2.1). The names of the RFC: `Feedback` is r.*, `Account` is s.*.
"""

from typing import Final

from halfopen.base.clock import NEVER, Duration, Instant
from halfopen.wire.ecn import CE, ECT_0, ECT_1, NOT_ECT
from halfopen.wire.tcp import ACK, AE, CWR, ECE, Segment
from halfopen.wire.tcp_options import ACCURATE_ECN_0, ACCURATE_ECN_1, MAXIMUM_OCTETS, Options, length

ACE: Final = AE | CWR | ECE
_ACE_SHIFT: Final = 6
_ACE_MASK: Final = 7
CEP_START: Final = 5
"""What r.cep and s.cep begin with (3.2.1), so that a field of zero is suspicious."""
_STARTS: Final = (0, 1, 1, 0)
"""What the counters of octets begin with, by codepoint: so that zeros which a middlebox has written are found out."""
_HANDSHAKE: Final = (0b010, 0b011, 0b100, 0b110)
"""The field on a SYN,ACK and its ACK, by the codepoint that the segment came with which is answered (table 3)."""
_ORDERS: Final = {ACCURATE_ECN_0: (ECT_0, CE, ECT_1), ACCURATE_ECN_1: (ECT_1, CE, ECT_0)}
_PLACES: Final = (0, 1, 3, 2)
"""How many counters an option of order 1 needs to say something of a codepoint."""
_COUNTER_MASK: Final = 0xFFFFFF
_LAP_SHIFT: Final = 22
"""An option goes at least once while a counter grows by so much: a quarter of its lap."""
_MOST_PENDING: Final = 15
MAX_ACE_DELTA: Final = 6
"""So many CE that have not been told yet are told at once, before the field wraps."""
_SAFETY_SHIFT: Final = 1

ACE_SEND, ACE_RECEIVE, OPTION_SEND, OPTION_RECEIVE = 1, 2, 4, 8
"""What does not get through, as Linux numbers it (``tcpi_accecn_fail_mode``)."""
NOT_SEEN, EMPTY_SEEN, COUNTERS_SEEN, ZEROS_SEEN = 0, 1, 2, 3
"""What option has come (``tcpi_accecn_opt_seen``)."""

CLASSIC: Final = 1
ACCURATE: Final = 4
SUSPECT: Final = 8
"""How a SYN,ACK has answered, in a record of the half-open table: nothing, `CLASSIC`, or `ACCURATE` with the SYN's
codepoint in the two low bits; a `SUSPECT` one has met a SYN without any of the flags since (3.1.5)."""


def ace_of(flags: int) -> int:
    """The ACE field: AE, CWR and ECE as a number."""
    return flags >> _ACE_SHIFT & _ACE_MASK


def with_ace(flags: int, number: int) -> int:
    """``flags`` with an ACE field that has the low bits of ``number``."""
    return flags & ~ACE | (number & _ACE_MASK) << _ACE_SHIFT


def reflect(codepoint: int) -> int:
    """The flags that say with which codepoint a SYN, or a SYN,ACK, has come (3.1.1, 3.2.2.1)."""
    return _HANDSHAKE[codepoint] << _ACE_SHIFT


def asks_for_accuracy(syn: Segment) -> bool:
    """A SYN with all three flags, or with some that mean nothing yet, but will as much (3.1.2, 3.1.3)."""
    return not syn.flags & ACK and ace_of(syn.flags) not in (0, 0b011)


def grants_accuracy(syn_ack: Segment) -> bool:
    """The answer to such a SYN is none of a host without ECN, with classic ECN, or that only echoes flags (table 2)."""
    return ace_of(syn_ack.flags) not in (0, 0b001, 0b111)


def fitting_counters(free: int, least: int, saved: int) -> int:
    """How many counters an option may have in ``free`` octets; -1 if it may not have the ``least`` that it needs.

    Up to ``saved`` octets that hang over a word take the place of the no-operations in front of what follows.
    """
    for count in range(3, least - 1, -1):
        octets = 2 + 3 * count
        over = octets & 3
        if (octets - over if over <= saved else octets + 3 & ~3) <= free:
            return count
    return -1


def handshake_option(options: Options) -> None:
    """The option of a SYN,ACK: nothing has come yet (3.2.3.3)."""
    saved = 1 if options.window_scale is not None else 0
    if options.sack_permitted and options.timestamps is None:
        saved = 2
    count = fitting_counters(MAXIMUM_OCTETS - length(options), 0, saved)
    if count >= 0:
        options.accurate_ecn = (ACCURATE_ECN_1, (1, 0, 1)[:count])


class Feedback:
    """What the Data Receiver has seen: r.cep, r.ceb, r.e0b, r.e1b, and what of it has been told."""

    __slots__ = ("demand", "least", "octets", "packets", "pending", "previous", "sent_at", "told_duplicate")

    def __init__(self, previous: int) -> None:
        self.packets = 0
        """With CE."""
        self.pending = 0
        """Those of them that no segment has told of."""
        self.octets = [0, 0, 0, 0]
        """Of text, by codepoint."""
        self.least = 0
        """How many counters an option has to have, to say what has changed since the last."""
        self.demand = 0
        """How many of the next segments are to have the option."""
        self.previous = previous
        """The last codepoint."""
        self.sent_at: Instant = -NEVER
        """When the option last went."""
        self.told_duplicate: int | None = None
        """Where the D-SACK began that an option last went with."""

    def see(self, codepoint: int, packets: int, octets: int) -> bool:
        """Packets have come, with ``octets`` of text in all; whether with another codepoint than those before.

        Then two segments have the option: the second says clearly what has come since the first (3.2.2.5.1).
        """
        is_marked, is_change = codepoint == CE, codepoint != self.previous
        if is_marked:
            self.packets += packets
            self.pending = min(self.pending + packets, _MOST_PENDING)
        if codepoint != NOT_ECT and octets:
            before = self.octets[codepoint]
            self.octets[codepoint] = before + octets
            self.least = max(self.least, _PLACES[codepoint])
            if before >> _LAP_SHIFT != before + octets >> _LAP_SHIFT:
                self.demand = max(1, self.demand)
        if is_change or is_marked:
            self.previous = codepoint
            self.demand = 2
        return is_change

    def is_due(self, beacon: int, srtt: Duration, now: Instant) -> bool:
        """Something has changed, or it is time for one of ``beacon`` options a round trip (3.2.3.3)."""
        return self.demand > 0 or (beacon > 0 and (now - self.sent_at) * beacon >= srtt)

    def put(self, options: Options, most: int, now: Instant) -> bool:
        """Adds the option, to ``most`` octets in all, at the cost of SACK blocks but for two; False if it cannot be."""
        blocks = options.sack
        while True:
            saved = 2 if options.sack else 0
            count = fitting_counters(most - length(options), self.least, saved)
            if count >= 0:
                break
            if len(options.sack) <= 2 or not self.least:
                options.sack = blocks
                return False
            options.sack = options.sack[:-1]
        values = tuple([self.octets[each] + _STARTS[each] & _COUNTER_MASK for each in _ORDERS[ACCURATE_ECN_1][:count]])
        options.accurate_ecn = (ACCURATE_ECN_1, values)
        self.least = 0
        self.demand = max(0, self.demand - 1)
        self.sent_at = now
        return True


class Account:
    """What the Data Sender has heard of its own packets: s.cep, s.ceb, s.e0b, s.e1b."""

    __slots__ = ("has_feedback", "latest", "likely", "octets", "packets", "seen")

    def __init__(self) -> None:
        self.packets = 0
        """Delivered with CE."""
        self.octets = [0, 0, 0, 0]
        """Delivered by codepoint."""
        self.likely = NOT_ECT
        """The codepoint that everything arrives with, as far as the last options say; `NOT_ECT`: they do not."""
        self.seen = NOT_SEEN
        self.latest: int | None = None
        """TSval of the last ACK: one with a later one is no old ACK that has been overtaken."""
        self.has_feedback = False
        """The field of an ACK of text has been looked at."""

    def meet(self, options: Options | None) -> bool:
        """Looks at the first option of the peer; False if it has zeros that cannot be meant (3.2.3.2.1)."""
        if options is None or options.accurate_ecn is None or self.seen >= COUNTERS_SEEN:
            return True
        kind, values = options.accurate_ecn
        self.seen = COUNTERS_SEEN if values else EMPTY_SEEN
        if any(not value and _STARTS[each] for each, value in zip(_ORDERS[kind], values, strict=False)):
            self.seen = ZEROS_SEEN
        return self.seen != ZEROS_SEEN

    def is_overtaken(self, value: int) -> bool:
        """Whether a segment with this TSval is no later than the last."""
        before = self.latest
        is_later = before is None or 0 < (value - before & 0xFFFFFFFF) < 0x80000000
        if is_later:
            self.latest = value
        return not is_later

    def take_octets(self, options: Options | None, delivered: int) -> bool:
        """The counters of octets, from an option or by what is likely; whether they are certain (appendix A.3)."""
        if options is None or options.accurate_ecn is None:
            if not self.seen or self.likely == NOT_ECT:
                return False
            self.octets[self.likely] += delivered
            return True
        kind, values = options.accurate_ecn
        changed: list[int] = []
        is_ambiguous = False
        for each, value in zip(_ORDERS[kind], values, strict=False):
            step = (value - _STARTS[each] - self.octets[each] + 0x800000 & _COUNTER_MASK) - 0x800000
            self.octets[each] += max(step, 0)
            is_ambiguous = is_ambiguous or step < 0
            if step and each != self.likely:
                changed.append(each)
        is_certain = self.likely != NOT_ECT
        if is_ambiguous or len(changed) > 1:
            is_certain = False
            self.likely = NOT_ECT
        elif changed:
            self.likely = changed[0]
        return is_certain

    def take_packets(self, field: int, delivered: int, sizes: tuple[int, int, int] | None) -> int:
        """How many more packets have had CE, by the ACE field of an ACK for ``delivered`` packets (3.2.2.5.2).

        With more of them than the field can count it may have wrapped, and the worst is assumed; unless the option says
        how many octets had CE: ``sizes`` are those, all that were delivered, and those of a full segment.
        """
        delta = field - CEP_START - self.packets & _ACE_MASK
        if delivered > _ACE_MASK:
            safe = delivered - (delivered - delta & _ACE_MASK)
            delta = safe if sizes is None else _likely_delta(delta, safe, delivered, sizes)
        self.packets += delta
        return delta


def _likely_delta(delta: int, safe: int, delivered: int, sizes: tuple[int, int, int]) -> int:
    """Between the least and the most that the field can mean, by the octets that had CE (appendix A.2.2)."""
    marked, octets, mss = sizes
    if not marked:
        return delta
    if delivered >= 2 * (_ACE_MASK + 1):
        if octets <= marked:
            return safe
        return min(safe, delta + (-(-marked * delivered // octets) & ~_ACE_MASK))
    if marked > delta * mss:
        return safe
    return delta if marked < safe * mss >> _SAFETY_SHIFT else safe


class AccurateEcn:
    """Both half-connections of one that uses Accurate ECN."""

    __slots__ = ("account", "answered", "failures", "feedback", "handshake")

    def __init__(self, codepoint: int) -> None:
        """``codepoint`` is that of the peer's SYN."""
        self.feedback = Feedback(codepoint)
        self.account = Account()
        self.failures = 0
        self.handshake: int | None = None
        """The codepoint of a SYN,ACK that the next bare ACK answers."""
        self.answered: int | None = None
        """That of the one which the third ACK has answered."""

    @property
    def may_mark(self) -> bool:
        """What we send may be ECN-capable: neither end has seen or sent an ACE field that cannot be meant (3.2.2.4)."""
        return not self.failures & (ACE_SEND | ACE_RECEIVE)

    def fail(self, what: int) -> None:
        """Something does not get through: for the rest of the connection."""
        self.failures |= what

    def check_handshake(self, ace: int) -> bool:
        """Whether our SYN or SYN,ACK, which was not ECN-capable, came as it was sent, says the peer (3.2.2.3)."""
        return ace == _HANDSHAKE[NOT_ECT]

    def on_syn_ack(self, seg: Segment, is_checked: bool) -> None:
        """The peer's SYN,ACK has agreed to it: its ACK says how it came, and the field how our SYN did (3.2.2.1).

        0b101 has no meaning yet and is taken as if all were well (3.1.3).
        """
        self.handshake = self.answered = seg.ecn
        if not self.account.meet(seg.options):
            self.fail(OPTION_RECEIVE)
        if self.account.seen:
            self.feedback.demand = 2
        ace = ace_of(seg.flags)
        if is_checked and ace != 0b101 and not self.check_handshake(ace):
            self.fail(ACE_RECEIVE)
        elif seg.ecn == CE:
            self.feedback.packets += 1
            self.feedback.pending += 1

    def on_third_ack(self, seg: Segment, is_checked: bool) -> None:
        """The ACK of our SYN,ACK (table 4). If it has text, the field counts already, and cannot be told from it."""
        self.feedback.demand = 1
        if not self.account.meet(seg.options):
            self.fail(OPTION_RECEIVE)
        ace = ace_of(seg.flags)
        if not ace:
            self.fail(ACE_RECEIVE)
        elif ace in _HANDSHAKE and not seg.octets and not (seg.options is not None and seg.options.sack):
            if is_checked and not self.check_handshake(ace):
                self.fail(ACE_RECEIVE)
            elif ace == _HANDSHAKE[CE]:
                self.account.packets += 1
