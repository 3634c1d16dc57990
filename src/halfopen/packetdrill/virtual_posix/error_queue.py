"""The error queue of a socket (``MSG_ERRQUEUE``): zero-copy completions, transmit timestamps, and ICMP errors."""

import errno
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from halfopen.base.clock import SECOND, Instant
from halfopen.packetdrill.posix import ControlMessage, Received
from halfopen.packetdrill.structures import EXTENDED_ERROR, TIMESTAMPING
from halfopen.packetdrill.virtual_posix.kernel import Kernel, failure
from halfopen.tcp.sending import SendSpace
from halfopen.tcp.sent import SACKED

ORIGIN_ICMP, ORIGIN_ICMP6, ORIGIN_TIMESTAMPING, ORIGIN_ZEROCOPY = 2, 3, 4, 5
COPIED = 1
"""SO_EE_CODE_ZEROCOPY_COPIED: a TUN device takes a copy, whatever was asked for."""

SND, SCHED, ACKED = 0, 1, 2

QUOTED_OCTETS, HEADER_OCTETS = 8, 20


@dataclass(slots=True, frozen=True, kw_only=True)
class Report:
    """``struct sock_extended_err``, and when, of a timestamp."""

    errno: int = 0
    origin: int
    type: int = 0
    code: int = 0
    info: int = 0
    data: int = 0
    when: Instant | None = None
    stats: bytes = b""
    """Netlink attributes about the connection at that time (SOF_TIMESTAMPING_OPT_STATS)."""


@dataclass(slots=True)
class Watched:
    """Octets up to position ``end`` of which something is to be told: ``first`` to ``last`` are zero-copy numbers."""

    end: int
    first: int = 0
    last: int = 0


@dataclass(slots=True)
class Stamped:
    """The octet before position ``end``, with what is to be told of it, and by which number.

    ``sent``: how often it has been on its way.
    """

    end: int
    key: int
    stages: tuple[int, ...]
    sent: int = 0


class ErrorQueue:
    """What waits for ``recvmsg(MSG_ERRQUEUE)``, and what it still waits for itself."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._reports: deque[Report] = deque()
        self._copies: deque[Watched] = deque()
        self._stamps: list[Stamped] = []
        self._next_copy = 0
        self.has_stats = False
        """SOF_TIMESTAMPING_OPT_STATS."""
        self.told = 0
        """Reports that there have been: each wakes who waits."""

    def __len__(self) -> int:
        return len(self._reports)

    def add_icmp(self, report: Report) -> None:
        """ICMP has reported an error."""
        self._add(report)

    def _add(self, report: Report) -> None:
        self._reports.append(report)
        self.told += 1

    def add_copy(self, end: int, *, extends: bool) -> None:
        """MSG_ZEROCOPY: told when position ``end`` is acknowledged, with what it follows if that is still unsent."""
        number = self._next_copy
        self._next_copy += 1
        if extends and self._copies:
            self._copies[-1].end, self._copies[-1].last = end, number
        else:
            self._copies.append(Watched(end, number, number))

    def add_stamp(self, end: int, tail: int, key: int, flags: int) -> None:
        """SO_TIMESTAMPING: told when the octet before ``end`` is sent and acknowledged, as ``flags`` say.

        Of a super-segment only the last such octet counts; the one that is not sent yet has ``tail`` octets.
        """
        has = self._kernel.has
        stages = []
        if has(flags, "SOF_TIMESTAMPING_TX_SCHED"):
            stages.append(SCHED)
        if has(flags, "SOF_TIMESTAMPING_TX_SOFTWARE"):
            stages.append(SND)
        if has(flags, "SOF_TIMESTAMPING_TX_ACK"):
            stages.append(ACKED)
        if stages:
            self._stamps = [each for each in self._stamps if each.end <= end - tail]
            self._stamps.append(Stamped(end, key, tuple(stages)))

    def on_progress(self, snd: SendSpace, stats: Callable[[], bytes]) -> None:
        """Something may have been sent or have arrived; ``stats`` tells of the connection as it is now."""
        now = self._kernel.now
        for stamp in self._stamps:
            for stage in _stages_of(stamp, snd):
                self._report_stamp(stamp.key, stage, now, stats() if self.has_stats else b"")
        self._stamps = [stamp for stamp in self._stamps if stamp.end > snd.una]
        while self._copies and self._copies[0].end <= snd.una:
            self._report_copies(self._copies.popleft())

    def on_end(self) -> None:
        """The connection is over: no octets are held any more."""
        while self._copies:
            self._report_copies(self._copies.popleft())
        self._stamps.clear()

    def receive(self, octets: int, *, is_ipv6: bool, stamps: int) -> Received:
        """The oldest report, as ancillary data; EAGAIN if there is none. ``stamps`` are SO_TIMESTAMPING's flags."""
        if not self._reports:
            raise failure(errno.EAGAIN)
        report = self._reports.popleft()
        number, has = self._kernel.number, self._kernel.has
        control: list[ControlMessage] = []
        if report.when is not None and has(stamps, "SOF_TIMESTAMPING_SOFTWARE"):
            time = TIMESTAMPING.pack(*divmod(report.when, SECOND), 0, 0, 0, 0)
            control.append(ControlMessage(number("SOL_SOCKET"), number("SCM_TIMESTAMPING"), time))
            if report.stats:
                kind = number("SCM_TIMESTAMPING_OPT_STATS")
                control.append(ControlMessage(number("SOL_SOCKET"), kind, report.stats))
        level, option = ("SOL_IPV6", "IPV6_RECVERR") if is_ipv6 else ("SOL_IP", "IP_RECVERR")
        control.append(ControlMessage(number(level), number(option), _pack(report)))
        size = self._quoted_octets(report, stamps)
        truncated = number("MSG_TRUNC") if octets < size else 0
        return Received(min(octets, size), flags=number("MSG_ERRQUEUE") | truncated, control=tuple(control))

    def _quoted_octets(self, report: Report, stamps: int) -> int:
        """What comes with a report of what it is about: ICMP quotes, and a stamp has at least a header with it."""
        if report.origin in (ORIGIN_ICMP, ORIGIN_ICMP6):
            return QUOTED_OCTETS
        if report.stats:
            return len(report.stats)
        has_packet = report.when is not None and not self._kernel.has(stamps, "SOF_TIMESTAMPING_OPT_TSONLY")
        return HEADER_OCTETS if has_packet else 0

    @property
    def next_errno(self) -> int:
        """What SO_ERROR tells once the report before has been taken."""
        first = self._reports[0] if self._reports else None
        return first.errno if first is not None and first.origin in (ORIGIN_ICMP, ORIGIN_ICMP6) else 0

    def _report_stamp(self, key: int, stage: int, now: Instant, stats: bytes) -> None:
        origin = ORIGIN_TIMESTAMPING
        self._add(Report(errno=errno.ENOMSG, origin=origin, info=stage, data=key & 0xFFFFFFFF, when=now, stats=stats))

    def _report_copies(self, done: Watched) -> None:
        """Neighbours that nobody has asked for yet are told together."""
        last = self._reports[-1] if self._reports else None
        if last is not None and last.origin == ORIGIN_ZEROCOPY and last.data + 1 == done.first:
            self._reports[-1] = replace(last, data=done.last)
            self.told += 1
        else:
            self._add(Report(origin=ORIGIN_ZEROCOPY, code=COPIED, info=done.first, data=done.last))


def _stages_of(stamp: Stamped, snd: SendSpace) -> Iterator[int]:
    """What is to be told now: each time that the octet is sent, and when it has arrived."""
    record = snd.flight.find(stamp.end - 1)
    is_known = record is not None and record.condition != SACKED
    sent = record.transmissions if record is not None and is_known else int(stamp.end <= snd.nxt)
    while stamp.sent < sent:
        stamp.sent += 1
        yield from (stage for stage in stamp.stages if stage != ACKED)
    if stamp.end <= snd.una and ACKED in stamp.stages:
        yield ACKED


def _pack(report: Report) -> bytes:
    return EXTENDED_ERROR.pack(
        report.errno, report.origin, report.type, report.code, 0, report.info & 0xFFFFFFFF, report.data
    )
