"""Port scans as nmap makes them, and what nmap makes of the answers (RFC 9293 3.10.7.1, 3.10.7.2).

A scan type is a segment with odd flags and a reading of what comes back. What each gets from a host that follows the
RFC, and what it therefore takes the port for:

=======  ===================  ==================  =========================================  ==========================
option   flags                open                closed                                     open / closed / silent
=======  ===================  ==================  =========================================  ==========================
``-sS``  SYN                  SYN,ACK             RST,ACK, SEQ 0, ACK SEG.SEQ+SEG.LEN        open / closed / filtered
``-sT``  connect()            the handshake       as above                                   as above
``-sF``  FIN                  silence             as above                                   open|filtered / closed /
``-sN``  none                                                                                open|filtered
``-sX``  FIN, PSH, URG
``-sM``  FIN, ACK             RST, SEQ SEG.ACK    RST, SEQ SEG.ACK                           closed / closed /
                                                                                             open|filtered
``-sA``  ACK                  RST, SEQ SEG.ACK    RST, SEQ SEG.ACK                           unfiltered / unfiltered /
                                                                                             filtered
``-sW``  ACK                  the same, window 0  the same, window 0                         closed / closed / filtered
=======  ===================  ==================  =========================================  ==========================
"""

import asyncio
from collections.abc import Container, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from halfopen.base.addresses import Address, format_address
from halfopen.base.errors import Malformed
from halfopen.base.rng import Rng
from halfopen.lab.attacker import Attacker
from halfopen.lab.crafting import make_segment
from halfopen.lab.information import share_known
from halfopen.sim.match import Passing
from halfopen.tcp.seqnum import wrap
from halfopen.wire import icmpv4
from halfopen.wire.icmpv4 import DESTINATION_UNREACHABLE
from halfopen.wire.tcp import ACK, RST, SYN, Segment
from halfopen.wire.tcp_options import Options

OPEN, CLOSED, FILTERED, UNFILTERED = "open", "closed", "filtered", "unfiltered"
OPEN_FILTERED = "open|filtered"

FILTERING = frozenset({0, 1, 2, 3, 9, 10, 13})
"""Codes of ICMP "unreachable" that tell nmap of a filter."""

OS_OPTIONS = Options(mss=265, window_scale=10, sack_permitted=True, timestamps=(0xFFFFFFFF, 0))
"""Of nmap's OS probes T2 to T6; its T7 shifts by 15, which changes nothing here."""

FIRST_PORT, PORTS = 32768, 16384
"""Where the probes come from, one after the other."""

SETTLING = 0.01
"""Seconds that the scanner's own stack gets for an answer that has just come."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: a segment, or the code of an ICMP "unreachable"; and the header's Identification."""

    segment: Segment | None = None
    code: int | None = None
    identification: int = 0

    def describe(self, probe: Segment | None) -> str:
        """``"RST,ACK seq 0 ack +1 win 0"``: numbers as ``probe``, if known, explains them."""
        segment = self.segment
        if segment is None:
            return f"ICMP 3/{self.code}"
        flags, is_reset = segment.flags, bool(segment.flags & RST)
        words = [",".join(name for bit, name in ((SYN, "SYN"), (RST, "RST"), (ACK, "ACK")) if flags & bit)]
        if is_reset:
            is_echo = probe is not None and bool(probe.flags & ACK) and segment.seq == probe.ack
            words.append("seq SEG.ACK" if is_echo else f"seq {segment.seq}")
        if probe and flags & ACK:
            words.append(f"ack +{wrap(segment.ack - probe.seq)}")
        if is_reset:
            words.append(f"win {segment.window}")
        return " ".join(words)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """A scan type: nmap's ``option``, the ``flags`` in packetdrill's letters, and what silence and RST mean to it."""

    name: str
    option: str = ""
    flags: str
    silence: str
    reset: str = CLOSED
    connects: bool = False
    reads_window: bool = False
    window: int = 1024
    dont_fragment: bool = False
    options: Options | None = None

    def classify(self, answer: Answer | None) -> str:
        """The port's state as nmap would print it."""
        if answer is None:
            return self.silence
        segment = answer.segment
        if segment is None:
            return FILTERED if answer.code in FILTERING else self.silence
        if segment.flags & RST:
            return OPEN if self.reads_window and segment.window else self.reset
        return OPEN if segment.flags & SYN and "S" in self.flags else self.silence


SCANS: Mapping[str, Scan] = {
    scan.name: scan
    for scan in (
        Scan(name="syn", option="-sS", flags="S", silence=FILTERED, options=Options(mss=1460)),
        Scan(name="connect", option="-sT", flags="S", silence=FILTERED, connects=True),
        Scan(name="fin", option="-sF", flags="F", silence=OPEN_FILTERED),
        Scan(name="null", option="-sN", flags="", silence=OPEN_FILTERED),
        Scan(name="xmas", option="-sX", flags="FPU", silence=OPEN_FILTERED),
        Scan(name="ack", option="-sA", flags=".", silence=FILTERED, reset=UNFILTERED),
        Scan(name="window", option="-sW", flags=".", silence=FILTERED, reads_window=True),
        Scan(name="maimon", option="-sM", flags="F.", silence=OPEN_FILTERED),
    )
}
"""The eight of them."""

OS_PROBES: Mapping[str, Scan] = {
    name: Scan(name=name, flags=flags, window=window, dont_fragment=df, silence=FILTERED, options=OS_OPTIONS)
    for name, flags, window, df in (
        ("T2", "", 128, True),
        ("T3", "SFPU", 256, False),
        ("T4", ".", 1024, True),
        ("T5", "S", 31337, False),
        ("T6", ".", 32768, True),
        ("T7", "FPU", 65535, False),
    )
}
"""nmap's probes for the operating system: T2 to T4 go to an open port, T5 to T7 to a closed one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PortReport:
    """What a scan has found out about a port, by which answer, after how many probes."""

    port: int
    state: str
    answer: Answer | None
    probe: Segment | None
    tries: int

    @property
    def heard(self) -> str:
        """The answer in words."""
        return "silence" if self.answer is None else self.answer.describe(self.probe)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How fast a scanner goes: ``parallel`` probes at a time, and ``timeout`` seconds for each.

    A probe without an answer is sent once more; again and again, up to ``retries`` times, only if such repetition has
    helped before (nmap's rule, from which a limit on RSTs gains its price).
    """

    parallel: int = 10
    timeout: float = 0.1
    retries: int = 10


class Scanner:
    """Scans ports of one host. The attacker has to `Attacker.sniff` first."""

    def __init__(self, attacker: Attacker, target: Address, rng: Rng, timing: Timing | None = None) -> None:
        self._attacker = attacker
        self._target = target
        self._rng = rng
        self._timing = timing or Timing()
        self._slots = asyncio.Semaphore(self._timing.parallel)
        self._helped = 0
        self._port = FIRST_PORT + rng.below(PORTS)

    async def scan(self, scan: Scan, ports: Iterable[int]) -> dict[int, PortReport]:
        """All of ``ports``."""
        self._helped = 0
        reports = await asyncio.gather(*(self._scan_port(scan, port) for port in ports))
        return {report.port: report for report in reports}

    async def probe(self, scan: Scan, port: int) -> tuple[Segment | None, Answer | None]:
        """One probe, and what came of it within the timeout."""
        if scan.connects:
            return await self._connect(port)
        self._port = FIRST_PORT + (self._port + 1 - FIRST_PORT) % PORTS
        ack = self._rng.below(1 << 32) if "." in scan.flags else 0
        segment = make_segment(
            (self._port, port),
            scan.flags,
            seq=self._rng.below(1 << 32),
            ack=ack,
            window=scan.window,
            options=scan.options,
        )
        self._attacker.send(
            segment, destination=self._target, dont_fragment=scan.dont_fragment, comment=f"{scan.name} scan"
        )
        return segment, await self._hear((self._port, port))

    async def _scan_port(self, scan: Scan, port: int) -> PortReport:
        async with self._slots:
            tries = 0
            while True:
                probe, answer = await self.probe(scan, port)
                tries += 1
                if answer is not None:
                    self._helped = max(self._helped, tries - 1)
                elif tries <= min(self._timing.retries, self._helped + 1):
                    continue
                state = scan.classify(answer)
                return PortReport(port=port, state=state, answer=answer, probe=probe, tries=tries)

    async def _connect(self, port: int) -> tuple[Segment | None, Answer | None]:
        """By the scanner's own stack, as anybody would; who is let in hangs up by RST."""
        task = self._attacker.host.run(_knock(format_address(self._target), port))
        answer = await self._hear((None, port))
        with suppress(OSError):  # TimeoutError is one, and so is a refusal
            await asyncio.wait_for(task, 0.0 if answer is None else SETTLING)
        return None, answer

    async def _hear(self, ports: tuple[int | None, int]) -> Answer | None:
        try:
            heard = await self._attacker.hear(lambda passing: self._answer(passing, ports), self._timing.timeout)
        except TimeoutError:
            return None
        return self._answer(heard, ports)

    def _answer(self, passing: Passing, ports: tuple[int | None, int]) -> Answer | None:
        """What ``passing`` says about a probe between ``ports``; None if nothing."""
        header, segment = passing.ip, passing.tcp
        if header is None:
            return None
        local, port = ports
        if segment is not None:
            is_ours = header.source == self._target and segment.source_port == port
            if is_ours and local in (None, segment.destination_port):
                return Answer(segment, identification=header.identification)
            return None
        message = passing.icmp
        if message is None or message.type != DESTINATION_UNREACHABLE:
            return None
        try:
            quoted = icmpv4.parse_quoted(message.payload)
        except Malformed:
            return None
        sent = int.from_bytes(quoted.transport[:2], "big"), int.from_bytes(quoted.transport[2:4], "big")
        if quoted.destination == self._target and sent[1] == port and local in (None, sent[0]):
            return Answer(code=message.code, identification=header.identification)
        return None


async def _knock(address: str, port: int) -> None:
    _, writer = await asyncio.open_connection(address, port)
    writer.transport.abort()


def learnt(reports: Mapping[int, PortReport], services: Container[int]) -> float:
    """The share of the secret, which ports are open, that the scan's verdicts give away: 0 to 1."""
    return share_known((report.state, port in services) for port, report in reports.items())
