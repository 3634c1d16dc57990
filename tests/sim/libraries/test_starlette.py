import time

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from tests.sim.libraries.asgi import uvicorn_on
from tests.sim.libraries.world import Lab, play


def plain(request: Request) -> PlainTextResponse:
    """A route that starlette runs in a thread."""
    return PlainTextResponse(f"{request.query_params['word'].upper()} {time.time():.3f}")


async def requests(lab: Lab) -> tuple[list[str], float]:
    application, client = Starlette(routes=[Route("/", plain)]), httpx.AsyncClient(base_url="http://server", timeout=5)
    async with uvicorn_on(lab, application), client:
        answers = [await client.get("/", params={"word": word}) for word in ("one", "two")]
        began = lab.now
        answers.append(await client.get("/", params={"word": "three"}))
        return [answer.text.split()[0] for answer in answers], lab.now - began


def test_a_route_that_is_no_coroutine_runs_at_once() -> None:
    words, took = play(requests)
    assert words == ["ONE", "TWO", "THREE"]
    assert took == pytest.approx(0.04, abs=1e-4)
