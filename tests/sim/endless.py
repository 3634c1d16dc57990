"""A run that only Ctrl-C ends; says when it is well under way.

python -m tests.sim.endless CAPTURE yields|spins
"""

import asyncio
import sys

from halfopen.sim.network import Network
from tests.sim.world import echo, serve


async def talk(spins: bool) -> None:
    """An exchange without end, or one that stops in the middle and computes for ever."""
    reader, writer = await asyncio.open_connection("server", 7)
    exchanges = 0
    while True:
        writer.write(b"hello")
        assert await reader.read(5) == b"hello"
        exchanges += 1
        if exchanges == 100:
            print("running", flush=True)
            while spins:
                pass


def run(path: str, spins: bool) -> None:
    """Two hosts, captured to ``path``."""
    with open(path, "wb") as file, Network(seed=1) as network:
        client, server = network.host("client"), network.host("server")
        network.link(client, server, "delay 1ms")
        network.capture(file)

        async def main() -> None:
            await server.run(serve(echo))
            await client.run(talk(spins))

        network.run(main())


if __name__ == "__main__":
    run(sys.argv[1], sys.argv[2] == "spins")
