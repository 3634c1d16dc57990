from collections.abc import Mapping
from typing import Any

import pytest

from tests.sim.libraries import (
    test_aiohttp,
    test_aiomysql,
    test_anyio,
    test_asyncio,
    test_asyncpg,
    test_grpclib,
    test_pymongo,
    test_redis,
    test_uvicorn,
)
from tests.sim.libraries.world import Lab, Scenario, record

WORDS = "delay 20ms 5ms loss 3% duplicate 1% reorder 1% corrupt 1% rate 20mbit"

SCENARIOS: Mapping[str, Scenario[Any]] = {
    "aiohttp": test_aiohttp.megabyte,
    "aiomysql": test_aiomysql.pool,
    "anyio": test_anyio.whole,
    "asyncio": test_asyncio.file,
    "asyncpg": test_asyncpg.pool,
    "grpclib": test_grpclib.calls,
    "pymongo": test_pymongo.documents,
    "redis": test_redis.pool,
    "uvicorn": test_uvicorn.at_once("httptools"),
}
"""Those whose results tell no times."""


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_bad_link_changes_when_but_not_what(name: str) -> None:
    seen: list[int] = []

    async def scenario(lab: Lab) -> Any:
        result = await SCENARIOS[name](lab)
        seen.append(lab.cable.counters["CableLost"] + lab.cable.counters["CableCorrupted"])
        return result

    assert record(scenario, WORDS)[0] == record(scenario)[0]
    lost_on_the_bad_link, lost_on_the_good_link = seen
    assert lost_on_the_bad_link > 0
    assert lost_on_the_good_link == 0
