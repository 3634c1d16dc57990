from collections.abc import Callable

import click
import pytest

from halfopen.cli import parameters
from halfopen.links.impairment import Impairment
from tests.cli.running import complaint


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (parameters.host_address, "192.0.2"),
        (parameters.host_address, "example.org"),
        (parameters.host_address, "ff02::1"),
        (parameters.host_address, "224.0.0.1"),
        (parameters.host_address, "0.0.0.0"),
        (parameters.listening_address, "255.255.255.255"),
        (parameters.interface_address, "192.0.2.2"),
        (parameters.interface_address, "192.0.2.2/31"),
        (parameters.interface_address, "192.0.2.0/24"),
        (parameters.interface_address, "192.0.2.255/24"),
        (parameters.interface_address, "127.0.0.1/8"),
        (parameters.interface_address, "fe80::1/64"),
        (parameters.port_number, "0"),
        (parameters.port_number, "65536"),
        (parameters.port_number, "http"),
        (parameters.port_number, "-1"),
        (parameters.device_name, ""),
        (parameters.device_name, "a/b"),
        (parameters.device_name, "tap%d"),
        (parameters.device_name, "sixteen-letters-"),
        (parameters.device_name, ".."),
    ],
)
def test_what_is_not_one_is_named_and_told_what_was_expected(parse: Callable[[str], object], text: str) -> None:
    with pytest.raises(click.BadParameter) as caught:
        parse(text)
    assert repr(text) in caught.value.message
    assert "expected" in caught.value.message


def test_both_versions_of_ip_are_taken() -> None:
    assert len(parameters.host_address("2001:db8::1")) == 16
    assert parameters.listening_address("::") == bytes(16)
    assert parameters.interface_address("2001:db8::2/64") == "2001:db8::2/64"


def test_an_address_of_ipv6_stands_in_brackets_in_a_url() -> None:
    assert parameters.host_in_url("2001:db8::1") == "[2001:db8::1]"
    assert parameters.host_in_url("192.0.2.1") == "192.0.2.1"


def test_good_ones_are_taken() -> None:
    assert parameters.host_address("192.0.2.1") == b"\xc0\0\2\1"
    assert parameters.listening_address("0.0.0.0") == bytes(4)
    assert parameters.listening_address("192.0.2.1") == b"\xc0\0\2\1"
    assert parameters.interface_address("192.0.2.2/24") == "192.0.2.2/24"
    assert parameters.port_number("65535") == 65535
    assert parameters.device_name("tap-fifteen-oct") == "tap-fifteen-oct"
    assert parameters.network_impairment("loss 1%") == Impairment(loss=0.01)


@pytest.mark.parametrize(
    ("arguments", "value"),
    [
        (("nc", "192.0.2.300", "80"), "'192.0.2.300'"),
        (("nc", "192.0.2.1", "70000"), "'70000'"),
        (("nc", "192.0.2.1"), "PORT"),
        (("nc", "192.0.2.1", "80", "--tap", "far-too-long-a-name"), "'far-too-long-a-name'"),
        (("nc", "192.0.2.1", "80", "--gateway", "router"), "'router'"),
        (("nc", "192.0.2.1", "80", "--gateway", "198.51.100.1"), "'198.51.100.1' is not another host in the network"),
        (("nc", "192.0.2.1", "80", "--gateway", "192.0.2.2"), "'192.0.2.2' is not another host in the network"),
        (
            ("nc", "192.0.2.1", "80", "--gateway", "2001:db8::1"),
            "'2001:db8::1' is a gateway of IPv6: expected an --address of IPv6 as well",
        ),
        (
            ("ping", "2001:db8::1", "--address", "2001:db8::2/64", "--gateway", "192.0.2.1"),
            "'192.0.2.1' is a gateway of IPv4: expected an --address of IPv4 as well",
        ),
        (
            ("serve", ".", "--address", "192.0.2.2/24", "--address", "198.51.100.2/24"),
            "'192.0.2.2' and '198.51.100.2' are both of IPv4: expected at most one of each version",
        ),
        (
            ("ping", "192.0.2.1", "--address", "2001:db8::2/64", "--address", "2001:db8::2/64"),
            "'2001:db8::2' and '2001:db8::2' are both of IPv6",
        ),
        (
            ("nc", "192.0.2.1", "80", "--gateway", "192.0.2.1", "--gateway", "192.0.2.3"),
            "'192.0.2.1' and '192.0.2.3' are both of IPv4",
        ),
        (("demo", "--ip-version", "5"), "'5'"),
        (("ping", "localhost"), "'localhost'"),
        (("ping", "192.0.2.1", "-c", "0"), "0"),
        (("ping", "192.0.2.1", "--address", "192.0.2.2"), "'192.0.2.2'"),
        (("serve", ".", "--port", "eighty"), "'eighty'"),
        (("serve", ".", "--impair", "loss 200%"), "'200%'"),
        (("serve", ".", "--impair", "gremlins 3"), "'gremlins'"),
        (("serve", "/nonexistent"), "'/nonexistent'"),
        (("serve", "/etc/passwd"), "'/etc/passwd' is not a directory"),
        (("serve", "no.such.module:app"), "'no.such.module:app'"),
        (("serve", "os:no_such_thing"), "'os:no_such_thing'"),
        (("nc", "192.0.2.1", "80", "--record", "/nonexistent/x.pcapng"), "/nonexistent/x.pcapng"),
        (("show", "/nonexistent.pcapng"), "/nonexistent.pcapng"),
        (("show", "/etc/passwd"), "/etc/passwd is not a capture"),
        (("show", "/"), "/ cannot be read"),
        (("demo", "--octets", "many"), "'many'"),
        (("demo", "--capture", "/nonexistent/x.pcapng"), "/nonexistent/x.pcapng"),
        (("demo", "--world", "mars"), "'mars'"),
    ],
)
def test_bad_input_gets_one_line_that_names_it(arguments: tuple[str, ...], value: str) -> None:
    line = complaint(*arguments)
    assert line.startswith(f"halfopen {arguments[0]}: ")
    assert value in line
