import pytest

from halfopen.base.addresses import parse_address
from halfopen.base.errors import ConfigError
from halfopen.tcp.master_keys import ALGORITHMS, MasterKey, Md5Key, Pattern

FLOW = parse_address("192.0.2.2") + parse_address("192.0.2.1") + (4242).to_bytes(2, "big") + (179).to_bytes(2, "big")
FLOW_6 = parse_address("2001:db8::2") + parse_address("2001:db8::1") + FLOW[-4:]


@pytest.mark.parametrize(
    ("peer", "peer_port", "local_port", "matches"),
    [
        (None, None, None, True),
        ("192.0.2.2", None, None, True),
        ("192.0.2.0/24", 4242, 179, True),
        ("192.0.2.1", None, None, False),
        ("198.51.100.0/24", None, None, False),
        (None, 4243, None, False),
        (None, None, 4242, False),
        ("2001:db8::/32", None, None, False),
    ],
)
def test_a_pattern_matches_by_the_peers_address_and_both_ports(
    peer: str | None, peer_port: int | None, local_port: int | None, matches: bool
) -> None:
    assert Pattern.parse(peer, peer_port, local_port).matches(FLOW) is matches


def test_a_pattern_matches_ipv6_as_well() -> None:
    assert Pattern.parse("2001:db8::/32", 4242, 179).matches(FLOW_6)
    assert not Pattern.parse("192.0.2.2", None, None).matches(FLOW_6)


def test_a_master_key_of_another_length_than_aes_has_is_made_one_first() -> None:
    derive = ALGORITHMS["AES-128-CMAC-96"].derive
    assert len({derive(secret, b"context") for secret in (b"short", bytes(16), bytes(17), b"short\0")}) == 4


def test_the_pairs_of_algorithms_are_those_of_rfc_5926() -> None:
    context = bytes.fromhex("0a0b0c0dac1b1c1de9d700b3fbfbab5a00000000")  # RFC 9235 4.1.1
    key = ALGORITHMS["HMAC-SHA-1-96"].derive(b"testvector", context)
    assert key.hex() == "6d63ef1b02fe1509d4b1402707fd7b0416abb74f"
    # RFC 2202 3, test case 2, and RFC 4493 4, example 2.
    mac = ALGORITHMS["HMAC-SHA-1-96"].authenticate(b"Jefe", b"what do ya want for nothing?")
    assert mac.hex() == "effcdf6ae5eb2fa2d27416d5"
    text = bytes.fromhex("6bc1bee22e409f96e93d7e117393172a")
    mac = ALGORITHMS["AES-128-CMAC-96"].authenticate(bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c"), text)
    assert mac.hex() == "070a16b46b4d4144f79bdd9d"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"secret": b""}, "at least one octet"),
        ({"send_id": 256}, "0 to 255"),
        ({"receive_id": -1}, "0 to 255"),
        ({"algorithm": "MD5"}, "HMAC-SHA-1-96, AES-128-CMAC-96"),
        ({"peer": "everyone"}, "not a network prefix"),
        ({"peer_port": 0}, "1 to 65535"),
    ],
)
def test_a_key_that_makes_no_sense_is_refused_with_what_was_expected(fields: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        MasterKey(**{"secret": b"x", "send_id": 1, "receive_id": 1, **fields})  # type: ignore[arg-type]  # on purpose


def test_an_md5_key_needs_a_secret_too() -> None:
    with pytest.raises(ConfigError, match="at least one octet"):
        Md5Key(secret=b"")


def test_secrets_are_not_shown() -> None:
    assert "hush" not in repr(MasterKey(secret=b"hush", send_id=1, receive_id=1)) + repr(Md5Key(secret=b"hush"))
