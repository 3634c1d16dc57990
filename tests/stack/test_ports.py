from itertools import pairwise

import pytest

from halfopen.base.addresses import IPV4_ANY, IPV6_ANY, parse_address
from halfopen.base.errors import AddressInUse, ConfigError
from halfopen.base.rng import SeededRng
from halfopen.stack.datagram import Datagram, IcmpError
from halfopen.stack.ports import (
    DoubleHashPorts,
    Owner,
    PortRange,
    PortRow,
    PortSource,
    PortTable,
    format_endpoint,
    format_listing,
)

HERE = parse_address("192.0.2.1")
THERE = parse_address("192.0.2.2")
WEB = Owner("web", 42, "python")
MAIL = Owner("mail")


def table(low: int = 1024, high: int = 65535, excluded: frozenset[int] = frozenset()) -> PortTable:
    return PortTable(DoubleHashPorts(SeededRng("ports"), PortRange(low=low, high=high, excluded=excluded)))


def test_a_port_belongs_to_whoever_bound_it() -> None:
    ports = table()
    assert ports.bind("tcp", HERE, 80, WEB) == 80
    assert ports.owner_of("tcp", HERE, 80) is WEB
    assert ports.owner_of("tcp", THERE, 80) is None
    assert ports.owner_of("udp", HERE, 80) is None


@pytest.mark.parametrize(("first", "second"), [(HERE, HERE), (HERE, IPV4_ANY), (IPV4_ANY, HERE), (IPV4_ANY, IPV4_ANY)])
def test_the_unspecified_address_conflicts_with_every_other(first: bytes, second: bytes) -> None:
    ports = table()
    ports.bind("tcp", first, 80, WEB)
    with pytest.raises(AddressInUse, match="in use by web"):
        ports.bind("tcp", second, 80, MAIL)


def test_other_addresses_protocols_and_families_do_not_conflict() -> None:
    ports = table()
    ports.bind("tcp", HERE, 80, WEB)
    ports.bind("tcp", THERE, 80, MAIL)
    ports.bind("udp", IPV4_ANY, 80, MAIL)
    ports.bind("tcp", IPV6_ANY, 80, MAIL)
    assert ports.owner_of("udp", HERE, 80) is MAIL


def test_a_released_port_is_free() -> None:
    ports = table()
    ports.bind("tcp", HERE, 80, WEB)
    ports.release("tcp", HERE, 80)
    ports.release("tcp", HERE, 80)
    assert ports.bind("tcp", IPV4_ANY, 80, MAIL) == 80


@pytest.mark.parametrize("port", [-1, 65536])
def test_a_number_that_is_no_port_is_refused(port: int) -> None:
    with pytest.raises(ConfigError, match=str(port)):
        table().bind("tcp", HERE, port, WEB)


@pytest.mark.parametrize(("low", "high"), [(0, 100), (200, 100), (1, 65536)])
def test_a_range_that_is_none_is_refused(low: int, high: int) -> None:
    with pytest.raises(ConfigError, match=f"{low}-{high}"):
        PortRange(low=low, high=high)


@pytest.mark.rfc("6056", "6056.1")
def test_ephemeral_ports_avoid_bound_and_excluded_ones() -> None:
    ports = table(5000, 5004, frozenset({5001}))
    ports.bind("tcp", HERE, 5003, WEB)
    chosen = {ports.bind("tcp", THERE, 0, MAIL) for _ in range(3)}
    assert chosen == {5000, 5002, 5004}


@pytest.mark.rfc("6056", "6056.1")
def test_the_range_is_as_wide_as_can_be_unless_told_otherwise() -> None:
    chooser = DoubleHashPorts(SeededRng("wide"))
    chosen = {chooser.choose(number.to_bytes(4, "big"), lambda port: True) for number in range(20_000)}
    ports = [port for port in chosen if port is not None]
    assert min(ports) < 1100
    assert max(ports) > 65_400
    assert all(1024 <= port <= 65_535 for port in ports)


@pytest.mark.rfc("6056", "6056.4")
def test_the_whole_range_is_tried_before_giving_up() -> None:
    ports = table(5000, 5999)
    assert ports.choose("tcp", b"endpoint", lambda port: port == 5321) == 5321
    with pytest.raises(AddressInUse, match="no ephemeral tcp port"):
        ports.choose("tcp", b"endpoint", lambda port: False)


@pytest.mark.rfc("6056", "6056.2")
def test_ports_towards_one_endpoint_count_up_and_tell_nothing_about_another() -> None:
    chooser = DoubleHashPorts(SeededRng("algorithm 4"), PortRange(low=20_000, high=29_999))
    first = [chooser.choose(b"one", lambda port: True) for _ in range(5)]
    second = chooser.choose(b"two", lambda port: True)
    steps = [(after - before) % 10_000 for before, after in pairwise(first) if before and after]
    assert steps == [1, 1, 1, 1]
    assert second is not None and first[-1] is not None
    assert second - first[-1] != 1


@pytest.mark.rfc("6056", "6056.2")
def test_the_same_seed_gives_the_same_ports() -> None:
    def draw(seed: str) -> list[int | None]:
        chooser = DoubleHashPorts(SeededRng(seed))
        return [chooser.choose(bytes([number]), lambda port: True) for number in range(20)]

    assert draw("a") == draw("a") != draw("b")


class Rows(PortSource):
    def receive(self, datagram: Datagram, now: int) -> None:
        raise AssertionError("nothing is sent to it")

    def on_error(self, error: IcmpError, now: int) -> None:
        raise AssertionError("it has sent nothing")

    def rows(self) -> list[PortRow]:
        common = {"netid": "tcp", "recv_q": 0, "local": HERE, "owner": WEB}
        return [
            PortRow(state="ESTAB", send_q=5, local_port=80, remote=THERE, remote_port=5000, **common),  # type: ignore[arg-type]
            PortRow(state="LISTEN", send_q=128, local_port=80, remote=IPV4_ANY, remote_port=0, **common),  # type: ignore[arg-type]
        ]


def test_the_listing_reads_like_that_of_ss() -> None:
    ports = table()
    ports.add_source(Rows())
    rows = ports.listing()
    assert [row.state for row in rows] == ["LISTEN", "ESTAB"]
    assert format_listing(rows).splitlines() == [
        "Netid State  Recv-Q Send-Q Local Address:Port Peer Address:Port Process",
        'tcp   LISTEN 0      128    192.0.2.1:80       0.0.0.0:*         users:(("python",pid=42,task=web))',
        'tcp   ESTAB  0      5      192.0.2.1:80       192.0.2.2:5000    users:(("python",pid=42,task=web))',
    ]


def test_endpoints_of_both_families_can_be_read() -> None:
    assert format_endpoint(HERE, 80) == "192.0.2.1:80"
    assert format_endpoint(parse_address("2001:db8::1"), 0) == "[2001:db8::1]:*"
    assert str(MAIL) == 'users:(("mail"))'
