"""Socket options by what they change on the wire or in time: set on a connection that stands, and before connect."""

import asyncio
import socket
import struct
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace

import pytest

from halfopen.capture.record import Direction
from halfopen.sim.cable import CableEnd, Observer
from halfopen.sim.probes import Probe
from halfopen.sim.rules import drop
from halfopen.stack.tcp_socket import TcpSocket
from halfopen.wire import ipv4, tcp
from halfopen.wire.packet import Packet
from tests.sim.socket_world import socket_hosts
from tests.sim.world import World

TCP, SOCKET = socket.IPPROTO_TCP, socket.SOL_SOCKET
DELAY = 0.02
RTT = 2 * DELAY

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Option = tuple[int, int, int | bytes]
Program = Callable[["Sight"], Coroutine[object, object, None]]


@dataclass(slots=True)
class Seen:
    """A segment that the client has sent or got, and when, in seconds since the options were set."""

    when: float
    is_sent: bool
    segment: tcp.Segment


class Sight(Observer):
    """The client of a connection with ``options``, and what it sees of the wire."""

    def __init__(self, world: World, options: tuple[Option, ...], is_early: bool) -> None:
        self.world = world
        self._options = options
        self._is_early = is_early
        self._seen: list[Seen] = []
        self._began = 0.0
        self._writers: list[asyncio.StreamWriter] = []
        self.peer: asyncio.Future[Streams] = world.network.loop.create_future()
        world.network.observe(self)

    def on_packet(
        self, when: int, end: CableEnd, packet: Packet, direction: Direction, comment: str | None = None
    ) -> None:
        if end.label == "client.eth0" and packet.head[12:14] == b"\x08\0":
            header = ipv4.parse(packet.head, 14, packet.octets - 14)
            offset = 14 + header.header_octets
            segment = tcp.parse(packet, offset, header.total_octets - header.header_octets)
            self._seen.append(Seen(when / 1e9 - 1000, direction == "outbound", segment))

    async def connect(self) -> Streams:
        """The options are set, and all that was to be said about the handshake is said."""
        if self._is_early:
            sock = socket.socket()
            sock.setblocking(False)
            for option in self._options:
                sock.setsockopt(*option)
            await asyncio.get_running_loop().sock_connect(sock, ("server", 7))
            reader, writer = await asyncio.open_connection(sock=sock)
        else:
            reader, writer = await asyncio.open_connection("server", 7)
        self._writers += writer, (await self.peer)[1]
        await asyncio.sleep(1)
        if not self._is_early:
            self.set(writer, *self._options)
        self._began = self.world.elapsed()
        return reader, writer

    def set(self, writer: asyncio.StreamWriter, *options: Option) -> None:
        for option in options:
            writer.get_extra_info("socket").setsockopt(*option)

    @property
    def elapsed(self) -> float:
        return self.world.elapsed() - self._began

    def close(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    def segments(self) -> list[Seen]:
        """All since the options were set."""
        seen = [replace(each, when=round(each.when - self._began, 6)) for each in self._seen]
        return [each for each in seen if each.when >= 0]

    def texts(self) -> list[tuple[float, int]]:
        """When the client has sent text, and how much."""
        return [(seen.when, seen.segment.octets) for seen in self.segments() if seen.is_sent and seen.segment.octets]

    def acks(self) -> list[float]:
        """When the client has sent nothing but an ACK."""
        return [
            seen.when
            for seen in self.segments()
            if seen.is_sent and seen.segment.flags == tcp.ACK and not seen.segment.length
        ]


def look(program: Program, *options: Option, is_early: bool, words: str = "delay 20ms") -> None:
    """Runs ``program`` on the client of a network."""
    with socket_hosts(words) as world:
        sight = Sight(world, options, is_early)

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            sight.peer.set_result((reader, writer))

        async def main() -> None:
            server = await world.server.run(asyncio.start_server(accept, None, 7))
            try:
                await world.client.run(program(sight))
            finally:
                sight.close()
                server.close()
            await asyncio.sleep(0.1)

        world.run(main)


@pytest.fixture(params=[False, True], ids=["on a connection", "before connect"])
def is_early(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


async def two_writes(sight: Sight, last: float = 1) -> list[tuple[float, int]]:
    """When two small writes leave that follow each other."""
    _, writer = await sight.connect()
    for _ in range(2):
        writer.write(bytes(10))
        await asyncio.sleep(0)
    await asyncio.sleep(last)
    return sight.texts()


def test_nodelay_sends_small_segments_without_waiting_for_an_ack(is_early: bool) -> None:
    async def program(sight: Sight) -> None:
        assert await two_writes(sight) == [(0, 10), (0, 10)]

    look(program, (TCP, socket.TCP_NODELAY, 1), is_early=is_early)


def test_without_it_which_asyncio_sets_by_itself_nagle_waits() -> None:
    async def program(sight: Sight) -> None:
        (first, _), (second, _) = await two_writes(sight)
        assert first == 0
        assert second >= RTT

    look(program, (TCP, socket.TCP_NODELAY, 0), is_early=False)


def test_nodelay_lets_go_of_what_nagle_holds() -> None:
    async def program(sight: Sight) -> None:
        _, writer = await sight.connect()
        for _ in range(2):
            writer.write(bytes(10))
            await asyncio.sleep(0.005)
        sight.set(writer, (TCP, socket.TCP_NODELAY, 1))
        await asyncio.sleep(1)
        assert sight.texts() == [(0, 10), (0.01, 10)]

    look(program, (TCP, socket.TCP_NODELAY, 0), is_early=False)


def test_cork_holds_small_segments_for_200_ms_or_until_it_is_drawn(is_early: bool) -> None:
    async def program(sight: Sight) -> None:
        _, writer = await sight.connect()
        writer.write(bytes(10))
        await asyncio.sleep(0.3)
        writer.write(bytes(10))
        await asyncio.sleep(0.1)
        sight.set(writer, (TCP, socket.TCP_CORK, 0))
        await asyncio.sleep(1)
        assert sight.texts() == [(0.2, 10), (0.4, 10)]

    look(program, (TCP, socket.TCP_CORK, 1), is_early=is_early)


@pytest.mark.parametrize("option", [(SOCKET, socket.SO_RCVBUF, 8000), (TCP, socket.TCP_WINDOW_CLAMP, 8000)])
def test_receive_buffer_and_clamp_bound_the_window(is_early: bool, option: Option) -> None:
    async def program(sight: Sight) -> None:
        reader, _ = await sight.connect()
        _, peer = sight.peer.result()
        peer.write(bytes(1_000_000))
        for _ in range(200):
            await reader.readexactly(5000)
        seen = [each.segment for each in sight.segments()]
        shift = 7 if (not is_early or option[1] == socket.TCP_WINDOW_CLAMP) else 0
        told = [(each.ack, each.window << shift) for each in seen if each.flags & tcp.ACK and not each.octets]
        windows = [window for _, window in told]
        assert 0 < windows[-1] <= 8000
        edges = [ack + window for ack, window in told]
        assert edges == sorted(edges)
        if is_early:
            assert max(windows) <= 8000

    look(program, option, is_early=is_early)


def test_the_send_buffer_bounds_what_is_in_flight(is_early: bool) -> None:
    async def program(sight: Sight) -> None:
        _, writer = await sight.connect()
        writer.write(bytes(100_000))
        await asyncio.sleep(RTT / 2)
        assert sum(octets for _, octets in sight.texts()) == 5 * 1448
        await asyncio.sleep(3)
        assert sum(octets for _, octets in sight.texts()) == 100_000
        assert sight.texts()[-1][0] >= 13 * RTT

    look(program, (SOCKET, socket.SO_SNDBUF, 8000), is_early=is_early)


def test_maxseg_bounds_what_is_sent(is_early: bool) -> None:
    async def program(sight: Sight) -> None:
        _, writer = await sight.connect()
        assert writer.get_extra_info("socket").getsockopt(TCP, socket.TCP_MAXSEG) == 488
        writer.write(bytes(10_000))
        await asyncio.sleep(1)
        assert {octets for _, octets in sight.texts()} == {488, 10_000 % 488}

    look(program, (TCP, socket.TCP_MAXSEG, 500), is_early=is_early)


def test_maxseg_before_connect_bounds_what_the_peer_sends_too() -> None:
    async def program(sight: Sight) -> None:
        reader, _ = await sight.connect()
        sight.peer.result()[1].write(bytes(10_000))
        await reader.readexactly(10_000)
        assert max(each.segment.octets for each in sight.segments()) == 488

    look(program, (TCP, socket.TCP_MAXSEG, 500), is_early=True)


@pytest.mark.parametrize(("name", "share"), [(b"cubic", 0.7), (b"reno", 0.5)])
def test_the_congestion_control_decides_what_a_loss_leaves(is_early: bool, name: bytes, share: float) -> None:
    async def program(sight: Sight) -> None:
        probe = Probe(sight.world.network)
        _, writer = await sight.connect()
        with sight.world.cable.rule(drop(min_octets=1400, nth=5)):
            writer.write(bytes(14_480))
            await asyncio.sleep(1)
        thresholds = [sample.value for sample in probe.samples if sample.name == "ssthresh" and sample.value < 100_000]
        assert thresholds[0] == pytest.approx(share * 14_480, rel=0.2)

    look(program, (TCP, socket.TCP_CONGESTION, name), is_early=is_early)


def test_without_quick_acks_an_ack_waits_and_with_them_it_does_not(is_early: bool) -> None:
    async def program(sight: Sight) -> None:
        _, writer = await sight.connect()
        _, peer = sight.peer.result()
        for _ in range(2):
            peer.write(b"hello")
            await asyncio.sleep(0.2)
        assert sight.acks() == [0.06, 0.26]
        sight.set(writer, (TCP, socket.TCP_QUICKACK, 1))
        peer.write(b"hello")
        await asyncio.sleep(0.2)
        assert sight.acks()[2:] == [0.42]

    look(program, (TCP, socket.TCP_QUICKACK, 0), is_early=is_early)


def test_keep_alive_begins_when_it_is_told_to(is_early: bool) -> None:
    async def program(sight: Sight) -> None:
        reader, _ = await sight.connect()
        sight.world.server.power_off()
        with pytest.raises(TimeoutError):
            await reader.read()
        assert sight.elapsed == pytest.approx(10 + 2 * 3 - 1, abs=0.1)  # of a peer that was last heard of a second ago
        assert len(sight.acks()) == 2
        assert sight.segments()[-1].segment.flags == tcp.RST | tcp.ACK  # should it be alive after all, it hears of it

    look(
        program,
        (TCP, socket.TCP_KEEPIDLE, 10),
        (TCP, socket.TCP_KEEPINTVL, 3),
        (TCP, socket.TCP_KEEPCNT, 2),
        (SOCKET, socket.SO_KEEPALIVE, 1),
        is_early=is_early,
    )


def test_keep_alive_can_be_hurried_while_it_runs() -> None:
    async def program(sight: Sight) -> None:
        reader, writer = await sight.connect()
        sight.world.server.power_off()
        await asyncio.sleep(5)
        sight.set(writer, (TCP, socket.TCP_KEEPIDLE, 3), (TCP, socket.TCP_KEEPINTVL, 1), (TCP, socket.TCP_KEEPCNT, 1))
        with pytest.raises(TimeoutError):
            await reader.read()
        assert sight.elapsed == pytest.approx(6, abs=0.1)

    look(program, (SOCKET, socket.SO_KEEPALIVE, 1), is_early=False)


def test_the_user_timeout_ends_a_write_into_the_dark(is_early: bool) -> None:
    async def program(sight: Sight) -> None:
        reader, writer = await sight.connect()
        sight.world.server.power_off()
        writer.write(b"hello?")
        with pytest.raises(TimeoutError):
            await reader.read()
        assert sight.elapsed == pytest.approx(5, abs=0.001)

    look(program, (TCP, socket.TCP_USER_TIMEOUT, 5000), is_early=is_early)


def test_the_user_timeout_also_ends_keep_alive(is_early: bool) -> None:
    async def program(sight: Sight) -> None:
        reader, _ = await sight.connect()
        sight.world.server.power_off()
        with pytest.raises(TimeoutError):
            await reader.read()
        assert sight.elapsed == pytest.approx(6, abs=0.1)

    look(
        program,
        (TCP, socket.TCP_USER_TIMEOUT, 7000),
        (TCP, socket.TCP_KEEPIDLE, 2),
        (TCP, socket.TCP_KEEPINTVL, 1),
        (SOCKET, socket.SO_KEEPALIVE, 1),
        is_early=is_early,
    )


def test_a_linger_time_of_zero_resets(is_early: bool) -> None:
    async def program(sight: Sight) -> None:
        _, writer = await sight.connect()
        writer.close()
        await asyncio.sleep(1)
        assert [each.segment.flags for each in sight.segments()] == [tcp.RST | tcp.ACK]

    look(program, (SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)), is_early=is_early)


def test_linger2_is_how_long_the_peer_has_for_its_fin(is_early: bool) -> None:
    async def program(sight: Sight) -> None:
        _, writer = await sight.connect()
        writer.close()
        sockets = sight.world.client.stack.tcp.sockets
        await asyncio.sleep(2.9)
        assert len(sockets()) == 1
        await asyncio.sleep(0.2)
        assert sockets() == []

    look(program, (TCP, socket.TCP_LINGER2, 3), is_early=is_early)


@pytest.mark.parametrize(("count", "seconds"), [(1, 3), (3, 15)])
def test_syncnt_bounds_the_attempts_to_connect(count: int, seconds: int) -> None:
    with socket_hosts("delay 20ms") as world:

        async def program() -> None:
            with socket.socket() as sock:
                sock.setblocking(False)
                sock.setsockopt(TCP, socket.TCP_SYNCNT, count)
                with world.cable.rule(drop(syn=True)), pytest.raises(TimeoutError):
                    await asyncio.get_running_loop().sock_connect(sock, ("server", 7))

        world.on_client(program)
        assert world.elapsed() == pytest.approx(seconds, abs=0.1)


def test_a_low_water_mark_makes_send_wait_for_what_is_unsent(is_early: bool) -> None:
    async def program(sight: Sight) -> None:
        await sight.connect()
        (tcp_socket,) = sight.world.client.stack.tcp.sockets()
        assert isinstance(tcp_socket, TcpSocket)
        assert tcp_socket.send_room > 1_000_000
        tcp_socket.send(bytes(20_000), sight.world.client.pump.now())
        assert tcp_socket.send_room == 0
        sight.world.client.pump.kick()
        await asyncio.sleep(1)
        assert tcp_socket.send_room > 1_000_000

    look(program, (TCP, socket.TCP_NOTSENT_LOWAT, 16_384), is_early=is_early)


# On a socket that listens


def test_connections_inherit_what_is_set_on_a_server_socket() -> None:
    with socket_hosts("delay 20ms") as world:
        accepted: list[socket.socket] = []

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            accepted.append(writer.get_extra_info("socket"))
            with pytest.raises(TimeoutError):
                await reader.read()
            accepted.clear()

        async def main() -> None:
            server = await world.server.run(asyncio.start_server(accept, None, 7))
            for each in server.sockets:
                each.setsockopt(SOCKET, socket.SO_KEEPALIVE, 1)
                each.setsockopt(TCP, socket.TCP_KEEPIDLE, 10)
                each.setsockopt(TCP, socket.TCP_KEEPINTVL, 1)
                each.setsockopt(TCP, socket.TCP_KEEPCNT, 2)
                each.setsockopt(SOCKET, socket.SO_RCVBUF, 5000)
            _, writer = await world.client.run(asyncio.open_connection("server", 7))
            await asyncio.sleep(1)
            assert accepted[0].getsockopt(TCP, socket.TCP_KEEPIDLE) == 10
            assert accepted[0].getsockopt(SOCKET, socket.SO_RCVBUF) == 10_000
            world.client.power_off()
            await asyncio.sleep(10.5)
            assert accepted
            await asyncio.sleep(1)
            assert not accepted
            writer.transport.abort()

        world.run(main)


def test_a_deferred_accept_waits_for_the_first_text() -> None:
    with socket_hosts("delay 20ms") as world:
        accepted: list[float] = []

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            accepted.append(world.elapsed())
            writer.close()

        async def client(delay: float) -> None:
            _, writer = await asyncio.open_connection("server", 7)
            try:
                await asyncio.sleep(delay)
                writer.write(b"hello")
            finally:
                writer.close()

        async def main() -> None:
            server = await world.server.run(asyncio.start_server(accept, None, 7))
            server.sockets[0].setsockopt(TCP, socket.TCP_DEFER_ACCEPT, 3)
            for delay, least, most in ((0.5, 0.5, 0.7), (100, 3, 3.2)):
                began = world.elapsed()
                task = world.client.run(client(delay))
                await asyncio.sleep(10)
                assert least < accepted.pop() - began < most
                task.cancel()

        world.run(main)
