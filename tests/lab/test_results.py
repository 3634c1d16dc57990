import json
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from hashlib import sha256
from typing import ClassVar

import pytest

from halfopen.lab.attacks.handshake import Handshake
from halfopen.lab.crafting import make_segment
from halfopen.lab.results import AGREE, DIFFER, NOBODY, Result, findings, run, show_number, written
from halfopen.lab.scenario import Outcome, Parameter, Scenario, Settings
from halfopen.lab.world import Layout, Place, World


class Sample(Scenario):
    name = "sample"
    title = "A sample <b>"
    text = "Two SYNs & nothing else."
    parameters: ClassVar[Mapping[str, Parameter]] = {"rate": Parameter(2.5, "SYN/s")}
    defences: ClassVar[Mapping[str, str]] = {"one": "the first", "two": "the second"}

    place: Place = "remote"

    def play(self, settings: Settings) -> Outcome:
        async def story() -> Outcome:
            attacker, server = world.attacker, world.server.address
            syn = make_segment((1023, 80), "S", seq=7)
            attacker.send(syn, source=world.client.address, destination=server, comment="spoofed")
            attacker.send(syn, source=world.spoofed(1)[0], destination=server, comment="spoofed, too")
            await world.at_rest()
            return world.outcome(
                attack_succeeded=not settings.defences,
                metrics={"share": 0.21, "rate": 103.0, "exact": 3.0, "free": 9.0},
                theory={"share": 0.203, "rate": 100.0, "exact": 3.0},
                counts={"share": (21, 100)},
                tolerance={"rate": 0.05},
                notes=("look <here>",),
                figures={"the curve": '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'},
                texts={"To read": "a > b"},
            )

        with World(settings, Layout(attacker=self.place, acquainted=False)) as world:
            return world.run(story())


@cache
def sample(*defences: str, seed: int = 3) -> Result:
    return run(Sample(), Settings(seed=seed, defences=frozenset(defences)))


def verdicts(outcome: Outcome) -> dict[str, str]:
    return {each.name: each.verdict for each in findings(outcome)}


def test_theory_inside_the_interval_or_the_tolerance_agrees() -> None:
    assert verdicts(sample().outcome) == {"share": AGREE, "rate": AGREE, "exact": AGREE, "free": ""}


def test_theory_outside_differs_and_the_verdict_says_where() -> None:
    outcome = replace(sample().outcome, theory={"share": 0.5, "rate": 90.0, "exact": 3.0000001})
    assert verdicts(outcome) == {"share": DIFFER, "rate": DIFFER, "exact": DIFFER, "free": ""}
    result = Result(scenario=Sample(), settings=Settings(), outcome=outcome)
    assert result.verdict.endswith("Measurement DIFFERS from theory in: share, rate, exact.")


def test_a_proportion_that_theory_says_is_zero_is_judged_by_its_interval() -> None:
    outcome = Outcome(attack_succeeded=False, metrics={"p": 0.0}, theory={"p": 2.0**-32}, counts={"p": (0, 1000)})
    assert verdicts(outcome) == {"p": AGREE}
    assert findings(outcome)[0].spread == "0 of 1,000: 0 to 0.003827"


def test_the_object_has_what_programs_need() -> None:
    result = sample("two", "one")
    told = json.loads(result.as_json())
    assert {key: told[key] for key in ("scenario", "defence", "seed", "attack_succeeded")} == {
        "scenario": "sample", "defence": "one+two", "seed": 3, "attack_succeeded": False,
    }  # fmt: skip
    assert told["metrics"]["share"] == 0.21
    assert told["theory"]["share"] == 0.203
    assert told["parameters"] == {"rate": 2.5}
    assert told["capture_sha256"] == sha256(result.outcome.capture).hexdigest()


def test_the_ladder_shows_who_really_sent_a_packet_and_where_its_answer_went() -> None:
    arrows = [(arrow.source, arrow.destination, arrow.label) for arrow in sample().ladder.arrows]
    assert ("attacker", "server", "[from client] 1023 > 80 SYN seq=7 win=65535") in arrows
    assert ("attacker", "server", "[from 203.0.113.129] 1023 > 80 SYN seq=7 win=65535") in arrows
    assert ("server", "client", "80 > 1023 RST,ACK seq=0 ack=8 win=0") in arrows
    assert ("server", NOBODY, "80 > 1023 RST,ACK seq=0 ack=8 win=0") in arrows
    assert sample().ladder.lifelines[:3] == ("client", "server", "attacker")
    assert not any("ARP" in label for _, _, label in arrows)


def test_arp_is_shown_between_those_who_are() -> None:
    class Near(Sample):
        place = "lan"

    arrows = run(Near(), Settings()).ladder.arrows
    assert any(arrow.label.startswith("ARP") for arrow in arrows)


def test_the_text_has_the_story_the_choices_the_ladder_the_table_and_the_verdict() -> None:
    text = sample().as_text(100)
    places = [text.index(words) for words in ("A sample", "Two SYNs", "rate: 2.5", "[from client]", "To read",
                                              "metric", "* look <here>", "The attack SUCCEEDED")]  # fmt: skip
    assert places == sorted(places)
    assert all(len(line) <= 130 for line in text.splitlines())
    assert re.search(r"share +0\.21 +0\.203 +agrees +21 of 100: 0\.1417 to 0\.2998", text)


def test_what_attacks_nothing_has_no_verdict_on_an_attack() -> None:
    assert run(Handshake(), Settings()).verdict.startswith("Measurement agrees with theory")


def test_the_page_is_one_file_that_escapes_what_it_is_told() -> None:
    page = sample().as_html()
    assert page.startswith("<!DOCTYPE html>") and page.endswith("</html>\n")
    assert "look &lt;here&gt;" in page and "<here>" not in page
    assert "A sample &lt;b&gt;" in page
    assert page.count("data:image/svg+xml;base64,") >= 2
    assert not re.search(r'(src|href)="(?!data:)', page)


def test_without_a_capture_there_are_still_figures() -> None:
    result = run(Sample(), Settings(record=False))
    assert result.ladder.arrows == ()
    assert "metric" in result.as_text()
    assert "Figures" in result.as_html()
    assert set(written(result)) == {"sample-none-0.html", "sample-none-0.json", "sample-none-0-the-curve.svg"}


def test_the_files_of_a_result_are_named_after_what_was_chosen() -> None:
    files = written(sample("one"))
    assert set(files) == {
        f"sample-one-3{end}" for end in (".html", ".json", ".pcapng", "-ladder.svg", "-the-curve.svg")
    }
    assert files["sample-one-3.pcapng"] == sample("one").outcome.capture
    assert b"spoofed, too" in files["sample-one-3.pcapng"]


@pytest.mark.parametrize(
    ("value", "shown"),
    [(3.0, "3"), (65536.0, "65,536"), (0.203, "0.203"), (2.0**-32, "2.328e-10"), (1234.5, "1,234.5")],
)
def test_numbers_are_shown_as_people_write_them(value: float, shown: str) -> None:
    assert show_number(value) == shown
