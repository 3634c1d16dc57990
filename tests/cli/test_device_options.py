import click
import pytest

from halfopen.base.addresses import parse_address
from halfopen.cli.device_options import DeviceOptions

BOTH = ("192.0.2.2/24", "2001:db8::2/64")


def test_without_an_address_it_is_one_of_ipv4() -> None:
    assert DeviceOptions().hosts == ("192.0.2.2",)
    assert DeviceOptions().ways_out == (parse_address("192.0.2.1"),)


def test_the_way_out_of_each_version_is_the_kernels_end() -> None:
    options = DeviceOptions(addresses=BOTH)
    assert options.neighbors == ("192.0.2.1/24", "2001:db8::1/64")
    assert options.ways_out == (parse_address("192.0.2.1"), parse_address("2001:db8::1"))


def test_a_gateway_is_the_way_out_of_its_version_alone() -> None:
    options = DeviceOptions(addresses=BOTH, gateways=(parse_address("2001:db8::9"),))
    assert options.ways_out == (parse_address("192.0.2.1"), parse_address("2001:db8::9"))


def test_each_version_may_have_its_gateway_in_any_order() -> None:
    gateways = parse_address("2001:db8::9"), parse_address("192.0.2.9")
    assert DeviceOptions(addresses=BOTH, gateways=gateways).ways_out == gateways[::-1]


@pytest.mark.parametrize("gateway", ["2001:db8::2", "2001:db8::", "2001:db8:1::1"])
def test_a_gateway_is_another_host_in_the_network_of_its_version(gateway: str) -> None:
    with pytest.raises(click.BadParameter, match="not another host in the network of 2001:db8::2/64"):
        DeviceOptions(addresses=BOTH, gateways=(parse_address(gateway),))


def test_a_gate_takes_no_host_of_both_versions() -> None:
    with pytest.raises(click.UsageError, match="--gate is for IPv4"):
        DeviceOptions(addresses=BOTH, gate=True)
