import asyncio

import pytest
import redis.asyncio as redis
from redis.asyncio.retry import Retry
from redis.backoff import ConstantBackoff

from tests.sim.libraries.fakes.redis import Redis
from tests.sim.libraries.world import Lab, certificate, for_server, play, play_secretly


async def pool(lab: Lab) -> tuple[list[int], int]:
    await lab.serve(Redis().start())
    client = redis.Redis(host="server", max_connections=5)
    numbers = await asyncio.gather(*(client.incr("visits") for _ in range(5)))
    await client.incr("visits")
    await client.aclose()
    return sorted(numbers), lab.client.stack.counters["ActiveOpens"]


async def pipeline(lab: Lab) -> tuple[list[object], float]:
    await lab.serve(Redis().start())
    async with redis.Redis(host="server") as client:
        await client.ping()
        began = lab.now
        async with client.pipeline(transaction=True) as commands:
            for number in range(100):
                commands.set(f"key {number}", number)
            commands.get("key 99")
            answers = await commands.execute()
        return answers[-1:], lab.now - began


async def health(lab: Lab) -> list[str]:
    server = Redis()
    await lab.serve(server.start())
    async with redis.Redis(host="server", health_check_interval=30) as client:
        await client.set("key", "value")
        for pause in (10, 40):
            await asyncio.sleep(pause)
            assert await client.get("key") == b"value"
    return [name for name in server.log if name not in ("HELLO", "CLIENT")]


async def power_cut(lab: Lab) -> tuple[float, bytes | None]:
    await lab.serve(Redis().start())
    retry = Retry(ConstantBackoff(1), 2)
    client = redis.Redis(host="server", socket_timeout=5, retry=retry)
    await client.set("key", "value")
    lab.partition()
    began = lab.now
    with pytest.raises(redis.TimeoutError):
        await client.get("key")
    waited = lab.now - began
    lab.heal()
    answer = await client.get("key")
    await client.aclose()
    return waited, answer


async def keep_alive(lab: Lab) -> float:
    await lab.serve(Redis().start())
    client = redis.Redis(host="server", socket_timeout=None, retry=Retry(ConstantBackoff(1), 0))
    asyncio.get_running_loop().call_later(10, lab.server.power_off)
    with pytest.raises(redis.TimeoutError):
        await client.blpop("queue", timeout=0)
    await client.aclose()
    return lab.now


async def secured(lab: Lab) -> bytes | None:
    await lab.serve(Redis().start(for_server()))
    async with redis.Redis(host="server", ssl=True, ssl_ca_data=certificate()) as client:
        await client.set("key", b"value" * 10_000)
        return await client.get("key")


def test_a_pool_has_a_connection_for_each_command_at_once() -> None:
    assert play(pool) == ([1, 2, 3, 4, 5], 5)


def test_a_pipeline_takes_one_round_trip() -> None:
    answers, took = play(pipeline)
    assert answers == [b"99"]
    assert took == pytest.approx(0.04, abs=1e-4)


def test_the_health_check_pings_what_has_been_idle() -> None:
    assert play(health) == ["PING", "SET", "GET", "PING", "GET"]


def test_a_command_is_tried_again_and_then_given_up() -> None:
    waited, answer = play(power_cut)
    # Three times 5 s for the answer or the handshake, and twice 1 s in between.
    assert waited == pytest.approx(17, abs=1e-6)
    assert answer == b"value"


def test_keep_alive_finds_the_server_without_power() -> None:
    # redis-py asks for it by itself: the first probe after 30 s, three of them 5 s apart. The last ACK came at 0.32 s.
    assert play(keep_alive) == pytest.approx(0.32 + 30 + 3 * 5, abs=1e-4)


def test_commands_over_tls() -> None:
    assert play_secretly(secured) == b"value" * 10_000
