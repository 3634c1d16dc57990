import pytest

from halfopen.base.clock import SECOND
from halfopen.base.errors import ConfigError
from halfopen.stack.config_ndp import AdvertiseConfig, AutoconfConfig


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"max_interval": 3 * SECOND}, "max_interval is from 4 to 1800 s"),
        ({"max_interval": 1801 * SECOND}, "max_interval is from 4 to 1800 s"),
        ({"min_interval": 2 * SECOND}, "min_interval is from 3 s"),
        ({"min_interval": 451 * SECOND}, "min_interval is from 3 s"),
        ({"lifetime": 599 * SECOND}, "lifetime is 0, or from max_interval"),
        ({"lifetime": 9001 * SECOND}, "lifetime is 0, or from max_interval"),
        ({"preferred_lifetime": 2_592_001 * SECOND}, "preferred_lifetime exceeds valid_lifetime"),
        ({"preference": 2}, "preference is -1, 0 or 1"),
        ({"prefixes": ("2001:db8::1/64",)}, "is not a network prefix"),
        ({"prefixes": ("192.0.2.0/24",)}, "prefixes are of IPv6"),
    ],
)
def test_advertisements_that_no_router_may_send_are_refused(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        AdvertiseConfig(interface="eth7", **fields)  # type: ignore[arg-type]  # fields by name
    assert "eth7" in str(caught.value)


def test_a_router_that_is_no_default_router_is_allowed() -> None:
    assert AdvertiseConfig(interface="eth0", lifetime=0).informations() == ()


def test_only_known_kinds_of_identifiers_can_be_chosen() -> None:
    with pytest.raises(ConfigError, match="identifier is one of stable, eui64, not 'random'"):
        AutoconfConfig(identifier="random")
    with pytest.raises(ConfigError, match="temp_prefered_lft exceeds"):
        AutoconfConfig(temp_valid_lft=1, temp_prefered_lft=2)
