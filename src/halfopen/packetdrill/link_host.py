"""Our stack on Ethernet, as a host or as a router between two networks."""

from collections.abc import Iterable
from dataclasses import replace

from halfopen.base.addresses import IPV4_ANY, IPV6_ANY, Prefix, format_address, format_mac
from halfopen.packetdrill.captured import Emitted
from halfopen.packetdrill.link_layout import DEVICES, LinkLayout
from halfopen.packetdrill.profiles import Profile
from halfopen.packetdrill.settings import Settings
from halfopen.packetdrill.virtual_host import VirtualHost
from halfopen.stack.config import InterfaceConfig, StackConfig
from halfopen.stack.config_ndp import RouterConfig
from halfopen.stack.interface import ETHERNET, Interface, Offloads
from halfopen.stack.routes import Route
from halfopen.wire.offload import split
from halfopen.wire.packet import Packet


class LinkHost(VirtualHost):
    """What it is handed and what it sends are frames."""

    __slots__ = ("_devices", "_layout")

    def __init__(self, settings: Settings, profile: Profile, layout: LinkLayout) -> None:
        self._layout = layout
        self._devices: list[Interface] = []
        super().__init__(settings, profile)

    def _configured(self, config: StackConfig) -> StackConfig:
        layout = self._layout
        autoconf = replace(
            config.ndp.autoconf,
            identifier="eui64",
            accept_ra=layout.accept_ra,
            accept_redirects=layout.accept_redirects,
        )
        router = RouterConfig() if layout.forwarding else None
        return replace(
            config,
            icmp=replace(config.icmp, accept_redirects=layout.accept_redirects),
            ip=replace(config.ip, forwarding=layout.forwarding),
            ipv6=replace(config.ipv6, mld=layout.mld),
            ndp=replace(config.ndp, autoconf=autoconf, router=router),
        )

    def _add_device(self, settings: Settings, profile: Profile) -> Interface:
        layout, addressing = self._layout, settings.addressing
        self._add("local", f"{format_address(addressing.local)}/{addressing.prefix_length}", settings.mtu)
        if layout.forwarding:
            second = format_address(layout.address("second"))
            self._add("second", f"{second}/{layout.second_prefix_length}", layout.second_mtu)
        if layout.knows_neighbors:
            table = self.stack.ndp.neighbors.table if addressing.is_ipv6 else self.stack.neighbors
            for device, address, mac in layout.neighbors:
                table.add_permanent(self._devices[device], address, mac)
        everywhere = Prefix(IPV6_ANY if addressing.is_ipv6 else IPV4_ANY, 0)
        if not layout.accept_ra:
            self.stack.routes.add(Route(prefix=everywhere, interface=self._devices[0], gateway=addressing.gateway))
        return self._devices[0]

    def _add(self, station: str, address: str, mtu: int) -> None:
        config = InterfaceConfig(
            name=DEVICES[len(self._devices)],
            kind=ETHERNET,
            addresses=(address,),
            mac=format_mac(self._layout.mac(station)),
            mtu=mtu,
            probe=self._layout.probe,
            offloads=Offloads(checksum=False, gso_octets=0),
        )
        self._devices.append(self.stack.add_interface(config, self.now))

    def receive(self, packet: Packet, device: int = 0) -> None:
        """A frame arrives; on a device that is not there, nowhere."""
        if device < len(self._devices):
            self.stack.receive(self._devices[device], packet, self.now)

    def _emitted(self, interface: Interface, packet: Packet) -> Iterable[Emitted]:
        device = self._devices.index(interface)
        return (Emitted(self.now, piece, device) for piece in split(packet, complete=True))
