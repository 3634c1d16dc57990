import asyncio

import httpx
import pytest
import websockets
from websockets.asyncio.client import connect

from tests.sim.libraries.asgi import times_of_requests, uvicorn_on
from tests.sim.libraries.world import Lab, Scenario, for_client, for_server, play, play_secretly

BODY = bytes(range(256)) * 512


def keep_alive(http: str) -> Scenario[list[float]]:
    """Requests in turn on one connection, then one after both have given it up."""

    async def scenario(lab: Lab) -> list[float]:
        client = httpx.AsyncClient(base_url="http://server", limits=httpx.Limits(keepalive_expiry=30))
        async with uvicorn_on(lab, http=http, timeout_keep_alive=5), client:
            return await times_of_requests(lab, client, (0, 1, 4, 6))

    return scenario


def at_once(http: str) -> Scenario[int]:
    """Twenty requests at once on ten connections."""

    async def scenario(lab: Lab) -> int:
        limits = httpx.Limits(max_connections=10)
        async with uvicorn_on(lab, http=http), httpx.AsyncClient(base_url="http://server", limits=limits) as client:
            answers = await asyncio.gather(*(client.post("/", content=BODY) for _ in range(20)))
            assert all(answer.content == BODY for answer in answers)
            return lab.client.stack.counters["ActiveOpens"]

    return scenario


async def upgrade(lab: Lab) -> tuple[str, float]:
    async with uvicorn_on(lab, ws="websockets-sansio"), connect("ws://server/", ping_interval=None) as chat:
        await chat.send("quietly")
        answer = await chat.recv()
        assert isinstance(answer, str)
        lab.partition()
        began = lab.now
        with pytest.raises(websockets.ConnectionClosedError):
            async with asyncio.timeout(120):
                await chat.ping()
                await chat.close()
                await chat.recv()
        lab.heal()
        return answer, lab.now - began


async def secured(lab: Lab) -> bool:
    options = {"port": 443, "ssl_context_factory": lambda config, default: for_server()}
    async with uvicorn_on(lab, **options), httpx.AsyncClient(base_url="https://server", verify=for_client()) as client:
        answer = await client.post("/", content=BODY)
        return answer.content == BODY


@pytest.mark.parametrize("http", ["h11", "httptools"])
def test_a_pooled_connection_is_used_again_until_the_server_gives_it_up(http: str) -> None:
    # ARP both ways, the handshake and the request; only the request, twice; the handshake and the request.
    assert play(keep_alive(http)) == pytest.approx([0.16, 0.04, 0.04, 0.08], abs=1e-5)


@pytest.mark.parametrize("http", ["h11", "httptools"])
def test_more_requests_than_connections_wait_for_their_turn(http: str) -> None:
    assert play(at_once(http)) == 10


def test_a_websocket_is_upgraded_to() -> None:
    answer, waited = play(upgrade)
    assert answer == "QUIETLY"
    assert waited == pytest.approx(10, abs=1e-6)  # As long as websockets waits for the closing frame.


def test_a_request_over_tls_is_answered() -> None:
    assert play_secretly(secured)
