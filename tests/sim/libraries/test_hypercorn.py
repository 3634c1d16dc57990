import asyncio

import httpx
import pytest
from hypercorn.asyncio import serve
from hypercorn.config import Config
from quart import Quart, request

from tests.sim.libraries.asgi import echo, times_of_requests
from tests.sim.libraries.world import Lab, play


async def hypercorn(lab: Lab) -> list[float]:
    config = Config()
    config.bind = ["0.0.0.0:80"]
    config.keep_alive_timeout = 5
    config.errorlog = None
    stop = asyncio.Event()
    serving = lab.serve(serve(echo, config, shutdown_trigger=stop.wait))
    await asyncio.sleep(1)
    async with httpx.AsyncClient(base_url="http://server") as client:
        times = await times_of_requests(lab, client, (0, 1, 4, 6))
    stop.set()
    await serving
    return times


async def quart(lab: Lab) -> tuple[str, float]:
    app = Quart("shouting")

    @app.post("/")
    async def shout() -> str:
        return (await request.get_data(as_text=True)).upper()

    stop = asyncio.Event()
    serving = lab.serve(app.run_task("0.0.0.0", 80, shutdown_trigger=stop.wait))
    await asyncio.sleep(1)
    async with httpx.AsyncClient(base_url="http://server") as client:
        answer = await client.post("/", content=b"quietly")
        began = lab.now
        answer = await client.post("/", content=b"quietly")
        took = lab.now - began
    stop.set()
    await serving
    return answer.text, took


def test_hypercorn_gives_up_an_idle_connection() -> None:
    # ARP both ways, the handshake and the request; only the request, twice; the handshake and the request.
    assert play(hypercorn) == pytest.approx([0.16, 0.04, 0.04, 0.08], abs=1e-5)


def test_quart_runs_as_a_task() -> None:
    answer, took = play(quart)
    assert answer == "QUIETLY"
    assert took == pytest.approx(0.04, abs=1e-5)
