"""One scenario of every library that talks in plaintext; prints the digest of what crossed the cable in each, as JSON.

python -m tests.sim.libraries.digests
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from tests.sim.libraries import (
    test_aiohttp,
    test_aiomysql,
    test_aiosmtplib,
    test_anyio,
    test_asyncio,
    test_asyncpg,
    test_dnspython,
    test_grpclib,
    test_hypercorn,
    test_nats,
    test_pymongo,
    test_redis,
    test_starlette,
    test_tornado,
    test_uvicorn,
    test_websockets,
)
from tests.sim.libraries.world import Scenario, record

SCENARIOS: Mapping[str, Scenario[Any]] = {
    "aiohttp": test_aiohttp.heartbeat,
    "aiomysql": test_aiomysql.pool,
    "aiosmtplib": test_aiosmtplib.mail,
    "anyio": test_anyio.conversation,
    "asyncio": test_asyncio.file,
    "asyncpg": test_asyncpg.pool,
    "dnspython": test_dnspython.question(deaf=1),
    "grpclib": test_grpclib.calls,
    "hypercorn": test_hypercorn.hypercorn,
    "nats": test_nats.requests,
    "pymongo": test_pymongo.pool,
    "quart": test_hypercorn.quart,
    "redis": test_redis.pool,
    "starlette": test_starlette.requests,
    "tornado": test_tornado.requests,
    "uvicorn with h11": test_uvicorn.keep_alive("h11"),
    "uvicorn with httptools": test_uvicorn.keep_alive("httptools"),
    "uvicorn with websockets": test_uvicorn.upgrade,
    "websockets": test_websockets.partitioned,
}


def digests() -> dict[str, str]:
    """SHA-256 of each capture, times and octets."""
    return {name: hashlib.sha256(record(scenario)[1]).hexdigest() for name, scenario in SCENARIOS.items()}


if __name__ == "__main__":
    print(json.dumps(digests()))
