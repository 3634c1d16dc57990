import asyncio

import pymongo
import pymongo.errors
import pytest

from tests.sim.libraries.fakes.mongo import Mongo
from tests.sim.libraries.world import Lab, play


async def documents(lab: Lab) -> tuple[list[int], list[str]]:
    server = Mongo()
    await lab.serve(server.start())
    async with pymongo.AsyncMongoClient("server") as client:
        things = client["b"]["things"]
        await things.insert_many({"number": number, "even": number % 2 == 0} for number in range(10))
        found = [thing["number"] async for thing in things.find({"even": True})]
    return found, server.log


async def pool(lab: Lab) -> int:
    server = Mongo()
    await lab.serve(server.start())
    async with pymongo.AsyncMongoClient("server", maxPoolSize=4) as client:
        things = client["b"]["things"]
        await asyncio.gather(*(things.insert_one({"number": number}) for number in range(12)))
        await asyncio.sleep(60)
        return len(server.collections["things"])


async def power_cut(lab: Lab) -> float:
    await lab.serve(Mongo().start())
    client = pymongo.AsyncMongoClient("server", socketTimeoutMS=20_000, retryReads=False)
    await client["b"]["things"].find_one({})
    lab.server.power_off()
    began = lab.now
    with pytest.raises(pymongo.errors.NetworkTimeout):
        await client["b"]["things"].find_one({})
    waited = lab.now - began
    await client.close()
    return waited


def test_documents_are_inserted_and_found() -> None:
    found, commands = play(documents)
    assert found == [0, 2, 4, 6, 8]
    assert [name for name in commands if name != "endSessions"] == ["insert", "find"]


def test_a_pool_shares_its_connections_and_its_monitor_watches() -> None:
    assert play(pool) == 12


def test_a_question_to_a_server_without_power_times_out() -> None:
    assert play(power_cut) == pytest.approx(20, abs=0.01)
