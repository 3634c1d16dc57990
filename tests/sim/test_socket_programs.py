"""Programs that use sockets directly, or threads, on simulated hosts."""

import asyncio
import io

import anyio
import httpx
import hypercorn.asyncio
import hypercorn.config
import tornado.httpclient
import tornado.httpserver
import tornado.web
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from halfopen.sim.network import Network
from tests.sim.socket_world import socket_hosts, with_server
from tests.sim.world import World

BODY = b"x" * 256_000


class Length(tornado.web.RequestHandler):
    def get(self) -> None:
        self.write("hello")

    def post(self) -> None:
        self.write(str(len(self.request.body)))


async def serve_tornado() -> None:
    http = tornado.httpserver.HTTPServer(tornado.web.Application([("/", Length)]))
    http.listen(80)
    try:
        await asyncio.Event().wait()
    finally:
        http.stop()
        await http.close_all_connections()


async def fetch_by_tornado() -> list[bytes]:
    fetcher = tornado.httpclient.AsyncHTTPClient()
    responses = [await fetcher.fetch("http://server/")]
    responses.append(await fetcher.fetch("http://server/", method="POST", body=BODY))
    fetcher.close()
    return [response.body for response in responses]


def test_tornado_serves_and_fetches() -> None:
    with socket_hosts() as world:
        assert with_server(world, serve_tornado, fetch_by_tornado) == [b"hello", b"256000"]


def test_one_seed_gives_one_history_of_socket_objects_too() -> None:
    def history() -> bytes:
        file = io.BytesIO()
        with Network(7, isolated=True) as network:
            world = World(network, "delay 10ms 2ms loss 2% rate 20mbit")
            network.capture(file)
            assert with_server(world, serve_tornado, fetch_by_tornado) == [b"hello", b"256000"]
        return file.getvalue()

    first = history()
    assert len(first) > 256_000
    assert history() == first


def test_anyio_listens_and_connects() -> None:
    with socket_hosts() as world:

        async def shout(stream: anyio.abc.SocketStream) -> None:
            async with stream:
                async for octets in stream:
                    await stream.send(octets.upper())

        async def server() -> None:
            async with await anyio.create_tcp_listener(local_port=7) as listener:
                await listener.serve(shout)

        async def client() -> bytes:
            async with await anyio.connect_tcp("server", 7) as stream:
                await stream.send(b"hello anyio")
                assert stream.extra(anyio.abc.SocketAttribute.remote_address) == ("192.0.2.2", 7)
                return await stream.receive()

        assert with_server(world, server, client) == b"HELLO ANYIO"


def route(request: Request) -> PlainTextResponse:
    """For Starlette a function that may block, and so belongs into a thread."""
    return PlainTextResponse("from a def route")


APPLICATION = Starlette(routes=[Route("/", route)])


async def fetch() -> str:
    async with httpx.AsyncClient(timeout=5) as client:
        return (await client.get("http://server/")).text


def test_a_def_route_of_starlette_answers_in_time() -> None:
    with socket_hosts() as world:

        async def server() -> None:
            config = uvicorn.Config(APPLICATION, host="0.0.0.0", port=80, log_level="warning", lifespan="off")
            await uvicorn.Server(config).serve()

        assert with_server(world, server, fetch) == "from a def route"
        assert world.elapsed() < 1


def test_hypercorn_serves_on_the_socket_that_it_has_bound_itself() -> None:
    with socket_hosts() as world:

        async def server() -> None:
            config = hypercorn.config.Config()
            config.bind = ["0.0.0.0:80"]
            config.loglevel = "WARNING"
            await hypercorn.asyncio.serve(APPLICATION, config, shutdown_trigger=asyncio.Event().wait)  # type: ignore[arg-type]  # Starlette is ASGI

        async def client() -> str:
            await asyncio.sleep(0.1)
            return await fetch()

        assert with_server(world, server, client) == "from a def route"
