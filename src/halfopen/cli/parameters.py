"""What arguments may look like: functions that click takes as types.

Each error names the value and says what was expected."""

import click

from halfopen.base.addresses import (
    Address,
    is_link_local,
    is_unspecified,
    is_valid_source,
    parse_address,
    parse_interface,
)
from halfopen.links import impairment
from halfopen.links.impairment import Impairment

LONGEST_PREFIX = {4: 30, 16: 127}
"""Shorter networks have no room for two hosts, by the octets of an address."""


def host_address(text: str) -> Address:
    """``"192.0.2.1"`` to 4 octets, ``"2001:db8::1"`` to 16."""
    address = _address(text)
    if not is_valid_source(address):
        raise click.BadParameter(f"{text!r} is not the address of a host: expected one such as 192.0.2.1")
    return address


def listening_address(text: str) -> Address:
    """The address of a host, or 0.0.0.0 or :: for all that it has."""
    address = _address(text)
    return address if is_unspecified(address) else host_address(text)


def interface_address(text: str) -> str:
    """``"192.0.2.2/24"`` or ``"2001:db8::2/64"``, as it is."""
    try:
        address, prefix = parse_interface(text)
        good = is_valid_source(address) and prefix.length <= LONGEST_PREFIX[len(address)]
        good = good and (len(address) == 16 or address not in (prefix.network, prefix.broadcast))
        good = good and not (len(address) == 16 and (is_link_local(address) or address == prefix.network))
    except ValueError:
        good = False
    if not good:
        lengths = f"at most {LONGEST_PREFIX[4]}, in IPv6 {LONGEST_PREFIX[16]}"
        expected = f"a host's address and prefix length ({lengths}), such as 192.0.2.2/24 or 2001:db8::2/64"
        raise click.BadParameter(f"{text!r} is not an interface address: expected {expected}")
    return text


def port_number(text: str | int) -> int:
    """``"80"`` to 80."""
    if not str(text).isdecimal() or not 1 <= int(text) <= 0xFFFF:
        raise click.BadParameter(f"{text!r} is not a port: expected a number from 1 to 65535")
    return int(text)


def network_impairment(text: str) -> Impairment:
    """``"loss 1% delay 10ms"``: what a network does to packets, in netem's words."""
    try:
        return impairment.parse(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def device_name(text: str) -> str:
    """A name that the kernel takes for an interface (dev_valid_name in Linux)."""
    forbidden = any(letter in "/:%" or letter.isspace() for letter in text)
    if forbidden or text in (".", "..") or not 1 <= len(text.encode()) <= 15:
        raise click.BadParameter(f"{text!r} is not a device name: expected 1 to 15 letters such as tap0")
    return text


def host_in_url(address: str) -> str:
    """An address of IPv6 stands in brackets in a URL (RFC 3986 3.2.2)."""
    return f"[{address}]" if ":" in address else address


def _address(text: str) -> Address:
    try:
        return parse_address(text)
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is not an IPv4 or IPv6 address: expected one such as 192.0.2.1 or 2001:db8::1"
        ) from None
