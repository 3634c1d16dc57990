import pytest

from halfopen.packetdrill.code import CodeBlocks
from halfopen.packetdrill.errors import Mismatch, ScriptError, Unsupported
from halfopen.packetdrill.script import Position

HERE = Position(7, 3)
FIELDS = {"tcpi_snd_cwnd": 10, "TCPI_OPT_SACK": 2, "tcpi_options": 6}


def test_an_assertion_that_holds_says_nothing() -> None:
    blocks = CodeBlocks()
    blocks.run("assert tcpi_snd_cwnd == 10, tcpi_snd_cwnd\nassert tcpi_options & TCPI_OPT_SACK != 0", FIELDS, HERE)
    assert not blocks.output


def test_one_that_fails_shows_its_line_and_its_words() -> None:
    with pytest.raises(Mismatch, match=r"line 7.*'assert tcpi_snd_cwnd == 11, tcpi_snd_cwnd': 10"):
        CodeBlocks().run("x = 1\nassert tcpi_snd_cwnd == 11, tcpi_snd_cwnd", FIELDS, HERE)


def test_variables_live_on_in_the_next_block() -> None:
    blocks = CodeBlocks()
    blocks.run("before = tcpi_snd_cwnd", FIELDS, HERE)
    blocks.run("assert tcpi_snd_cwnd - before == 2", {"tcpi_snd_cwnd": 12}, HERE)


def test_printing_goes_to_the_output_of_the_script() -> None:
    blocks = CodeBlocks()
    blocks.run("for each in range(2):\n    print(each, tcpi_snd_cwnd)", FIELDS, HERE)
    assert blocks.output == ["0 10\n", "1 10\n"]


@pytest.mark.parametrize(
    "text",
    [
        "import os",
        "().__class__",
        "open('/etc/passwd')",
        "__builtins__['print']('x')",
        "def f():\n    pass",
        "[x for x in (1, 2)]",
        "lambda: 0",
        "x = 2\nx **= 9",
        "f'{1:99999}'",
    ],
)
def test_there_is_no_way_out(text: str) -> None:
    with pytest.raises((Unsupported, Mismatch)):
        CodeBlocks().run(text, {}, HERE)


@pytest.mark.parametrize(
    "text",
    [
        "while True:\n    pass",
        "x = 'a' * 10**9",
        "x = [0]\ny = x * 10**9",
        "2 ** 2 ** 30",
        "1 << 10**9",
        "'%99999999d' % 1",
        "for x in range(10**12):\n    pass",
    ],
)
def test_nothing_takes_for_ever_or_all_memory(text: str) -> None:
    with pytest.raises(Mismatch, match="raises ValueError"):
        CodeBlocks().run(text, {}, HERE)


def test_operators_that_are_watched_work_as_ever() -> None:
    blocks = CodeBlocks()
    blocks.run("assert 3 * 2.5 == 7.5 and 2 ** 10 == 1 << 10 and 7 % 4 == 3 and 'ab' * 2 == 'abab'", {}, HERE)
    blocks.run("assert '%d of %d' % (1, 2) == '1 of 2' and 2 * [1] == [1, 1] and 2.0 ** 2 == 4.0", {}, HERE)


def test_what_is_no_python_is_an_error_of_the_script() -> None:
    with pytest.raises(ScriptError, match="no Python"):
        CodeBlocks().run("assert (", {}, HERE)
