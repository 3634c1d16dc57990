import asyncio

import pytest
from google.protobuf.wrappers_pb2 import StringValue
from grpclib.client import Channel, UnaryStreamMethod, UnaryUnaryMethod
from grpclib.config import Configuration
from grpclib.const import Cardinality, Handler
from grpclib.exceptions import GRPCError, StreamTerminatedError
from grpclib.server import Server, Stream

from tests.sim.libraries.world import Lab, play


class Shouting:
    """One method that answers, one that answers with each word on its own, one that thinks for an hour."""

    async def shout(self, stream: Stream[StringValue, StringValue]) -> None:
        request = await stream.recv_message()
        assert request is not None
        await stream.send_message(StringValue(value=request.value.upper()))

    async def words(self, stream: Stream[StringValue, StringValue]) -> None:
        request = await stream.recv_message()
        assert request is not None
        for word in request.value.split():
            await asyncio.sleep(1)
            await stream.send_message(StringValue(value=word))

    async def think(self, stream: Stream[StringValue, StringValue]) -> None:
        await asyncio.sleep(3600)

    def __mapping__(self) -> dict[str, Handler]:
        one, many = Cardinality.UNARY_UNARY, Cardinality.UNARY_STREAM
        methods = {"/S/Shout": (self.shout, one), "/S/Words": (self.words, many), "/S/Think": (self.think, one)}
        return {path: Handler(*method, StringValue, StringValue) for path, method in methods.items()}


async def start() -> Server:
    server = Server([Shouting()])
    await server.start(None, 50051)
    return server


async def calls(lab: Lab) -> tuple[list[str], int]:
    await lab.serve(start())
    async with Channel("server", 50051) as channel:
        shout = UnaryUnaryMethod(channel, "/S/Shout", StringValue, StringValue)
        answers = await asyncio.gather(*(shout(StringValue(value=f"call {number}")) for number in range(20)))
    return [answer.value for answer in answers], lab.client.stack.counters["ActiveOpens"]


async def stream(lab: Lab) -> list[tuple[str, float]]:
    await lab.serve(start())
    async with Channel("server", 50051) as channel:
        words = UnaryStreamMethod(channel, "/S/Words", StringValue, StringValue)
        async with words.open() as call:
            await call.send_message(StringValue(value="one two three"), end=True)
            began = lab.now
            return [(word.value, round(lab.now - began, 3)) async for word in call]


async def deadline(lab: Lab) -> float:
    await lab.serve(start())
    async with Channel("server", 50051) as channel:
        think = UnaryUnaryMethod(channel, "/S/Think", StringValue, StringValue)
        with pytest.raises(GRPCError, match="DEADLINE_EXCEEDED"):
            await think(StringValue(), timeout=30)
        return lab.now


async def keep_alive(lab: Lab) -> float:
    await lab.serve(start())
    config = Configuration(_keepalive_time=10, _keepalive_timeout=20)
    async with Channel("server", 50051, config=config) as channel:
        shout = UnaryUnaryMethod(channel, "/S/Shout", StringValue, StringValue)
        think = UnaryUnaryMethod(channel, "/S/Think", StringValue, StringValue)
        await shout(StringValue(value="hello"))
        lab.server.power_off()
        began = lab.now
        with pytest.raises(StreamTerminatedError):
            await think(StringValue())
        return lab.now - began


def test_twenty_calls_share_one_connection() -> None:
    answers, connections = play(calls)
    assert answers == [f"CALL {number}" for number in range(20)]
    assert connections == 1


def test_a_stream_of_answers_arrives_one_by_one() -> None:
    assert play(stream) == [("one", 1.04), ("two", 2.04), ("three", 3.04)]


def test_a_deadline_ends_a_call() -> None:
    # The server is told whole seconds, 29 of 29.88, and is asked at 0.14 s; its answer comes first.
    assert play(deadline) == pytest.approx(29.16, abs=1e-3)


def test_keep_alive_finds_the_server_without_power() -> None:
    # A ping 10 s after the first request and 20 s for its answer; the answer to the first took 40 ms.
    assert play(keep_alive) == pytest.approx(29.96, abs=1e-6)
