import pytest

from halfopen.base.addresses import Prefix, parse_address, parse_mac
from halfopen.base.rng import Rng, SeededRng
from halfopen.stack import identifiers

PREFIX = Prefix.parse("2001:db8::/64")
OTHER_PREFIX = Prefix.parse("2001:db8:1::/64")


class Scripted(Rng):
    """Gives what it is told to."""

    def __init__(self, *draws: bytes) -> None:
        self.draws = list(draws)

    def octets(self, count: int) -> bytes:
        return self.draws.pop(0)


def test_a_modified_eui_64_is_the_mac_address_with_a_bit_turned() -> None:
    identifier = identifiers.eui64(parse_mac("34:56:78:9a:bc:de"))
    assert identifier == bytes.fromhex("365678fffe9abcde")
    assert identifiers.make_address(PREFIX, identifier) == parse_address("2001:db8::3656:78ff:fe9a:bcde")


def test_a_stable_identifier_is_the_same_every_time_and_another_everywhere_else() -> None:
    one = identifiers.stable(PREFIX, "eth0", 0, b"secret")
    assert one == identifiers.stable(PREFIX, "eth0", 0, b"secret")
    others = {
        identifiers.stable(OTHER_PREFIX, "eth0", 0, b"secret"),
        identifiers.stable(PREFIX, "eth1", 0, b"secret"),
        identifiers.stable(PREFIX, "eth0", 1, b"secret"),
        identifiers.stable(PREFIX, "eth0", 0, b"another"),
    }
    assert len(others | {one}) == 5


@pytest.mark.parametrize("reserved", ["0000000000000000", "fdffffffffffff80", "fdffffffffffffff"])
def test_reserved_identifiers_are_passed_over(reserved: str) -> None:
    assert identifiers.is_reserved(bytes.fromhex(reserved))
    good = bytes.fromhex("fdffffffffffff7f")
    assert identifiers.temporary(Scripted(bytes.fromhex(reserved), good)) == good


def test_a_stable_identifier_that_is_reserved_is_passed_over() -> None:
    made = {7: bytes(8), 8: bytes.fromhex("fdffffffffffffff"), 9: bytes.fromhex("fdffffffffffff7f")}
    assert identifiers.first_usable(made.__getitem__, 7) == made[9]


def test_temporary_identifiers_differ() -> None:
    rng = SeededRng("temporary")
    assert identifiers.temporary(rng) != identifiers.temporary(rng)
