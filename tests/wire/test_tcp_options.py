from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halfopen.base.errors import Malformed
from halfopen.wire import tcp_options
from halfopen.wire.tcp_options import Options
from tests.wire.strategies import KNOWN, OPTIONS, fits

TIMESTAMPS = bytes.fromhex("0101080a 00000001 00000002")


def parse(octets: bytes) -> Options | None:
    return tcp_options.parse(octets, 0, len(octets))


@given(OPTIONS, st.binary(max_size=5), st.binary(max_size=5))
def test_what_was_emitted_is_parsed_between_other_octets(options: Options, before: bytes, after: bytes) -> None:
    octets = tcp_options.emit(options)
    parsed = tcp_options.parse(before + octets + after, len(before), len(before) + len(octets))
    assert (parsed or Options()) == options
    assert len(octets) == tcp_options.length(options)
    assert len(octets) % 4 == 0


@pytest.mark.parametrize(
    ("options", "octets"),
    [
        (
            Options(mss=1460, window_scale=7, sack_permitted=True, timestamps=(1, 2)),
            "020405b4 0402080a 00000001 00000002 01030307",
        ),
        (Options(mss=1460, window_scale=7, timestamps=(1, 2)), "020405b4 0101080a 00000001 00000002 01030307"),
        (Options(mss=1460, window_scale=7, sack_permitted=True), "020405b4 01010402 01030307"),
        (
            Options(mss=1460, window_scale=7, sack_permitted=True, timestamps=(1, 2), fast_open=(34, bytes(8))),
            "020405b4 0402080a 00000001 00000002 01030307 220a0000 00000000 00000101",
        ),
        (Options(mss=1460, fast_open=(34, b"")), "020405b4 22020101"),
        (Options(mss=1460, fast_open=(254, b"")), "020405b4 fe04f989"),
        (Options(mss=1460, fast_open=(254, bytes(6))), "020405b4 fe0af989 00000000 00000101"),
        (Options(mss=536), "02040218"),
        (Options(timestamps=(1, 2)), "0101080a 00000001 00000002"),
        (Options(timestamps=(1, 2), sack=((3, 4),)), "0101080a 00000001 00000002 0101050a 00000003 00000004"),
        (Options(sack=((3, 4), (5, 6))), "01010512 00000003 00000004 00000005 00000006"),
        (Options(), ""),
    ],
)
def test_options_stand_in_the_order_and_alignment_of_linux(options: Options, octets: str) -> None:
    assert tcp_options.emit(options) == bytes.fromhex(octets)
    assert parse(bytes.fromhex(octets)) == (options if octets else None)


def test_an_experiment_of_others_is_not_known() -> None:
    assert parse(b"\xfe\x04\xf9\x88") == Options(unknown=((254, b"\xf9\x88"),))
    assert parse(b"\xfe\x02\x01\x01") == Options(unknown=((254, b""),))


@pytest.mark.rfc("9293", "MUST-4")
def test_end_of_list_no_operation_and_mss_are_understood() -> None:
    assert parse(b"\x01\x02\x04\x05\xb4\x01\x00\x02\x04\x00\x01\x00") == Options(mss=1460)


@pytest.mark.parametrize("octets", [b"", b"\x01\x01\x01\x01", b"\x00\x02\x04\x05", bytes(40)])
def test_nothing_but_padding_is_no_options(octets: bytes) -> None:
    assert parse(octets) is None


@pytest.mark.rfc("9293", "MUST-6", "MUST-68")
@given(st.integers(0, 255).filter(lambda kind: kind not in KNOWN), st.binary(max_size=34))
def test_an_unknown_option_is_skipped_by_its_length(kind: int, value: bytes) -> None:
    options = parse(bytes((kind, 2 + len(value))) + value + b"\x02\x04\x05\xb4")
    assert options == Options(mss=1460, unknown=((kind, value),))


@pytest.mark.rfc("9293", "MUST-7")
@pytest.mark.parametrize("kind", [2, 3, 4, 5, 8, 28, 253])
@pytest.mark.parametrize("length", [0, 1, 9, 255])
@pytest.mark.parametrize("before", [b"", b"\x01\x01", b"\x02\x04\x05\xb4"])
def test_an_illegal_length_is_malformed(kind: int, length: int, before: bytes) -> None:
    with pytest.raises(Malformed, match="TcpBadOptions"):
        parse(before + bytes((kind, length)) + bytes(6))


@pytest.mark.rfc("9293", "MUST-7", "MUST-68")
@pytest.mark.parametrize("octets", [b"\x02", b"\x01\x08", b"\x02\x04\x05\xb4\x05"])
def test_a_kind_whose_length_is_past_the_header_is_malformed(octets: bytes) -> None:
    with pytest.raises(Malformed, match="TcpBadOptions"):
        tcp_options.parse(octets + b"\x04\x05\xb4\x01", 0, len(octets))


@pytest.mark.rfc("9293", "MUST-69")
@given(st.integers(0, 37).map(bytes))
def test_what_follows_the_last_option_is_zero(value: bytes) -> None:
    octets = tcp_options.emit(Options(unknown=((254, b"\xff" * len(value)),)))
    assert len(octets) % 4 == 0
    assert not any(octets[2 + len(value) :])


@pytest.mark.rfc("9293", "MUST-64")
@given(st.integers(0, 5), st.permutations(["mss", "scale", "permitted", "timestamps", "sack"]))
def test_options_need_no_alignment_and_no_order(no_operations: int, order: list[str]) -> None:
    octets = {
        "mss": b"\x02\x04\x05\xb4",
        "scale": b"\x03\x03\x07",
        "permitted": b"\x04\x02",
        "timestamps": b"\x08\x0a" + pack("!II", 1, 2),
        "sack": b"\x05\x0a" + pack("!II", 3, 4),
    }
    assert parse(b"\x01" * no_operations + b"".join(octets[name] for name in order)) == Options(
        mss=1460, window_scale=7, sack_permitted=True, timestamps=(1, 2), sack=((3, 4),)
    )


@pytest.mark.parametrize(
    "octets",
    [
        b"\x02\x03\x05",
        b"\x02\x05\x05\xb4\0",
        b"\x03\x02",
        b"\x03\x04\x07\x07",
        b"\x04\x03\x01",
        b"\x05\x02",
        b"\x05\x09" + bytes(7),
        b"\x08\x09" + bytes(7),
    ],
)
def test_a_known_kind_with_another_length_than_its_own_says_nothing(octets: bytes) -> None:
    assert parse(octets + b"\x01") == Options(unknown=((octets[0], octets[2:]),))


def test_of_an_option_that_stands_twice_the_last_counts() -> None:
    assert parse(b"\x02\x04\x05\xb4\x02\x04\x02\x18") == Options(mss=536)


def test_a_window_scale_above_14_is_kept_for_tcp_to_cap() -> None:
    assert parse(b"\x03\x03\xff\x00") == Options(window_scale=255)


def test_timestamps_are_found_in_and_out_of_the_usual_place() -> None:
    usual = Options(timestamps=(1, 2))
    assert parse(TIMESTAMPS) == parse(TIMESTAMPS[2:] + b"\x01\x01") == parse(TIMESTAMPS[2:]) == usual
    assert parse(TIMESTAMPS + b"\x03\x03\x07") == Options(timestamps=(1, 2), window_scale=7)


def test_more_than_forty_octets_cannot_be_emitted() -> None:
    with pytest.raises(ValueError, match="holds 40 octets of options, not 48"):
        tcp_options.emit(Options(timestamps=(1, 2), sack=((1, 2),) * 4))


@given(OPTIONS)
def test_sole_timestamps_are_those_of_options_that_hold_nothing_else(options: Options) -> None:
    is_alone = options == Options(timestamps=options.timestamps)
    assert tcp_options.sole_timestamps(options) == (options.timestamps if is_alone else None)


@pytest.mark.parametrize(
    "options",
    [
        Options(timestamps=(1, 2), mss=1),
        Options(timestamps=(1, 2), window_scale=0),
        Options(timestamps=(1, 2), sack_permitted=True),
        Options(timestamps=(1, 2), sack=((1, 2),)),
        Options(timestamps=(1, 2), unknown=((254, b""),)),
    ],
)
def test_timestamps_are_not_sole_beside_anything(options: Options) -> None:
    assert tcp_options.sole_timestamps(options) is None
    assert tcp_options.sole_timestamps(Options(timestamps=(1, 2))) == (1, 2)


def test_no_options_take_no_octets() -> None:
    assert tcp_options.length(None) == tcp_options.length(Options()) == 0


@given(st.binary(max_size=40) | st.lists(st.integers(0, 9), max_size=40).map(bytes))
def test_any_octets_are_options_or_malformed_and_what_they_said_survives_a_round_trip(octets: bytes) -> None:
    try:
        options = parse(octets)
    except Malformed as malformed:
        assert malformed.reason == "TcpBadOptions"
    else:
        if options is not None and fits(options):
            assert parse(tcp_options.emit(options)) == options


@pytest.mark.parametrize(
    ("octets", "kind", "at"),
    [
        ("0101080a0000000100000002 1d0401020000", 29, 12),
        ("1d0401021d040304", 29, 0),
        ("020405b4 01 030308", 3, 5),
        ("020405b4 00 030308", 3, -1),
        ("020405b4", 29, -1),
        ("", 29, -1),
    ],
)
def test_an_option_is_found_where_it_begins_unless_it_is_behind_the_end(octets: str, kind: int, at: int) -> None:
    data = b"\x1d\x02" + bytes.fromhex(octets) + b"\x1d\x02"
    found = tcp_options.find(data, 2, len(data) - 2, kind)
    assert found == (at if at < 0 else at + 2)


@pytest.mark.parametrize(
    ("options", "octets"),
    [
        (
            Options(mss=1460, window_scale=6, sack_permitted=True, timestamps=(1, 2)),
            "020405b4010303060402080a0000000100000002",
        ),
        (Options(mss=1460, sack_permitted=True), "020405b404020000"),
        (Options(mss=1460, window_scale=6), "020405b401030306"),
        (Options(mss=1460, window_scale=6, timestamps=(1, 2)), "020405b4010303060101080a0000000100000002"),
        (Options(timestamps=(1, 2), sack=((3, 4),)), "0101080a00000001000000020101050a0000000300000004"),
        (Options(mss=536, unknown=((34, b""),)), "0204021822020000"),
    ],
)
def test_dense_options_come_in_the_order_of_the_bsds(options: Options, octets: str) -> None:
    options.dense = True
    assert tcp_options.emit(options).hex() == octets
    assert tcp_options.length(options) == len(octets) // 2


def test_a_fast_open_cookie_stands_among_the_options_of_the_bsds_too() -> None:
    options = Options(mss=1460, fast_open=(34, bytes(8)), dense=True)
    assert tcp_options.emit(options) == bytes.fromhex("020405b4 220a0000 00000000 00000000")
    assert tcp_options.length(options) == 16


@pytest.mark.parametrize(
    ("dense", "start"),
    [(True, "0101080a00000001000000020101 1312"), (False, "01011312")],
)
def test_a_signature_stands_behind_the_timestamps_of_a_bsd_and_else_in_front(dense: bool, start: str) -> None:
    options = Options(timestamps=(1, 2), unknown=((tcp_options.MD5_SIGNATURE, bytes(16)),), dense=dense)
    octets = tcp_options.emit(options)
    assert octets.startswith(bytes.fromhex(start))
    assert len(octets) == tcp_options.length(options) == 32


def test_timestamps_beside_a_fast_open_cookie_are_not_alone() -> None:
    assert tcp_options.sole_timestamps(Options(timestamps=(1, 2))) == (1, 2)
    assert tcp_options.sole_timestamps(Options(timestamps=(1, 2), fast_open=(34, b""))) is None


@pytest.mark.parametrize(
    ("options", "octets"),
    [
        (Options(accurate_ecn=(174, (1, 2, 3))), "ae0b 000001 000002 000003 01"),
        (Options(accurate_ecn=(172, (1, 2)), sack=((1, 2),)), "ac08 000001 000002 0101 050a 00000001 00000002"),
        (Options(accurate_ecn=(174, (1,)), sack=((1, 2),)), "ae05 000001 01 050a 00000001 00000002"),
        (Options(accurate_ecn=(174, ()), sack=((1, 2),)), "ae02 050a 00000001 00000002"),
        (Options(accurate_ecn=(174, (1,))), "ae05 000001 010101"),
        (Options(accurate_ecn=(174, ())), "ae02 0101"),
        (Options(accurate_ecn=(174, (1,)), sack_permitted=True, window_scale=7), "ae05 000001 01 0402 01030307"),
        (Options(accurate_ecn=(174, (1,)), window_scale=7), "ae05 000001 030307"),
        (Options(accurate_ecn=(174, ()), window_scale=7), "01030307 ae02 0101"),
        (Options(accurate_ecn=(174, (1,)), dense=True), "ae05 000001 000000"),
    ],
)
def test_what_of_accurate_ecn_hangs_over_a_word_takes_the_place_of_padding(options: Options, octets: str) -> None:
    assert tcp_options.emit(options) == bytes.fromhex(octets)
    assert tcp_options.length(options) == len(bytes.fromhex(octets))


@pytest.mark.parametrize(
    ("value", "counters"), [("", ()), ("0000", ()), ("000001", (1,)), ("000001 000002 00", (1, 2))]
)
def test_counters_that_are_not_whole_are_ignored(value: str, counters: tuple[int, ...]) -> None:
    data = bytes.fromhex(value)
    assert parse(bytes((172, 2 + len(data))) + data) == Options(accurate_ecn=(172, counters))


def test_a_copy_says_the_same_and_goes_its_own_way() -> None:
    options = Options(mss=1400, timestamps=(1, 2), sack=((3, 4),), dense=True)
    copy = options.copy()
    assert copy == options and copy.dense
    copy.mss = 500
    assert options.mss == 1400


def test_in_words_only_what_is_there_is_told() -> None:
    assert repr(Options(mss=1400, sack_permitted=True)) == "Options(mss=1400, sack_permitted=True)"
    assert repr(Options()) == "Options()"


@pytest.mark.parametrize("dense", [False, True])
def test_options_that_were_sent_before_bear_their_own_timestamps(dense: bool) -> None:
    """Also where other octets look like the beginning of the option."""
    for stamps in ((1, 2), (0xFFFFFFFF, 0x080A080A), None):
        for mss in (0x080A, None):
            options = Options(mss, 8, True, stamps, dense=dense)
            assert parse(tcp_options.emit(options)) == options


def test_only_so_many_forms_are_kept() -> None:
    for mss in range(2000, 3100):
        octets = tcp_options.emit(Options(mss=mss))
        assert octets == b"\x02\x04" + mss.to_bytes(2, "big")
