"""Tiny segments: a peer that wants next to nothing in each, or sends so, has a host work for every octet."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

from halfopen.lab.crafting import make_segment
from halfopen.lab.permit import SIMULATION_ONLY
from halfopen.lab.scenario import Outcome, Parameter, Scenario, Settings
from halfopen.lab.world import Layout, World
from halfopen.stack.config import StackConfig
from halfopen.stack.tcp_socket import TcpSocket
from halfopen.tcp.config import SecurityConfig, TcpConfig
from halfopen.tcp.negotiation import LEAST_MSS, MINIMUM_MSS
from halfopen.tcp.reassembly import PIECE_OCTETS
from halfopen.tcp.seqnum import wrap
from halfopen.wire.tcp_options import Options

PORT, OWN_PORT = 80, 2000
FILE = 9600
"""Octets, a multiple of both least segment sizes."""
BUFFER = 65_536
PIECES = 2000
"""Early segments of one octet each, every second one missing."""
SHARES = 40
"""Octets in the middle of what is in flight that are said to have come, every second one."""
ROUNDS = 60


class SackAbuse(Scenario):
    """The least segments that can be asked for, a queue of single octets, and SACKs of them."""

    name = "sack-abuse"
    title = "Segments so small that they cost more than they carry"
    text = (
        "What a segment costs hardly depends on what it carries. A peer may ask for a maximum segment size that leaves"
        " almost nothing for text (CVE-2019-11479), or send single octets ahead of a hole, each of which has to be kept"
        " with all that belongs to a segment (SegmentSmack, CVE-2018-5390), or say by SACK that it has every second"
        " octet of what is in flight. Our hosts send no segments for fewer than 48 octets, and charge an early segment"
        " for what it costs beside its octets, so that a window full of them cannot hold more than the window says;"
        " they believe no SACK of less than a segment, with or without this defence."
    )
    ip_versions: ClassVar[tuple[int, ...]] = (4, 6)
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "weapon": Parameter("mss", text="what is tiny", choices=("mss", "early", "sack")),
    }
    defences: ClassVar[Mapping[str, str]] = {
        "bounds": f"no segments below {MINIMUM_MSS} octets, and early ones cost {PIECE_OCTETS} more (our default)"
    }

    def play(self, settings: Settings) -> Outcome:
        """One connection of the attacker's, with crafted segments alone."""
        security = SecurityConfig()
        if "bounds" not in settings.defences:
            security = SecurityConfig(permit=SIMULATION_ONLY, bounds=False)
        base = TcpConfig()
        buffers = replace(base.buffers, receive=BUFFER, receive_initial=BUFFER)
        config = StackConfig(tcp=replace(base, buffers=buffers, security=security))
        with World(settings, Layout(configs={"server": config}, silent=True)) as world:
            return world.run(Story(world).tell())


class Story:
    """One run."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.weapon = world.settings.word("weapon")
        self.is_safe = bool(world.settings.defences)
        self.first = 0
        """The server's first number."""

    async def tell(self) -> Outcome:
        """The handshake, and what the weapon is."""
        world, attacker = self.world, self.world.attacker
        server = await world.server.run(world.server.start_server(_answer, None, PORT))
        attacker.sniff()
        size = LEAST_MSS if self.weapon == "mss" else 1460
        self._send("S", 0, 0, options=Options(mss=size, sack_permitted=True))
        heard = await attacker.hear(lambda passing: passing.flags == "S.", 1)
        assert heard.tcp is not None
        self.first = wrap(heard.tcp.seq + 1)
        self._send(".", 1, 0)
        await world.at_rest(0.1)
        connection = next(each for each in world.server.stack.tcp.sockets() if isinstance(each, TcpSocket))
        weapon = {"mss": self._download, "early": self._send_early, "sack": self._sack}[self.weapon]
        result = await weapon(connection)
        connection.abort(world.server.pump.now())
        server.close()
        await world.at_rest(0.5)
        return result

    async def _download(self, connection: TcpSocket) -> Outcome:
        """The file, in segments of the size that was asked for."""
        self._send("P.", 1, 0, payload=b"?")
        segments = received = 0
        for _ in range(ROUNDS):
            await asyncio.sleep(0.05)
            segments, received = self._received()
            self._send(".", 2, received)
            if received >= FILE:
                break
        size = received / segments
        return self.world.outcome(
            attack_succeeded=size < MINIMUM_MSS,
            metrics={"octets a segment": size, "segments for the file": float(segments)},
            theory={"octets a segment": float(MINIMUM_MSS if self.is_safe else LEAST_MSS)},
            tolerance={"octets a segment": 0.02},
            notes=(
                f"A segment of {LEAST_MSS} octets has twice as many of headers, and costs as much as one of 1,460.",
            ),
            lifelines=("attacker", "server"),
        )

    async def _send_early(self, connection: TcpSocket) -> Outcome:
        """Every second octet, none of them the next."""
        for number in range(PIECES):
            self._send(".", 2 + 2 * number, 0, payload=b"x")
            await asyncio.sleep(0.0002)
        await self.world.at_rest(0.2)
        pieces = connection.connection.tcb.rcv.early.pieces
        blocks = len(connection.connection.tcb.rcv.early.blocks)
        cost = blocks * (PIECE_OCTETS + 1)
        return self.world.outcome(
            attack_succeeded=cost > 2 * BUFFER,
            metrics={"early segments held": float(blocks), "octets they cost": float(cost)},
            theory={"early segments held": float(BUFFER // PIECE_OCTETS + 1 if self.is_safe else PIECES)},
            tolerance={"early segments held": 0.01},
            notes=(f"Charged for: {pieces}. The window of {BUFFER} octets alone would have allowed {BUFFER // 2}.",),
            lifelines=("attacker", "server"),
        )

    async def _sack(self, connection: TcpSocket) -> Outcome:
        """Every second octet of some in flight has come, the attacker says; what is sent again, and in which pieces."""
        self._send("P.", 1, 0, payload=b"?")
        await asyncio.sleep(0.05)
        before, _ = self._received()
        for number in range(SHARES):
            left = self.first + 2000 + 2 * number
            self._send(".", 2, 0, options=Options(sack=((wrap(left), wrap(left + 1)),)))
        await asyncio.sleep(0.1)
        records = len(connection.connection.tcb.snd.flight.records)
        again = self._received()[0] - before
        refused = self.world.server.stack.counters["TCPSACKDiscard"]
        return self.world.outcome(
            attack_succeeded=again > 2 * SHARES,
            metrics={
                "records on the scoreboard": float(records),
                "segments sent again": float(again),
                "SACK blocks refused": float(refused),
            },
            theory={"SACK blocks refused": float(SHARES)},
            notes=("A block of less than a segment, inside of one, is never believed: no knob takes that back.",),
            lifelines=("attacker", "server"),
        )

    def _received(self) -> tuple[int, int]:
        """Segments with text that have come, and the octets of it up to the first hole."""
        texts = [each.tcp for each in self.world.attacker.heard if each.tcp is not None and each.tcp.octets]
        end = 0
        for start, octets in sorted((wrap(text.seq - self.first), text.octets) for text in texts):
            if start <= end:
                end = max(end, start + octets)
        return len(texts), end

    def _send(self, flags: str, seq: int, offset: int, options: Options | None = None, payload: bytes = b"") -> None:
        ack = 0 if flags == "S" else self.first + offset
        segment = make_segment((OWN_PORT, PORT), flags, seq=seq, ack=ack, options=options, payload=payload)
        self.world.attacker.send(segment, destination=self.world.server.address, comment=self.weapon)


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A file for whoever asks."""
    try:
        await reader.readexactly(1)
        writer.write(bytes(FILE))
        await reader.read()
    except (OSError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()
