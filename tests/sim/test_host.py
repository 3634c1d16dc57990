import asyncio
import errno

import pytest

from halfopen.base.errors import ConfigError, SimulationError
from tests.sim.world import echo, serve, two_hosts


def test_programs_of_different_hosts_share_the_loop_and_may_be_awaited_from_anywhere() -> None:
    with two_hosts() as world:

        async def address() -> str:
            server = await serve(echo)
            host = world.network.loop.current_host()
            assert host.stack.ports.listing()[0].owner.program == host.program
            server.close()
            return host.program

        async def main() -> list[str]:
            return list(await asyncio.gather(world.client.run(address()), world.server.run(address())))

        assert world.run(main) == ["client", "server"]
        assert (world.client.name, world.server.name) == ("client", "server")


def test_a_servers_callbacks_are_on_the_servers_host() -> None:
    class Tells(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            heard.append(("made", world.network.loop.current_host().program))

        def data_received(self, data: bytes) -> None:
            heard.append(("data", world.network.loop.current_host().program))
            asyncio.get_running_loop().call_later(1, self.later)

        def later(self) -> None:
            heard.append(("later", world.network.loop.current_host().program))

        def connection_lost(self, error: Exception | None) -> None:
            heard.append(("lost", world.network.loop.current_host().program))

    heard: list[tuple[str, str]] = []
    with two_hosts("delay 1ms") as world:

        async def listen() -> None:
            await asyncio.get_running_loop().create_server(Tells, None, 7)

        async def program() -> None:
            _, writer = await asyncio.open_connection("server", 7)
            writer.write(b"hello")
            await asyncio.sleep(2)
            writer.close()
            await writer.wait_closed()
            await asyncio.sleep(1)

        async def main() -> None:
            await world.server.run(listen())
            await world.client.run(program())

        world.run(main)
    assert heard == [(what, "server") for what in ("made", "data", "later", "lost")]


def test_a_host_knows_itself_as_localhost() -> None:
    with two_hosts() as world:

        async def program() -> str:
            await serve(echo)
            _, writer = await asyncio.open_connection("localhost", 7)
            peer = writer.get_extra_info("peername")
            writer.close()
            await writer.wait_closed()
            return str(peer[0])

        assert world.on_client(program) == "127.0.0.1"
        assert world.elapsed() == 0.0


async def talker(log: list[str]) -> None:
    """Says its number every second, and how it ended."""
    try:
        for number in range(1000):
            await asyncio.sleep(1)
            log.append(str(number))
    finally:
        log.append("end")


def test_within_a_block_code_and_what_it_starts_are_on_the_host() -> None:
    with two_hosts("delay 1ms") as world:
        loop = world.network.loop

        async def program() -> str:
            return loop.current_host().program

        async def main() -> list[str]:
            names = []
            with world.server:
                server = await serve(echo)
                names.append(await asyncio.create_task(program()))
            async with world.client:
                _, writer = await asyncio.open_connection("server", 7)
                with world.server:
                    names.append(loop.current_host().program)
                names.append(loop.current_host().program)
                writer.close()
                await writer.wait_closed()
            with world.server:
                server.close()
                await server.wait_closed()
            with pytest.raises(SimulationError, match="on no host"):
                loop.current_host()
            return names

        assert world.run(main) == ["server", "server", "client"]


def test_a_host_without_power_runs_nothing_and_its_programs_are_cancelled() -> None:
    log: list[str] = []
    with two_hosts() as world:

        async def main() -> None:
            task = world.server.run(talker(log))
            await asyncio.sleep(2.5)
            world.server.power_off()
            with pytest.raises(asyncio.CancelledError):
                await task
            await asyncio.sleep(10)
            assert not world.server.is_on
            with pytest.raises(SimulationError, match="server has no power"):
                _ = world.server.run(talker(log))
            with world.server, pytest.raises(OSError) as caught:
                await asyncio.open_connection("client", 7)
            assert caught.value.errno == errno.ENETDOWN
            world.server.power_off()

        world.run(main)
    assert log == ["0", "1", "end"]


def test_what_a_program_does_when_its_host_has_lost_power_reaches_nobody() -> None:
    with two_hosts("delay 1ms") as world:

        async def stubborn(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            for _ in range(5):
                try:
                    await reader.read()
                except asyncio.CancelledError:
                    writer.write(b"from beyond")
                    await asyncio.sleep(0)

        async def program() -> bytes:
            reader, writer = await asyncio.open_connection("server", 7)
            await asyncio.sleep(1)
            world.server.power_off()
            try:
                async with asyncio.timeout(100):
                    return await reader.read(1)
            except TimeoutError:
                return b"nothing"
            finally:
                writer.transport.abort()

        async def main() -> bytes:
            await world.server.run(serve(stubborn))
            return await world.client.run(program())

        assert world.run(main) == b"nothing"


def test_a_program_that_catches_its_end_has_no_network_any_more() -> None:
    errors: list[int | None] = []
    children: list[asyncio.Task[None]] = []
    log: list[str] = []
    with two_hosts("delay 1ms") as world:

        async def undying() -> None:
            try:
                await asyncio.sleep(100)
            finally:
                try:
                    await asyncio.open_connection("client", 7)
                except OSError as error:
                    errors.append(error.errno)
                children.append(asyncio.create_task(talker(log)))

        async def main() -> None:
            for end in (world.server.kill, world.server.power_off):
                _ = world.server.run(undying())
                await asyncio.sleep(1)
                end()
                await asyncio.sleep(5)

        world.run(main)
        assert errors == [errno.ESRCH, errno.ENETDOWN]
        assert log == []
        assert all(child.cancelled() for child in children)


def test_a_rebooted_host_has_its_addresses_and_remembers_nothing() -> None:
    with two_hosts("delay 1ms") as world:
        before = world.server.stack
        mac = before.interfaces[0].mac

        async def program() -> None:
            reader, writer = await asyncio.open_connection("server", 7)
            world.server.power_off()
            await asyncio.sleep(1)
            world.server.power_on()
            world.server.power_on()
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("server", 7)
            await world.server.run(serve(echo))
            writer.write(b"do you remember?")
            with pytest.raises(ConnectionResetError):
                await reader.read()
            reader, writer = await asyncio.open_connection("server", 7)
            writer.write(b"hello")
            assert await reader.read(5) == b"hello"
            writer.close()
            await writer.wait_closed()

        async def main() -> None:
            await world.server.run(serve(echo))
            await world.client.run(program())

        world.run(main)
        assert world.server.stack is not before
        assert world.server.stack.interfaces[0].mac == mac
        assert len(list(world.server.stack.routes)) == len(list(before.routes))
        assert world.server.address == "192.0.2.2"


def test_the_system_closes_the_sockets_of_killed_programs() -> None:
    log: list[str] = []
    with two_hosts("delay 1ms") as world:

        async def reads(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await talker(log)

        async def program() -> tuple[bytes, str]:
            reader, writer = await asyncio.open_connection("server", 7)
            unread_reader, unread_writer = await asyncio.open_connection("server", 8)
            unread_writer.write(bytes(10))
            await asyncio.sleep(1.5)
            world.server.kill()
            octets = await reader.read()
            with pytest.raises(ConnectionResetError):
                await unread_reader.read()
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("server", 7)
            writer.close()
            await writer.wait_closed()
            await asyncio.sleep(61)
            return octets, world.server.ss()

        async def ignores() -> None:
            class Deaf(asyncio.Protocol):
                def connection_made(self, transport: asyncio.BaseTransport) -> None:
                    assert isinstance(transport, asyncio.Transport)
                    transport.pause_reading()

                def connection_lost(self, error: Exception | None) -> None:
                    log.append("told")

            await asyncio.get_running_loop().create_server(Deaf, None, 8)

        async def main() -> tuple[bytes, str]:
            await world.server.run(serve(reads))
            await world.server.run(ignores())
            return await world.client.run(program())

        octets, listing = world.run(main)
        assert octets == b""
        assert listing.splitlines()[1:] == []
        assert log == ["0", "end"]


def test_a_killed_connect_is_given_up() -> None:
    with two_hosts("delay 1ms") as world:

        async def main() -> None:
            world.server.power_off()
            task = world.client.run(asyncio.open_connection("server", 7))
            await asyncio.sleep(2)
            world.client.kill()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert world.client.stack.ports.listing() == []
            assert await world.client.run(asyncio.sleep(1, "new")) == "new"

        world.run(main)


def test_paused_programs_stand_still_while_the_system_goes_on() -> None:
    log: list[str] = []
    with two_hosts("delay 1ms") as world:

        async def program() -> tuple[float, float]:
            reader, writer = await asyncio.open_connection("server", 7)
            world.server.pause()
            assert world.server.is_paused
            writer.write(b"hello")
            _, again_writer = await asyncio.open_connection("server", 7)
            connected = world.elapsed()
            await asyncio.sleep(5)
            assert world.client.stack.ports.listing()[0].send_q == 0
            world.server.resume()
            assert await reader.read(5) == b"hello"
            answered = world.elapsed()
            assert log == ["0"]
            for each in (writer, again_writer):
                each.close()
                await each.wait_closed()
            return connected, answered

        async def main() -> tuple[float, float]:
            await world.server.run(serve(echo))
            _ = world.server.run(talker(log))
            return await world.client.run(program())

        connected, answered = world.run(main)
        assert connected < 0.01
        assert 5 < answered < 5.1


def test_a_paused_host_can_be_killed_and_a_network_closed_with_one() -> None:
    log: list[str] = []
    with two_hosts() as world:

        async def main() -> None:
            _ = world.server.run(talker(log))
            _ = world.client.run(talker(log))
            await asyncio.sleep(1.5)
            world.server.pause()
            world.client.pause()
            await asyncio.sleep(10)
            assert log == ["0", "0"]
            world.server.kill()
            await asyncio.sleep(1)
            assert log == ["0", "0", "end"]

        world.run(main)
    assert log == ["0", "0", "end", "end"]


def test_the_block_of_a_paused_host_goes_on() -> None:
    with two_hosts() as world:

        async def main() -> None:
            with world.server:
                world.server.pause()
                await asyncio.sleep(3)
                world.server.resume()

        world.run(main)
        assert world.elapsed() == 3


def test_sockets_are_listed_with_the_host_and_the_process_that_has_them() -> None:
    with two_hosts("delay 1ms") as world:

        async def main() -> list[str]:
            await world.server.run(serve(echo))
            return world.server.ss().splitlines()

        header, line = world.run(main)
        assert header.startswith("Netid State  Recv-Q Send-Q Local Address:Port Peer Address:Port Process")
        assert line.startswith("tcp   LISTEN 0      100    0.0.0.0:7          0.0.0.0:*")
        assert 'users:(("server",pid=101,task=' in line
        assert str(world.client.owner()) == 'users:(("client",task=main))'


def test_sysctls_can_be_changed_while_a_host_runs() -> None:
    with two_hosts("delay 1ms") as world:

        async def main() -> None:
            assert world.client.sysctl("net.ipv4.tcp_syn_retries") == 6
            assert world.client.sysctl("net.ipv4.tcp_syn_retries", 1) == 1
            await world.client.ping("server", count=1)
            world.cable.down()
            began = world.elapsed()
            with pytest.raises(OSError, match="after 1 retransmission"):
                await world.client.run(asyncio.open_connection("server", 7))
            assert world.elapsed() - began == pytest.approx(3)
            world.cable.up()
            world.server.sysctl("net.ipv4.icmp_echo_ignore_all", 1)
            assert (await world.client.ping("server", count=1)).received == 0
            world.server.power_off()
            world.server.power_on()
            assert world.server.sysctl("net.ipv4.icmp_echo_ignore_all") == 1
            with pytest.raises(ConfigError, match="tcp_syn_retries"):
                world.client.sysctl("net.ipv4.tcp_syn_retries", "many")

        world.run(main)
