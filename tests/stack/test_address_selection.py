from collections.abc import Callable, Iterable

import pytest

from halfopen.base.addresses import Address, format_address, parse_address, parse_interface
from halfopen.base.clock import Instant
from halfopen.stack.address_selection import (
    OwnAddresses,
    as_ipv6,
    choose_source,
    common_prefix,
    is_v4_mapped,
    policy_of,
    scope_of,
    sort_destinations,
)
from halfopen.stack.interface import IP, HostAddresses, Interface


class Known:
    """What is known of our addresses."""

    def __init__(self, deprecated: Iterable[str] = (), temporary: Iterable[str] = ()) -> None:
        self.deprecated = set(map(parse_address, deprecated))
        self.temporary = set(map(parse_address, temporary))

    def is_deprecated(self, address: Address, now: Instant) -> bool:
        return address in self.deprecated

    def is_temporary(self, address: Address) -> bool:
        return address in self.temporary


def choose(destination: str, here: list[str], elsewhere: tuple[str, ...] = (), known: Known | None = None) -> str:
    addresses = HostAddresses(Interface("lo", IP))
    interfaces = [Interface("one", IP), Interface("two", IP)]
    addresses.interfaces.extend(interfaces)
    for interface, texts in zip(interfaces, (here, elsewhere), strict=True):
        for text in texts:
            addresses.add(interface, *parse_interface(text if "/" in text else f"{text}/64"))
    own = OwnAddresses(addresses, known or Known(), 0)
    source = choose_source(parse_address(destination), interfaces[0], own)
    return format_address(source) if source is not None else "none"


@pytest.mark.rfc("6724", "6724.1")
@pytest.mark.parametrize(
    ("destination", "candidates", "source"),
    [  # RFC 6724 10.1, without mobile hosts
        ("2001:db8:1::1", ["2001:db8:3::1", "fe80::1"], "2001:db8:3::1"),
        ("ff05::1", ["2001:db8:3::1", "fe80::1"], "2001:db8:3::1"),
        ("2001:db8:1::1", ["2001:db8:1::1", "2001:db8:2::1"], "2001:db8:1::1"),
        ("fe80::1", ["fe80::2", "2001:db8:1::1"], "fe80::2"),
        ("2001:db8:1::1", ["2001:db8:1::2", "2001:db8:3::2"], "2001:db8:1::2"),
        ("2001:db8:1::1", ["2001:db8:3::2", "2001:db8:1::2"], "2001:db8:1::2"),
        (
            "2002:c633:6401::1",
            ["2002:c633:6401::d5e3:7953:13eb:22e8", "2001:db8:1::2"],
            "2002:c633:6401:0:d5e3:7953:13eb:22e8",
        ),
        ("fd00::1", ["2001:db8:1::2", "fd00:1::2"], "fd00:1::2"),
        ("2001:db8:1::1", ["fe80::1"], "fe80::1"),
        ("fec0::1", ["fe80::1", "2001:db8::1", "fec0::9"], "fec0::9"),
    ],
)
def test_the_best_source_is_chosen(destination: str, candidates: list[str], source: str) -> None:
    assert choose(destination, candidates) == source
    assert choose(destination, candidates[::-1]) == source


def test_no_address_is_no_source() -> None:
    assert choose("2001:db8::1", ["192.0.2.1/24"]) == "none"


def test_an_address_of_another_interface_serves_where_there_is_none() -> None:
    assert choose("2001:db8::1", [], ("fe80::1", "2001:db8::5")) == "2001:db8::5"
    assert choose("2001:db8::1", ["fe80::2"], ("2001:db8::5",)) == "2001:db8::5"
    assert choose("fe80::1", ["fe80::2"], ("fe80::3",)) == "fe80::2"


@pytest.mark.rfc("6724", "6724.1")
def test_a_deprecated_address_is_avoided() -> None:
    known = Known(deprecated=["2001:db8::1"])
    assert choose("2001:db8::9", ["2001:db8::1", "2001:db8:5::1"], known=known) == "2001:db8:5::1"
    assert choose("2001:db8::9", ["2001:db8::1"], known=known) == "2001:db8::1"


@pytest.mark.rfc("6724", "6724.1")
def test_a_temporary_address_is_preferred() -> None:
    known = Known(temporary=["2001:db8:5::1"])
    assert choose("2001:db8::9", ["2001:db8::1", "2001:db8:5::1"], known=known) == "2001:db8:5::1"


def test_the_prefix_counts_no_further_than_it_is_long() -> None:
    assert choose("2001:db8::1:9", ["2001:db8::2:1/64", "2001:db8::1:1/64"]) == "2001:db8::2:1"


@pytest.mark.parametrize(
    ("text", "scope"),
    [
        ("::1", 2),
        ("fe80::1", 2),
        ("169.254.1.1", 2),
        ("127.0.0.1", 2),
        ("fec0::1", 5),
        ("fd00::1", 14),
        ("2001:db8::1", 14),
        ("192.0.2.1", 14),
        ("10.0.0.1", 14),
        ("ff02::1", 2),
        ("ff0e::1", 14),
    ],
)
def test_each_address_has_its_scope(text: str, scope: int) -> None:
    assert scope_of(parse_address(text)) == scope


@pytest.mark.rfc("6724", "6724.1")
@pytest.mark.parametrize(
    ("text", "precedence", "label"),
    [
        ("::1", 50, 0),
        ("2001:db8::1", 40, 1),
        ("192.0.2.1", 35, 4),
        ("2002::1", 30, 2),
        ("2001::1", 5, 5),
        ("fd00::1", 3, 13),
        ("::192.0.2.1", 1, 3),
        ("fec0::1", 1, 11),
        ("3ffe::1", 1, 12),
    ],
)
def test_the_policy_table_is_that_of_the_standard(text: str, precedence: int, label: int) -> None:
    policy = policy_of(parse_address(text))
    assert (policy.precedence, policy.label) == (precedence, label)


def test_a_mapped_address_is_known_as_one() -> None:
    assert as_ipv6(parse_address("192.0.2.1")) == parse_address("::ffff:192.0.2.1")
    assert is_v4_mapped(as_ipv6(parse_address("192.0.2.1")))
    assert not is_v4_mapped(parse_address("2001:db8::1"))


def test_a_common_prefix_is_counted_in_bits() -> None:
    assert common_prefix(parse_address("2001:db8::"), parse_address("2001:db9::")) == 31
    assert common_prefix(parse_address("2001:db8::"), parse_address("2001:db8::")) == 128


def sources(*pairs: tuple[str, str]) -> Callable[[Address], Address | None]:
    known = {parse_address(destination): parse_address(source) for destination, source in pairs}
    return known.get


@pytest.mark.rfc("6724", "6724.2")
@pytest.mark.parametrize(
    "pairs",
    [  # RFC 6724 10.2: the better destination first, with the source that it would have
        [("2001:db8:1::1", "2001:db8:1::2"), ("198.51.100.121", "169.254.13.78")],
        [("198.51.100.121", "198.51.100.117"), ("2001:db8:1::1", "fe80::1")],
        [("2001:db8:1::1", "2001:db8:1::2"), ("10.1.2.3", "10.1.2.4")],
        [("fe80::1", "fe80::2"), ("2001:db8:1::1", "2001:db8:1::2")],
        [("2001:db8:1::1", "2001:db8:1::2"), ("2002:c633:6401::1", "2002:c633:6401::2")],
        [("2001:db8:1::1", "2001:db8:1::2"), ("2001:db8:3ffe::1", "2001:db8:3f44::2")],
    ],
)
def test_the_better_destination_is_tried_first(pairs: list[tuple[str, str]]) -> None:
    order = [parse_address(destination) for destination, _ in pairs]
    assert sort_destinations(order, sources(*pairs)) == order
    assert sort_destinations(order[::-1], sources(*pairs)) == order


def test_a_destination_without_a_way_is_tried_last() -> None:
    near, far = parse_address("192.0.2.1"), parse_address("2001:db8::1")
    assert sort_destinations([far, near], sources(("192.0.2.1", "192.0.2.2"))) == [near, far]


def test_a_destination_from_a_deprecated_source_is_tried_later() -> None:
    pairs = [("2001:db8:1::1", "2001:db8:1::2"), ("2001:db8:5::1", "2001:db8:5::2")]
    order = [parse_address(destination) for destination, _ in pairs]
    deprecated = [parse_address("2001:db8:1::2")]
    assert sort_destinations(order, sources(*pairs), deprecated) == order[::-1]
