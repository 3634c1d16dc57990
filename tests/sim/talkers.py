"""Programs that send what they should not know: the date, random masks and ids, the process, the host.

python -m tests.sim.talkers SEED
"""

import asyncio
import datetime
import hashlib
import io
import os
import random
import secrets
import socket
import sys
import time
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import bson
import httpx
import uvicorn
from aiohttp import web

from halfopen.sim.host import SimHost
from halfopen.sim.network import Network

Talk = Callable[[SimHost, SimHost], Coroutine[Any, Any, Any]]


async def streams(client: SimHost, server: SimHost) -> str:
    """All that a process knows of the world, in one line."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readline())
        writer.close()

    async def ask() -> str:
        reader, writer = await asyncio.open_connection("server", 7)
        known = [time.time(), time.monotonic(), time.ctime(), datetime.datetime.now(), datetime.date.today()]
        known += [random.random(), random.Random().random(), os.urandom(4), secrets.token_hex(4), os.getpid()]
        known += [
            uuid.uuid4(),
            uuid.uuid1(),
            bson.ObjectId(),
            socket.gethostname(),
        ]
        writer.write(repr(known).encode() + b"\n")
        line = await reader.readline()
        writer.close()
        return line.decode()

    listening = await server.run(asyncio.start_server(answer, port=7))
    async with listening:
        return await client.run(ask())


async def aiohttp_chat(client: SimHost, server: SimHost) -> tuple[str, str]:
    """A page with its date, and a websocket whose client masks what it sends."""

    async def page(request: web.Request) -> web.Response:
        return web.Response(text=str(uuid.uuid4()))

    async def chat(request: web.Request) -> web.WebSocketResponse:
        channel = web.WebSocketResponse()
        await channel.prepare(request)
        async for message in channel:
            await channel.send_str(message.data.upper())
        return channel

    async def serve() -> web.AppRunner:
        app = web.Application()
        app.add_routes([web.get("/", page), web.get("/chat", chat)])
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "server", 80).start()
        return runner

    async def browse() -> tuple[str, str]:
        async with aiohttp.ClientSession("http://server") as session:
            async with session.get("/") as response:
                date = response.headers["Date"]
            async with session.ws_connect("/chat") as channel:
                await channel.send_str("hello")
                return date, (await channel.receive()).data

    runner = await server.run(serve())
    try:
        return await client.run(browse())
    finally:
        await server.run(runner.cleanup())


async def uvicorn_page(client: SimHost, server: SimHost) -> tuple[str, str]:
    """A page with its date, and the name of the host that served it."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        body = f"{socket.gethostname()} {uuid.uuid4()}".encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x-time", str(time.time()).encode())]})
        await send({"type": "http.response.body", "body": body})

    async def browse() -> tuple[str, str]:
        async with httpx.AsyncClient() as browser:
            response = await browser.get("http://server/")
            return response.headers["date"], response.text.split()[0]

    async with serving(server, app):
        return await client.run(browse())


@asynccontextmanager
async def serving(host: SimHost, app: Any) -> AsyncIterator[None]:
    """uvicorn, for as long as the block runs; it is ended by SIGTERM."""
    program = uvicorn.Server(uvicorn.Config(app, host="0.0.0.0", port=80, lifespan="off", log_config=None))
    task = host.run(program.serve())
    while not program.started:
        await asyncio.sleep(0.01)
    yield
    host.signal(15)
    await task


TALKS: dict[str, Talk] = {"streams": streams, "aiohttp": aiohttp_chat, "uvicorn": uvicorn_page}


def talk(name: str, seed: int | str) -> tuple[Any, bytes]:
    """What a talk returns, and its capture."""
    file = io.BytesIO()
    with Network(seed, isolated=True) as network:
        client, server = network.host("client"), network.host("server")
        network.link(client, server, "delay 10ms")
        network.capture(file)
        result = network.run(TALKS[name](client, server))
    return result, file.getvalue()


def digests(seed: str) -> list[str]:
    """SHA-256 of the capture of each."""
    return [hashlib.sha256(talk(name, seed)[1]).hexdigest() for name in TALKS]


if __name__ == "__main__":
    print(*digests(sys.argv[1]))
