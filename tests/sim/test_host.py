import asyncio

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
