import pytest

from halfopen.packetdrill.mapping import Unmapped
from halfopen.packetdrill.option_octets import describe, encode
from halfopen.packetdrill.script import Option


def encoded(*options: Option) -> str:
    return encode(options, lambda edge: edge + 1000).octets.hex()


@pytest.mark.parametrize(
    ("options", "octets"),
    [
        ((Option("mss", (1460,)),), "020405b4"),
        ((Option("nop"), Option("wscale", (7,))), "01030307"),
        ((Option("sackOK"), Option("eol"), Option("eol")), "04020000"),
        ((Option("nop"), Option("nop"), Option("sack", (1, 1001))), "0101050a000003e9000007d1"),
        ((Option("FO", octets=bytes.fromhex("aabb")),), "2204aabb"),
        ((Option("FOEXP"),), "fe04f989"),
        ((Option("nop"), Option("ECN", (1, 2, 3), words=("e0b", "ceb", "e1b"))), "01ac0b000001000002000003"),
        ((Option("nop"), Option("nop"), Option("nop"), Option("ECN", (7,), words=("e1b",))), "010101ae05000007"),
        ((Option("gen", (200,), bytes(2)),), "c8040000"),
        ((Option("exp", (0xF989,), bytes(4)),), "fe08f98900000000"),
        ((Option("raw", octets=bytes.fromhex("02ff0000")),), "02ff0000"),
        ((Option("md5", octets=bytes(16)), Option("nop"), Option("nop")), "1312" + "00" * 16 + "0101"),
    ],
)
def test_options_become_octets_in_order(options: tuple[Option, ...], octets: str) -> None:
    assert encoded(*options) == octets


def test_timestamps_are_found_again_and_can_be_replaced() -> None:
    options = (Option("nop"), Option("nop"), Option("TS", (1, 2)))
    result = encode(options, int, (3, 4))
    assert (result.octets.hex(), result.timestamps) == ("0101080a0000000300000004", 4)


def test_options_that_do_not_fill_words_are_refused() -> None:
    with pytest.raises(Unmapped, match="whole words"):
        encoded(Option("nop"))


def test_the_place_of_a_signature_is_kept_for_it() -> None:
    encoded = encode((Option("nop"), Option("nop"), Option("md5", words=("valid",))), lambda edge: edge)
    assert encoded.octets == bytes.fromhex("01011312") + bytes(16)
    assert encoded.digest == 4


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        ("020405b40402080a000000010000000201030307", "mss 1460,sackOK,TS val 1 ecr 2,nop,wscale 7"),
        ("0101050a0000000100000002", "nop,nop,sack 11:12"),
        ("ac05000009ae020000", "ECN e0b 9,ECN,eol,eol"),
        ("2206aabbccdd", "FO aabbccdd"),
        ("02ff", "02ff"),
        ("c8020000", "gen-200,eol,eol"),
    ],
)
def test_octets_are_told_as_a_script_writes_them(octets: str, text: str) -> None:
    def times(value: int, echo: int) -> str:
        return f"TS val {value} ecr {echo}"

    assert describe(bytes.fromhex(octets), lambda edge: edge + 10, times) == text
