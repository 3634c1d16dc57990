import pytest

from halfopen.base.errors import ConfigError
from halfopen.base.rng import SeededRng
from halfopen.lab.defences import DEFENCES, configured, defence, historic, texts
from halfopen.lab.generators import GENERATORS
from halfopen.lab.scenario import Settings
from halfopen.lab.world import Layout, World
from halfopen.stack.config import StackConfig


@pytest.mark.parametrize("name", DEFENCES)
def test_a_defence_changes_the_configuration_of_its_host_and_of_no_other(name: str) -> None:
    weak = GENERATORS["bsd43"](SeededRng(1))
    before = {host: historic(isn=weak) for host in ("client", "server", "edge")}
    after = configured(before, [name])
    changed = [host for host in before if after[host] != before[host]]
    if name == "timestamps":
        assert not changed  # They are on unless switched off.
    else:
        assert changed == [DEFENCES[name].host]


def test_all_together_are_a_configuration_that_a_world_takes() -> None:
    configs = configured({"server": historic()}, DEFENCES)
    with World(Settings(), Layout(configs=configs)) as world:
        layer = world.server.stack.config.tcp_layer
    assert (layer.bad_ack_budget, layer.proven_reserve, layer.isn) == (3, 0.25, None)
    assert world.edge.stack.config.ip.ingress_filter


def test_defences_that_are_programs_are_left_to_their_scenarios() -> None:
    assert configured({}, ["syn-proxy"]) == {}


def test_a_host_that_is_not_configured_begins_with_the_defaults() -> None:
    assert configured({}, ["ingress-filter"]).keys() == {"edge"}


def test_the_historic_host_has_nothing_of_it() -> None:
    layer = historic(backlog=5).tcp_layer
    assert (layer.half_open, layer.syn_cookies, layer.eviction) == (5, "off", "drop-new")
    assert StackConfig().tcp_layer.syn_cookies == "overflow"


def test_texts_are_for_a_scenario_to_show() -> None:
    assert texts("rfc6528") == {"rfc6528": "initial sequence numbers by a keyed hash and a clock (RFC 6528)"}


def test_an_unknown_defence_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"^there is no defence 'syncookies': did you mean 'syn-cookies'\?$"):
        defence("syncookies")
