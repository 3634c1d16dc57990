import pytest

from halfopen.packetdrill.cursor import Cursor
from halfopen.packetdrill.errors import ScriptError
from halfopen.packetdrill.lexer import Lexer


def cursor(text: str) -> Cursor:
    return Cursor(Lexer(text, {}))


def test_tokens_pass_one_by_one_and_the_end_stays() -> None:
    at = cursor("a b")
    assert [at.take().text for _ in range(4)] == ["a", "b", "", ""]
    assert at.ahead(5).text == ""


def test_a_word_in_a_string_is_no_sign() -> None:
    at = cursor('"," ,')
    assert not at.at(",")
    at.take()
    assert at.accept(",")
    assert not at.accept(",")


def test_what_is_missing_is_named_with_what_is_there() -> None:
    at = cursor("a\n  b")
    at.take()
    with pytest.raises(ScriptError, match="line 2, column 3: expected ',', found 'b'"):
        at.expect(",")
    at.take()
    with pytest.raises(ScriptError, match="expected a word, found the end of the script"):
        at.word("a word")


def test_numbers_have_bounds() -> None:
    assert cursor("0xff").number("port", high=255) == 255
    assert cursor("-3").number("offset", low=-5) == -3
    with pytest.raises(ScriptError, match="256 is no port: expected 0 to 255"):
        cursor("256").number("port", high=255)
    with pytest.raises(ScriptError, match=r"expected port, found '1\.5'"):
        cursor("1.5").number("port")


def test_lists_may_end_with_a_comma() -> None:
    at = cursor("a, b,] c")
    assert at.listed(lambda: at.word("a word"), "]") == ("a", "b")
    assert at.word("a word") == "c"


def test_glued_tokens_have_no_blank_between_them() -> None:
    at = cursor("P.5 1:1(0)")
    assert at.glued() == "P.5"
    assert at.glued(until="(") == "1:1"
    assert cursor("").glued() == ""


def test_text_in_parentheses_may_hold_anything() -> None:
    at = cursor("(it isn't (really) # so) 3")
    assert at.skip_balanced() == "it isn't (really) # so"
    assert at.number("count") == 3
    with pytest.raises(ScriptError, match=r"expected '\)', found the end"):
        cursor("(a (b)").skip_balanced()
