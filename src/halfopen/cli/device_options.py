"""The options of commands that have a host of ours on a TAP device: of one version of IP, or of both at once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import click

from halfopen.base.addresses import Address, format_address, parse_interface
from halfopen.cli.parameters import device_name, host_address, interface_address, network_impairment
from halfopen.links.hosts import neighbor_of
from halfopen.links.impairment import Impairment

Command = TypeVar("Command", bound=Callable[..., object])

DEFAULT_ADDRESS = "192.0.2.2/24"

VERSIONS = {4: 4, 16: 6}
"""Of IP, by the octets of an address."""


@dataclass(frozen=True, kw_only=True)
class DeviceOptions:
    """What the user has said about the host and its device: at most one address and gateway of each version of IP."""

    addresses: tuple[str, ...] = (DEFAULT_ADDRESS,)
    gateways: tuple[Address, ...] = ()
    tap: str | None = None
    impair: Impairment | None = None
    record: Path | None = None
    gate: bool = False
    """On rings, with a gate in front of the server."""

    def __post_init__(self) -> None:
        check_versions("--address", [parse_interface(address)[0] for address in self.addresses])
        check_versions("--gateway", self.gateways)
        for gateway in self.gateways:
            self._check_gateway(gateway)
        has_ipv6 = any(":" in address for address in self.addresses)
        if self.gate and (self.impair is not None or self.record is not None or has_ipv6):
            raise click.UsageError("--gate is for IPv4, and sees frames before anybody: without --impair and --record")

    @property
    def hosts(self) -> tuple[str, ...]:
        """The addresses without the lengths of prefixes."""
        return tuple(address.partition("/")[0] for address in self.addresses)

    @property
    def neighbors(self) -> tuple[str, ...]:
        """The addresses of the kernel's end, with the lengths of prefixes."""
        return tuple(neighbor_of(address) for address in self.addresses)

    @property
    def ways_out(self) -> tuple[Address, ...]:
        """A gateway for each address; the kernel's end if the user has named none."""
        named = {len(gateway): gateway for gateway in self.gateways}
        kernels = [parse_interface(neighbor)[0] for neighbor in self.neighbors]
        return tuple(named.get(len(kernel), kernel) for kernel in kernels)

    def _check_gateway(self, gateway: Address) -> None:
        of_its_version = [each for each in self.addresses if len(parse_interface(each)[0]) == len(gateway)]
        if not of_its_version:
            version = f"IPv{VERSIONS[len(gateway)]}"
            wrong = f"{format_address(gateway)!r} is a gateway of {version}"
            raise click.BadParameter(f"{wrong}: expected an --address of {version} as well", param_hint="'--gateway'")
        (address,) = of_its_version
        ours, prefix = parse_interface(address)
        reserved = (ours, prefix.network) if len(ours) == 16 else (ours, prefix.network, prefix.broadcast)
        if gateway not in prefix or gateway in reserved:
            wrong = f"{format_address(gateway)!r} is not another host in the network of {address}"
            expected = f"expected one such as {neighbor_of(address).partition('/')[0]}"
            raise click.BadParameter(f"{wrong}: {expected}", param_hint="'--gateway'")


def check_versions(option: str, addresses: Sequence[Address]) -> None:
    """BadParameter if two of them are of the same version of IP."""
    seen: dict[int, Address] = {}
    for address in addresses:
        if other := seen.get(len(address)):
            both = f"{format_address(other)!r} and {format_address(address)!r} are both of IPv{VERSIONS[len(address)]}"
            raise click.BadParameter(f"{both}: expected at most one of each version", param_hint=f"'{option}'")
        seen[len(address)] = address


OPTIONS = (
    click.option(
        "--address",
        "addresses",
        type=interface_address,
        metavar="ADDRESS/LENGTH",
        multiple=True,
        default=(DEFAULT_ADDRESS,),
        show_default=True,
        help="Address of our host, with the length of its network's prefix; once for IPv4, for IPv6, or for each.",
    ),
    click.option(
        "--tap",
        type=device_name,
        metavar="DEVICE",
        help="TAP device to make, or one that exists and that you may open.",
    ),
    click.option(
        "--gateway",
        "gateways",
        type=host_address,
        metavar="ADDRESS",
        multiple=True,
        help="Our host's way out of its network, once for each version of IP.  [default: the kernel's end]",
    ),
    click.option(
        "--impair",
        type=network_impairment,
        metavar="WORDS",
        help='What the network does to packets, both ways, in the words of netem, such as "loss 1% delay 10ms".',
    ),
    click.option("--record", type=click.Path(path_type=Path), help="Write a capture (pcapng) to this file."),
)


def device_options(command: Command) -> Command:
    """Adds the options to ``command``, which gets them as keyword arguments for `DeviceOptions`."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command
