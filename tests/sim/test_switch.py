import asyncio

import pytest

from halfopen.base.clock import SECOND
from halfopen.sim import switch as switches
from halfopen.sim.host import SimHost
from halfopen.sim.network import Network
from halfopen.sim.switch import Switch
from halfopen.wire.packet import Packet
from tests.sim.watching import Eyes

GROUP = b"\x01\x00\x5e\x00\x00\x01"


def lan(network: Network, count: int = 3, words: str = "") -> tuple[Switch, list[SimHost], Eyes]:
    """``count`` hosts ``a``, ``b``, ... on a switch, and who watches it."""
    hosts = [network.host(name) for name in "abcdef"[:count]]
    cable = network.switch("lan", *hosts, words=words)
    assert isinstance(cable, Switch)
    eyes = Eyes()
    network.observe(eyes)
    return cable, hosts, eyes


def mac(host: SimHost) -> bytes:
    return host.stack.interfaces[0].mac


def send(cable: Switch, sender: int, destination: bytes, source: bytes | None = None) -> None:
    """100 octets that no stack understands, behind an Ethernet header."""
    end = cable.ends[sender]
    end.send(Packet(destination + (source or end.interface.mac) + b"\x88\xb5" + bytes(86)), cable.scheduler.now)


def run(network: Network, seconds: float = 1) -> None:
    network.run(asyncio.sleep(seconds))


def test_what_is_for_an_unknown_station_goes_to_all_ports_and_for_a_known_one_to_its_own() -> None:
    with Network() as network:
        cable, (a, b, _), eyes = lan(network)
        send(cable, 0, mac(b))
        run(network)
        assert eyes.arrivals() == ["b", "c"]
        send(cable, 1, mac(a))
        send(cable, 0, mac(b))
        run(network)
        assert eyes.arrivals() == ["b", "c", "a", "b"]
        assert cable.counters.snapshot() == {"SwitchFlooded": 1, "SwitchForwarded": 2}
        assert cable.port_of(mac(a)) == "a"
        assert cable.port_of(GROUP) is None


def test_what_is_for_many_goes_to_all_ports_and_a_group_is_never_learnt() -> None:
    with Network() as network:
        cable, _, eyes = lan(network)
        send(cable, 0, GROUP, source=GROUP)
        send(cable, 1, b"\xff" * 6)
        send(cable, 2, GROUP)
        run(network)
        assert eyes.arrivals() == ["b", "c", "a", "c", "a", "b"]


def test_a_station_that_was_silent_for_five_minutes_is_forgotten() -> None:
    with Network() as network:
        cable, (_, b, _), eyes = lan(network)
        send(cable, 1, GROUP)
        run(network, 299)
        assert cable.port_of(mac(b)) == "b"
        send(cable, 0, mac(b))
        run(network, 2)
        assert cable.port_of(mac(b)) is None
        send(cable, 0, mac(b))
        run(network)
        assert eyes.arrivals() == ["a", "c", "b", "b", "c"]


def test_a_station_that_moves_is_found_at_its_new_port() -> None:
    with Network() as network:
        cable, _, eyes = lan(network)
        station = b"\x02\0\0\0\0\x99"
        send(cable, 0, GROUP, source=station)
        send(cable, 1, GROUP, source=station)
        run(network)
        eyes.seen.clear()
        send(cable, 2, station)
        run(network)
        assert eyes.arrivals() == ["b"]


def test_what_would_go_back_to_where_it_came_from_is_filtered() -> None:
    with Network() as network:
        cable, (a, *_), eyes = lan(network)
        send(cable, 0, mac(a))
        send(cable, 0, mac(a))
        run(network)
        assert eyes.arrivals() == []
        assert cable.counters["SwitchFiltered"] == 2


def test_a_full_table_learns_nobody_until_somebody_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(switches, "STATIONS", 2)
    with Network() as network:
        cable, (a, b, c), _ = lan(network)
        for sender in range(3):
            send(cable, sender, GROUP)
        run(network)
        assert [cable.port_of(mac(host)) for host in (a, b, c)] == ["a", "b", None]
        assert cable.counters["SwitchTableFull"] == 1
        run(network, 300)
        send(cable, 2, GROUP)
        run(network)
        assert [cable.port_of(mac(host)) for host in (a, b, c)] == [None, None, "c"]


def test_a_frame_without_addresses_is_repeated() -> None:
    with Network() as network:
        cable, _, eyes = lan(network)
        cable.ends[0].send(Packet(b"short"), cable.scheduler.now)
        run(network)
        assert eyes.arrivals() == ["b", "c"]
        assert cable.counters.snapshot() == {}


def test_each_port_has_the_words_of_its_own() -> None:
    with Network() as network:
        cable, _, eyes = lan(network, words="delay 2ms")
        send(cable, 0, GROUP)
        send(cable, 1, GROUP)
        run(network)
        assert {when for when, _, direction, _ in eyes.seen if direction == "inbound"} == {SECOND // 500}


def test_two_senders_share_the_rate_of_the_port_that_both_send_to() -> None:
    with Network() as network:
        cable, (_, _, c), eyes = lan(network, words="rate 1mbit")
        send(cable, 2, mac(c))
        run(network)
        eyes.seen.clear()
        began = cable.scheduler.now
        for sender in (0, 1, 0, 1):
            send(cable, sender, mac(c))
        run(network)
        frame = 100 * 8000
        arrivals = [when - began + 1000 * SECOND for when, _, direction, _ in eyes.seen if direction == "inbound"]
        assert arrivals == [(2 + number) * frame for number in range(4)]


def test_a_new_rate_is_that_of_both_ways() -> None:
    with Network() as network:
        cable, _, eyes = lan(network)
        cable.impair("rate 1mbit")
        send(cable, 0, GROUP)
        run(network)
        assert [when for when, _, direction, _ in eyes.seen if direction == "inbound"] == [1_600_000] * 2
        eyes.seen.clear()
        cable.impair("delay 1ms", towards="c")
        began = cable.scheduler.now
        send(cable, 0, GROUP)
        run(network)
        late = {label: when + 1000 * SECOND - began for when, label, way, _ in eyes.seen if way == "inbound"}
        assert late == {"b.eth0": 1_600_000, "c.eth0": 1_800_000}


def test_hosts_talk_over_a_switch_and_a_third_hears_only_their_questions() -> None:
    with Network() as network:
        cable, (a, _, _), eyes = lan(network)

        async def program() -> None:
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("b", 9)

        async def main() -> None:
            await a.run(program())

        network.run(main())
        assert eyes.arrivals().count("c") == cable.counters["SwitchFlooded"] == 2
        assert cable.counters["SwitchForwarded"] == 4
