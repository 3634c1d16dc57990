import pytest

from halfopen.tcp.siphash import siphash

KEY = bytes(range(16))


@pytest.mark.parametrize(
    ("octets", "expected"),
    [(0, 0x726FDB47DD0E0E31), (1, 0x74F839C593DC67FD), (8, 0x93F5F5799A932462), (15, 0xA129CA6149BE45E5)],
)
def test_the_vectors_of_the_paper_and_of_its_reference(octets: int, expected: int) -> None:
    assert siphash(KEY, bytes(range(octets))) == expected


def test_another_key_makes_another_hash() -> None:
    assert siphash(bytes(16), b"") != siphash(KEY, b"")
