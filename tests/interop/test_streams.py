"""Connections between the kernel and us: opened by either, closed in every way."""

import asyncio
import os
import socket
import struct

import pytest

from halfopen.wire.tcp import ACK, FIN, SYN
from tests.interop.world import (
    KERNEL,
    MEDIA,
    NEEDS,
    OURS,
    PORT,
    VETH,
    Side,
    Streams,
    World,
    echo,
    finish,
    served,
    until,
)

pytestmark = [*NEEDS, pytest.mark.asyncio]

every_medium = pytest.mark.parametrize("wire", MEDIA + VETH, ids=str, indirect=True)
either_opens = pytest.mark.parametrize("opener", ["ours", "kernel"])


def sides(world: World, opener: str) -> tuple[Side, Side]:
    """(who opens actively, who passively)."""
    return (world.ours, world.kernel) if opener == "ours" else (world.kernel, world.ours)


@every_medium
@either_opens
async def test_one_octet_goes_there_and_back_and_the_connection_closes(world: World, opener: str) -> None:
    active, passive = sides(world, opener)
    async with served(passive, echo):
        reader, writer = await active.connect(passive.address)
        writer.write(b"x")
        assert await reader.readexactly(1) == b"x"
        writer.write_eof()
        assert await reader.read() == b""
        await finish(writer)
    states = {row.state for row in world.stack.ports.listing()}
    assert states == ({"TIME-WAIT"} if opener == "ours" else set())
    assert world.stack.counters["ActiveOpens" if opener == "ours" else "PassiveOpens"] == 1


@every_medium
@either_opens
async def test_a_megabyte_each_way_at_once_arrives_octet_for_octet(world: World, opener: str) -> None:
    active, passive = sides(world, opener)
    octets = os.urandom(3_000_017)
    async with served(passive, echo):
        reader, writer = await active.connect(passive.address)

        async def write() -> None:
            for start in range(0, len(octets), 100_003):
                writer.write(octets[start : start + 100_003])
                await writer.drain()
            writer.write_eof()

        _, received = await asyncio.gather(write(), reader.read())
        assert received == octets
        await finish(writer)


@either_opens
async def test_the_side_that_has_closed_its_half_goes_on_receiving(world: World, opener: str) -> None:
    active, passive = sides(world, opener)
    answer = bytes(200_000)

    async def answer_after_the_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.read() == b"question"
        await asyncio.sleep(0.1)
        writer.write(answer)
        await finish(writer)

    async with served(passive, answer_after_the_end):
        reader, writer = await active.connect(passive.address)
        writer.write(b"question")
        writer.write_eof()
        assert await reader.read() == answer
        await finish(writer)


@either_opens
async def test_a_reset_is_told_to_the_other_end(world: World, opener: str) -> None:
    active, passive = sides(world, opener)
    heard: asyncio.Future[BaseException | None] = asyncio.get_running_loop().create_future()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.read()
        except ConnectionError as error:
            heard.set_result(error)
        else:
            heard.set_result(None)
        writer.transport.abort()

    async with served(passive, listen):
        _, writer = await active.connect(passive.address)
        writer.write(b"soon over")
        await asyncio.sleep(0.05)
        sock = writer.get_extra_info("socket")
        # The kernel resets a connection that is closed with a linger time of 0.
        if opener == "kernel":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
        assert isinstance(await heard, ConnectionResetError)
    assert [row.state for row in world.stack.ports.listing()] == []
    assert world.kernel.counters()["TcpOutRsts"] == (1 if opener == "kernel" else 0)


async def test_we_reset_when_we_close_with_unread_octets(world: World) -> None:
    """RFC 9293 SHLD-3."""
    resets: list[OSError] = []

    async def write_and_listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"nobody reads this")
        try:
            await reader.read()
        except ConnectionResetError as error:
            resets.append(error)
        writer.close()

    async with served(world.kernel, write_and_listen):
        _, writer = await world.ours.connect(KERNEL)
        transport = writer.transport
        transport.pause_reading()  # type: ignore[attr-defined]  # typeshed: WriteTransport
        await asyncio.sleep(0.1)
        transport.close()
        await until(lambda: bool(resets))


async def test_the_kernel_resets_when_it_closes_with_unread_octets(world: World) -> None:
    accepted: asyncio.Future[Streams] = asyncio.get_running_loop().create_future()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.set_result((reader, writer))

    async with served(world.ours, accept):
        with world.kernel.socket() as sock:
            await asyncio.get_running_loop().sock_connect(sock, (OURS, PORT))
            reader, writer = await accepted
            writer.write(b"nobody reads this")
            await asyncio.sleep(0.1)
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()


async def test_urgent_octets_do_not_disturb_the_stream(world: World) -> None:
    """Whatever is urgent stays in line, as RFC 6093 recommends."""
    received: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.set_result(await reader.read())
        writer.close()

    async with served(world.ours, read):
        with world.kernel.socket() as sock:
            await asyncio.get_running_loop().sock_connect(sock, (OURS, PORT))
            sock.send(b"calm, ")
            sock.send(b"urgent!", socket.MSG_OOB)
            sock.send(b" calm")
            sock.shutdown(socket.SHUT_WR)
            assert await received == b"calm, urgent! calm"


@either_opens
async def test_a_port_without_a_listener_refuses(world: World, opener: str) -> None:
    active, passive = sides(world, opener)
    with pytest.raises(ConnectionRefusedError):
        await active.connect(passive.address, PORT + 7)


@either_opens
async def test_two_hundred_connections_at_once(world: World, opener: str) -> None:
    active, passive = sides(world, opener)
    open_now = 0
    most = 0

    async def count_and_echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal open_now, most
        open_now += 1
        most = max(most, open_now)
        await echo(reader, writer)
        open_now -= 1

    async def talk(number: int) -> bool:
        octets = number.to_bytes(4, "big") * 5_000
        reader, writer = await active.connect(passive.address)
        writer.write(octets)
        await until(lambda: most == 200)
        writer.write_eof()
        received = await reader.read()
        await finish(writer)
        return received == octets

    async with served(passive, count_and_echo):
        assert all(await asyncio.gather(*(talk(number) for number in range(200))))
    assert open_now == 0
    assert world.kernel.counters()["TcpExtTCPSynRetrans"] == 0


async def test_both_ends_close_at_the_same_time(world: World) -> None:
    """Both FINs are under way before either end has seen the other's: CLOSING (RFC 9293 3.6, case 3)."""
    accepted: asyncio.Future[Streams] = asyncio.get_running_loop().create_future()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.set_result((reader, writer))

    async with served(world.ours, accept):
        with world.kernel.socket() as sock:
            await asyncio.get_running_loop().sock_connect(sock, (OURS, PORT))
            _, writer = await accepted
            # Nothing is read from the device between these: that takes the loop.
            sock.shutdown(socket.SHUT_WR)
            writer.close()
            world.host.pump.flush()
            await until(lambda: "TIME-WAIT" in {row.state for row in world.stack.ports.listing()})
            assert sock.recv(1) == b""
    ours, theirs = (
        next(seen.segment for seen in world.wire.segments() if seen.segment.flags & FIN and seen.is_ours is is_ours)
        for is_ours in (True, False)
    )
    assert ours.ack == theirs.seq
    assert theirs.ack == ours.seq


async def test_both_ends_open_at_the_same_time(world: World) -> None:
    """Two SYNs cross, and one connection comes of it (RFC 9293 3.5, figure 7; MUST-10)."""
    loop = asyncio.get_running_loop()
    with pytest.raises(ConnectionRefusedError):  # The MACs are known afterwards.
        await world.kernel.connect(OURS, PORT)
    with world.kernel.socket() as sock:
        sock.bind((KERNEL, PORT + 1))
        # The kernel's SYN waits in the device, and ours leaves in the same round of the loop, before it is read.
        theirs = asyncio.ensure_future(loop.sock_connect(sock, (OURS, PORT + 2)))
        ours = asyncio.ensure_future(world.ours.connect(KERNEL, PORT + 1, PORT + 2))
        await theirs
        reader, writer = await ours
        writer.write(b"from us")
        assert await loop.sock_recv(sock, 100) == b"from us"
        await loop.sock_sendall(sock, b"from the kernel")
        assert await reader.readexactly(15) == b"from the kernel"
        await finish(writer)
    opening = [seen for seen in world.wire.segments() if seen.segment.flags & SYN and seen.segment.source_port > PORT]
    bare = {seen.is_ours for seen in opening if not seen.segment.flags & ACK and seen.segment.destination_port > PORT}
    assert bare == {True, False}


async def test_a_connection_in_time_wait_gives_way_to_a_new_one_with_the_same_ports(world: World) -> None:
    """RFC 6191: the kernel opens again from the port whose connection we have closed."""
    closed_by_us: list[asyncio.StreamWriter] = []

    async def close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        closed_by_us.append(writer)
        await finish(writer)

    async with served(world.ours, close):
        for _ in range(3):
            reader, writer = await world.kernel.connect(OURS, PORT, PORT + 9)
            assert await reader.read() == b""
            await finish(writer)
            await until(lambda: "TIME-WAIT" in {row.state for row in world.stack.ports.listing()})
    assert len(closed_by_us) == 3
    assert world.kernel.counters()["TcpExtTCPSynRetrans"] == 0


async def test_one_stack_serves_and_is_served_while_the_kernel_does_the_same(world: World) -> None:
    """Four transfers at once, two of them opened by each end."""
    octets = os.urandom(1_000_000)

    async def there_and_back(streams: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> bool:
        reader, writer = streams

        async def write() -> None:
            writer.write(octets)
            writer.write_eof()

        _, received = await asyncio.gather(write(), reader.read())
        await finish(writer)
        return bool(received == octets)

    async with served(world.ours, echo), served(world.kernel, echo):
        streams = [await world.ours.connect(KERNEL) for _ in range(2)]
        streams += [await world.kernel.connect(OURS) for _ in range(2)]
        assert await asyncio.gather(*map(there_and_back, streams)) == [True] * 4
