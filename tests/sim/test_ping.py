import asyncio
import errno

import pytest

from halfopen.base.errors import ConfigError
from halfopen.sim.network import Network
from halfopen.sim.ping import Answer, Echo, PingResult, TraceHop
from tests.sim.world import two_hosts


def test_ping_prints_as_the_tool_does() -> None:
    with two_hosts("delay 20ms") as world:

        async def main() -> PingResult:
            await world.client.ping("server", count=1)
            return await world.client.ping("server", count=2, interval=0.5)

        result = world.run(main)
    assert result.received == 2
    assert result.rtts == (0.04, 0.04)
    assert str(result) == (
        "PING server (192.0.2.2) 56(84) bytes of data.\n"
        "64 bytes from server (192.0.2.2): icmp_seq=1 ttl=64 time=40.0 ms\n"
        "64 bytes from server (192.0.2.2): icmp_seq=2 ttl=64 time=40.0 ms\n"
        "\n"
        "--- server ping statistics ---\n"
        "2 packets transmitted, 2 received, 0% packet loss, time 540ms\n"
        "rtt min/avg/max/mdev = 40.000/40.000/40.000/0.000 ms"
    )


def test_the_first_ping_waits_for_arp() -> None:
    with two_hosts("delay 20ms") as world:

        async def main() -> tuple[float, ...]:
            return (await world.client.ping("server", count=2)).rtts

        # The request waits for an ARP exchange, and so does the reply: the server has not learnt from the request.
        assert world.run(main) == (0.12, 0.04)


def test_pings_at_the_same_time_do_not_mix() -> None:
    with two_hosts("delay 20ms") as world:

        async def main() -> list[int]:
            results = await asyncio.gather(*(world.client.ping("server", count=count) for count in (1, 2, 3)))
            return [result.received for result in results]

        assert world.run(main) == [1, 2, 3]


def test_a_host_can_ping_itself_in_no_time() -> None:
    with two_hosts() as world:

        async def main() -> tuple[float, ...]:
            return (await world.client.ping("client", count=1)).rtts

        assert world.run(main) == (0.0,)


def test_what_is_not_answered_is_lost_and_waited_for() -> None:
    with two_hosts("loss 100%") as world:

        async def main() -> PingResult:
            return await world.client.ping("192.0.2.2", count=1)

        result = world.run(main)
    assert result.loss == 1
    assert "From client (192.0.2.1) icmp_seq=1 Destination Host Unreachable" in str(result)
    assert "1 packets transmitted, 0 received, +1 errors, 100% packet loss, time 3000ms" in str(result)


def test_silence_is_waited_for_ten_seconds() -> None:
    with two_hosts("delay 1ms") as world:

        async def main() -> PingResult:
            await world.client.ping("server", count=1)
            world.server.power_off()
            began = world.elapsed()
            result = await world.client.ping("server", count=1)
            assert 5 < world.elapsed() - began <= 10
            return result

        assert world.run(main).received == 0


def test_no_route_is_an_error_as_of_the_tools() -> None:
    with two_hosts() as world:

        async def main() -> None:
            for asked in (world.client.ping("203.0.113.9"), world.client.traceroute("203.0.113.9")):
                with pytest.raises(OSError, match="Network is unreachable") as raised:
                    await asked
                assert raised.value.errno == errno.ENETUNREACH
            assert world.elapsed() == 0

        world.run(main)


def test_what_cannot_be_sent_is_refused() -> None:
    with two_hosts() as world:

        async def main() -> None:
            with pytest.raises(ConfigError, match="3 requests of 65508 octets: expected 0 or more, of 0 to 65507"):
                await world.client.ping("server", octets=65508)
            with pytest.raises(ConfigError, match="max_hops is from 1 to 255, not 256"):
                await world.client.traceroute("server", max_hops=256)

        world.run(main)


def test_traceroute_names_every_router_on_the_way() -> None:
    with Network(1) as network:
        client, server = network.host("client"), network.host("server")
        r1, r2 = network.router("r1"), network.router("r2")
        for first, second, words in ((client, r1, "delay 5ms"), (r1, r2, "delay 10ms"), (r2, server, "delay 1ms")):
            network.link(first, second, words)

        async def main() -> str:
            assert (await client.ping("server")).received == 3
            result = await client.traceroute("server")
            assert result.is_complete
            assert [hop.name for hop in result.hops] == ["r1", "r2", "server"]
            return str(result)

        lines = network.run(main()).splitlines()
        assert client.stack.udp.sockets() == []
    address = server.address
    assert lines[0] == f"traceroute to server ({address}), 30 hops max, 60 byte packets"
    assert lines[1] == f" 1  r1 ({r1.address})  10.000 ms  10.000 ms  10.000 ms"
    assert lines[3] == f" 3  server ({address})  32.000 ms  32.000 ms  32.000 ms"
    assert len(lines) == 4


def test_a_hop_that_says_nothing_is_stars() -> None:
    with two_hosts("delay 1ms") as world:

        async def main() -> str:
            await world.client.ping("server", count=1)
            world.server.power_off()
            result = await world.client.traceroute("server", max_hops=1)
            assert not result.is_complete
            assert result.hops[0].address is None
            return str(result)

        assert world.run(main).splitlines()[1] == " 1  * * *"


def test_a_host_without_power_cannot_ping() -> None:
    with two_hosts() as world:

        async def main() -> None:
            task = asyncio.ensure_future(world.client.ping("server", count=5))
            await asyncio.sleep(2)
            world.client.power_off()
            with pytest.raises(asyncio.CancelledError):
                await task

        world.run(main)


@pytest.mark.parametrize(
    ("nanoseconds", "text"), [(43_000, "0.043"), (4_050_000, "4.05"), (40_100_000, "40.1"), (401_000_000, "401")]
)
def test_times_have_three_digits(nanoseconds: int, text: str) -> None:
    echo = Echo(sequence=1, kind="reply", source="192.0.2.1", octets=64, ttl=64, rtt=nanoseconds)
    assert str(echo) == f"64 bytes from 192.0.2.1: icmp_seq=1 ttl=64 time={text} ms"


def test_a_hop_with_two_routers_names_both() -> None:
    answers = [Answer(kind="ttl-exceeded", name=name, address=f"192.0.2.{name}", rtt=1_000_000) for name in "112"]
    hop = TraceHop(ttl=7, answers=(*answers[:2], answers[2]))
    assert str(hop) == " 7  1 (192.0.2.1)  1.000 ms  1.000 ms  2 (192.0.2.2)  1.000 ms"
