import pytest

from halfopen.base.errors import ConfigError
from halfopen.tcp.mtu_search import MtuProbe, MtuSearch, MtuSearchConfig


@pytest.mark.parametrize("choice", [{"mode": 3}, {"mode": -1}, {"base_mss": 0}, {"floor": 0}], ids=str)
def test_sizes_and_modes_that_cannot_be_are_refused(choice: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="mode is 0 to 2"):
        MtuSearchConfig(**choice)


def test_nothing_is_searched_for_by_default() -> None:
    assert MtuSearchConfig().mode == 0


def test_a_search_remembers_what_is_tried() -> None:
    search = MtuSearch(1024, 1460, 5)
    assert (search.low, search.high, search.since, search.probe) == (1024, 1460, 5, None)
    probe = MtuProbe(1, 1243, 1242)
    assert (probe.start, probe.end, probe.size) == (1, 1243, 1242)
