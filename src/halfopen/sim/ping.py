"""``ping`` and ``traceroute`` from a simulated host; results print as the tools do (iputils, traceroute(8))."""

import asyncio
from dataclasses import dataclass
from itertools import count as numbers
from math import sqrt

from halfopen.aio.errors import os_errors
from halfopen.aio.face import EchoFace, Face
from halfopen.aio.host import Host
from halfopen.aio.pump import Pump
from halfopen.base.addresses import Address, format_address
from halfopen.base.clock import MILLISECOND, SECOND, Duration, Instant
from halfopen.base.errors import ConfigError
from halfopen.sim.ping_words import NOTES, Target, headers_octets, named, words_of
from halfopen.stack import datagram as kinds
from halfopen.stack.icmp import REPLY, EchoReply
from halfopen.stack.ports import any_address
from halfopen.stack.udp import UdpSocket
from halfopen.wire.icmpv4 import HEADER_OCTETS as ICMP_HEADER_OCTETS

PATIENCE: Duration = 10 * SECOND
"""How long ping waits for the last answer (iputils: 10 s if there was none yet)."""
HOP_PATIENCE: Duration = 5 * SECOND
"""How long traceroute waits for the answers of one hop (its ``-w``)."""
PROBES = 3
"""Datagrams for each hop."""
FIRST_PORT = 33434
"""Nobody listens there, it is hoped: what arrives is answered by "port unreachable"."""
PROBE_OCTETS = 32
"""With both headers 60 octets, 80 in IPv6."""

MOST_OCTETS = {4: 65535 - 28, 16: 65535 - 8}
"""Of a request's payload, by version: with all headers 65535 octets in IPv4, without that of IP in IPv6."""


@dataclass(slots=True, frozen=True, kw_only=True)
class Echo:
    """One answer: ``kind`` is ``"reply"``, or what went wrong as ``source`` tells it; ``rtt`` in nanoseconds."""

    sequence: int
    kind: str
    source: str
    octets: int
    ttl: int
    rtt: Duration

    def __str__(self) -> str:
        if self.kind != REPLY:
            return f"From {self.source} icmp_seq={self.sequence} {words_of(self.kind, self.source)}"
        time = _three_digits(self.rtt)
        return f"{self.octets} bytes from {self.source}: icmp_seq={self.sequence} ttl={self.ttl} time={time} ms"


@dataclass(slots=True, frozen=True, kw_only=True)
class PingResult:
    """What came of some echo requests of ``octets`` octets, in ``duration`` nanoseconds with all waiting."""

    name: str
    address: str
    octets: int
    sent: int
    echoes: tuple[Echo, ...]
    duration: Duration

    @property
    def replies(self) -> tuple[Echo, ...]:
        """The answers, without the errors."""
        return tuple(echo for echo in self.echoes if echo.kind == REPLY)

    @property
    def received(self) -> int:
        """How many requests were answered."""
        return len(self.replies)

    @property
    def loss(self) -> float:
        """The part that was not."""
        return 1 - self.received / self.sent if self.sent else 0.0

    @property
    def rtts(self) -> tuple[float, ...]:
        """Round-trip times in seconds, in the order of the answers."""
        return tuple(echo.rtt / SECOND for echo in self.replies)

    def __str__(self) -> str:
        if ":" in self.address:
            lines = [f"PING {self.name} ({self.address}) {self.octets} data bytes"]
        else:
            whole = self.octets + headers_octets(self.address)
            lines = [f"PING {self.name} ({self.address}) {self.octets}({whole}) bytes of data."]
        lines += map(str, self.echoes)
        errors = len(self.echoes) - self.received
        lines += ["", f"--- {self.name} ping statistics ---"]
        lines.append(
            f"{self.sent} packets transmitted, {self.received} received{f', +{errors} errors' if errors else ''}, "
            f"{self.loss:.0%} packet loss, time {self.duration // MILLISECOND}ms"
        )
        if self.received:
            lines.append(self._spread())
        return "\n".join(lines)

    def _spread(self) -> str:
        milliseconds = [rtt * 1000 for rtt in self.rtts]
        mean = sum(milliseconds) / len(milliseconds)
        deviation = sqrt(max(0.0, sum(value * value for value in milliseconds) / len(milliseconds) - mean * mean))
        figures = (min(milliseconds), mean, max(milliseconds), deviation)
        return f"rtt min/avg/max/mdev = {'/'.join(f'{figure:.3f}' for figure in figures)} ms"


@dataclass(slots=True, frozen=True, kw_only=True)
class Answer:
    """What one probe brought: who answered what, and when."""

    kind: str
    name: str
    address: str
    rtt: Duration

    def __str__(self) -> str:
        return f"{self.rtt / MILLISECOND:.3f} ms{NOTES.get(self.kind, '')}"


@dataclass(slots=True, frozen=True, kw_only=True)
class TraceHop:
    """The answers to the probes with one TTL; None where there was none."""

    ttl: int
    answers: tuple[Answer | None, ...]

    @property
    def address(self) -> str | None:
        """Who answered first."""
        return next((answer.address for answer in self.answers if answer is not None), None)

    @property
    def name(self) -> str | None:
        """The name of who answered first."""
        return next((answer.name for answer in self.answers if answer is not None), None)

    def __str__(self) -> str:
        words: list[str] = []
        before: str | None = None
        for answer in self.answers:
            if answer is None:
                words.append("*")
                continue
            if answer.address != before:
                words.append(f"{answer.name} ({answer.address}) ")
                before = answer.address
            words.append(f"{answer} ")
        return f"{self.ttl:2}  {' '.join(words).rstrip()}"


@dataclass(slots=True, frozen=True, kw_only=True)
class TraceResult:
    """The way to a host, hop by hop, until somebody said that it ends there."""

    name: str
    address: str
    max_hops: int
    hops: tuple[TraceHop, ...]

    @property
    def is_complete(self) -> bool:
        """Whether the host itself has answered."""
        return bool(self.hops) and any(
            answer is not None and answer.address == self.address for answer in self.hops[-1].answers
        )

    def __str__(self) -> str:
        title = f"traceroute to {self.name} ({self.address}), {self.max_hops} hops max, "
        return "\n".join([f"{title}{PROBE_OCTETS + headers_octets(self.address)} byte packets", *map(str, self.hops)])


class Pinging(EchoFace):
    """Echo requests at a steady pace, and what becomes of them."""

    def __init__(self, host: Host, target: Target, octets: int) -> None:
        self._host = host
        self._name = target.name
        self._octets = octets
        self._destination = target.address
        self._echoes: list[Echo] = []
        self._sent = 0
        self._is_answered = asyncio.Event()

    async def run(self, count: int, interval: float) -> PingResult:
        """Sends ``count`` requests and waits for the last answer."""
        pump = self._host.pump
        began = pump.now()
        identifier = next(free for free in numbers(1) if not pump.has_echo(free))
        pump.attach_echo(identifier, self)
        try:
            for sequence in range(1, count + 1):
                self._send(identifier, sequence)
                if sequence < count:
                    await asyncio.sleep(interval)
            await self._wait_for_the_last()
        finally:
            pump.detach_echo(identifier)
        return PingResult(
            name=self._name,
            address=format_address(self._destination),
            octets=self._octets,
            sent=count,
            echoes=tuple(self._echoes),
            duration=pump.now() - began,
        )

    def on_reply(self, reply: EchoReply) -> None:
        """Takes it down."""
        octets = len(reply.payload) + ICMP_HEADER_OCTETS
        self._note(reply.sequence, reply.kind, reply.source, (octets, reply.ttl, reply.rtt))

    def _send(self, identifier: int, sequence: int) -> None:
        pump = self._host.pump
        self._sent += 1
        payload = bytes(number & 0xFF for number in range(self._octets))
        with os_errors():
            self._host.stack.icmp.send_echo(self._destination, identifier, sequence, payload, pump.now())
        pump.kick()

    def _note(self, sequence: int, kind: str, source: Address, figures: tuple[int, int, Duration]) -> None:
        octets, ttl, rtt = figures
        who = named(self._host, source)
        self._echoes.append(Echo(sequence=sequence, kind=kind, source=who, octets=octets, ttl=ttl, rtt=rtt))
        if len(self._echoes) >= self._sent:
            self._is_answered.set()

    async def _wait_for_the_last(self) -> None:
        if len(self._echoes) >= self._sent:
            return
        self._is_answered.clear()
        try:
            async with asyncio.timeout(PATIENCE / SECOND):
                await self._is_answered.wait()
        except TimeoutError:
            pass


class Tracing(Face):
    """UDP with rising TTL, each datagram to a port of its own, by which the ICMP error about it is known."""

    def __init__(self, host: Host, target: Target) -> None:
        self._host = host
        self._pump: Pump = host.pump
        self._name = target.name
        self._destination = target.address
        self._sent: dict[int, Instant] = {}
        self._answers: dict[int, Answer] = {}
        self._is_answered = asyncio.Event()
        self._udp: UdpSocket = host.stack.udp.bind(any_address(target.address), 0, host.owner())

    async def run(self, max_hops: int) -> TraceResult:
        """Hop after hop, until the destination answers, somebody says that it cannot be reached, or ``max_hops``."""
        hops: list[TraceHop] = []
        self._pump.attach(self._udp, self)
        try:
            for ttl in range(1, max_hops + 1):
                hop = await self._probe(ttl)
                hops.append(hop)
                if any(answer is not None and answer.kind != kinds.TTL_EXCEEDED for answer in hop.answers):
                    break
        finally:
            self._pump.detach(self._udp)
            self._udp.close()
        address = format_address(self._destination)
        return TraceResult(name=self._name, address=address, max_hops=max_hops, hops=tuple(hops))

    def on_news(self, now: Instant) -> None:
        """Errors about our probes; a datagram says that somebody does listen there."""
        while (error := self._udp.poll_icmp_error()) is not None:
            port = int.from_bytes(error.quoted.transport[2:4], "big")
            self._note(port, error.kind, error.source, now)
        while (message := self._udp.receive()) is not None:
            self._note(message.port, REPLY, message.address, now)

    async def _probe(self, ttl: int) -> TraceHop:
        first = FIRST_PORT + (ttl - 1) * PROBES
        ports = range(first, first + PROBES)
        self._udp.options.ttl = ttl
        self._is_answered.clear()
        for port in ports:
            self._send(port)
        self._pump.kick()
        try:
            async with asyncio.timeout(HOP_PATIENCE / SECOND):
                while not all(port in self._answers for port in ports):
                    await self._is_answered.wait()
                    self._is_answered.clear()
        except TimeoutError:
            pass
        return TraceHop(ttl=ttl, answers=tuple(self._answers.get(port) for port in ports))

    def _send(self, port: int) -> None:
        now = self._pump.now()
        self._sent[port] = now
        with os_errors():
            self._udp.send_to(bytes(PROBE_OCTETS), self._destination, port, now)

    def _note(self, port: int, kind: str, source: Address, now: Instant) -> None:
        sent = self._sent.get(port)
        if sent is None or port in self._answers:
            return
        address = format_address(source)
        name = self._host.names.name_of(source) or address
        self._answers[port] = Answer(kind=kind, name=name, address=address, rtt=now - sent)
        self._is_answered.set()


async def ping(host: Host, target: Target, count: int = 3, interval: float = 1.0, octets: int = 56) -> PingResult:
    """Echo requests from ``host`` to ``target``, one each ``interval`` seconds.

    ENETUNREACH if there is no route, ConfigError for what cannot be sent.
    """
    most = MOST_OCTETS[len(target.address)]
    if count < 0 or not 0 <= octets <= most:
        raise ConfigError(f"ping: {count} requests of {octets} octets: expected 0 or more, of 0 to {most}")
    return await Pinging(host, target, octets).run(count, interval)


async def traceroute(host: Host, target: Target, max_hops: int = 30) -> TraceResult:
    """The way from ``host`` to ``target``; ENETUNREACH if there is no route."""
    if not 1 <= max_hops <= 255:
        raise ConfigError(f"traceroute: max_hops is from 1 to 255, not {max_hops}")
    return await Tracing(host, target).run(max_hops)


def _three_digits(duration: Duration) -> str:
    """Milliseconds as iputils shows them: ``0.043``, ``4.05``, ``40.1``, ``401``."""
    value = duration / MILLISECOND
    digits = 3 if value < 1 else 2 if value < 10 else 1 if value < 100 else 0
    return f"{value:.{digits}f}"
