import asyncio

import pytest

from halfopen.sim.host import SimHost
from halfopen.sim.network import Network
from halfopen.wire.packet import Packet


async def received(host: SimHost, name: str) -> int:
    """How many of three answers came."""
    return (await host.ping(name)).received


def test_nothing_passes_between_parted_hosts_and_all_else_does() -> None:
    with Network() as network:
        a, b, c = (network.host(name) for name in "abc")

        async def main() -> list[int]:
            network.partition(a, b)
            counts = [await received(a, "b"), await received(b, "a"), await received(a, "c"), await received(c, "b")]
            network.heal(a, b)
            return [*counts, await received(a, "b")]

        assert network.run(main()) == [0, 0, 3, 3, 3]


def test_a_partition_of_one_way_lets_the_other_through() -> None:
    with Network() as network:
        a, b = network.host("a"), network.host("b")
        link = network.link(a, b)

        async def main() -> None:
            assert await received(a, "b") == 3
            before = b.stack.counters["IcmpOutEchoReps"], a.stack.counters["IcmpOutEchoReps"]
            network.partition(a, b, oneway=True)
            assert await received(a, "b") == 0
            assert await received(b, "a") == 0
            assert b.stack.counters["IcmpOutEchoReps"] == before[0]
            assert a.stack.counters["IcmpOutEchoReps"] == before[1] + 3

        network.run(main())
        assert link.counters["CableRuleDropped"] > 5


def test_a_partition_holds_through_routers_and_a_nat() -> None:
    with Network() as network:
        inside, nat, router, web, other = (
            network.host("inside"),
            network.nat("nat"),
            network.router("router"),
            network.host("web"),
            network.host("other"),
        )
        for pair in ((inside, nat), (nat, router), (router, web), (router, other)):
            network.link(*pair)

        async def main() -> list[int]:
            network.partition(web, inside, oneway=True)
            counts = [await received(inside, "web"), await received(inside, "other")]
            network.heal(inside, web)
            return [*counts, await received(inside, "web")]

        assert network.run(main()) == [0, 3, 3]


def test_a_connection_survives_a_partition_that_heals_in_time() -> None:
    with Network() as network:
        a, b = network.host("a"), network.host("b")

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(await reader.read(5))
            writer.close()

        async def program() -> bytes:
            reader, writer = await asyncio.open_connection("b", 7)
            network.partition(a, b)
            network.at(network.elapsed + 20, lambda: network.heal(a, b))
            writer.write(b"hello")
            try:
                return await reader.read()
            finally:
                writer.close()

        async def main() -> bytes:
            await b.run(asyncio.start_server(answer, None, 7))
            return await a.run(program())

        assert network.run(main()) == b"hello"
        assert 20 < network.elapsed < 45


def test_parting_twice_and_healing_what_is_whole_are_harmless() -> None:
    with Network() as network:
        a, b = network.host("a"), network.host("b")
        link = network.link(a, b)
        network.heal(a, b)
        for _ in range(2):
            network.partition(a, b)
        assert [repr(rule.rule) for rule in link.rules.installed] == ["partition(a > b)", "partition(b > a)"]
        network.heal(b, a)
        assert link.rules.installed == []


def test_what_is_neither_ip_nor_arp_passes_a_partition() -> None:
    with Network() as network:
        a, b = network.host("a"), network.host("b")
        link = network.link(a, b)
        network.partition(a, b)
        link.ends[0].send(Packet(b"\xff" * 6 + b"\2" * 6 + b"\x88\xb5" + bytes(50)), network.loop.scheduler.now)
        network.run(asyncio.sleep(1))
        assert b.stack.counters["EthernetUnknownType"] == 1


@pytest.mark.filterwarnings("error")
def test_a_partition_that_nothing_has_met_is_no_mistake() -> None:
    with Network() as network:
        a, b = network.host("a"), network.host("b")
        network.link(a, b)
        network.partition(a, b)
        network.run(asyncio.sleep(1))
