from halfopen.base.clock import Instant
from halfopen.stack.datagram import Outgoing
from halfopen.stack.interface import Interface, Offloads
from halfopen.stack.neighbor import REACHABLE, Neighbor
from halfopen.stack.path import Network, Path
from halfopen.stack.routes import Routes
from halfopen.wire.checksum import ones_sum
from tests.stack.world import OURS, PEER, PEER_MAC


class Quiet(Network):
    """Sends nothing."""

    def send(self, path: Path, outgoing: Outgoing, now: Instant) -> None:
        raise NotImplementedError


def make() -> tuple[Routes, Path]:
    routes = Routes()
    interface = Interface("if0", "ethernet", 1400, offloads=Offloads(checksum=True, gso_octets=9000))
    network = Quiet()
    network.routes = routes
    return routes, Path(network, interface, (OURS, PEER), PEER)


def test_a_path_has_what_its_interface_has() -> None:
    _, path = make()
    assert (path.mtu, path.gso_octets, path.checksum_offload) == (1400, 9000, True)


def test_the_constant_part_of_the_header_is_ready() -> None:
    _, path = make()
    assert path.addresses == OURS + PEER
    assert path.addresses_digest == ones_sum(OURS + PEER)


def test_a_path_is_stale_once_the_routes_have_moved_on() -> None:
    routes, path = make()
    assert not path.is_stale
    routes.advance()
    assert path.is_stale


def test_progress_confirms_the_neighbour_if_there_is_one() -> None:
    _, path = make()
    path.confirm(5)
    path.neighbor = Neighbor(path.interface, PEER, 30, 0)
    path.neighbor.bind(PEER_MAC)
    path.confirm(5)
    assert path.neighbor.state is REACHABLE
    assert path.neighbor.fast_until == 35
