"""What arguments may look like; each error names the value and says what was expected."""

from typing import Any

import click

from halfopen.base.addresses import Address, format_address, is_valid_source, parse_address, parse_interface
from halfopen.links import impairment
from halfopen.links.impairment import Impairment


class Host(click.ParamType):
    """The IPv4 address of a host."""

    name = "address"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Address:
        """``"192.0.2.1"`` to 4 octets."""
        if isinstance(value, bytes):
            return value
        try:
            address = parse_address(value)
        except ValueError:
            address = b""
        if len(address) != 4 or not is_valid_source(address):
            self.fail(f"{value!r} is not the IPv4 address of a host: expected one such as 192.0.2.1", param, ctx)
        return address


class InterfaceAddress(click.ParamType):
    """An address with the length of its network's prefix."""

    name = "address/length"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The text as it is, if it is one."""
        try:
            address, prefix = parse_interface(value)
            good = len(address) == 4 and is_valid_source(address) and prefix.length <= 30
            good = good and address not in (prefix.network, prefix.broadcast)
        except ValueError:
            good = False
        if not good:
            expected = "a host's IPv4 address and prefix length (at most 30), such as 192.0.2.2/24"
            self.fail(f"{value!r} is not an interface address: expected {expected}", param, ctx)
        return str(value)


class Port(click.ParamType):
    """A TCP port."""

    name = "port"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """``"80"`` to 80."""
        if not str(value).isdecimal() or not 1 <= int(value) <= 0xFFFF:
            self.fail(f"{value!r} is not a port: expected a number from 1 to 65535", param, ctx)
        return int(value)


class NetworkImpairment(click.ParamType):
    """What a network does to packets, in netem's words."""

    name = "impairment"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Impairment:
        """``"loss 1% delay 10ms"`` to an `Impairment`."""
        if isinstance(value, Impairment):
            return value
        try:
            return impairment.parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class DeviceName(click.ParamType):
    """A name that the kernel takes for an interface."""

    name = "device"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The name, if it is one (dev_valid_name in Linux)."""
        text = str(value)
        forbidden = any(letter in "/:%" or letter.isspace() for letter in text)
        if forbidden or text in (".", "..") or not 1 <= len(text.encode()) <= 15:
            self.fail(f"{text!r} is not a device name: expected 1 to 15 letters such as tap0", param, ctx)
        return text


HOST = Host()
INTERFACE_ADDRESS = InterfaceAddress()
PORT = Port()
IMPAIRMENT = NetworkImpairment()
DEVICE_NAME = DeviceName()


def host_text(address: Address) -> str:
    """For messages."""
    return format_address(address)
