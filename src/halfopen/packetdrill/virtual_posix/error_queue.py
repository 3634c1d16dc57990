"""The error queue of a socket (``MSG_ERRQUEUE``): zero-copy completions, transmit timestamps, and ICMP errors."""

import errno
from collections import deque
from dataclasses import dataclass, replace

from halfopen.base.clock import SECOND, Instant
from halfopen.packetdrill.posix import ControlMessage, Received
from halfopen.packetdrill.structures import EXTENDED_ERROR, TIMESTAMPING
from halfopen.packetdrill.virtual_posix.kernel import Kernel, failure

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


@dataclass(slots=True)
class Watched:
    """Octets up to position ``end`` of which something is to be told: ``first`` to ``last`` are zero-copy numbers."""

    end: int
    first: int = 0
    last: int = 0


@dataclass(slots=True)
class Stamped:
    """The octet before position ``end``, with what is still to be told of it, and by which number."""

    end: int
    key: int
    stages: list[int]


class ErrorQueue:
    """What waits for ``recvmsg(MSG_ERRQUEUE)``, and what it still waits for itself."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._reports: deque[Report] = deque()
        self._copies: deque[Watched] = deque()
        self._stamps: list[Stamped] = []
        self._next_copy = 0

    def __len__(self) -> int:
        return len(self._reports)

    def add_icmp(self, report: Report) -> None:
        """ICMP has reported an error."""
        self._reports.append(report)

    def add_copy(self, end: int, *, extends: bool) -> None:
        """MSG_ZEROCOPY: told when position ``end`` is acknowledged, with what it follows if that is still unsent."""
        number = self._next_copy
        self._next_copy += 1
        if extends and self._copies:
            self._copies[-1].end, self._copies[-1].last = end, number
        else:
            self._copies.append(Watched(end, number, number))

    def add_stamp(self, end: int, key: int, flags: int) -> None:
        """SO_TIMESTAMPING: told when the octet before ``end`` is sent and acknowledged, as ``flags`` say."""
        has = self._kernel.has
        stages = []
        if has(flags, "SOF_TIMESTAMPING_TX_SCHED"):
            stages.append(SCHED)
        if has(flags, "SOF_TIMESTAMPING_TX_SOFTWARE"):
            stages.append(SND)
        if has(flags, "SOF_TIMESTAMPING_TX_ACK"):
            stages.append(ACKED)
        if stages:
            self._stamps.append(Stamped(end, key, stages))

    def on_progress(self, sent: int, acknowledged: int, now: Instant) -> None:
        """All before ``sent`` has been sent, all before ``acknowledged`` has arrived."""
        for stamp in self._stamps:
            for stage in tuple(stamp.stages):
                if (acknowledged if stage == ACKED else sent) >= stamp.end:
                    stamp.stages.remove(stage)
                    self._report_stamp(stamp.key, stage, now)
        self._stamps = [stamp for stamp in self._stamps if stamp.stages]
        while self._copies and self._copies[0].end <= acknowledged:
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
        level, kind = ("SOL_IPV6", "IPV6_RECVERR") if is_ipv6 else ("SOL_IP", "IP_RECVERR")
        control.append(ControlMessage(number(level), number(kind), _pack(report)))
        size = self._quoted_octets(report, stamps)
        truncated = number("MSG_TRUNC") if octets < size else 0
        return Received(min(octets, size), flags=number("MSG_ERRQUEUE") | truncated, control=tuple(control))

    def _quoted_octets(self, report: Report, stamps: int) -> int:
        """What comes with a report of what it is about: ICMP quotes, and a stamp has at least a header with it."""
        if report.origin in (ORIGIN_ICMP, ORIGIN_ICMP6):
            return QUOTED_OCTETS
        has_packet = report.when is not None and not self._kernel.has(stamps, "SOF_TIMESTAMPING_OPT_TSONLY")
        return HEADER_OCTETS if has_packet else 0

    @property
    def next_errno(self) -> int:
        """What SO_ERROR tells once the report before has been taken."""
        first = self._reports[0] if self._reports else None
        return first.errno if first is not None and first.origin in (ORIGIN_ICMP, ORIGIN_ICMP6) else 0

    def _report_stamp(self, key: int, stage: int, now: Instant) -> None:
        self._reports.append(
            Report(errno=errno.ENOMSG, origin=ORIGIN_TIMESTAMPING, info=stage, data=key & 0xFFFFFFFF, when=now)
        )

    def _report_copies(self, done: Watched) -> None:
        """Neighbours that nobody has asked for yet are told together."""
        last = self._reports[-1] if self._reports else None
        if last is not None and last.origin == ORIGIN_ZEROCOPY and last.data + 1 == done.first:
            self._reports[-1] = replace(last, data=done.last)
        else:
            self._reports.append(Report(origin=ORIGIN_ZEROCOPY, code=COPIED, info=done.first, data=done.last))


def _pack(report: Report) -> bytes:
    return EXTENDED_ERROR.pack(
        report.errno, report.origin, report.type, report.code, 0, report.info & 0xFFFFFFFF, report.data
    )
