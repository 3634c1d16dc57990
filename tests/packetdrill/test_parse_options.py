import pytest

from halfopen.packetdrill.errors import ScriptError
from halfopen.packetdrill.parse_options import octets_of
from halfopen.packetdrill.script import Option
from tests.packetdrill.parsing import tcp

DIGEST = "00112233445566778899aabbccddeeff"


def options(text: str, **definitions: str) -> tuple[Option, ...] | None:
    return tcp(f"> . 1:1(0) ack 1 <{text}>", **definitions).options


@pytest.mark.parametrize(
    ("text", "option", "octets"),
    [
        ("mss 1460", Option("mss", (1460,)), 4),
        ("wscale 7,nop", Option("wscale", (7,)), 3),
        ("sackOK,nop,nop", Option("sackOK"), 2),
        ("nop,nop,nop,nop", Option("nop"), 1),
        ("eol,eol,eol,eol", Option("eol"), 1),
        ("TS val 100 ecr 0,nop,nop", Option("TS", (100, 0)), 10),
        ("TS val ... ecr 7!,nop,nop", Option("TS", (0, 7), words=("any val", "absolute ecr")), 10),
        ("TS val 7! ecr ...,nop,nop", Option("TS", (7, 0), words=("absolute val", "any ecr")), 10),
        ("sack 1:1001,nop,nop", Option("sack", (1, 1001)), 10),
        ("sack 1:1001 2001:3001 4:5,nop,nop", Option("sack", (1, 1001, 2001, 3001, 4, 5)), 26),
        (f"md5 {DIGEST},nop,nop", Option("md5", octets=bytes.fromhex(DIGEST)), 18),
        ("md5 valid,nop,nop", Option("md5", words=("valid",)), 18),
        ("FO,nop,nop", Option("FO"), 2),
        ("FO 3021b9d889017eeb,nop,nop", Option("FO", octets=bytes.fromhex("3021b9d889017eeb")), 10),
        ("FO 30213021,nop,nop", Option("FO", octets=b"0!0!"), 6),
        ("FO 12e45678,nop,nop", Option("FO", octets=bytes.fromhex("12e45678")), 6),
        ("FOEXP", Option("FOEXP"), 4),
        ("FOEXP 0xabcdef01", Option("FOEXP", octets=bytes.fromhex("abcdef01")), 8),
        ("ECN e0b 1,nop,nop,nop", Option("ECN", (1,), words=("e0b",)), 5),
        ("ECN e1b 1 ceb 2 e0b 3,nop", Option("ECN", (1, 2, 3), words=("e1b", "ceb", "e0b")), 11),
        ("ECN e0b 1, ceb 2,nop,nop,nop,nop", Option("ECN", (1, 2), words=("e0b", "ceb")), 8),
        ("0101", Option("raw", octets=b"\1\1"), 2),
        ("0xfe04abcd", Option("raw", octets=b"\xfe\x04\xab\xcd"), 4),
        ("gen-77 0102", Option("gen", (77,), octets=b"\1\2"), 4),
        ("gen-77", Option("gen", (77,)), 2),
        ("exp-F989 3021", Option("exp", (0xF989,), octets=b"0!"), 6),
        ("exp-1234", Option("exp", (0x1234,)), 4),
        ("exp-0x12ab 00", Option("exp", (0x12AB,), octets=b"\0"), 5),
    ],
)
def test_an_option_is_read(text: str, option: Option, octets: int) -> None:
    read = options(text)
    assert read
    assert read[0] == option
    assert octets_of(option) == octets


def test_options_keep_their_order_with_or_without_blanks() -> None:
    names = [option.name for option in options("mss 1460,sackOK , TS val 1 ecr 0,nop,wscale 8") or ()]
    assert names == ["mss", "sackOK", "TS", "nop", "wscale"]


def test_no_options_and_unchecked_options_are_two_things() -> None:
    assert tcp("> . 1:1(0)").options == ()
    assert options("") == ()
    assert options("...") is None


def test_a_cookie_may_be_a_symbol() -> None:
    assert options("FO COOKIE,nop,nop", COOKIE="c1d1e9742a47a9bc") == options("FO c1d1e9742a47a9bc,nop,nop")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mss 1460,nop", "take 5 octets: pad"),
        (f"md5 {DIGEST},md5 {DIGEST},mss 1,mss 2", "take 44 octets"),
        ("sack 1:2 3:4 5:6 7:8 9:10", "room for 4"),
        ("sack", "expected left edge"),
        ("mss 70000", "expected 0 to 65535"),
        ("wscale 256,nop", "expected 0 to 255"),
        ("FO 123,nop", "hexadecimal digits"),
        ("md5 xyz", "hexadecimal digits"),
        ("ECN ceb 1", "expected the counters"),
        ("ECN", "expected the counters"),
        ("ECN e0b 1 e1b 2", "expected the counters"),
        ("gen-256 00", "0 to 255"),
        ("gen-1234 00", "0 to 255"),
        ("gen 3", "expected gen-"),
        ("exp-xyz", "expected exp-"),
        ("foo", "expected a TCP option"),
        ("mss 1460 nop", "expected ',' or '>'"),
        ("TS 3", "expected 'val'"),
        ("{", "expected a TCP option"),
    ],
)
def test_options_that_cannot_be_are_refused(text: str, message: str) -> None:
    with pytest.raises(ScriptError, match=message):
        options(text)
