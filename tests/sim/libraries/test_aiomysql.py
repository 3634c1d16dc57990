import asyncio

import aiomysql
import pytest

from tests.sim.libraries.fakes.mysql import Mysql
from tests.sim.libraries.world import Lab, play


async def pool(lab: Lab) -> tuple[list[str], int]:
    await lab.serve(Mysql().start())

    async def ask(word: str) -> str:
        async with pool.acquire() as connection, connection.cursor() as cursor:
            await cursor.execute("SELECT %s", (word,))
            (answer,) = await cursor.fetchone()
            return answer

    async with aiomysql.create_pool(host="server", user="a", db="b", minsize=1, maxsize=3) as pool:
        answers = await asyncio.gather(*(ask(f"word {number}") for number in range(9)))
    return answers, lab.client.stack.counters["ActiveOpens"]


async def transaction(lab: Lab) -> tuple[list[str], float]:
    server = Mysql()
    await lab.serve(server.start())
    connection = await aiomysql.connect(host="server", user="a", db="b")
    await connection.ping()
    began = lab.now
    await connection.begin()
    async with connection.cursor() as cursor:
        await cursor.execute("INSERT INTO words VALUES (%s)", ("one",))
    await connection.commit()
    took = lab.now - began
    await connection.ensure_closed()
    return server.log, took


async def power_cut(lab: Lab) -> float:
    await lab.serve(Mysql().start())
    connection = await aiomysql.connect(host="server", user="a", db="b")
    lab.server.power_off()
    began = lab.now
    with pytest.raises(aiomysql.OperationalError, match="Lost connection"):
        async with connection.cursor() as cursor:
            await cursor.execute("SELECT 'anything'")
    connection.close()
    return lab.now - began


def test_a_pool_shares_three_connections() -> None:
    answers, connections = play(pool)
    assert answers == [f"word {number}" for number in range(9)]
    assert connections == 3


def test_a_transaction_takes_three_round_trips() -> None:
    statements, took = play(transaction)
    assert statements[-3:] == ["BEGIN", "INSERT INTO words VALUES ('one')", "COMMIT"]
    assert took == pytest.approx(0.12, abs=1e-4)


def test_without_a_timeout_a_query_to_a_server_without_power_waits_for_tcp() -> None:
    # The time of 15 retransmissions from 200 ms on (Linux's tcp_retries2), and until the next timer after that.
    assert 924.6 < play(power_cut) < 924.6 + 120
