"""ASGI servers, and an application for them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import uvicorn

from tests.sim.libraries.world import Lab

Application = Callable[..., Awaitable[None]]


async def echo(scope: dict[str, Any], receive: Callable[[], Any], send: Callable[[Any], Any]) -> None:
    """Answers with the body of the request; websockets with what they are sent, in capitals."""
    if scope["type"] == "websocket":
        await _chat(receive, send)
    elif scope["type"] == "http":
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        length = str(len(body)).encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]})
        await send({"type": "http.response.body", "body": body})


async def _chat(receive: Callable[[], Any], send: Callable[[Any], Any]) -> None:
    assert (await receive())["type"] == "websocket.connect"
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message["text"].upper()})


@asynccontextmanager
async def uvicorn_on(lab: Lab, application: Any = echo, **options: Any) -> AsyncIterator[uvicorn.Server]:
    """Uvicorn on the server's port 80, or 443 with ``ssl_context_factory``."""
    options = {"host": "0.0.0.0", "port": 80, "lifespan": "off", "log_config": None, **options}
    server = uvicorn.Server(uvicorn.Config(application, **options))
    serving = lab.serve(server.serve())
    while not server.started and not serving.done():
        await asyncio.sleep(0.01)
    yield server
    server.should_exit = True
    await serving


async def times_of_requests(lab: Lab, client: httpx.AsyncClient, pauses: tuple[float, ...]) -> list[float]:
    """How long a request takes after each of the pauses."""
    times = []
    for pause in pauses:
        await asyncio.sleep(pause)
        began = lab.now
        response = await client.post("/", content=b"hello")
        assert response.content == b"hello"
        times.append(round(lab.now - began, 6))
    return times
