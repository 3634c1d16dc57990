import asyncio
import itertools
import ssl

import asyncpg
import pytest
from asyncpg import connection

from tests.sim.libraries.fakes.postgres import Postgres
from tests.sim.libraries.world import Lab, for_client, for_server, play, play_secretly


async def connect(lab: Lab, context: ssl.SSLContext | bool = False) -> asyncpg.Connection:
    connection._uid = 0  # noqa: SLF001  # the names of statements go on counting from run to run
    return await asyncpg.connect(host="server", user="a", database="b", ssl=context, command_timeout=60)


async def prepared(lab: Lab) -> tuple[list[str], list[float]]:
    await lab.serve(Postgres().start())
    session = await connect(lab)
    answers, times = [], [lab.now]
    for word in ("one", "two"):
        answers.append(await session.fetchval("select upper($1)", word))
        times.append(lab.now)
    await session.close()
    return answers, [round(end - begin, 6) for begin, end in itertools.pairwise(times)]


async def pool(lab: Lab) -> tuple[list[str], int, int]:
    server = Postgres()
    await lab.serve(server.start())
    connection._uid = 0  # noqa: SLF001  # as above
    async with asyncpg.create_pool(host="server", user="a", database="b", ssl=False, min_size=2, max_size=4) as pool:
        words = [f"word {number}" for number in range(12)]
        answers = await asyncio.gather(*(pool.fetchval("select upper($1)", word) for word in words))
    return answers, lab.client.stack.counters["ActiveOpens"], len(server.log)


async def power_cut(lab: Lab) -> float:
    await lab.serve(Postgres().start())
    session = await connect(lab)
    assert await session.fetchval("select upper($1)", "warm") == "WARM"
    lab.server.power_off()
    began = lab.now
    with pytest.raises(TimeoutError):
        await session.fetchval("select upper($1)", "cold")
    waited = lab.now - began
    session.terminate()
    return waited


async def secured(lab: Lab) -> str:
    await lab.serve(Postgres(for_server()).start())
    session = await connect(lab, for_client())
    answer = await session.fetchval("select upper($1)", "secret " * 10_000)
    await session.close()
    return answer


def test_a_statement_is_prepared_once() -> None:
    answers, times = play(prepared)
    assert answers == ["ONE", "TWO"]
    # Parse and bind take a round trip each; the second time it is prepared already.
    assert times == pytest.approx([0.08, 0.04], abs=1e-4)


def test_a_pool_shares_four_connections_and_resets_them() -> None:
    answers, connections, resets = play(pool)
    assert answers[-1] == "WORD 11"
    assert (connections, resets) == (4, 12)


def test_a_command_to_a_server_without_power_times_out() -> None:
    assert play(power_cut) == pytest.approx(60, abs=1e-6)


def test_a_connection_is_upgraded_to_tls() -> None:
    assert play_secretly(secured) == "SECRET " * 10_000
