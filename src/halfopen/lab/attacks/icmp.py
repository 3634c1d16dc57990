"""Forged ICMP errors: a connection is ended or slowed down by somebody who knows its ends, and none of its numbers."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

from halfopen.lab.crafting import make_icmp_error, make_segment, make_tcp
from halfopen.lab.permit import SIMULATION_ONLY
from halfopen.lab.scenario import Outcome, Parameter, Scenario, Settings
from halfopen.lab.world import Layout, World, packed
from halfopen.stack.config import StackConfig
from halfopen.stack.tcp_socket import TcpSocket
from halfopen.tcp.config import SecurityConfig, TcpConfig
from halfopen.wire import icmpv4

PORT = 80
MTU = 600
"""What the forged "fragmentation needed" claims."""
PACE = 0.05
"""Seconds between two pieces of the victim's upload, and two forged errors."""
PIECE = 8192
WEAPONS = {
    "hard": (icmpv4.DESTINATION_UNREACHABLE, icmpv4.PORT_UNREACHABLE),
    "pmtu": (icmpv4.DESTINATION_UNREACHABLE, icmpv4.FRAGMENTATION_NEEDED),
}


class ForgedIcmp(Scenario):
    """Hard errors, and path MTU messages, that quote numbers drawn at random."""

    name = "icmp"
    title = "An ICMP error that nobody had a reason to send"
    text = (
        "An ICMP error quotes the segment that it is about: ports, which can be known, and a sequence number, which"
        " cannot. A host that looks at the ports alone lets anybody end its connections (port unreachable, a hard error"
        " by RFC 1122) or cut their segments small (fragmentation needed). RFC 5927 wants the quoted number to be in"
        " flight, and takes no error for the end of a connection that stands."
    )
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "weapon": Parameter("hard", text="which error is forged", choices=tuple(WEAPONS)),
        "errors": Parameter(40, "messages", "how many are sent", least=1, most=2000),
    }
    defences: ClassVar[Mapping[str, str]] = {
        "sequence-check": "the quoted number has to be in flight (RFC 5927 4.1)",
        "soft-errors": "no ICMP error ends a connection that stands (RFC 5927 5.2)",
        "delayed-pmtu": "segments stay large while segments of their size get through (RFC 5927 7.2)",
    }

    def play(self, settings: Settings) -> Outcome:
        """An upload by the client, meanwhile the errors."""
        chosen = settings.defences
        security = SecurityConfig(
            permit=SIMULATION_ONLY,
            icmp_sequence_check="sequence-check" in chosen,
            soft_icmp_errors="soft-errors" in chosen,
            delayed_pmtu="delayed-pmtu" in chosen,
        )
        config = StackConfig(tcp=replace(TcpConfig(), security=security))
        with World(settings, Layout(configs={"client": config}, silent=True)) as world:
            return world.run(story(world, settings.word("weapon"), settings.whole("errors")))


async def story(world: World, weapon: str, errors: int) -> Outcome:
    """The client uploads a piece now and then; the attacker claims that none of it can be delivered."""
    serving = world.server.run(swallow(world))
    await world.at_rest(0.01)
    uploading = world.client.run(upload(world, errors))
    await world.at_rest(0.2)
    connection = next(each for each in world.client.stack.tcp.sockets() if isinstance(each, TcpSocket))
    before = connection.connection.tcb.snd.mss
    for _ in range(errors):
        number = world.rng.below(1 << 32)
        quoted = make_segment((connection.local_port, PORT), ".", seq=number, payload=bytes(1400))
        about = make_tcp(packed(world.client), packed(world.server), quoted)
        message = make_icmp_error(WEAPONS[weapon], about, MTU if weapon == "pmtu" else 0)
        world.attacker.send_icmp(
            message, destination=world.client.address, source=world.server.address, comment=f"forged ({weapon})"
        )
        await asyncio.sleep(PACE)
    ended = connection.connection.state.value == "CLOSED"
    after = connection.connection.tcb.snd.mss
    for task in (uploading, serving):
        task.cancel()
    await world.at_rest(0.5)
    refused = world.client.stack.counters["OutOfWindowIcmps"]
    return world.outcome(
        attack_succeeded=ended if weapon == "hard" else after < before,
        metrics={
            "connection ended": float(ended),
            "segment size before, octets": float(before),
            "segment size after, octets": float(after),
            "errors refused for their number": float(refused),
        },
        notes=("The chance of a random number to be in flight is its size in 2^32: for 64 KB one in 65,536.",),
    )


async def swallow(world: World) -> None:
    """A server that reads."""

    async def read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.read(1 << 16):
                pass
        except OSError:
            pass
        finally:
            writer.close()

    await world.server.start_server(read, None, PORT)
    await asyncio.Event().wait()


async def upload(world: World, errors: int) -> None:
    """Pieces with pauses, for as long as errors come."""
    _, writer = await world.client.open_connection("server", PORT)
    try:
        for _ in range(errors + 10):
            writer.write(bytes(PIECE))
            await writer.drain()
            await asyncio.sleep(PACE)
    except OSError:
        pass
    finally:
        writer.close()
