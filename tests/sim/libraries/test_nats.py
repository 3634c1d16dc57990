import asyncio

import nats
import pytest
from nats.aio.msg import Msg

from tests.sim.libraries.fakes.nats import Nats
from tests.sim.libraries.world import Lab, play


async def requests(lab: Lab) -> tuple[list[bytes], float]:
    await lab.serve(Nats().start())
    worker = await nats.connect("nats://server:4222")
    client = await nats.connect("nats://server:4222")

    async def shout(message: Msg) -> None:
        await message.respond(message.data.upper())

    await worker.subscribe("shout", cb=shout)
    await worker.flush()
    began = lab.now
    answers = [(await client.request("shout", word)).data for word in (b"one", b"two")]
    took = lab.now - began
    await client.close()
    await worker.close()
    return answers, took


async def power_cut(lab: Lab) -> float:
    await lab.serve(Nats().start())
    lost = asyncio.Event()

    async def on_lost() -> None:
        lost.set()

    client = await nats.connect(
        "nats://server:4222", ping_interval=20, max_outstanding_pings=2, disconnected_cb=on_lost
    )
    lab.server.power_off()
    began = lab.now
    await lost.wait()
    waited = lab.now - began
    await client.close()
    return waited


def test_a_request_is_answered_through_the_server() -> None:
    answers, took = play(requests)
    assert answers == [b"ONE", b"TWO"]
    # From the client over the server to the worker and all the way back: twice 80 ms.
    assert took == pytest.approx(0.16, abs=1e-3)


def test_pings_find_the_server_without_power() -> None:
    assert play(power_cut) == pytest.approx(60, abs=1e-3)
