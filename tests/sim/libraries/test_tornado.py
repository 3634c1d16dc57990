import asyncio

import httpx
import pytest
from tornado.httpserver import HTTPServer
from tornado.web import Application, RequestHandler

from tests.sim.libraries.asgi import times_of_requests
from tests.sim.libraries.world import Lab, play


class Echo(RequestHandler):
    def post(self) -> None:
        self.write(self.request.body)


class Think(RequestHandler):
    async def get(self) -> None:
        await asyncio.sleep(20)
        self.write("42")


async def start() -> HTTPServer:
    server = HTTPServer(Application([("/", Echo), ("/think", Think)]), idle_connection_timeout=5)
    server.listen(80, "0.0.0.0")
    return server


async def stop(server: HTTPServer) -> None:
    server.stop()
    await server.close_all_connections()


async def requests(lab: Lab) -> list[float]:
    server = await lab.serve(start())
    async with httpx.AsyncClient(base_url="http://server") as client:
        times = await times_of_requests(lab, client, (0, 1, 4, 6))
    await lab.serve(stop(server))
    return times


async def thought(lab: Lab) -> tuple[str, float]:
    server = await lab.serve(start())
    async with httpx.AsyncClient(base_url="http://server") as client:
        answer = await client.get("/think", timeout=60)
    await lab.serve(stop(server))
    return answer.text, lab.now


def test_tornado_gives_up_an_idle_connection() -> None:
    # ARP both ways, the handshake and the request; only the request, twice; the handshake and the request.
    assert play(requests) == pytest.approx([0.16, 0.04, 0.04, 0.08], abs=1e-4)


def test_tornado_thinks_in_virtual_time() -> None:
    answer, elapsed = play(thought)
    assert answer == "42"
    assert elapsed == pytest.approx(20.16, abs=1e-4)
