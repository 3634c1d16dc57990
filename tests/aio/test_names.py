import socket

import pytest

from halfopen.aio.names import Hints, Names, port_number

TCP = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
UDP = (socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_UDP)


@pytest.fixture
def names() -> Names:
    names = Names({"server": "192.0.2.2", "Double.": "192.0.2.3"})
    names.add("double", bytes((192, 0, 2, 4)))
    return names


def test_a_name_has_a_row_for_each_address_and_kind(names: Names) -> None:
    assert names.address_info("double", 80) == [
        (*TCP, "", ("192.0.2.3", 80)),
        (*UDP, "", ("192.0.2.3", 80)),
        (*TCP, "", ("192.0.2.4", 80)),
        (*UDP, "", ("192.0.2.4", 80)),
    ]


@pytest.mark.parametrize("name", ["server", "SERVER", "server.", b"server", "192.0.2.2", b"192.0.2.2"])
def test_names_are_text_or_octets_or_addresses(names: Names, name: str | bytes) -> None:
    assert names.address_info(name, "443", Hints(kind=socket.SOCK_STREAM)) == [(*TCP, "", ("192.0.2.2", 443))]


@pytest.mark.parametrize("name", [None, "", b""])
def test_no_name_is_this_host_or_for_a_server_all_addresses(names: Names, name: str | bytes | None) -> None:
    tcp = socket.IPPROTO_TCP
    assert names.address_info(name, 80, Hints(proto=tcp)) == [(*TCP, "", ("127.0.0.1", 80))]
    passive = Hints(proto=tcp, flags=socket.AI_PASSIVE)
    assert names.address_info(name, b"80", passive) == [(*TCP, "", ("0.0.0.0", 80))]


def test_families_and_kinds_are_told_apart(names: Names) -> None:
    ipv6 = names.address_info("2001:db8::1%eth0", None, Hints(kind=socket.SOCK_DGRAM))
    assert ipv6 == [(socket.AF_INET6, socket.SOCK_DGRAM, socket.IPPROTO_UDP, "", ("2001:db8::1", 0, 0, 0))]
    for hints, number in (
        (Hints(family=socket.AF_INET6), socket.EAI_NONAME),
        (Hints(family=socket.AF_UNIX), socket.EAI_FAMILY),
        (Hints(kind=socket.SOCK_RAW), socket.EAI_SOCKTYPE),
        (Hints(kind=socket.SOCK_STREAM, proto=socket.IPPROTO_UDP), socket.EAI_SOCKTYPE),
        (Hints(flags=socket.AI_NUMERICHOST), socket.EAI_NONAME),
    ):
        with pytest.raises(socket.gaierror) as caught:
            names.address_info("server", 80, hints)
        assert caught.value.errno == number


def test_what_cannot_be_looked_up_says_so(names: Names) -> None:
    for host, port, number in (
        ("nobody", 80, socket.EAI_NONAME),
        (None, None, socket.EAI_NONAME),
        ("server", "http", socket.EAI_SERVICE),
    ):
        with pytest.raises(socket.gaierror) as caught:
            names.address_info(host, port)
        assert caught.value.errno == number
    with pytest.raises(OverflowError):
        port_number(65536)
    assert port_number("") == port_number(b"") == port_number(None) == 0


def test_the_canonical_name_is_told_when_asked_for(names: Names) -> None:
    rows = names.address_info("server", 80, Hints(flags=socket.AI_CANONNAME))
    assert [row[3] for row in rows] == ["server", ""]


def test_addresses_have_names_where_the_table_knows_one(names: Names) -> None:
    assert names.name_info(("192.0.2.4", 80)) == ("double", "80")
    assert names.name_info(("192.0.2.4", 80), socket.NI_NUMERICHOST) == ("192.0.2.4", "80")
    assert names.name_info(("192.0.2.77", 80)) == ("192.0.2.77", "80")


def test_a_client_of_the_unspecified_address_means_this_host(names: Names) -> None:
    assert names.destinations("0.0.0.0") == names.destinations("localhost") == [bytes((127, 0, 0, 1))]
