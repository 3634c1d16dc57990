from halfopen.base.clock import SECOND
from halfopen.packetdrill.permit import IN_SCRIPT
from halfopen.packetdrill.profiles import FREEBSD, LINUX, PROFILES
from halfopen.stack.ports import Owner
from halfopen.tcp.state import State
from halfopen.wire.ipv4 import parse
from halfopen.wire.tcp import SYN
from halfopen.wire.tcp import parse as parse_segment
from tests.packetdrill.hosts import NOW, PEER, US, Host


def syn(profile: str) -> tuple[int, str]:
    """Window and options of its SYN."""
    host = Host(profile)
    host.stack.tcp.connect((PEER, 80), Owner("test"), NOW, local=(US, 8080))
    item = host.stack.poll_transmit(NOW)
    assert item is not None
    packet = item[1]
    header = parse(packet.head, 0, packet.octets)
    segment = parse_segment(packet, header.header_octets, header.total_octets - header.header_octets)
    assert segment.flags == SYN
    kinds = packet.head[header.header_octets + 20 :]
    return segment.window, kinds.hex()


def test_a_syn_of_linux() -> None:
    window, options = syn("linux")
    assert window == 64240
    assert options.startswith("020405b40402080a")
    assert options.endswith("0103030a")


def test_a_syn_of_freebsd() -> None:
    window, options = syn("freebsd")
    assert window == 65535
    assert options.startswith("020405b4010303060402080a")


def test_each_profile_is_found_by_its_name() -> None:
    assert PROFILES == {"linux": LINUX, "freebsd": FREEBSD}


def test_freebsd_asks_again_with_its_slop_and_gives_up_after_75_seconds() -> None:
    host = Host("freebsd")
    socket = host.connects()
    times = []
    while (due := host.stack.next_deadline()) < NOW + 1000 * SECOND:
        host.stack.on_deadline(due)
        while host.stack.poll_transmit(due) is not None:
            times.append(round((due - NOW) / SECOND, 1))
    assert times == [1.0, 3.2, 7.4, 15.6, 31.8, 64.0]
    assert socket.connection.state is State.CLOSED


def test_scripts_may_be_as_weak_as_they_want() -> None:
    IN_SCRIPT.check("anything")
    assert LINUX.stack.tcp.security.permit is IN_SCRIPT
