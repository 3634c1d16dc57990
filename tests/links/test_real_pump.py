import asyncio
import socket

import pytest

from halfopen.aio.host import Host
from halfopen.base.addresses import parse_address
from halfopen.base.clock import MILLISECOND, NEVER, Instant
from halfopen.base.rng import SeededRng
from halfopen.links.link import Link
from halfopen.links.real_pump import RealPump
from halfopen.stack.config import InterfaceConfig, StackConfig
from halfopen.stack.stack import Stack
from halfopen.wire.offload import complete_checksum
from halfopen.wire.packet import Packet

pytestmark = pytest.mark.asyncio


class SocketLink(Link):
    """A link over one end of a pair of datagram sockets; may hold packets back for ``delay``."""

    def __init__(self, end: socket.socket, delay: Instant = 0) -> None:
        super().__init__("pair", "ip", 1500)
        end.setblocking(False)
        self.end = end
        self.delay = delay
        self.clock: RealPump | None = None
        self.held: list[tuple[Instant, bytes]] = []
        self.largest_batch = 0

    def fileno(self) -> int:
        return self.end.fileno()

    def read(self, limit: int) -> list[Packet]:
        packets: list[Packet] = []
        while len(packets) < limit:
            try:
                octets = self.end.recv(65536)
            except BlockingIOError:
                break
            if not octets:
                raise OSError("the other end is gone")
            packets.append(Packet(octets))
        self.largest_batch = max(self.largest_batch, len(packets))
        return packets

    def write(self, packet: Packet) -> bool:
        octets = complete_checksum(packet).joined()
        if self.delay and self.clock is not None:
            self.held.append((self.clock.now() + self.delay, octets))
            return True
        return self._put(octets)

    def _put(self, octets: bytes) -> bool:
        try:
            self.end.send(octets)
        except OSError:
            self.counters.add("Dropped")
            return False
        return True

    def next_deadline(self) -> Instant:
        return self.held[0][0] if self.held else NEVER

    def on_deadline(self, now: Instant) -> None:
        while self.held and self.held[0][0] <= now:
            self._put(self.held.pop(0)[1])

    def close(self) -> None:
        self.end.close()


def make_host(address: str, link: SocketLink) -> Host:
    stack = Stack(StackConfig(), SeededRng(address))
    interface = stack.add_interface(InterfaceConfig(name="tun0", kind="ip", addresses=(f"{address}/24",)))
    pump = RealPump(stack, asyncio.get_running_loop(), {interface: link})
    link.clock = pump
    return Host(stack, pump)


@pytest.mark.parametrize("delay", [0, 3 * MILLISECOND])
async def test_two_hosts_exchange_a_megabyte_over_descriptors(delay: Instant) -> None:
    octets = bytes(range(256)) * 4096
    left, right = (SocketLink(end, delay) for end in socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET))
    client, server = make_host("192.0.2.1", left), make_host("192.0.2.2", right)

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()
        await writer.wait_closed()

    listening = await server.start_server(echo, None, 7)
    loop = asyncio.get_running_loop()
    started = loop.time()
    reader, writer = await client.open_connection("192.0.2.2", 7)
    assert loop.time() - started >= 2 * delay / 1e9
    writer.write(octets)
    writer.write_eof()
    assert await reader.read() == octets
    writer.close()
    await writer.wait_closed()
    listening.close()
    await listening.wait_closed()
    assert right.largest_batch > 1
    for host, link in ((client, left), (server, right)):
        host.pump.close()
        link.close()


async def test_a_lost_device_is_reported_and_the_host_lives_on(caplog: pytest.LogCaptureFixture) -> None:
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    link = SocketLink(near)
    host = make_host("192.0.2.1", link)
    far.close()
    await asyncio.sleep(0.01)
    assert "The link pair is lost" in caplog.text
    host.stack.icmp.send_echo(parse_address("192.0.2.2"), 1, 1, b"", host.pump.now())
    host.pump.flush()
    assert host.stack.counters["InterfaceWithoutLink"] == 1
    host.pump.close()
    link.close()
