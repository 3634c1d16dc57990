import pytest
from hypothesis import given
from hypothesis import strategies as st

from halfopen.base.errors import ConfigError
from halfopen.sim.yaml_source import Data, read

DATA = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(min_codepoint=32, max_codepoint=126)),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.from_regex("[a-z0-9.-]{1,8}", fullmatch=True), inner)
    ),
    max_leaves=12,
)


@given(DATA)
def test_data_is_what_it_says_and_every_piece_has_a_place(data: Data) -> None:
    import json

    source = read(json.dumps(data, indent=1), "x")
    assert source.data == data
    source.check()
    assert source.values[()] == (1, 1)
    assert sorted(source.values.values()) == list(source.values.values())


def test_names_are_text_whatever_they_look_like() -> None:
    assert read("{no: 1, 3: 2, 1.5: yes, 'null': ~}", "x").data == {"no": 1, "3": 2, "1.5": True, "null": None}


def test_an_alias_stands_for_what_it_names() -> None:
    assert read("a: &x {b: 1}\nc: *x", "x").data == {"a": {"b": 1}, "c": {"b": 1}}


def test_faults_come_in_the_order_of_the_document_and_each_once() -> None:
    source = read("a: 1\nb: [2, 3]\n", "x")
    source.complain(("b", 1), "third")
    source.complain(("a",), "second")
    source.complain(("a",), "first", at_key=True)
    source.complain(("b", 1), "third")
    source.complain(("b", 7, "deep"), "where that should be")
    with pytest.raises(ConfigError) as caught:
        source.check()
    assert str(caught.value).splitlines() == [
        "x:1:1: first",
        "x:1:4: second",
        "x:2:4: where that should be",
        "x:2:8: third",
    ]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a: [1", "x:1:6: this is no YAML: expected ',' or ']'"),
        ("a: b: c", "x:1:5: this is no YAML: mapping values are not allowed here"),
        ("a\n---\nb", "x:2:1: this is no YAML: but found another document"),
        ("a:\n  \x01", "x:2:3: this is no YAML: special characters are not allowed"),
        ("a: *b", "x:1:4: this is no YAML: found undefined alias"),
        ("&a [*a]", "this is too much, or an alias within itself"),
        ("[" * 200, "this is no YAML"),
        ("a: " + "[" * 60 + "]" * 60, "this is too much, or an alias within itself"),
    ],
)
def test_what_is_no_yaml_is_refused_with_its_place(text: str, complaint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(text, "x")
    assert complaint in str(caught.value)


def test_aliases_of_aliases_do_not_fill_the_memory() -> None:
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    with pytest.raises(ConfigError, match="this is too much"):
        read("\n".join(lines), "x")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a: !host x", "x:1:4: the tag !host means nothing here"),
        ("? [a]\n: 1", "x:1:3: a name is needed here"),
        ("a: 1\na: 2", "x:2:1: 'a' is there already, in line 1"),
        ("a: !!int x", "x:1:4: 'x' is no int"),
    ],
)
def test_what_is_yaml_but_cannot_be_data_is_a_fault(text: str, complaint: str) -> None:
    source = read(text, "x")
    with pytest.raises(ConfigError) as caught:
        source.check()
    assert str(caught.value) == complaint
