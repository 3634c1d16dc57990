"""A cancelled command: redis-py 4.5.3 took its late answer for the next command's; later releases do not."""

import asyncio
from importlib.metadata import version

import redis.asyncio as redis

from halfopen.sim.network import Network


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while line := await reader.readline():
        words = [await reader.readexactly(int((await reader.readline())[1:]) + 2) for _ in range(int(line[1:]))]
        hello = b"%1\r\n+proto\r\n:3\r\n"
        writer.write({b"GET\r\n": b"+" + words[-1], b"HELLO\r\n": hello}.get(words[0], b"+OK\r\n"))


async def client() -> list[str]:
    server = redis.Redis(host="server")
    await server.get("zeroth")
    asking = asyncio.create_task(server.get("first"))
    await asyncio.sleep(0.03)
    asking.cancel()
    await asyncio.wait([asking])
    return [(await server.get(key)).decode() for key in ("second", "third")]


async def main() -> None:
    await net.hosts["server"].run(asyncio.start_server(answer, port=6379))
    answers = await net.hosts["client"].run(client())
    print(f"redis-py {version('redis')}: asked for second and third, got {' and '.join(answers)}")


with Network(seed=1) as net:
    net.link(net.host("client"), net.host("server"), "delay 20ms")
    net.run(main())
