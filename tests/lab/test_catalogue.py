import pytest

from halfopen.base.errors import ConfigError
from halfopen.lab.catalogue import SCENARIOS, find


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_is_described(name: str) -> None:
    scenario = find(name)
    assert scenario.name == name
    assert scenario.title and not scenario.title.endswith(".")
    assert len(scenario.text) > 100
    assert all(scenario.defences.values())
    for key, parameter in scenario.parameters.items():
        assert parameter.read(key, parameter.default) == parameter.default


def test_an_unknown_scenario_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"^there is no scenario 'handshak': did you mean 'handshake'\?$"):
        find("handshak")
