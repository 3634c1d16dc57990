from halfopen.base.clock import SECOND
from halfopen.tcp.proven import LIFETIME, MEMORY, ProvenPeers


def flow(address: bytes, port: int = 5000) -> bytes:
    return address + bytes(len(address)) + port.to_bytes(2, "big") + b"\0\x50"


def numbered(number: int) -> bytes:
    return flow(number.to_bytes(4, "big"))


def test_an_address_is_known_whatever_its_port() -> None:
    for address in (bytes((192, 0, 2, 7)), bytes(range(16))):
        proven = ProvenPeers()
        proven.note(flow(address), 0)
        assert proven.knows(flow(address, 6000), SECOND)
        assert not proven.knows(flow(address[::-1]), SECOND)


def test_a_handshake_proves_nothing_after_an_hour() -> None:
    proven = ProvenPeers()
    proven.note(numbered(1), 0)
    proven.note(numbered(2), 0)
    proven.note(numbered(1), SECOND)
    assert proven.knows(numbered(1), LIFETIME)
    assert not proven.knows(numbered(2), LIFETIME)


def test_whoever_has_been_silent_longest_is_forgotten_first() -> None:
    proven = ProvenPeers()
    for number in range(MEMORY):
        proven.note(numbered(number), number)
    proven.note(numbered(0), MEMORY)
    proven.note(numbered(MEMORY), MEMORY)
    assert [proven.knows(numbered(number), MEMORY) for number in (0, 1, 2, MEMORY)] == [True, False, True, True]
