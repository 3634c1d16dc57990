import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from halfopen.base.addresses import parse_address
from halfopen.base.clock import Instant
from halfopen.base.errors import ConfigError
from halfopen.base.rng import SeededRng
from halfopen.capture.record import Direction
from halfopen.lab.crafting import make_icmp, make_icmp_error, make_segment, make_tcp
from halfopen.lab.generators import GENERATORS
from halfopen.lab.modulator import Modulator
from halfopen.lab.scenario import Settings
from halfopen.lab.world import Layout, World
from halfopen.sim.cable import CableEnd, Observer
from halfopen.sim.match import Passing
from halfopen.stack.config import StackConfig, TcpLayerConfig
from halfopen.wire import ipv4
from halfopen.wire.packet import Packet
from halfopen.wire.tcp_options import Options

WEAK = StackConfig(tcp_layer=TcpLayerConfig(isn=GENERATORS["constant"](SeededRng(3))))
ISN = SeededRng(3).below(1 << 32)
SERVER, CLIENT = parse_address("198.51.100.2"), parse_address("192.0.2.1")
SECRET = b"modulator secret"


class Ear(Observer):
    """What one host hears of TCP."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.heard: list[Passing] = []

    def on_packet(
        self, when: Instant, end: CableEnd, packet: Packet, direction: Direction, comment: str | None = None
    ) -> None:
        if direction == "inbound" and end.pump.name == self.host:
            self.heard.append(Passing(packet, when, ("", self.host), end.interface.link_octets))

    @property
    def syn_acks(self) -> list[int]:
        return [each.tcp.seq for each in self.heard if each.tcp is not None and each.flags == "S."]


@contextmanager
def modulated(words: str = "delay 5ms") -> Iterator[tuple[World, Modulator]]:
    layout = Layout(configs={"server": WEAK}, words=words)
    with World(Settings(seed=1), layout) as world:
        yield world, Modulator(world.network, world.router, "198.51.100.0/24", SECRET)


async def upload(world: World, octets: int) -> int:
    """How many octets the server has received, and acknowledged to the program."""
    received: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        text = await reader.read()
        writer.write(text[::-1])
        writer.close()
        received.set_result(len(text))

    await world.server.start_server(take, "0.0.0.0", 80)
    reader, writer = await world.client.open_connection("server", 80)
    writer.write(bytes(range(250)) * (octets // 250))
    writer.write_eof()
    back = await reader.read()
    writer.close()
    assert back == (bytes(range(250)) * (octets // 250))[::-1]
    return await received


def test_a_connection_works_through_it_and_its_initial_number_is_another() -> None:
    with modulated() as (world, modulator):
        ear = Ear("client")
        world.network.observe(ear)
        assert world.run(upload(world, 100_000)) == 100_000
        (seq,) = ear.syn_acks
        assert seq != ISN
        ports = next((each.tcp.source_port, each.tcp.destination_port) for each in ear.heard if each.tcp is not None)
        assert seq == (ISN + modulator.offset((SERVER, ports[0]), (CLIENT, ports[1]))) % (1 << 32)
        assert modulator.counters["Modulated"] > 8


def test_selective_acknowledgments_of_what_the_server_sends_are_understood() -> None:
    with modulated("delay 5ms loss 5%") as (world, _):
        assert world.run(upload(world, 400_000)) == 400_000
        assert world.server.stack.counters["TCPSackRecovery"] > 0
        assert world.server.stack.counters["TCPSACKDiscard"] == 0
        assert world.server.stack.counters["InCsumErrors"] == 0


def test_numbers_of_one_port_say_nothing_of_those_of_another() -> None:
    with modulated() as (_, modulator):
        server, client = (SERVER, 514), (CLIENT, 513)
        offsets = {modulator.offset(server, (CLIENT, port)) for port in range(1000)}
        assert len(offsets) == 1000
        assert modulator.offset(server, client) == modulator.offset(server, client)
        assert modulator.offset(server, client) != modulator.offset(client, server)


def test_it_can_be_rebooted_without_anybody_noticing() -> None:
    with modulated() as (world, first):
        second = Modulator(world.network, world.router, "198.51.100.0/24", SECRET)
        assert first.offset((SERVER, 1), (CLIENT, 2)) == second.offset((SERVER, 1), (CLIENT, 2))


def segment_between(modulator: Modulator, *, outward: bool, options: Options | None = None) -> tuple[Passing, Passing]:
    ends = (SERVER, CLIENT) if outward else (CLIENT, SERVER)
    ports = (514, 513) if outward else (513, 514)
    segment = make_segment(ports, ".", seq=1000, ack=2000, options=options, payload=b"odd")
    packet = make_tcp(*ends, segment)
    return Passing(packet, 0, ("", ""), 0), Passing(modulator.modulated(packet, 0), 0, ("", ""), 0)


@pytest.mark.parametrize("outward", [True, False])
def test_checksums_stay_right_and_nothing_else_changes(outward: bool) -> None:
    with modulated() as (_, modulator):
        before, after = segment_between(modulator, outward=outward)
        offset = modulator.offset((SERVER, 514), (CLIENT, 513))
        assert before.tcp is not None
        assert after.tcp is not None
        moved = (1000 + offset, 2000) if outward else (1000, 2000 - offset)
        assert (after.tcp.seq, after.tcp.ack) == tuple(number % (1 << 32) for number in moved)
        ends = (SERVER, CLIENT) if outward else (CLIENT, SERVER)
        rebuilt = make_segment(
            (after.tcp.source_port, after.tcp.destination_port), ".", seq=moved[0], ack=moved[1], payload=b"odd"
        )
        assert after.packet.joined() == make_tcp(*ends, rebuilt).joined()


def test_sack_blocks_are_moved_wherever_they_stand() -> None:
    with modulated() as (_, modulator):
        offset = modulator.offset((SERVER, 514), (CLIENT, 513))
        for timestamps in (None, (1, 2)):
            options = Options(timestamps=timestamps, sack=((3000, 4000), (5000, 6000)))
            _, after = segment_between(modulator, outward=False, options=options)
            assert after.tcp is not None
            assert after.tcp.options is not None
            expected = [((left - offset) % (1 << 32), (right - offset) % (1 << 32)) for left, right in options.sack]
            assert list(after.tcp.options.sack) == expected


def test_signed_segments_are_left_alone() -> None:
    with modulated() as (_, modulator):
        options = Options(unknown=((29, bytes(14)),))
        before, after = segment_between(modulator, outward=True, options=options)
        assert after.packet is before.packet


def test_an_icmp_error_quotes_the_number_that_the_host_has_sent() -> None:
    with modulated() as (_, modulator):
        _, out = segment_between(modulator, outward=True)
        error = make_icmp(CLIENT, SERVER, make_icmp_error((3, 3), out.packet))
        inside = modulator.modulated(error, 0)
        quoted = inside.joined()[28 + 20 + 4 : 28 + 20 + 8]
        assert int.from_bytes(quoted, "big") == 1000
        assert Passing(inside, 0, ("", ""), 0).icmp is not None  # its checksum is right


def test_the_rest_of_a_header_must_not_be_in_a_later_fragment() -> None:
    with modulated() as (world, modulator):
        segment = make_segment((513, 514), "S", options=Options(mss=1460))
        whole = make_tcp(world.attacker.address, SERVER, segment, more_fragments=True, dont_fragment=False)
        tiny = Packet(whole.head[:40])

        async def story() -> None:
            world.attacker.send_packet(replace_length(tiny))
            await world.at_rest(1.0)

        world.run(story())
        assert modulator.counters["ModulatorTinyFragment"] == 1
        assert world.server.stack.counters["ModulatorTinyFragment"] == 0


def replace_length(packet: Packet) -> Packet:
    header = ipv4.parse(packet.head, 0, int.from_bytes(packet.head[2:4], "big"))
    return Packet(ipv4.emit(replace(header), 20) + packet.head[20:])


def test_a_short_secret_is_refused() -> None:
    with World(Settings(), Layout()) as world, pytest.raises(ConfigError, match="16 to 32"):
        Modulator(world.network, world.router, "198.51.100.0/24", b"short")


def test_the_router_itself_may_talk_to_who_is_behind_it() -> None:
    with modulated() as (world, _):

        async def story() -> bytes:
            async def hello(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                writer.write(b"hello")
                writer.close()

            await world.server.start_server(hello, "0.0.0.0", 80)
            reader, writer = await world.router.open_connection("server", 80)
            text = await reader.read()
            writer.close()
            return text

        assert world.run(story()) == b"hello"
