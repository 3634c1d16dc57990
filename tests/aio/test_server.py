import asyncio

import pytest

from halfopen.stack.ports import format_listing
from tests.aio.world import two_hosts, until

pytestmark = pytest.mark.asyncio

PORT = 7100


async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Waits for the client to go."""
    try:
        await reader.read()
    except ConnectionError:
        return
    finally:
        writer.close()


async def test_a_server_knows_its_sockets_and_its_state() -> None:
    async with two_hosts() as (_, server):
        async with await server.start_server(hold, ["192.0.2.2", "localhost"], 0) as listening:
            first, second = listening.sockets
            assert first.getsockname()[0] == "192.0.2.2"
            assert second.getsockname() == ("127.0.0.1", first.getsockname()[1])
            with pytest.raises(OSError):
                first.getpeername()
            assert listening.is_serving()
            assert listening.get_loop() is asyncio.get_running_loop()
        assert listening.sockets == ()
        assert not listening.is_serving()


async def test_every_port_has_a_named_owner() -> None:
    async with two_hosts() as (client, server):
        task = asyncio.current_task()
        assert task is not None
        task.set_name("the test")
        listening = await server.start_server(hold, None, PORT)
        _, writer = await client.open_connection("server", PORT)
        await until(lambda: len(server.stack.ports.listing()) == 2)
        rows = server.stack.ports.listing()
        assert [row.state for row in rows] == ["LISTEN", "ESTAB"]
        assert {row.owner.name for row in rows} == {"the test"}
        assert {row.owner.program for row in rows} == {"server"}
        text = format_listing(rows)
        assert text.splitlines()[0].split()[:4] == ["Netid", "State", "Recv-Q", "Send-Q"]
        assert f"0.0.0.0:{PORT}" in text.splitlines()[1]
        assert '(("server",pid=' in text
        writer.close()
        await writer.wait_closed()
        listening.close()
        await listening.wait_closed()


async def test_a_port_can_be_listened_at_once_only() -> None:
    async with two_hosts() as (_, server):
        listening = await server.start_server(hold, None, PORT)
        with pytest.raises(OSError, match="in use"):
            await server.start_server(hold, "192.0.2.2", PORT)
        listening.close()
        again = await server.start_server(hold, "192.0.2.2", PORT)
        again.close()


async def test_wait_closed_waits_for_the_last_connection() -> None:
    async with two_hosts() as (client, server):
        listening = await server.start_server(hold, None, PORT)
        _, writer = await client.open_connection("server", PORT)
        await until(lambda: len(server.stack.ports.listing()) == 2)
        await asyncio.sleep(0.005)
        listening.close()
        waiting = asyncio.ensure_future(listening.wait_closed())
        await asyncio.sleep(0.01)
        assert not waiting.done()
        with pytest.raises(ConnectionRefusedError):
            await client.open_connection("server", PORT)
        writer.close()
        await waiting


@pytest.mark.parametrize("way", ["close_clients", "abort_clients"])
async def test_a_server_can_end_its_connections(way: str) -> None:
    async with two_hosts() as (client, server):
        listening = await server.start_server(hold, None, PORT)
        reader, writer = await client.open_connection("server", PORT)
        writer.write(b"hello")
        await asyncio.sleep(0.01)
        listening.close()
        getattr(listening, way)()
        await listening.wait_closed()
        if way == "close_clients":
            assert await reader.read() == b""
        else:
            with pytest.raises(ConnectionResetError):
                await reader.read()
        writer.close()
        if way == "close_clients":
            await writer.wait_closed()


async def test_connections_wait_until_a_server_starts_to_serve() -> None:
    async with two_hosts() as (client, server):
        served = asyncio.Event()

        async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            served.set()
            await hold(reader, writer)

        listening = await server.start_server(note, None, PORT, start_serving=False)
        _, writer = await client.open_connection("server", PORT)
        await asyncio.sleep(0.01)
        assert not served.is_set()
        await listening.start_serving()
        await served.wait()
        writer.close()
        await writer.wait_closed()
        listening.close()
        await listening.wait_closed()


async def test_serve_forever_ends_when_cancelled() -> None:
    async with two_hosts() as (_, server):
        listening = await server.start_server(hold, None, PORT)
        forever = asyncio.ensure_future(listening.serve_forever())
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="already"):
            await listening.serve_forever()
        forever.cancel()
        with pytest.raises(asyncio.CancelledError):
            await forever
        assert not listening.is_serving()
        with pytest.raises(RuntimeError, match="closed"):
            await listening.serve_forever()


async def test_a_factory_that_fails_resets_the_connection(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> asyncio.Protocol:
        raise ValueError("no protocol today")

    async with two_hosts() as (client, server):
        listening = await server.create_server(fail, None, PORT)
        reader, writer = await client.open_connection("server", PORT)
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()
        assert "protocol creation" in caplog.text
        listening.close()
