import asyncio

import pytest

from halfopen.base.errors import ConfigError
from halfopen.base.netem import parse
from halfopen.sim.network import Network
from halfopen.sim.profiles import PROFILES, words_of


def test_every_profile_is_in_words_that_netem_understands() -> None:
    for words in PROFILES.values():
        assert parse(words).holds_back


def test_a_profile_stands_for_its_words_and_words_for_themselves() -> None:
    assert words_of("3g") == PROFILES["3g"]
    assert words_of("delay 1ms") == "delay 1ms"
    assert words_of("") == ""


def test_what_is_neither_is_told_of_both() -> None:
    with pytest.raises(ConfigError, match="nor is '6g' a profile: there are 3g, 4g, "):
        words_of("6g")
    with pytest.raises(ConfigError, match="'dely' is not an impairment") as caught:
        words_of("dely 5ms")
    assert "profile" not in str(caught.value)


@pytest.mark.parametrize(("name", "least"), [("satellite", 0.6), ("datacenter", 0.0001)])
def test_a_network_under_a_profile_is_as_slow_as_it_says(name: str, least: float) -> None:
    with Network(words=name) as network:
        client, _ = network.host("client"), network.host("server")

        async def program() -> float:
            began = network.elapsed
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("server", 9)
            return network.elapsed - began

        async def main() -> float:
            return await client.run(program())

        # With ARP there are two round trips.
        assert 2 * least <= network.run(main()) < 3 * least + 0.1
        assert network.topology.segments[0].words == name
