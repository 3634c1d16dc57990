import asyncio
import io

from halfopen.capture.pcapng import Reader
from halfopen.sim.rules import drop
from halfopen.wire.checksum import ones_sum
from tests.sim.world import echo, serve, swallow, two_hosts


def captured(words: str = "delay 20ms") -> Reader:
    file = io.BytesIO()
    with two_hosts(words) as world:
        world.network.capture(file)

        async def program() -> None:
            reader, writer = await asyncio.open_connection("server", 7)
            writer.write(b"hello")
            writer.write_eof()
            assert await reader.read() == b"hello"
            writer.close()
            await writer.wait_closed()

        async def main() -> None:
            await world.server.run(serve(echo))
            await world.client.run(program())

        world.run(main)
    file.seek(0)
    return Reader(file)


def test_each_packet_is_seen_at_both_ends_a_delay_apart() -> None:
    reader = captured()
    records = list(reader)
    sent = [record for record in records if record.direction == "outbound"]
    received = [record for record in records if record.direction == "inbound"]
    assert len(sent) > len(received) >= 10  # What was on its way at the end has not arrived.
    for before, after in zip(sent, received, strict=False):
        assert after.when - before.when == 20_000_000
        assert after.octets == before.octets
        assert after.interface.name != before.interface.name
    assert {record.interface.name for record in records} == {"client.eth0", "server.eth0"}
    assert reader.names == {b"\xc0\0\2\1": "client", b"\xc0\0\2\2": "server"}
    assert min(record.when for record in records) == 1_767_225_600 * 10**9


def test_checksums_are_complete() -> None:
    segments = [record.octets for record in captured() if record.octets[12:14] == b"\x08\0"]
    assert segments
    for octets in segments:
        segment = octets[34:]
        pseudo = octets[26:34] + b"\0\6" + len(segment).to_bytes(2, "big")
        assert ones_sum(pseudo + segment + bytes(len(segment) & 1)) == 0xFFFF


def test_comments_say_what_the_network_has_done_to_a_packet_and_when_on_its_way_then_under_the_cables_name() -> None:
    file = io.BytesIO()
    with two_hosts("rate 1mbit codel") as world:
        world.network.capture(file)
        rule = world.cable.rule(drop(syn=True, first=1))

        async def main() -> None:
            await world.server.run(serve(swallow))
            await world.client.run(upload())

        async def upload() -> None:
            _, writer = await asyncio.open_connection("server", 7)
            writer.write(bytes(500_000))
            await asyncio.sleep(3)
            writer.close()

        world.run(main)
        assert rule.matched == 1
    file.seek(0)
    records = list(Reader(file))
    dropped = [record for record in records if record.comment == "dropped by link client-server, rule 1"]
    assert [(record.interface.name, record.direction) for record in dropped] == [("client.eth0", "outbound")]
    late = [record for record in records if record.comment == "dropped by codel of client-server"]
    assert len(late) == world.cable.counters["CableDropped"] > 0
    assert {(record.interface.name, record.direction) for record in late} == {("client-server", None)}
