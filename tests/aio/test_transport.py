import asyncio
import errno
import hashlib
import os
import select
import socket
import struct

import pytest

from halfopen.aio.host import Host
from halfopen.aio.memory import MemoryPump
from halfopen.aio.transport import StackTransport
from halfopen.base.clock import MILLISECOND, SECOND
from halfopen.base.rng import SeededRng
from halfopen.stack.config import InterfaceConfig, StackConfig
from halfopen.stack.interface import Offloads
from halfopen.stack.stack import Stack
from halfopen.tcp.config import RetransmissionConfig, TcpConfig
from tests.aio.world import two_hosts, until

pytestmark = pytest.mark.asyncio

PORT = 7000
MEGABYTE = 1 << 20
PIECE = bytes(range(256)) * 1024


class Collector(asyncio.Protocol):
    """Notes everything that a transport tells it."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.data = bytearray()
        self.transport: StackTransport | None = None
        self.error: BaseException | None = None
        self.lost = asyncio.get_running_loop().create_future()
        self.keep_open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, StackTransport)
        self.transport = transport
        self.calls.append("made")

    def data_received(self, data: bytes) -> None:
        assert type(data) is bytes
        self.data += data

    def eof_received(self) -> bool:
        self.calls.append("eof")
        return self.keep_open

    def pause_writing(self) -> None:
        self.calls.append("pause")

    def resume_writing(self) -> None:
        self.calls.append("resume")

    def connection_lost(self, exc: Exception | None) -> None:
        self.calls.append("lost")
        self.error = exc
        self.lost.set_result(None)


class Pair:
    """A client's and a server's collector with a connection between them."""

    def __init__(self, client: Collector, server: Collector) -> None:
        self.client, self.server = client, server
        assert client.transport is not None and server.transport is not None
        self.near, self.far = client.transport, server.transport

    async def end(self) -> None:
        for collector in (self.client, self.server):
            assert collector.transport is not None
            collector.transport.abort()
            await collector.lost


async def connect(client_host, server_host) -> Pair:
    accepted: list[Collector] = []

    def factory() -> Collector:
        accepted.append(Collector())
        return accepted[-1]

    server = await server_host.create_server(factory, None, PORT)
    _, client = await client_host.create_connection(Collector, "server", PORT)
    await until(lambda: bool(accepted) and accepted[0].transport is not None)
    server.close()
    return Pair(client, accepted[0])


async def test_what_is_written_arrives_and_the_names_are_right() -> None:
    async with two_hosts() as hosts:
        pair = await connect(*hosts)
        pair.near.write(b"one ")
        pair.near.writelines([bytearray(b"two "), memoryview(b"three")])
        await until(lambda: pair.server.data == b"one two three")
        assert pair.near.get_extra_info("peername") == ("192.0.2.2", PORT) == pair.far.get_extra_info("sockname")
        assert pair.near.get_extra_info("sockname") == pair.far.get_extra_info("peername")
        assert pair.near.get_extra_info("cipher", "none") == "none"
        await pair.end()


async def test_nagles_algorithm_is_off_as_on_all_of_asyncios_transports() -> None:
    async with two_hosts() as hosts:
        pair = await connect(*hosts)
        for transport in (pair.near, pair.far):
            sock = transport.get_extra_info("socket")
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
        await pair.end()


async def test_mutable_buffers_are_copied() -> None:
    async with two_hosts() as hosts:
        pair = await connect(*hosts)
        buffer = bytearray(b"before")
        pair.near.write(buffer)
        pair.near.write(memoryview(buffer).toreadonly())
        buffer[:] = b"after!"
        await until(lambda: len(pair.server.data) == 12)
        assert pair.server.data == b"beforebefore"
        await pair.end()


@pytest.mark.parametrize("offloads", [Offloads(checksum=True, gso_octets=65535), Offloads()], ids=["gso", "plain"])
async def test_fifty_megabytes_each_way_are_equal(offloads: Offloads) -> None:
    octets = 50 * MEGABYTE if offloads.gso_octets else 8 * MEGABYTE
    async with two_hosts(offloads) as (client, server):

        async def exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
            digest = hashlib.sha256()

            async def send() -> None:
                for _ in range(octets // len(PIECE)):
                    writer.write(PIECE)
                    await writer.drain()
                writer.write_eof()

            sending = asyncio.ensure_future(send())
            while data := await reader.read(MEGABYTE):
                digest.update(data)
            await sending
            writer.close()
            await writer.wait_closed()
            return digest.hexdigest()

        served: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            served.set_result(await exchange(reader, writer))

        listening = await server.start_server(serve, "", PORT)
        digest = await exchange(*await client.open_connection("server", PORT))
        expected = hashlib.sha256(PIECE * (octets // len(PIECE))).hexdigest()
        assert digest == expected == await served
        listening.close()
        await listening.wait_closed()


async def test_a_reader_that_pauses_stops_the_writer_until_it_resumes() -> None:
    async with two_hosts() as hosts:
        pair = await connect(*hosts)
        pair.far.pause_reading()
        assert not pair.far.is_reading()
        written = 0
        window = pair.near.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
        while written < 2 * window:
            pair.near.write(PIECE)
            written += len(PIECE)
        await asyncio.sleep(0.02)
        assert not pair.server.data
        assert pair.client.calls == ["made", "pause"]
        assert pair.near.get_write_buffer_size() > 65536
        pair.far.resume_reading()
        await until(lambda: len(pair.server.data) == written)
        assert pair.client.calls == ["made", "pause", "resume"]
        assert pair.near.get_write_buffer_size() == 0
        await pair.end()


async def test_write_buffer_limits_can_be_set() -> None:
    async with two_hosts() as hosts:
        pair = await connect(*hosts)
        assert pair.near.get_write_buffer_limits() == (16384, 65536)
        pair.near.set_write_buffer_limits(high=0)
        pair.near.write(b"x")
        assert pair.client.calls == ["made", "pause"]
        await until(lambda: pair.client.calls == ["made", "pause", "resume"])
        await pair.end()


async def test_half_close_leaves_the_other_direction_open() -> None:
    async with two_hosts() as hosts:
        pair = await connect(*hosts)
        pair.server.keep_open = True
        assert pair.near.can_write_eof()
        pair.near.write(b"question")
        pair.near.write_eof()
        with pytest.raises(RuntimeError, match="write_eof"):
            pair.near.write(b"more")
        await until(lambda: "eof" in pair.server.calls)
        assert pair.server.data == b"question"
        pair.far.write(PIECE)
        pair.far.close()
        await pair.server.lost
        await pair.client.lost
        assert pair.client.data == PIECE
        assert (pair.client.error, pair.server.error) == (None, None)


async def test_end_of_stream_closes_a_transport_whose_protocol_does_not_object() -> None:
    async with two_hosts() as hosts:
        pair = await connect(*hosts)
        pair.near.write(b"last words")
        pair.near.close()
        assert pair.near.is_closing()
        pair.near.write(b"ignored")
        await pair.server.lost
        assert pair.server.data == b"last words"
        assert pair.server.calls == ["made", "eof", "lost"]
        assert pair.client.calls == ["made", "lost"]


async def test_close_sends_all_that_is_queued_before_connection_lost() -> None:
    async with two_hosts() as hosts:
        pair = await connect(*hosts)
        for _ in range(32):
            pair.near.write(PIECE)
        pair.near.close()
        assert "lost" not in pair.client.calls
        await pair.server.lost
        assert len(pair.server.data) == 32 * len(PIECE)
        assert pair.client.error is None


async def test_end_of_stream_waits_behind_paused_octets() -> None:
    async with two_hosts() as hosts:
        pair = await connect(*hosts)
        pair.far.pause_reading()
        pair.near.write(b"unread")
        pair.near.close()
        await pair.client.lost
        await asyncio.sleep(0.01)
        assert pair.server.calls == ["made"]
        pair.far.resume_reading()
        await pair.server.lost
        assert pair.server.data == b"unread"
        assert pair.server.calls == ["made", "eof", "lost"]


async def test_abort_is_a_reset_for_the_peer() -> None:
    async with two_hosts() as hosts:
        pair = await connect(*hosts)
        pair.near.abort()
        await pair.server.lost
        await pair.client.lost
        assert isinstance(pair.server.error, ConnectionResetError)
        assert pair.server.error.errno == errno.ECONNRESET
        assert pair.client.error is None


async def test_closing_with_unread_octets_resets() -> None:
    async with two_hosts() as hosts:
        pair = await connect(*hosts)
        pair.far.pause_reading()
        pair.near.write(b"nobody reads this")
        tcp = hosts[1].stack.tcp
        await until(lambda: any(row.recv_q for row in tcp.rows()))
        pair.far.close()
        await pair.client.lost
        assert isinstance(pair.client.error, ConnectionResetError)


async def test_a_port_that_nobody_listens_at_refuses() -> None:
    async with two_hosts() as (client, _):
        with pytest.raises(ConnectionRefusedError, match=r"192\.0\.2\.2:9"):
            await client.create_connection(Collector, "server", 9)
        assert client.stack.ports.listing() == []


async def test_an_address_without_a_host_is_unreachable() -> None:
    async with two_hosts() as (client, _):
        with pytest.raises(OSError) as caught:
            await client.create_connection(Collector, "203.0.113.5", 9)
        assert caught.value.errno == errno.ENETUNREACH


async def test_an_unanswered_syn_times_out() -> None:
    retransmission = RetransmissionConfig(rto_initial=2 * MILLISECOND, rto_min=1 * MILLISECOND, syn_retries=1)
    stack = Stack(StackConfig(tcp=TcpConfig(retransmission=retransmission)), SeededRng("lonely"))
    stack.add_interface(InterfaceConfig(name="tun0", kind="ip", addresses=("192.0.2.9/24",)))
    host = Host(stack, MemoryPump(stack, asyncio.get_running_loop()))
    with pytest.raises(TimeoutError) as caught:
        await host.create_connection(Collector, "192.0.2.1", PORT)
    assert caught.value.errno == errno.ETIMEDOUT
    assert stack.counters["MemoryNoCable"] == 2
    host.pump.close()


async def test_cancelling_an_attempt_gives_its_port_back() -> None:
    async with two_hosts() as (client, server):
        server.pump.close()
        attempt = asyncio.ensure_future(client.create_connection(Collector, "192.0.2.77", PORT))
        await until(lambda: len(client.stack.ports.listing()) == 1)
        assert client.stack.ports.listing()[0].state == "SYN-SENT"
        attempt.cancel()
        with pytest.raises(asyncio.CancelledError):
            await attempt
        await until(lambda: client.stack.ports.listing() == [])


class Buffered(asyncio.BufferedProtocol):
    """Reads into a buffer of seven octets."""

    def __init__(self) -> None:
        self.buffer = bytearray(7)
        self.data = bytearray()
        self.ended = asyncio.get_running_loop().create_future()

    def get_buffer(self, sizehint: int) -> bytearray:
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.data += self.buffer[:nbytes]

    def eof_received(self) -> bool:
        self.ended.set_result(None)
        return False


async def test_a_buffered_protocol_gets_every_octet() -> None:
    async with two_hosts() as hosts:
        pair = await connect(*hosts)
        buffered = Buffered()
        pair.near.write(b"plain ")
        await until(lambda: pair.server.data == b"plain ")
        pair.far.set_protocol(buffered)
        assert pair.far.get_protocol() is buffered
        pair.near.write(PIECE)
        pair.near.close()
        await buffered.ended
        assert buffered.data == PIECE


async def test_a_protocol_that_fails_loses_its_connection(caplog: pytest.LogCaptureFixture) -> None:
    class Failing(Collector):
        def data_received(self, data: bytes) -> None:
            raise ValueError("no such data")

    async with two_hosts() as hosts:
        pair = await connect(*hosts)
        failing = Failing()
        pair.far.set_protocol(failing)
        pair.near.write(b"data")
        await failing.lost
        await pair.client.lost
        assert isinstance(failing.error, ValueError)
        assert isinstance(pair.client.error, ConnectionResetError)
        assert "data_received() call failed" in caplog.text


async def test_socket_options_act_on_the_connection() -> None:
    async with two_hosts() as hosts:
        pair = await connect(*hosts)
        sock = pair.near.get_extra_info("socket")
        assert (sock.family, sock.type, sock.proto) == (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 1500)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 7))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 30
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT) == 3
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL) == 5
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 1500
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8) == struct.pack("ii", 1, 7)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR) == 1
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16).rstrip(b"\0") == b"cubic"
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
        with pytest.raises(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 0)
        with pytest.raises(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"psychic")
        await pair.end()


async def test_keep_alive_set_on_an_idle_connection_takes_effect() -> None:
    async with two_hosts() as hosts:
        pair = await connect(*hosts)
        await asyncio.sleep(0.01)
        sock = pair.near.get_extra_info("socket")
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        await asyncio.sleep(0)
        assert hosts[0].stack.tcp.next_deadline() <= hosts[0].pump.now() + 1 * SECOND
        await pair.end()


async def test_shutting_the_socket_down_closes_our_direction() -> None:
    async with two_hosts() as hosts:
        pair = await connect(*hosts)
        pair.near.get_extra_info("socket").shutdown(socket.SHUT_WR)
        await pair.server.lost
        assert pair.server.calls == ["made", "eof", "lost"]
        await pair.client.lost


async def test_tcp_info_has_the_layout_of_linux() -> None:
    async with two_hosts() as hosts:
        pair = await connect(*hosts)
        pair.near.write(b"measure this")
        await until(lambda: pair.server.data == b"measure this")
        sock = pair.near.get_extra_info("socket")
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG) == 1448
        info = pair.near.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
        assert len(info) == 104
        assert info[0] == 1  # TCP_ESTABLISHED
        assert struct.unpack_from("I", info, 16)[0] == 1448  # tcpi_snd_mss
        assert struct.unpack_from("I", info, 80)[0] == 10  # tcpi_snd_cwnd, in segments
        await pair.end()


async def test_the_descriptor_tells_the_truth_about_what_waits() -> None:
    async with two_hosts() as hosts:
        pair = await connect(*hosts)
        sock = pair.far.get_extra_info("socket")
        pair.far.pause_reading()
        poller = select.poll()
        poller.register(sock.fileno(), select.POLLIN)
        assert not poller.poll(0)
        pair.near.write(b"data")
        await until(lambda: bool(poller.poll(0)))
        pair.far.resume_reading()
        await until(lambda: not poller.poll(0))
        pair.server.keep_open = True
        pair.near.close()
        await until(lambda: bool(poller.poll(0)))
        pair.far.close()
        await pair.server.lost
        assert sock.fileno() == -1


async def test_sendfile_falls_back_to_reading(tmp_path) -> None:
    path = tmp_path / "file"
    path.write_bytes(PIECE)
    async with two_hosts() as hosts:
        pair = await connect(*hosts)
        with path.open("rb") as file:
            assert await asyncio.get_running_loop().sendfile(pair.near, file) == len(PIECE)
        pair.near.close()
        await pair.server.lost
        assert pair.server.data == PIECE


async def test_many_connections_at_once_share_one_stack() -> None:
    async with two_hosts() as (client, server):

        async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while data := await reader.read(4096):
                writer.write(data)
            writer.close()
            await writer.wait_closed()

        listening = await server.start_server(echo, None, PORT)

        async def ask(number: int) -> bool:
            reader, writer = await client.open_connection("server", PORT)
            question = os.urandom(3000) + str(number).encode()
            writer.write(question)
            writer.write_eof()
            answer = await reader.read()
            writer.close()
            await writer.wait_closed()
            return answer == question

        assert all(await asyncio.gather(*(ask(number) for number in range(200))))
        listening.close()
        await listening.wait_closed()
        assert server.stack.counters["PassiveOpens"] == 200
