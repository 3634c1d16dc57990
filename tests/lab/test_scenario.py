from collections.abc import Mapping
from typing import ClassVar

import pytest

from halfopen.base.errors import ConfigError
from halfopen.lab.scenario import Outcome, Parameter, Scenario, Settings, nearest


class Sample(Scenario):
    name = "sample"
    title = "A sample"
    text = "Nothing happens."
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "rate": Parameter(10.0, "SYN/s", "spoofed SYNs", above=0),
        "backlog": Parameter(8, "peers", least=1, most=65535),
        "generator": Parameter("bsd43", choices=("bsd43", "rfc6528")),
    }
    defences: ClassVar[Mapping[str, str]] = {"syn-cookies": "no state", "ingress-filter": "no spoofing"}

    def play(self, settings: Settings) -> Outcome:
        return Outcome(
            attack_succeeded=not settings.defences,
            metrics={"rate": settings.number("rate"), "backlog": settings.whole("backlog")},
            notes=(settings.word("generator"),),
        )


def test_what_is_not_set_has_its_default() -> None:
    outcome = Sample().run(Settings(parameters={"rate": 3}))
    assert outcome.metrics == {"rate": 3.0, "backlog": 8}
    assert outcome.notes == ("bsd43",)


def test_text_from_a_command_line_gets_the_type_of_the_default() -> None:
    checked = Sample().checked(Settings(parameters={"rate": "2.5", "backlog": "16", "generator": "rfc6528"}))
    assert checked.parameters == {"rate": 2.5, "backlog": 16, "generator": "rfc6528"}
    assert isinstance(checked.parameters["backlog"], int)


def test_the_rest_of_the_settings_is_kept() -> None:
    settings = Settings(seed=7, defences=frozenset({"syn-cookies"}), record=False)
    checked = Sample().checked(settings)
    assert (checked.seed, checked.defences, checked.record) == (7, settings.defences, False)


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("rate", 0, "rate: 0 is out of range: expected a number above 0, SYN/s"),
        ("rate", "-1", "rate: -1 is out of range: expected a number above 0, SYN/s"),
        ("rate", "nan", "rate: 'nan' will not do: expected a number above 0, SYN/s"),
        ("rate", "inf", "rate: 'inf' will not do: expected a number above 0, SYN/s"),
        ("rate", "fast", "rate: 'fast' will not do: expected a number above 0, SYN/s"),
        ("backlog", -5, "backlog: -5 is out of range: expected an integer from 1 up to 65535, peers"),
        ("backlog", 1.5, "backlog: 1.5 will not do: expected an integer from 1 up to 65535, peers"),
        ("backlog", 70000, "backlog: 70000 is out of range: expected an integer from 1 up to 65535, peers"),
        ("generator", "bsd34", "generator: 'bsd34' is not known: did you mean 'bsd43'?"),
        ("generator", "?", "generator: '?' is not known: expected one of bsd43, rfc6528"),
        ("rat", 3, "sample has no parameter 'rat': did you mean 'rate'?"),
    ],
)
def test_a_bad_parameter_is_told_in_one_line(name: str, value: float | str, complaint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Sample().run(Settings(parameters={name: value}))
    assert str(caught.value) == complaint


def test_an_unknown_defence_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"^sample has no defence 'syn-cookie': did you mean 'syn-cookies'\?$"):
        Sample().run(Settings(defences=frozenset({"syn-cookie"})))


def test_a_text_is_no_number() -> None:
    with pytest.raises(ConfigError, match="generator is not a number"):
        Settings(parameters={"generator": "bsd43"}).number("generator")


def test_where_nothing_is_near_all_is_named() -> None:
    assert nearest("zzz", ["a", "b"]) == "expected one of a, b"
    assert nearest("zzz", []) == "there are none"
