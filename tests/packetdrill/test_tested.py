from halfopen.packetdrill.addressing import FIRST_REMOTE_PORT, default_addressing
from halfopen.packetdrill.captured import Captured
from halfopen.packetdrill.mapping import Timestamps
from halfopen.packetdrill.script import Call
from halfopen.packetdrill.tested import Tracker
from halfopen.wire.tcp import ACK, SYN
from tests.packetdrill.parsing import action, tcp

ADDRESSING = default_addressing("ipv4")
SYN_LINE = tcp("< S 123:123(0) win 1000")


def call(text: str) -> Call:
    told = action(text)
    assert isinstance(told, Call)
    return told


def tracker(*calls: str) -> Tracker:
    made = Tracker(ADDRESSING, Timestamps())
    for text in calls:
        made.on_connect(call(text))
        result = call(text).result
        assert isinstance(result, int)
        made.on_call(call(text), result)
    return made


SOCKET = "socket(..., SOCK_STREAM, IPPROTO_TCP) = 3"
CONNECT = "connect(3, ..., ...) = 0"
LISTENER = (SOCKET, "bind(3, ..., ...) = 0", "listen(3, 1) = 0")


def sent(ports: tuple[int, int], flags: int, **other: object) -> Captured:
    header = ports[0].to_bytes(2, "big") + ports[1].to_bytes(2, "big") + bytes(8) + (0x5000 | flags).to_bytes(2, "big")
    fields: dict[str, object] = {
        "source": ADDRESSING.local,
        "destination": ADDRESSING.remote,
        "protocol": 6,
        "octets": header + bytes(6),
        **other,
    }
    return Captured(
        when=0,
        is_ipv6=False,
        tos=0,
        ttl=64,
        flow_label=0,
        header_octets=20,
        **fields,  # type: ignore[arg-type]  # theirs
    )


def test_the_last_socket_is_under_test() -> None:
    follower = tracker(SOCKET, "socket(..., SOCK_STREAM, IPPROTO_TCP) = 4")
    assert follower.tested is not None
    assert follower.tested.descriptor == 4


def test_a_segment_to_a_listener_makes_a_connection() -> None:
    child = tracker(*LISTENER).on_inbound(SYN_LINE)
    assert (child.is_passive, child.local_port, child.remote_port) == (True, 8080, FIRST_REMOTE_PORT)
    assert child.numbers.remote_isn == 123


def test_a_segment_to_nobody_makes_a_connection_too() -> None:
    assert tracker().on_inbound(tcp("< . 1:1(0) ack 1 win 5")).numbers.remote_isn == 1


def test_the_next_segment_belongs_to_the_same_connection() -> None:
    follower = tracker(*LISTENER)
    assert follower.on_inbound(SYN_LINE) is follower.on_inbound(SYN_LINE)


def test_accept_gives_the_newest_connection_its_descriptor() -> None:
    follower = tracker(*LISTENER)
    child = follower.on_inbound(SYN_LINE)
    follower.on_call(call("accept(3, ..., ...) = 4"), 4)
    assert child.descriptor == 4


def test_a_listener_that_listens_again_has_connections_of_another_port() -> None:
    follower = tracker(*LISTENER)
    follower.on_inbound(SYN_LINE)
    follower.on_call(call("socket(..., SOCK_STREAM, IPPROTO_TCP) = 5"), 5)
    follower.on_call(call("listen(5, 1) = 0"), 0)
    assert follower.on_inbound(SYN_LINE).remote_port == FIRST_REMOTE_PORT + 1


def test_the_syn_of_a_connecting_socket_tells_its_port() -> None:
    follower = tracker(SOCKET, CONNECT)
    assert follower.takes(sent((4321, 8080), SYN))
    assert follower.tested is not None
    assert follower.tested.local_port == 4321


def test_only_a_syn_tells_the_port() -> None:
    assert not tracker(SOCKET, CONNECT).takes(sent((4321, 8080), ACK))


def test_another_connection_s_segments_do_not_count() -> None:
    follower = tracker(*LISTENER)
    follower.on_inbound(SYN_LINE)
    assert follower.takes(sent((8080, FIRST_REMOTE_PORT), ACK))
    assert not follower.takes(sent((8080, FIRST_REMOTE_PORT + 1), ACK))
    assert not follower.takes(sent((8081, FIRST_REMOTE_PORT), ACK))


def test_datagrams_to_elsewhere_do_not_count() -> None:
    follower = tracker(SOCKET, CONNECT)
    assert not follower.takes(sent((4321, 8080), SYN, destination=bytes((198, 51, 100, 1))))


def test_icmp_counts_whoever_it_is_about() -> None:
    assert tracker().takes(sent((0, 0), 0, protocol=1))


def test_a_syn_ack_tells_a_connecting_socket_the_remote_isn() -> None:
    follower = tracker(SOCKET, CONNECT)
    assert follower.on_inbound(tcp("< S. 123:123(0) ack 1 win 5")).numbers.remote_isn == 123


def test_connecting_to_nothing_makes_a_socket_new_again() -> None:
    follower = tracker(SOCKET, CONNECT)
    follower.takes(sent((4321, 8080), SYN))
    follower.on_connect(call("connect(3, AF_UNSPEC, ...) = 0"))
    assert follower.tested is not None
    assert (follower.tested.is_connecting, follower.tested.local_port) == (False, None)


def test_ports_that_are_written_out_count() -> None:
    follower = tracker(
        SOCKET,
        'bind(3, {sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("192.168.0.1")}, ...) = 0',
        'connect(3, {sa_family=AF_INET, sin_port=htons(443), sin_addr=inet_addr("192.0.2.1")}, ...) = 0',
    )
    assert follower.takes(sent((80, 443), SYN))
    assert not follower.takes(sent((80, 8080), SYN))
