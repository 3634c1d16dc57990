"""The words for segments: what they say, what they leave unsaid, and what cannot be meant."""

import pytest

from halfopen.testing.notation import Written, parse
from halfopen.wire.tcp import ACK, AE, CWR, ECE, FIN, PSH, RST, SYN, URG, Segment
from halfopen.wire.tcp_options import Options

PORTS = (49152, 80)


def test_a_syn_with_all_its_options_is_parsed() -> None:
    words = parse("S 0:0(0) win 65535 <mss 1460,sackOK,TS val 1 ecr 0,nop,wscale 7>")
    options = Options(mss=1460, sack_permitted=True, timestamps=(1, 0), window_scale=7)
    assert words == Written(flags=SYN, start=0, window=65535, options=options)


def test_a_data_segment_is_parsed() -> None:
    assert parse(". 1:1461(1460) ack 1 win 257") == Written(flags=ACK, start=1, octets=1460, ack=1, window=257)


@pytest.mark.parametrize(
    ("letters", "flags"),
    [("F", FIN), ("S", SYN), ("R", RST), ("P", PSH), ("E", ECE), ("W", CWR), ("A", AE), ("-", 0), ("SEWA", 0x1C2)],
)
def test_each_flag_has_a_letter(letters: str, flags: int) -> None:
    assert parse(f"{letters} 5:5(0)").flags == flags


def test_the_urgent_pointer_goes_with_its_flag() -> None:
    words = parse("P.U 1:5(4) ack 9 urg 3")
    assert (words.flags, words.urgent) == (PSH | ACK | URG, 3)


def test_the_ecn_field_of_the_ip_header_stands_in_front() -> None:
    assert [parse(f"[{name}] . 1:1(0) ack 1").ecn for name in ("noecn", "ect1", "ect0", "ce")] == [0, 1, 2, 3]
    assert parse(". 1:1(0) ack 1").ecn is None


def test_numbers_may_be_left_of_the_initial_ones() -> None:
    words = parse(". -3:-1(2) ack -7")
    assert (words.start, words.octets, words.ack) == (-3, 2, -7)


def test_sack_blocks_and_unknown_options_are_parsed() -> None:
    options = parse(". 1:1(0) ack 1 <nop,nop,sack 5:9 11:20,kind 254 0xbeef,kind 253,eol>").options
    assert options == Options(sack=((5, 9), (11, 20)), unknown=((254, b"\xbe\xef"), (253, b"")))


def test_empty_brackets_say_that_there_are_no_options() -> None:
    assert parse(". 1:1(0) ack 1 <>").options == Options()
    assert parse(". 1:1(0) ack 1").options is None


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ("hello", "is not a segment such as"),
        ("", "is not a segment such as"),
        (". 1:1(0) win 3 ack 1", "is not a segment such as"),
        (". 1:11(9) ack 1", "1 to 11 are 10 octets, not 9"),
        ("F. 1:2(0) ack 1", "SYN and FIN count as 0"),
        ("X 1:1(0)", "'X' is not one of the flags"),
        ("SS 1:1(0)", "stands there twice"),
        ("R-X 1:1(0)", "is not a segment such as"),
        (". 1:1(0)", "'.' and a number behind 'ack' go together"),
        ("S 0:0(0) ack 1", "'.' and a number behind 'ack' go together"),
        (".U 1:1(0) ack 1", "'U' and a number behind 'urg' go together"),
        (". 1:1(0) ack 1 win 65536", "65536 is more than the field can say"),
        (".U 1:1(0) ack 1 urg 70000", "70000 is more than the field can say"),
        (". 1:1(0) ack 1 <mss>", "'mss' is not an option such as"),
        (". 1:1(0) ack 1 <nop,>", "'' is not an option such as"),
        ("[wet] . 1:1(0) ack 1", "[wet] is not one of noecn, ect1, ect0, ce"),
    ],
)
def test_what_cannot_be_meant_is_a_value_error_that_says_why(words: str, complaint: str) -> None:
    with pytest.raises(ValueError) as error:
        parse(words)
    assert complaint in str(error.value)


@pytest.mark.parametrize(
    "words",
    [
        "S 0:0(0) win 65535 <mss 1460,sackOK,TS val 1 ecr 0,wscale 7>",
        "S. 0:0(0) ack 1",
        "[ce] FP.U 1:4(3) ack 2 win 9 urg 1 <sack 5:9 11:20,...>",
        "- -5:-5(0)",
        "R 7:7(0) <kind 253 0x0102,kind 254>",
        ". 1:1(0) ack 1 <...>",
    ],
)
def test_what_is_written_comes_back_as_the_same_words(words: str) -> None:
    assert str(parse(words)) == words


@pytest.mark.parametrize("isn", [0, 0xFFFFFFFF, 0xFFFFFFFD, 0x7FFFFFFF])
def test_numbers_count_from_the_initial_ones_also_across_the_wrap(isn: int) -> None:
    words = parse("P. 1:6(5) ack 9 win 3 <sack 20:30>")
    segment = words.segment(PORTS, isn, isn ^ 0x1234, (b"hello",))
    assert (segment.source_port, segment.destination_port) == PORTS
    assert segment.seq == (isn + 1) % 2**32
    assert segment.ack == ((isn ^ 0x1234) + 9) % 2**32
    assert segment.options is not None
    assert segment.options.sack == ((((isn ^ 0x1234) + 20) % 2**32, ((isn ^ 0x1234) + 30) % 2**32),)
    assert (segment.payload, segment.octets) == ((b"hello",), 5)
    assert str(Written.of(segment, isn, isn ^ 0x1234)) == str(words)


def test_what_a_segment_does_not_have_is_none() -> None:
    words = Written.of(Segment(*PORTS, seq=5, ack=3, urgent=4, flags=RST), 0, 0)
    assert (words.ack, words.urgent, words.options) == (None, None, Options())


SEEN = parse("P. 1:11(10) ack 5 win 100 <TS val 3 ecr 4,sack 7:9>")


@pytest.mark.parametrize(
    "words",
    [
        "P. 1:11(10) ack 5",
        "P. 1:11(10) ack 5 win 100",
        "P. 1:11(10) ack 5 <TS val 3 ecr 4,sack 7:9>",
        "P. 1:11(10) ack 5 <sack 7:9,...>",
        "P. 1:11(10) ack 5 <...>",
    ],
)
def test_what_is_not_written_may_be_anything(words: str) -> None:
    assert parse(words).matches(SEEN)


@pytest.mark.parametrize(
    "words",
    [
        ". 1:11(10) ack 5",
        "P. 2:12(10) ack 5",
        "P. 1:10(9) ack 5",
        "P. 1:11(10) ack 6",
        "P. 1:11(10) ack 5 win 101",
        "P. 1:11(10) ack 5 <>",
        "P. 1:11(10) ack 5 <sack 7:9>",
        "P. 1:11(10) ack 5 <sack 7:10,...>",
        "[ce] P. 1:11(10) ack 5",
    ],
)
def test_what_is_written_has_to_be_so(words: str) -> None:
    assert not parse(words).matches(SEEN)


def test_without_options_on_the_segment_none_are_found_missing() -> None:
    assert parse(". 1:1(0) ack 1 <>").matches(Written(flags=ACK, start=1, ack=1))
