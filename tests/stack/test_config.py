import dataclasses

import pytest

from halfopen.base.errors import ConfigError
from halfopen.stack import config
from halfopen.stack.config import InterfaceConfig, IpConfig, StackConfig, TcpLayerConfig

GROUPS = [thing for thing in vars(config).values() if isinstance(thing, type) and thing.__module__ == config.__name__]


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.__name__)
def test_a_group_is_frozen_small_and_named_by_keyword(group: type) -> None:
    fields = dataclasses.fields(group)
    assert 0 < len(fields) <= 12
    assert all(field.kw_only for field in fields)
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(group(**({"name": "x", "kind": "ip"} if group is InterfaceConfig else {})), fields[0].name, None)


def test_a_host_does_not_forward_unless_told_to() -> None:
    assert not StackConfig().ip.forwarding


def test_values_that_cannot_be_are_refused() -> None:
    with pytest.raises(ConfigError, match="at least 68"):
        IpConfig(pmtu_min=0)
    with pytest.raises(ConfigError, match="'ethernet' or 'ip', not 'wifi'"):
        InterfaceConfig(name="w0", kind="wifi")
    with pytest.raises(ConfigError, match="MTU"):
        InterfaceConfig(name="w0", kind="ip", mtu=0)
    with pytest.raises(ConfigError, match="at least 1"):
        TcpLayerConfig(backlog=0)
    with pytest.raises(ConfigError, match="at least 1"):
        TcpLayerConfig(half_open=0)
    with pytest.raises(ConfigError, match="at least 0"):
        TcpLayerConfig(time_wait=-1)
    with pytest.raises(ConfigError, match="syn_cookies is one of off, overflow, always, not 'on'"):
        TcpLayerConfig(syn_cookies="on")
    with pytest.raises(ConfigError, match="proven_reserve is a share"):
        TcpLayerConfig(proven_reserve=1.0)
    with pytest.raises(ConfigError, match="bad_ack_budget is from 1 to 7, or None, not 8"):
        TcpLayerConfig(bad_ack_budget=8)
    with pytest.raises(ConfigError, match="eviction is one of drop-new, oldest, random, not 'newest'"):
        TcpLayerConfig(eviction="newest")


def test_an_unknown_keyed_hash_is_refused() -> None:
    with pytest.raises(ConfigError, match="keyed_hash is one of blake2s, siphash, not 'md5'"):
        TcpLayerConfig(keyed_hash="md5")


def test_what_is_said_to_strangers_is_checked() -> None:
    with pytest.raises(ConfigError, match="closed_ports is one of reset, blackhole-syn, blackhole, silence"):
        TcpLayerConfig(closed_ports="closed")
    with pytest.raises(ConfigError, match="rst_rate is at least 1, not 0"):
        TcpLayerConfig(rst_rate=0)
    with pytest.raises(ConfigError, match="ip_id is one of zero, destination, random, global, not 'rising'"):
        IpConfig(ip_id="rising")
    with pytest.raises(ConfigError, match="without a permit"):
        IpConfig(ip_id="global")
