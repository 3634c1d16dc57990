"""Sequence numbers wrap around: a transfer across 2^32, a loss just there, and a segment of the lap before."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from halfopen.base.clock import MILLISECOND
from halfopen.lab.crafting import make_segment
from halfopen.lab.scenario import Outcome, Parameter, Scenario, Settings
from halfopen.lab.tape import Seen
from halfopen.lab.world import Layout, World, packed
from halfopen.sim.match import Passing
from halfopen.sim.rules import DROP, Verdict
from halfopen.stack.config import StackConfig, TcpLayerConfig
from halfopen.stack.demux import make_flow
from halfopen.stack.tcp_socket import TcpSocket
from halfopen.tcp.config import OptionsConfig, TcpConfig
from halfopen.tcp.isn import FixedIsn
from halfopen.tcp.seqnum import wrap
from halfopen.tcp.timestamps import clock_value
from halfopen.wire.tcp import SYN
from halfopen.wire.tcp_options import Options

LAP = 1 << 32
PORT = 80
STALE = b"THIS WAS SENT ONE LAP AGO."
LAST = b"The end, as it was written."
QUIET = 1.0
"""Seconds without a word, before the stale segment and after it."""
WORDS = "delay 5ms rate 20mbit limit 100000"


@dataclass
class Loss:
    """A rule: the first segment that crosses 2^32, or begins there, is lost."""

    is_done: bool = False

    def __call__(self, passing: Passing) -> Verdict | None:
        """Once."""
        segment = passing.tcp
        if self.is_done or segment is None or not segment.octets or segment.seq < wrap(segment.seq + segment.octets):
            return None
        self.is_done = True
        return DROP


class Wrap(Scenario):
    """A transfer, and one segment that is as old as the sequence space is long."""

    name = "wrap"
    title = "Around the sequence space: 2^32 and the lap before"
    text = (
        "The client's initial sequence number lies just below 2^32, so that its data soon crosses zero. The segment"
        " that does is lost: SACK blocks above zero then stand beside an acknowledgment below it, and everything goes"
        " on as anywhere else, because numbers are compared modulo 2^32. Then a segment arrives that the network has"
        " kept for a whole lap of 2^32 octets: its number is exactly the next one expected, its data is not. Only the"
        " timestamp tells it from the right one (PAWS, RFC 7323 5). Without timestamps it becomes part of the stream."
    )
    ip_versions: ClassVar[tuple[int, ...]] = (4, 6)
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "before": Parameter(10_000, "octets", "sent below 2^32", least=3000, most=1_000_000),
        "after": Parameter(10_000, "octets", "sent above it", least=6000, most=1_000_000),
        "rate": Parameter(1000.0, "Mbit/s", "which the lap before was sent at: it says how old the stale segment is",
                          least=1.0, most=100_000.0),
    }  # fmt: skip
    defences: ClassVar[Mapping[str, str]] = {
        "timestamps": "both ends agree on timestamps, and old ones are refused (RFC 7323; on unless switched off)",
    }

    def play(self, settings: Settings) -> Outcome:
        """One transfer."""
        options = OptionsConfig(timestamps="timestamps" in settings.defences)
        tcp = TcpConfig(options=options)
        isn = FixedIsn(LAP - settings.whole("before") - 1)
        configs = {"client": StackConfig(tcp=tcp, tcp_layer=TcpLayerConfig(isn=isn)), "server": StackConfig(tcp=tcp)}
        layout = Layout(attacker="client", words=WORDS, configs=configs, silent=True, needs_tape=True)
        with World(settings, layout) as world:
            return world.run(Story(world).tell())


class Story:
    """The transfer, and what the network does to it."""

    def __init__(self, world: World) -> None:
        self.world = world
        octets = world.settings.whole("before") + world.settings.whole("after")
        self.sent = world.rng.octets(octets)
        self.received = bytearray()
        self._ended = asyncio.Event()

    async def tell(self) -> Outcome:
        """From the SYN to the end of the stream."""
        world = self.world
        await world.server.run(self._serve())
        with world.cables["server-side"].rule(Loss(), towards="server"):
            _, writer = await world.client.run(world.client.open_connection("server", PORT))
            writer.write(self.sent)
            await asyncio.sleep(QUIET)
        self._inject(writer.get_extra_info("sockname")[1])
        await asyncio.sleep(QUIET)
        writer.write(LAST)
        writer.close()
        await self._ended.wait()
        await world.at_rest(0.2)
        return self._outcome()

    async def _serve(self) -> None:
        async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while data := await reader.read(65536):
                self.received += data
            writer.close()
            self._ended.set()

        await self.world.server.start_server(take, None, PORT)

    def _inject(self, port: int) -> None:
        """What was sent with the next number, one lap ago."""
        world = self.world
        client, server = packed(world.client), packed(world.server)
        found = world.server.stack.tcp.find(make_flow(client, port, server, PORT))
        sender = world.client.stack.tcp.find(make_flow(server, PORT, client, port))
        if not isinstance(found, TcpSocket) or not isinstance(sender, TcpSocket):
            return
        tcb, clock = found.connection.tcb, sender.connection.tcb.timestamps
        options = None
        if tcb.timestamps is not None and clock is not None:
            value = clock_value(clock.offset, world.client.pump.now() - self._lap())
            options = Options(timestamps=(value, tcb.timestamps.recent))
        stale = make_segment(
            (port, PORT), "P.", seq=wrap(tcb.rcv.nxt), ack=wrap(tcb.snd.nxt), payload=STALE, options=options
        )
        world.attacker.send(stale, source=client, destination=server, comment="a segment of the lap before, 2^32 ago")

    def _lap(self) -> int:
        """How long 2^32 octets take, in nanoseconds."""
        return round(LAP * 8 / self.world.settings.number("rate") * MILLISECOND / 1000)

    def _outcome(self) -> Outcome:
        world = self.world
        seen = list(world.tape.seen("client"))
        whole = self.sent + LAST
        is_damaged = bytes(self.received) != whole
        refused = world.server.stack.counters["PAWSEstab"]
        has_timestamps = "timestamps" in world.settings.defences
        crossed = self.received[: len(self.sent)] == self.sent
        lap = self._lap() / MILLISECOND / 1000
        metrics = {
            "octets across 2^32": float(wrap(_last_ack(seen) - LAP)),
            "segments sent again": float(_sent_again(seen)),
            "SACK blocks above zero, ACK below": float(_sacks_across(seen)),
            "stream whole across 2^32": float(crossed),
            "stale segments refused": float(refused),
            "stale octets in the stream": float(len(STALE) if STALE in self.received else 0),
            "seconds of a lap": lap,
        }
        theory = {
            "octets across 2^32": float(world.settings.whole("after") + len(LAST) + 1),
            "segments sent again": 1.0,
            "stream whole across 2^32": 1.0,
            "stale segments refused": float(has_timestamps),
            "stale octets in the stream": 0.0 if has_timestamps else float(len(STALE)),
        }
        return world.outcome(
            attack_succeeded=is_damaged,
            metrics=metrics,
            theory=theory,
            notes=self._notes(lap),
        )

    def _notes(self, lap: float) -> tuple[str, ...]:
        rate = self.world.settings.number("rate")
        return (
            f"The server has read as the end of the stream: {bytes(self.received[len(self.sent) :])!r}.",
            f"At {rate:g} Mbit/s a lap takes {lap:.3g} s; a segment may live for two minutes (RFC 9293 3.4.2),"
            f" so above {LAP * 8 / 120 / 1e6:.0f} Mbit/s the number alone does not say which lap it is of.",
            "Numbers are compared by the sign of their difference modulo 2^32: 5 is greater than 4,294,967,290.",
        )


def _last_ack(seen: Sequence[Seen]) -> int:
    """The last acknowledgment that has reached the client."""
    return [each.frame.tcp.ack for each in seen if each.frame.tcp is not None and not each.is_sent][-1]


def _sent_again(seen: Sequence[Seen]) -> int:
    """Segments with text whose first octet had been sent before."""
    texts = [each.frame.tcp for each in seen if each.is_sent and each.frame.tcp is not None]
    starts = [segment.seq for segment in texts if segment.octets and not segment.flags & SYN]
    return len(starts) - len(set(starts))


def _sacks_across(seen: Sequence[Seen]) -> int:
    """ACKs that acknowledge numbers below 2^32 while a SACK block of theirs lies above."""
    acks = [each.frame.tcp for each in seen if not each.is_sent and each.frame.tcp is not None]
    return sum(
        any(left < LAP // 2 < segment.ack for left, _ in segment.options.sack)
        for segment in acks
        if segment.options is not None
    )
