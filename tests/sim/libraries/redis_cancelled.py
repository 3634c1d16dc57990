"""What a redis-py client hears after one of its commands was cancelled (issue 2665 of redis-py); prints it as JSON.

Runs with whichever redis-py comes first on the path, over a fake server in a simulated network.
"""

import asyncio
import json
from importlib import metadata

import redis.asyncio as redis

from tests.sim.libraries.fakes.redis import Redis
from tests.sim.libraries.world import Lab, record


async def cancelled(lab: Lab) -> list[str]:
    """Asks for one key, is cancelled while the answer is on its way, then asks for two others."""
    server = Redis()
    await lab.serve(server.start())
    client = redis.Redis(host="server")
    for name in ("first", "second", "third"):
        await client.set(name, name)
    asking = asyncio.create_task(client.get("first"))
    await asyncio.sleep(0.03)  # The question takes 20 ms, and the answer as much.
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    answers = [(await client.get(name)).decode() for name in ("second", "third")]
    await (client.aclose if hasattr(client, "aclose") else client.close)()
    return answers


if __name__ == "__main__":
    print(json.dumps({"version": metadata.version("redis"), "answers": record(cancelled)[0]}))
