import pytest

from halfopen.base.errors import ConfigError
from halfopen.sim.topology_check import Problem, check, problems
from halfopen.sim.topology_parts import SWITCH, Member, Node, Segment

NODES = (Node(name="a"), Node(name="b"))


def test_what_can_be_meant_is_no_problem() -> None:
    segment = Segment(name="a-b", members=(Member("a", "192.0.2.1"), Member("b")), prefix="192.0.2.0/30")
    assert problems(NODES, (segment,)) == []
    check(NODES, (segment,))


def test_a_problem_says_where_it_is() -> None:
    segment = Segment(name="a-b", members=(Member("a"), Member("nobody")))
    told = "link a-b names a host that does not exist: 'nobody'"
    assert problems(NODES, (segment,)) == [Problem(("segments", 0, "members", 1), told)]


def test_networks_of_one_name_are_a_problem_and_so_are_those_without() -> None:
    members = (Member("a"), Member("b"))
    segments = tuple(Segment(name=name, members=members) for name in ("x", "x", ""))
    assert [problem.text for problem in problems(NODES, segments)] == ["link x is there twice", "link  needs a name"]


def test_a_prefix_that_is_none_is_told_once_whatever_addresses_there_are() -> None:
    segment = Segment(name="lan", kind=SWITCH, members=(Member("a", "192.0.2.1"),), prefix="192.0.2.0/240")
    (problem,) = problems(NODES, (segment,))
    assert problem.where == ("segments", 0, "prefix")


def test_all_problems_are_one_error_a_line_each() -> None:
    nodes = (Node(name="a", kind="x"), Node(name="a"))
    with pytest.raises(ConfigError, match=r"^a is a 'x': expected host, router or nat\nhost 'a' is there twice$"):
        check(nodes, ())
