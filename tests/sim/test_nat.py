import asyncio
import socket

import pytest

from halfopen.aio.datagrams import StackDatagramTransport
from halfopen.base.addresses import parse_address
from halfopen.base.errors import ConfigError
from halfopen.sim.nat import Nat
from halfopen.sim.nat_table import HIGHEST_PORT, LOWEST_PORT, NatPolicy
from halfopen.sim.network import Network
from halfopen.stack.datagram import Outgoing
from halfopen.stack.ports import NOBODY
from halfopen.wire import ipv4
from halfopen.wire.ipv4 import Ipv4
from halfopen.wire.packet import CHECKSUM_NONE, Packet
from tests.sim.natted import OUTSIDE, NatWorld, natted, peer_of
from tests.sim.world import serve, swallow


async def whoami(local: tuple[str, int] | None = None) -> tuple[str, asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("server", 7, local_addr=local)
    return (await reader.readline()).decode().strip(), reader, writer


async def done(writer: asyncio.StreamWriter) -> None:
    writer.close()
    await writer.wait_closed()


def test_who_is_inside_appears_with_the_address_outside_and_its_own_port() -> None:
    with natted() as world:

        async def program() -> str:
            seen, reader, writer = await whoami(("192.0.2.1", 5000))
            writer.write(b"hello")
            assert await reader.read(5) == b"hello"
            await done(writer)
            return seen

        async def main() -> str:
            await world.server.run(serve(peer_of))
            return await world.a.run(program())

        assert world.run(main) == f"{OUTSIDE}:5000"


def test_a_port_that_another_has_taken_is_exchanged_for_the_next() -> None:
    with natted() as world:

        async def main() -> list[str]:
            await world.server.run(serve(peer_of))
            first, _, first_writer = await world.a.run(whoami(("192.0.2.1", 5000)))
            second, reader, second_writer = await world.b.run(whoami(("192.0.2.2", 5000)))
            second_writer.write(b"hello")
            assert await reader.read(5) == b"hello"
            await done(first_writer)
            await done(second_writer)
            return [first, second]

        assert world.run(main) == [f"{OUTSIDE}:5000", f"{OUTSIDE}:5001"]


def test_a_stream_of_super_segments_arrives_whole() -> None:
    with natted() as world:

        async def program() -> bytes:
            reader, writer = await asyncio.open_connection("server", 7)
            writer.write(bytes(1_000_000))
            writer.write_eof()
            octets = await reader.read()
            await done(writer)
            return octets

        async def main() -> bytes:
            await world.server.run(serve(swallow))
            return await world.a.run(program())

        assert world.run(main) == b"1000000"
        assert world.server.stack.counters["InCsumErrors"] == 0


def test_from_outside_nobody_inside_can_be_reached() -> None:
    with natted() as world:

        async def outsider() -> None:
            async with asyncio.timeout(5):
                await asyncio.open_connection(OUTSIDE, 7)

        async def main() -> None:
            await world.a.run(serve(peer_of))
            with pytest.raises(TimeoutError):
                await world.server.run(outsider())

        world.run(main)
        assert world.count("NatInNoMapping") == 3


def test_the_nat_itself_can_serve_and_connect() -> None:
    with natted() as world:

        async def outsider() -> str:
            reader, writer = await asyncio.open_connection(OUTSIDE, 8)
            seen = (await reader.readline()).decode().strip()
            await done(writer)
            return seen.partition(":")[0]

        async def main() -> tuple[str, str]:
            await world.nat.run(serve(peer_of, 8))
            await world.server.run(serve(peer_of))
            seen, _, writer = await world.nat.run(whoami())
            await done(writer)
            assert (await world.server.ping(OUTSIDE, count=1)).received == 1
            assert (await world.nat.ping("server", count=1)).received == 1
            return await world.server.run(outsider()), seen.partition(":")[0]

        assert world.run(main) == ("198.51.100.1", OUTSIDE)


def test_ping_and_traceroute_pass() -> None:
    with natted() as world:

        async def main() -> list[str | None]:
            both = await asyncio.gather(world.a.ping("server"), world.b.ping("server"))
            assert [result.received for result in both] == [3, 3]
            trace = await world.a.traceroute("server")
            assert trace.is_complete
            return [hop.address for hop in trace.hops]

        assert world.run(main) == ["192.0.2.254", "198.51.100.1"]


def test_an_error_about_a_datagram_reaches_who_sent_it() -> None:
    with natted() as world:

        async def program() -> int:
            _, writer = await asyncio.open_connection("server", 7)
            transport, protocol = await asyncio.get_running_loop().create_datagram_endpoint(
                Listens, remote_addr=("198.51.100.1", 9)
            )
            transport.sendto(b"?")
            await asyncio.sleep(1)
            transport.close()
            await done(writer)
            return len(protocol.errors)

        async def main() -> int:
            await world.server.run(serve(peer_of))
            return await world.a.run(program())

        assert world.run(main) == 1


class Listens(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.errors: list[Exception] = []
        self.heard: list[tuple[bytes, tuple[str, int]]] = []

    def error_received(self, error: Exception) -> None:
        self.errors.append(error)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.heard.append((data, addr))


def test_a_fragmented_datagram_passes_in_both_directions() -> None:
    class Echoes(Listens):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = transport

        def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
            assert isinstance(self.transport, asyncio.DatagramTransport)
            assert addr[0] == OUTSIDE
            self.transport.sendto(data[::-1], addr)

    with natted() as world:
        question = bytes(number % 251 for number in range(5000))

        async def listen() -> None:
            await asyncio.get_running_loop().create_datagram_endpoint(Echoes, local_addr=("0.0.0.0", 9))

        async def program() -> list[bytes]:
            transport, protocol = await asyncio.get_running_loop().create_datagram_endpoint(
                Listens, remote_addr=("198.51.100.1", 9)
            )
            transport.sendto(question)
            await asyncio.sleep(1)
            transport.close()
            return [data for data, _ in protocol.heard]

        async def main() -> list[bytes]:
            await world.server.run(listen())
            return await world.a.run(program())

        assert world.run(main) == [question[::-1]]


async def long_silence(world: NatWorld, seconds: float, idle: int | None = None) -> bytes:
    """A connection that is idle, perhaps with keep-alive, and then asked for something."""
    _, reader, writer = await whoami()
    if idle is not None:
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, idle)
    await asyncio.sleep(seconds)
    writer.write(b"hello")
    try:
        async with asyncio.timeout(60):
            return await reader.read(5)
    finally:
        writer.transport.abort()


@pytest.mark.parametrize("seconds", [299, 301])
def test_an_idle_flow_is_forgotten_in_time(seconds: int) -> None:
    with natted(NatPolicy(idle_timeout=300)) as world:

        async def main() -> bytes:
            await world.server.run(serve(peer_of))
            return await world.a.run(long_silence(world, seconds))

        if seconds < 300:
            assert world.run(main) == b"hello"
            assert world.count("NatNoState") == 0
        else:
            with pytest.raises(TimeoutError):
                world.run(main)
            assert world.count("NatNoState") > 5


def test_keep_alive_below_the_timeout_keeps_the_flow() -> None:
    with natted(NatPolicy(idle_timeout=300)) as world:

        async def main() -> bytes:
            await world.server.run(serve(peer_of))
            return await world.a.run(long_silence(world, 3600, idle=240))

        assert world.run(main) == b"hello"


def test_a_segment_of_a_forgotten_flow_may_be_answered_by_a_reset() -> None:
    with natted(NatPolicy(idle_timeout=300, on_expire="rst")) as world:

        async def main() -> float:
            await world.server.run(serve(peer_of))
            began = world.elapsed
            with pytest.raises(ConnectionResetError):
                await world.a.run(long_silence(world, 301))
            return world.elapsed - began

        assert 301 < world.run(main) < 301.2
        assert world.count("NatResets") == 1


def test_the_table_is_shown_as_conntrack_shows_it() -> None:
    with natted(NatPolicy(idle_timeout=300)) as world:

        async def main() -> list[str]:
            await world.server.run(serve(peer_of))
            _, _, other = await world.b.run(whoami(("192.0.2.2", 5000)))
            _, _, writer = await world.a.run(whoami(("192.0.2.1", 5000)))
            await world.a.ping("server", count=1)
            first = world.nat.table().splitlines()
            await done(writer)
            await asyncio.sleep(1)
            second = world.nat.table().splitlines()[1]
            await done(other)
            return [*first, second]

        lines = world.run(main)
        assert lines == [
            "tcp      6 299 ESTABLISHED src=192.0.2.2 dst=198.51.100.1 sport=5000 dport=7 "
            f"src=198.51.100.1 dst={OUTSIDE} sport=7 dport=5000 [ASSURED]",
            "tcp      6 299 ESTABLISHED src=192.0.2.1 dst=198.51.100.1 sport=5000 dport=7 "
            f"src=198.51.100.1 dst={OUTSIDE} sport=7 dport=5001 [ASSURED]",
            "icmp     1 30 src=192.0.2.1 dst=198.51.100.1 type=8 code=0 id=1 "
            f"src=198.51.100.1 dst={OUTSIDE} type=0 code=0 id=1",
            "tcp      6 119 TIME_WAIT src=192.0.2.1 dst=198.51.100.1 sport=5000 dport=7 "
            f"src=198.51.100.1 dst={OUTSIDE} sport=7 dport=5001",
        ]


def test_a_rebooted_nat_has_forgotten_all() -> None:
    with natted() as world:

        async def main() -> None:
            await world.server.run(serve(peer_of))
            _, _, writer = await world.a.run(whoami())
            assert world.nat.table()
            world.nat.power_off()
            world.nat.power_on()
            assert not world.nat.table()
            _, _, again = await world.a.run(whoami())
            writer.transport.abort()
            await done(again)

        world.run(main)
        assert world.count("NatNoState") == 1


@pytest.mark.parametrize("options", [{"on_expire": "fin"}, {"udp_timeout": 0}])
def test_a_policy_that_cannot_be_meant_is_refused(options: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=r"on_expire is|above zero"):
        NatPolicy(**options)  # type: ignore[arg-type]  # that is the point


def test_a_network_has_nats() -> None:
    with Network(1) as network:
        a, server = network.host("a"), network.host("server")
        nat = network.nat("nat", idle_timeout=600, on_expire="rst")
        network.link(a, nat)
        network.link(nat, server, "delay 10ms")

        async def main() -> str:
            await server.run(serve(peer_of))
            seen, _, writer = await a.run(whoami())
            assert isinstance(nat, Nat)
            assert "ESTABLISHED src=192.0.2.1 dst=198.51.100.2" in nat.table()
            await asyncio.sleep(601)
            writer.write(b"hello")
            await asyncio.sleep(1)
            assert writer.is_closing()
            return seen.partition(":")[0]

        assert network.run(main()) == "198.51.100.1"


class Answers(Listens):
    """Answers each datagram after a second."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.DatagramTransport)
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        super().datagram_received(data, addr)
        asyncio.get_running_loop().call_later(1, self.transport.sendto, data, addr)


def test_an_error_that_somebody_inside_sends_is_about_the_address_outside() -> None:
    with natted() as world:

        async def listen() -> Answers:
            _, protocol = await asyncio.get_running_loop().create_datagram_endpoint(Answers, local_addr=("0.0.0.0", 9))
            return protocol

        async def ask_and_leave() -> None:
            transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
                asyncio.DatagramProtocol, remote_addr=("198.51.100.1", 9)
            )
            transport.sendto(b"?")
            await asyncio.sleep(0.5)
            transport.close()

        async def main() -> tuple[list[Exception], list[str]]:
            protocol = await world.server.run(listen())
            await world.a.run(ask_and_leave())
            await asyncio.sleep(5)
            return protocol.errors, [address for _, (address, _) in protocol.heard]

        errors, heard = world.run(main)
    assert [type(error) for error in errors] == [ConnectionRefusedError]
    assert heard == [OUTSIDE]


def test_what_the_nat_says_of_a_datagram_that_came_in_is_about_the_address_outside() -> None:
    with natted() as world:

        async def listen() -> Answers:
            transport, protocol = await asyncio.get_running_loop().create_datagram_endpoint(
                Answers, local_addr=("0.0.0.0", 9)
            )
            assert isinstance(transport, StackDatagramTransport)
            (udp,) = world.server.stack.udp.sockets()
            udp.options.ttl = 1
            return protocol

        async def ask() -> int:
            transport, protocol = await asyncio.get_running_loop().create_datagram_endpoint(
                Listens, remote_addr=("198.51.100.1", 9)
            )
            transport.sendto(b"?")
            await asyncio.sleep(5)
            transport.close()
            return len(protocol.heard)

        async def main() -> tuple[int, list[Exception]]:
            protocol = await world.server.run(listen())
            return await world.a.run(ask()), protocol.errors

        heard, errors = world.run(main)
        assert world.server.stack.counters["UdpErrorsForNobody"] == 0
    assert heard == 0
    assert len(errors) == 1
    assert "ttl-exceeded" in str(errors[0])


def test_a_protocol_without_ports_does_not_pass() -> None:
    with natted() as world:

        async def main() -> None:
            await world.a.ping("server", count=1)
            for host, destination in ((world.a, "198.51.100.1"), (world.server, OUTSIDE)):
                path = host.stack.ip.find_path(parse_address(destination), None, host.pump.now())
                outgoing = Outgoing(protocol=47, head=bytes(8), body=(), octets=8, checksum=CHECKSUM_NONE)
                host.stack.ip.send(path, outgoing, host.pump.now())
                host.pump.kick()
                await asyncio.sleep(1)

        world.run(main)
        assert world.count("NatUnknownProtocol") == 2
        assert world.server.stack.counters["IpInUnknownProtos"] == 0


def test_a_fragment_before_the_first_and_octets_that_are_no_datagram_are_dropped() -> None:
    with natted() as world:
        interface = world.nat.stack.interfaces[1]
        link = interface.mac + bytes((2, 0, 0, 0, 0, 9)) + b"\x08\x00"
        outside, server = parse_address(OUTSIDE), parse_address("198.51.100.1")
        late = Ipv4(server, outside, 17, fragment_offset=1480, dont_fragment=False)
        short = Ipv4(server, outside, 6)
        astray = Ipv4(server, parse_address("192.0.2.1"), 6)
        for header, text in ((late, b"late"), (short, bytes(4)), (astray, bytes(20))):
            world.nat.sim_pump.take(interface, Packet(link + ipv4.emit(header, len(text)) + text))
        world.nat.sim_pump.take(interface, Packet(link + bytes(20)))
        world.network.run(asyncio.sleep(0))
        assert [world.count(name) for name in ("NatFragments", "NatTruncated", "NatInNoMapping")] == [1, 1, 1]
        assert interface.statistics.received_packets == 0


def test_without_a_port_left_nothing_passes() -> None:
    with natted() as world:

        async def main() -> None:
            for port in range(LOWEST_PORT, HIGHEST_PORT + 1):
                world.nat.stack.ports.bind("udp", parse_address(OUTSIDE), port, NOBODY)
            transport, _ = await world.a.create_datagram_endpoint(Listens, remote_addr=("198.51.100.1", 9))
            transport.sendto(b"?")
            await asyncio.sleep(1)
            transport.close()

        world.run(main)
        assert world.count("NatNoPorts") == 1
