import pytest

from halfopen.base.clock import MILLISECOND
from halfopen.lab.places import SERVER
from halfopen.lab.probing import NMAP_SYNS, PATIENCE, Prober
from halfopen.lab.scenario import Settings
from halfopen.lab.world import Layout, World
from halfopen.stack.config import StackConfig, TcpLayerConfig
from halfopen.tcp.isn import FixedIsn
from halfopen.wire.tcp_options import Options

PORT = 9001


def world(*isns: int) -> World:
    config = StackConfig(tcp_layer=TcpLayerConfig(isn=FixedIsn(*isns), syn_cookies="off"))
    return World(Settings(), Layout(configs={"server": config}))


async def listening(place: World) -> Prober:
    place.attacker.sniff()
    await place.server.start_server(lambda reader, writer: writer.close(), None, PORT)
    return Prober(place.attacker, SERVER, PORT)


def test_a_sample_is_the_number_and_when_it_was_asked_for() -> None:
    with world(7, 9) as place:

        async def story() -> list[int]:
            prober = await listening(place)
            begin = place.attacker.host.pump.now()
            await prober.ask()
            await prober.ask()
            round_trip = 30 * MILLISECOND
            assert [sample.when - begin for sample in prober.samples] == [0, round_trip]
            return [sample.isn for sample in prober.samples]

        assert place.run(story()) == [7, 9]


def test_what_was_asked_is_taken_back_so_that_nothing_stays_half_open() -> None:
    with world(7) as place:

        async def story() -> None:
            await (await listening(place)).ask()
            await place.at_rest()

        place.run(story())
        assert place.server.stack.counters["TCPSynAckRetrans"] == 0
        assert place.server.stack.counters["PassiveOpens"] == 0


def test_nobody_who_listens_is_no_sample() -> None:
    with world(7) as place:

        async def story() -> None:
            place.attacker.sniff()
            prober = Prober(place.attacker, SERVER, PORT)
            begin = place.elapsed
            assert await prober.ask() is None
            assert place.elapsed - begin == pytest.approx(PATIENCE)
            assert prober.samples == []

        place.run(story())


def test_nmaps_syns_are_what_nmap_sends() -> None:
    """As in osscan2: ports and numbers follow each other, the ACK field is always the same."""
    with world(7) as place:

        async def story() -> None:
            prober = await listening(place)
            for number in range(len(NMAP_SYNS)):
                await prober.ask_as_nmap(number, 0xABCDEF)

        place.run(story())
        syns = [each.frame.tcp for each in place.tape.seen("server") if each.frame.flags == "S"]
        assert [syn.window for syn in syns if syn] == [1, 63, 4, 4, 16, 512]
        options = [syn.options or Options() for syn in syns if syn]
        assert [each.mss for each in options] == [1460, 1400, 640, None, 536, 265]
        assert [each.window_scale for each in options] == [10, 0, 5, 10, 10, None]
        assert all(each.timestamps == (0xFFFFFFFF, 0) for each in options)
        assert {syn.ack for syn in syns if syn} == {0xABCDEF}
        ports = [syn.source_port for syn in syns if syn]
        assert ports == list(range(ports[0], ports[0] + 6)) == [syn.seq for syn in syns if syn]
