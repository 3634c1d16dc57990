"""An unmodified aiohttp service and its client over a bad line: what a test of retries and timeouts looks like."""

import asyncio

import aiohttp
from aiohttp import web

from halfopen.sim.network import Network


async def serve() -> None:
    app = web.Application()
    app.router.add_get("/", lambda request: asyncio.sleep(0.5, web.Response(text="hello")))
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, port=80).start()


async def browse() -> None:
    async with aiohttp.ClientSession() as session:
        for _ in range(3):
            began = net.elapsed
            async with session.get("http://server/") as response:
                print(f"{response.status} {await response.text()} after {net.elapsed - began:.3f} s")


async def main() -> None:
    await net.hosts["server"].run(serve())
    await net.hosts["client"].run(browse())


with Network(seed=3) as net:
    net.link(net.host("client"), net.host("server"), "delay 50ms 5ms loss 5%")
    net.run(main())
