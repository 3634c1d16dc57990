"""Three routers in a row: routes are computed, ARP finds the neighbours, and traceroute sees every hop."""

from itertools import pairwise

from halfopen.sim.network import Network


async def main(net: Network) -> None:
    print(await net.hosts["client"].ping("server"))
    print()
    print(await net.hosts["client"].traceroute("server"))


with Network(seed=1) as net:
    path = [net.host("client"), net.router("r1"), net.router("r2"), net.router("r3"), net.host("server")]
    for left, right in pairwise(path):
        net.link(left, right, "delay 5ms")
    print(net.topology)
    print()
    net.run(main(net))
