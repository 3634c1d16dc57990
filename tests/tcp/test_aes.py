import pytest

from halfopen.tcp.aes import Aes128, cmac

KEY = bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c")
TEXT = bytes.fromhex(
    "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
    "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
)


@pytest.mark.parametrize(
    ("key", "text", "cipher"),
    [
        (KEY.hex(), "3243f6a8885a308d313198a2e0370734", "3925841d02dc09fbdc118597196a0b32"),  # FIPS 197 appendix B
        ("000102030405060708090a0b0c0d0e0f", "00112233445566778899aabbccddeeff", "69c4e0d86a7b0430d8cdb78070b4c55a"),
    ],
    ids=["appendix B", "appendix C.1"],
)
def test_a_block_is_encrypted_as_in_the_examples_of_fips_197(key: str, text: str, cipher: str) -> None:
    assert Aes128(bytes.fromhex(key)).encrypt(bytes.fromhex(text)).hex() == cipher


@pytest.mark.parametrize(
    ("octets", "mac"),
    [
        (0, "bb1d6929e95937287fa37d129b756746"),
        (16, "070a16b46b4d4144f79bdd9dd04a287c"),
        (40, "dfa66747de9ae63030ca32611497c827"),
        (64, "51f0bebf7e3b9d92fc49741779363cfe"),
    ],
)
def test_macs_are_those_of_rfc_4493(octets: int, mac: str) -> None:
    assert cmac(KEY, TEXT[:octets]).hex() == mac
