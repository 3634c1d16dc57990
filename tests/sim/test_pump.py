import asyncio
import gc
import ssl

import pytest
import trustme

from halfopen.aio.face import EchoFace, Face
from halfopen.base.clock import Instant
from halfopen.sim.network import Network
from halfopen.sim.processes import PROGRAMS
from halfopen.stack.icmp import EchoReply
from halfopen.stack.ports import NOBODY
from halfopen.wire.packet import Packet
from tests.sim.world import echo, serve, two_hosts


def test_an_interface_without_a_cable_counts_what_it_would_send() -> None:
    with Network() as network:
        host = network.host("lonely", "192.0.2.1/24")
        assert host.sim_pump.free_interface() is host.stack.interfaces[0]
        host.stack.icmp.send_echo(b"\xc0\0\2\x09", 1, 1, b"", host.pump.now())
        host.pump.kick()
        network.run(asyncio.sleep(0.5))
        assert host.stack.counters["CableMissing"] == 1


def test_a_plugged_interface_is_not_free() -> None:
    with two_hosts() as world:
        assert world.client.sim_pump.free_interface() is None


def test_packets_of_one_instant_are_received_together() -> None:
    with two_hosts() as world:
        pump = world.client.sim_pump
        interface = world.client.stack.interfaces[0]
        pump.take(interface, Packet(bytes(60)))
        pump.take(interface, Packet(bytes(60)))
        assert interface.statistics.received_packets == 0
        world.network.run(asyncio.sleep(0))
        assert interface.statistics.received_packets == 2


def test_a_host_without_power_receives_sends_and_plans_nothing() -> None:
    with two_hosts("delay 1ms") as world:

        async def program() -> int:
            _, writer = await asyncio.open_connection("server", 7)
            world.server.power_off()
            world.server.pump.kick()
            sent = world.server.stack.interfaces[0].statistics.sent_packets
            writer.write(b"is anybody there?")
            await asyncio.sleep(10)
            writer.transport.abort()
            return sent

        async def main() -> int:
            await world.server.run(serve(echo))
            return await world.client.run(program())

        sent = world.run(main)
        assert not world.server.sim_pump.is_on
        assert world.server.stack.interfaces[0].statistics.sent_packets == sent
        assert world.server.stack.counters["PowerOff"] > 3


class Notes(EchoFace):
    def __init__(self) -> None:
        self.kinds: list[str] = []

    def on_reply(self, reply: EchoReply) -> None:
        self.kinds.append(reply.kind)


def test_answers_to_echo_requests_go_to_who_has_sent_them_and_else_wait_for_who_polls() -> None:
    with two_hosts("delay 1ms") as world:
        pump, icmp = world.client.sim_pump, world.client.stack.icmp
        notes = Notes()
        target = world.server.names.resolve("server")[0]

        async def ask(identifier: int) -> None:
            icmp.send_echo(target, identifier, 1, b"", pump.now())
            pump.kick()
            await asyncio.sleep(0.1)

        async def main() -> None:
            pump.attach_echo(5, notes)
            assert pump.has_echo(5)
            await ask(5)
            await ask(6)
            assert icmp.poll_reply() is None
            pump.detach_echo(5)
            assert not pump.has_echo(5)
            await ask(5)

        world.run(main)
        assert notes.kinds == ["reply"]
        reply = icmp.poll_reply()
        assert reply is not None
        assert reply.identifier == 5


@pytest.mark.parametrize("end", ["kill", "power_off"])
def test_transports_of_dead_programs_count_as_closed_and_tell_nobody(end: str) -> None:
    transports: list[asyncio.BaseTransport] = []
    told: list[str] = []

    class Keeps(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            transports.append(transport)

        def connection_lost(self, error: Exception | None) -> None:
            told.append("lost")

        def eof_received(self) -> None:
            told.append("end")

    authority = trustme.CA()
    for_server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("server").configure_cert(for_server)
    for_client = ssl.create_default_context()
    authority.configure_trust(for_client)
    with two_hosts("delay 1ms") as world:

        async def listen() -> None:
            loop = asyncio.get_running_loop()
            await loop.create_server(Keeps, None, 7)
            await loop.create_server(Keeps, None, 443, ssl=for_server)

        async def main() -> None:
            await world.server.run(listen())
            async with world.client:
                loop = asyncio.get_running_loop()
                plain, _ = await loop.create_connection(asyncio.Protocol, "server", 7)
                secret, _ = await loop.create_connection(asyncio.Protocol, "server", 443, ssl=for_client)
                await asyncio.sleep(1)
                getattr(world.server, end)()
                await asyncio.sleep(1)
                plain.abort()
                secret.abort()

        world.run(main)
    assert len(transports) == 2
    assert all(transport.is_closing() for transport in transports)
    transports.clear()
    gc.collect()  # A transport of TLS that was not closed would warn.
    assert told == []


class Hears(Face):
    def __init__(self) -> None:
        self.news = 0

    def on_news(self, now: Instant) -> None:
        self.news += 1


def test_a_face_that_dead_programs_attach_hears_nothing() -> None:
    with two_hosts("delay 1ms") as world:
        pump = world.server.sim_pump
        udp = world.server.stack.udp.bind(bytes(4), 9, NOBODY)
        face = Hears()

        async def attach() -> None:
            programs = PROGRAMS.get()
            pump.attach(udp, face)
            world.server.kill()
            assert not programs.is_alive
            pump.attach(udp, face)

        async def send() -> None:
            await world.client.ping("server", count=1)
            world.client.stack.udp.bind(bytes(4), 0, NOBODY).send_to(b"?", b"\xc0\0\2\2", 9, pump.now())
            world.client.pump.kick()
            await asyncio.sleep(1)

        async def main() -> None:
            with pytest.raises(asyncio.CancelledError):
                await asyncio.gather(world.server.run(attach()))
            await send()

        world.run(main)
        assert udp.queued_octets > 0
        assert face.news == 0
