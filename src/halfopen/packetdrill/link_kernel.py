"""Scripts of the link dialect against the Linux kernel: TAPs in a network namespace of their own. Needs root."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from halfopen.base.addresses import Address, format_address
from halfopen.links.interfaces import LinkSettings, configure, set_sysctl
from halfopen.links.namespaces import Namespace
from halfopen.links.tuntap import TunTap
from halfopen.packetdrill.calls import Calls
from halfopen.packetdrill.captured import Emitted
from halfopen.packetdrill.kernel_world import BATCH, KernelWorld, monotonic
from halfopen.packetdrill.link_layout import DEVICES, LinkLayout
from halfopen.packetdrill.settings import Settings
from halfopen.wire.packet import Packet


@contextmanager
def kernel_links(settings: Settings, layout: LinkLayout) -> Iterator[list[TunTap]]:
    """One TAP, or two for a router, in a namespace where there is nothing else; this thread is inside."""
    with ExitStack() as stack:
        stack.enter_context(stack.enter_context(Namespace()).enter())
        for scope in ("all", "default"):
            _prepare(scope, layout)
        links = []
        for device in range(2 if layout.forwarding else 1):
            mtu = layout.second_mtu if device else settings.mtu
            link = stack.enter_context(TunTap(DEVICES[device], "ethernet", mtu=mtu, offload=False))
            _prepare(link.name, layout)
            configure(link.name, _settings(layout, device))
            links.append(link)
        yield links


def _prepare(scope: str, layout: LinkLayout) -> None:
    """What a script does not ask for the kernel does not do."""
    if layout.addressing.is_ipv6:
        set_sysctl(f"net/ipv6/conf/{scope}/accept_dad", str(int(layout.probe)))
        set_sysctl(f"net/ipv6/conf/{scope}/router_solicitations", "3" if layout.accept_ra else "0")
        set_sysctl(f"net/ipv6/conf/{scope}/accept_ra", str(int(layout.accept_ra)))
        set_sysctl(f"net/ipv6/conf/{scope}/accept_redirects", str(int(layout.accept_redirects)))
        set_sysctl(f"net/ipv6/conf/{scope}/forwarding", str(int(layout.forwarding)))
    else:
        set_sysctl(f"net/ipv4/conf/{scope}/accept_redirects", str(int(layout.accept_redirects)))
        set_sysctl(f"net/ipv4/conf/{scope}/send_redirects", "0")
        set_sysctl(f"net/ipv4/conf/{scope}/rp_filter", "0")
        set_sysctl(f"net/ipv4/conf/{scope}/forwarding", str(int(layout.forwarding)))


def _settings(layout: LinkLayout, device: int) -> LinkSettings:
    addressing = layout.addressing
    name, _ = layout.ends(device)
    length = layout.second_prefix_length if device else addressing.prefix_length
    has_gateway = not device and not layout.accept_ra
    return LinkSettings(
        addresses=(f"{format_address(layout.address(name))}/{length}",),
        routes=(("default", format_address(addressing.gateway)),) if has_gateway else (),
        neighbors=tuple(
            (format_address(address), mac)
            for where, address, mac in layout.neighbors
            if where == device and layout.knows_neighbors
        ),
        mac=layout.mac(name),
        txqueuelen=5000,
        ipv6=addressing.is_ipv6,
        probe=layout.probe,
    )


class LinkKernelWorld(KernelWorld):
    """The kernel at one end of each TAP, the script at the other."""

    def __init__(self, links: Sequence[TunTap], calls: Calls, remote: Address) -> None:
        super().__init__(links[0], calls, remote)
        self._links = links
        self._descriptors = [link.fileno() for link in links]

    def begin(self) -> None:
        """What the kernel has said while it was set up is not the script's."""
        self._read()
        self._output.clear()
        super().begin()

    def _read(self) -> None:
        now = monotonic()
        for device, link in enumerate(self._links):
            self._output.extend(Emitted(now, packet, device) for packet in link.read(BATCH))

    def inject(self, packet: Packet, device: int = 0) -> None:
        """The kernel takes it from the device."""
        if device < len(self._links):
            self._links[device].write(packet)
