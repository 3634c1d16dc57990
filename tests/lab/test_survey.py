from itertools import pairwise
from xml.etree import ElementTree

import pytest

from halfopen.lab import survey
from halfopen.lab.survival import Point, draw, policies


def test_each_policy_has_its_closed_form() -> None:
    assert set(survey.POLICIES) == set(policies(0.1))


@pytest.mark.parametrize("name", policies(0.1))
def test_curves_start_at_one_and_never_rise(name: str) -> None:
    law = policies(0.1)[name]
    shares = [law(10 ** (power / 10)) for power in range(61)]
    assert shares[0] > 0.99
    assert all(later <= earlier + 1e-9 for earlier, later in pairwise(shares))


def test_a_survey_gives_a_point_for_each_rate_beside_theory() -> None:
    rows = survey.measure(["drop-tail, 128"], seeds=1, clients=40, syns=2000)
    assert [row.rate for row in rows] == list(survey.POLICIES["drop-tail, 128"].rates)
    first, last = rows[0], rows[-1]
    assert first.share > 0.9
    assert first.theory == pytest.approx(1, abs=1e-3)
    assert last.share == 0
    assert last.theory == pytest.approx(0.002, abs=1e-3)
    assert survey.draw(rows).count("<circle") == len(rows)


def test_the_drawing_has_a_curve_for_each_policy_and_a_circle_for_each_point() -> None:
    svg = draw(0.1, [Point("oldest, 1024", 1000, 1.0, 0.99, 1.0), Point("this run", 5.0, 0.5)])
    assert svg.count('<path class="line"') == 2 * len(policies(0.1))
    assert svg.count('class="bar"') == 1
    assert svg.count("<circle") == 3
    assert "this run" in svg


def test_a_drawing_is_well_formed() -> None:

    assert ElementTree.fromstring(draw(0.1)).tag.endswith("svg")
