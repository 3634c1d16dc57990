from enum import Enum

from halfopen.base.enums import quick


@quick
class Colour(Enum):
    RED = "red"
    SCARLET = "red"
    BLUE = "blue"


def test_members_of_a_quick_enumeration_are_plain_attributes_of_their_class() -> None:
    assert vars(Colour)["RED"] is Colour.RED
    assert vars(Colour)["BLUE"] is Colour.BLUE


def test_a_quick_enumeration_is_an_enumeration_still() -> None:
    assert Colour("blue") is Colour.BLUE
    assert Colour["RED"] is Colour.RED
    assert Colour.SCARLET is Colour.RED
    assert list(Colour) == [Colour.RED, Colour.BLUE]
    assert repr(Colour.BLUE) == "<Colour.BLUE: 'blue'>"


def test_members_of_a_quick_enumeration_are_hashed_without_a_call() -> None:
    assert Colour.__hash__ is object.__hash__
    assert {Colour.RED: 1}[Colour("red")] == 1
