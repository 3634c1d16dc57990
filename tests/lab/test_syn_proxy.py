import asyncio
from collections.abc import Awaitable, Callable

import pytest

from halfopen.base.addresses import parse_address
from halfopen.base.rng import SeededRng
from halfopen.lab.crafting import make_segment
from halfopen.lab.places import SERVER
from halfopen.lab.scenario import Settings
from halfopen.lab.syn_proxy import SynProxy
from halfopen.lab.world import Layout, World, packed
from halfopen.sim.cable import CableEnd
from halfopen.stack.config import StackConfig
from halfopen.tcp.config import OptionsConfig, TcpConfig
from halfopen.wire.tcp import SYN

PORT = 80
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def router_ends(world: World) -> list[CableEnd]:
    return [end for cable in world.network.cables for end in cable.ends if end.pump is world.router.sim_pump]


def guarded(world: World) -> SynProxy:
    proxy = SynProxy(world.router, packed(world.server), [PORT], SeededRng("proxy"))
    proxy.install(router_ends(world))
    return proxy


async def serve(world: World, handle: Serve) -> None:
    await world.server.start_server(handle, None, PORT)
    await asyncio.Event().wait()


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(await reader.read())
    writer.close()


async def exchange(text: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(SERVER, PORT)
    writer.write(text)
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    return answer


def play(layout: Layout, story: Callable[[World, SynProxy], Awaitable[bytes]], handle: Serve | None = echo) -> World:
    with World(Settings(seed=3), layout) as world:
        proxy = guarded(world)

        async def main() -> bytes:
            if handle is not None:
                world.server.run(serve(world, handle))
                await asyncio.sleep(0.01)
            return await story(world, proxy)

        world.run(main())
        return world


@pytest.mark.rfc("4987", "4987.8")
def test_a_client_behind_the_proxy_sends_and_receives_as_if_there_were_none() -> None:
    text = bytes(range(256)) * 4000

    async def story(world: World, proxy: SynProxy) -> bytes:
        answer = await world.client.run(exchange(text))
        assert answer == text
        assert proxy.counters["ProxyOpened"] == 1
        return answer

    play(Layout(attacker="none"), story)


def test_numbers_clocks_and_sacks_are_translated_also_under_loss() -> None:
    text = SeededRng("text").octets(300_000)

    async def story(world: World, proxy: SynProxy) -> bytes:
        answers = await asyncio.gather(*[world.client.run(exchange(text)) for _ in range(3)])
        assert answers == [text] * 3
        return answers[0]

    world = play(Layout(attacker="none", words="delay 5ms loss 2%"), story)
    assert world.client.stack.counters["PAWSEstabRejected"] == 0
    assert world.server.stack.counters["PAWSEstabRejected"] == 0
    assert world.server.stack.counters["TCPSackRecovery"] + world.client.stack.counters["TCPSackRecovery"] > 0


def test_a_server_that_speaks_first_is_heard() -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 ready")
        writer.close()

    async def listen() -> bytes:
        reader, writer = await asyncio.open_connection(SERVER, PORT)
        greeting = await reader.read()
        writer.close()
        return greeting

    async def story(world: World, proxy: SynProxy) -> bytes:
        greeting = await world.client.run(listen())
        assert greeting == b"220 ready"
        return greeting

    play(Layout(attacker="none"), story, greet)


@pytest.mark.rfc("4987", "4987.8")
def test_the_server_never_hears_of_spoofed_syns() -> None:
    async def story(world: World, proxy: SynProxy) -> bytes:
        for number, source in enumerate(world.spoofed(50)):
            world.attacker.send(make_segment((2000 + number, PORT), "S", seq=number), source=source, destination=SERVER)
        await world.at_rest(1.0)
        syns = [seen for seen in world.tape.seen("server") if seen.frame.tcp and seen.frame.tcp.flags & SYN]
        assert proxy.counters["ProxySyns"] == 50
        assert syns == []
        assert proxy.connections == {}
        return b""

    play(Layout(), story)


def test_an_ack_without_a_cookie_goes_no_further() -> None:
    async def story(world: World, proxy: SynProxy) -> bytes:
        world.attacker.send(make_segment((2000, PORT), "S", seq=1), destination=SERVER)
        world.attacker.send(make_segment((2001, PORT), ".", seq=7, ack=9), destination=SERVER)
        world.attacker.send(make_segment((2002, PORT), "F", seq=7), destination=SERVER)
        await world.at_rest(1.0)
        assert proxy.counters["ProxyBadCookies"] == 1
        assert proxy.counters["ProxyStrangers"] >= 1
        assert not list(world.tape.seen("server"))
        return b""

    play(Layout(silent=True), story)


def test_a_bad_checksum_is_not_mended_on_the_way() -> None:
    async def story(world: World, proxy: SynProxy) -> bytes:
        world.attacker.send(make_segment((2000, PORT), "S", seq=1), destination=SERVER, bad_checksum=True)
        await world.at_rest(0.5)
        assert proxy.counters["ProxyBadChecksums"] == 1
        assert proxy.counters["ProxySyns"] == 0
        return b""

    play(Layout(silent=True), story)


def test_fragments_do_not_get_around_it() -> None:
    async def story(world: World, proxy: SynProxy) -> bytes:
        syn = make_segment((2000, PORT), "S", seq=1)
        world.attacker.send(syn, destination=SERVER, dont_fragment=False, more_fragments=True)
        await world.at_rest(0.5)
        assert proxy.counters["ProxyFragments"] == 1
        assert not list(world.tape.seen("server"))
        return b""

    play(Layout(silent=True), story)


def test_a_closed_port_seems_open_until_the_server_was_asked() -> None:
    async def knock() -> bytes:
        reader, writer = await asyncio.open_connection(SERVER, PORT)
        try:
            return await reader.read()
        finally:
            writer.close()

    async def story(world: World, proxy: SynProxy) -> bytes:
        with pytest.raises(ConnectionResetError):
            await world.client.run(knock())
        assert proxy.counters["ProxyRefused"] == 1
        assert proxy.connections == {}
        return b""

    play(Layout(attacker="none"), story, None)


def test_options_that_the_server_lacks_end_the_connection() -> None:
    plain = StackConfig(tcp=TcpConfig(options=OptionsConfig(timestamps=False)))

    async def story(world: World, proxy: SynProxy) -> bytes:
        with pytest.raises(ConnectionResetError):
            await world.client.run(exchange(b"text"))
        assert proxy.counters["ProxyMismatches"] == 1
        return b""

    play(Layout(attacker="none", configs={"server": plain}), story)


def test_clients_without_timestamps_are_served_without_their_other_options() -> None:
    plain = StackConfig(tcp=TcpConfig(options=OptionsConfig(timestamps=False)))

    async def story(world: World, proxy: SynProxy) -> bytes:
        answer = await world.client.run(exchange(b"text" * 1000))
        assert answer == b"text" * 1000
        assert next(iter(proxy.connections.values())).record.sack_permitted is False
        return answer

    play(Layout(attacker="none", configs={"client": plain}), story)


def test_other_ports_and_protocols_pass_untouched() -> None:
    async def story(world: World, proxy: SynProxy) -> bytes:
        result = await world.client.ping(SERVER, count=1)
        assert result.received == 1
        with pytest.raises(ConnectionRefusedError):
            await world.client.run(asyncio.open_connection(SERVER, PORT + 1))
        assert proxy.counters.snapshot() == {}
        return parse_address(SERVER)

    play(Layout(attacker="none"), story)
