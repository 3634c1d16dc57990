import pytest

from halfopen.packetdrill.errors import ScriptError
from halfopen.packetdrill.lexer import Kind, Lexer, unescape


def lexed(text: str, **definitions: str) -> list[tuple[Kind, str]]:
    return [(token.kind, token.text) for token in Lexer(text, definitions).tokens()[:-1]]


def texts(text: str, **definitions: str) -> list[str]:
    return [told for _, told in lexed(text, **definitions)]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("0", Kind.INTEGER),
        ("-1", Kind.INTEGER),
        ("0.250", Kind.FLOAT),
        (".5", Kind.FLOAT),
        ("-.5", Kind.FLOAT),
        ("0x1F", Kind.HEX),
        ("0x", Kind.WORD),
        ("SOCK_STREAM", Kind.WORD),
        ("3021b9d889017eeb", Kind.WORD),
        ("...", Kind.ELLIPSIS),
        ("192.0.2.1", Kind.ADDRESS),
        ("2001:db8::1", Kind.ADDRESS),
        ("1:2:3:4:5:6:7:8", Kind.ADDRESS),
        ("::ffff:192.0.2.1", Kind.ADDRESS),
        ("{", Kind.SIGN),
    ],
)
def test_a_token_alone_is_of_one_kind(text: str, kind: Kind) -> None:
    assert lexed(text) == [(kind, text)]


def test_numbers_with_a_colon_between_them_are_no_address() -> None:
    assert texts("1:1001(1000) abcd:2") == ["1", ":", "1001", "(", "1000", ")", "abcd", ":", "2"]
    assert texts("1:2:3") == ["1", ":", "2", ":", "3"]
    assert lexed("ab:2:c")[0] == (Kind.WORD, "ab")
    assert texts(":1:2") == [":", "1", ":", "2"]


def test_a_colon_behind_an_address_is_a_sign_of_its_own() -> None:
    assert lexed("2001:db8::1: S") == [(Kind.ADDRESS, "2001:db8::1"), (Kind.SIGN, ":"), (Kind.WORD, "S")]


def test_a_plus_and_a_fraction_are_two_tokens() -> None:
    assert texts("+.1") == ["+", ".1"]


def test_an_ellipsis_between_times_needs_no_blanks() -> None:
    assert texts("0...0.1") == ["0", "...", "0.1"]
    assert texts("0.1...0.2") == ["0.1", "...", "0.2"]


def test_comments_and_blanks_only_separate() -> None:
    assert texts("a // b\n/* c\n d */ e/* */f") == ["a", "e", "f"]


def test_strings_know_the_escapes_of_c() -> None:
    assert lexed(r'"a\"b\\\n\x41\101\q"') == [(Kind.STRING, 'a"b\\\nAAq')]
    assert unescape(r"\0\xff") == "\0\xff"


def test_a_command_keeps_its_escapes_and_lines() -> None:
    assert lexed("`echo \\`id\\`\n  two`") == [(Kind.SHELL, "echo \\`id\\`\n  two")]


def test_a_block_of_code_keeps_its_lines_and_loses_the_blanks_around_it() -> None:
    assert lexed("%{ \tif x:\n  print('}')\n}%") == [(Kind.CODE, "if x:\n  print('}')\n")]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("12", (Kind.INTEGER, "12")),
        ("-1", (Kind.INTEGER, "-1")),
        ("010", (Kind.INTEGER, "8")),
        ("0x1f", (Kind.HEX, "0x1f")),
        ('"a\\n"', (Kind.STRING, "a\n")),
        ("`true`", (Kind.SHELL, "true")),
        ("SOL_IP", (Kind.WORD, "SOL_IP")),
        ("3021b9d889017eeb", (Kind.WORD, "3021b9d889017eeb")),
        ("", (Kind.WORD, "")),
    ],
)
def test_a_word_that_is_defined_is_replaced(value: str, expected: tuple[Kind, str]) -> None:
    assert lexed("A B", B=value) == [(Kind.WORD, "A"), expected]


def test_words_of_the_language_are_never_replaced() -> None:
    assert texts("win ack x", win="1", ack="2", x="3") == ["win", "ack", "3"]


def test_options_stand_in_front() -> None:
    text = '--a=1 // one\n--b\n--c="d e"\n--tolerance_usecs=5/* five */ 0'
    assert texts(text) == ["a=1", "b", "c=d e", "tolerance_usecs=5", "0"]
    assert lexed("0 --a")[1] == (Kind.SIGN, "-")


@pytest.mark.parametrize("option", ["--define=N=7", "--define N=7", "-D N=7", "-DN=7"])
def test_an_option_defines_a_symbol_unless_the_caller_has(option: str) -> None:
    assert texts(f"{option}\nN")[1:] == ["7"]
    assert texts(f"{option}\nN", N="8")[1:] == ["8"]


def test_a_part_is_left_out_unless_its_symbol_is_defined() -> None:
    text = "a\n#ifdef X\nb\n#else\nc\n#endif\nd\n  #ifndef X\ne\n#endif // X"
    assert texts(text, X="") == ["a", "b", "d"]
    assert texts(text) == ["a", "c", "d", "e"]


def test_parts_stand_in_parts() -> None:
    text = "#ifdef A\n1\n#ifdef B\n2\n#else\n3\n#endif\n4\n#endif\n5"
    assert texts(text) == ["5"]
    assert texts(text, A="") == ["1", "3", "4", "5"]
    assert texts(text, A="", B="") == ["1", "2", "4", "5"]


def test_a_part_left_out_may_hold_anything() -> None:
    assert texts('#ifdef X\n " ` /* \n#endif\na') == ["a"]


def test_the_number_sign_inside_a_block_is_no_directive() -> None:
    assert texts("`a\n#ifdef X\nb`") == ["a\n#ifdef X\nb"]


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ('0 "abc', 1, 3, "not closed"),
        ("\n `abc", 2, 2, "not closed"),
        ("0\n0 %{ assert", 2, 3, "not closed"),
        ("/* a", 1, 1, "comment"),
        ("#ifdef X\n", 1, 1, "#ifdef without #endif"),
        ("#ifdef\n", 1, 1, "expected a name"),
        ("a\n#endif\n", 2, 1, "#endif without #ifdef"),
        ("#else\n", 1, 1, "#else without #ifdef"),
        ("#ifdef X\n#else\n#else\n#endif", 3, 1, "#else without #ifdef"),
        ("#define X", 1, 1, "expected #ifdef"),
    ],
)
def test_what_is_no_token_is_told_with_line_and_column(text: str, line: int, column: int, message: str) -> None:
    with pytest.raises(ScriptError, match=message) as caught:
        texts(text)
    assert (caught.value.position.line, caught.value.position.column) == (line, column)


def test_an_open_part_that_is_read_wants_its_end_too() -> None:
    with pytest.raises(ScriptError, match="#ifdef without #endif"):
        texts("#ifdef X\na", X="")
