"""What came of a run, for people and for programs: tables, the ladder, the verdict against theory, JSON, one page."""

import json
import textwrap
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from html import escape
from io import BytesIO

from halfopen.base.addresses import Address
from halfopen.capture.pcap import open_capture
from halfopen.capture.record import Record
from halfopen.lab.measurements import CONFIDENCE, wilson
from halfopen.lab.places import ends_in, is_ip, is_spoofed
from halfopen.lab.scenario import Outcome, Scenario, Settings, shown
from halfopen.report.arrows import Arrow
from halfopen.report.dissect import ladder_of
from halfopen.report.ladder import Ladder
from halfopen.report.page import make_report
from halfopen.report.tables import format_table
from halfopen.wire import ethernet

AGREE, DIFFER, SILENT = "agrees", "DIFFERS", ""
EXACT = 1e-9
NOBODY = "nobody"
"""The lifeline of all spoofed sources."""
NONE = "none"
"""What the absence of defences is called."""


def show_number(value: float) -> str:
    """``"0.203"``, ``"65,536"``, ``"2.33e-10"``."""
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:,.1f}" if abs(value) >= 1000 else f"{value:.4g}"


@dataclass(frozen=True)
class Finding:
    """A metric beside theory. ``spread`` says how sure it is; ``verdict`` is empty where theory says nothing."""

    name: str
    measured: float
    theory: float | None
    spread: str
    verdict: str


def findings(outcome: Outcome, confidence: float = CONFIDENCE) -> list[Finding]:
    """All metrics, with the verdict on each.

    A proportion agrees if theory lies in its Wilson interval, of 95 % unless told otherwise; another figure if it is
    theory's, or as near to it as the scenario says that it has to be.
    """
    return [_finding(outcome, name, confidence) for name in outcome.metrics]


def _finding(outcome: Outcome, name: str, confidence: float) -> Finding:
    measured = outcome.metrics[name]
    theory = outcome.theory.get(name)
    spread, verdict = "", SILENT
    if name in outcome.counts:
        hits, trials = outcome.counts[name]
        interval = wilson(hits, trials, confidence)
        spread = f"{hits:,} of {trials:,}: {interval}"
        if theory is not None:
            verdict = AGREE if theory in interval else DIFFER
    elif theory is not None:
        tolerance = outcome.tolerance.get(name, 0.0)
        spread = f"within {tolerance:.3g}, relatively" if tolerance else ""
        verdict = AGREE if abs(measured - theory) <= max(tolerance, EXACT) * max(abs(theory), EXACT) else DIFFER
    return Finding(name, measured, theory, spread, verdict)


@dataclass(frozen=True, kw_only=True)
class Result:
    """A scenario, what was chosen, and what came of it."""

    scenario: Scenario
    settings: Settings
    outcome: Outcome

    @property
    def defence(self) -> str:
        """``"none"``, or all that were on: ``"ingress-filter+rfc6528"``."""
        return "+".join(sorted(self.settings.defences)) or NONE

    @property
    def sha256(self) -> str:
        """Of the capture: the same settings give the same."""
        return sha256(self.outcome.capture).hexdigest()

    @cached_property
    def records(self) -> list[Record]:
        """Of the capture."""
        return list(open_capture(BytesIO(self.outcome.capture))) if self.outcome.capture else []

    @cached_property
    def names(self) -> dict[Address, str]:
        """Of the hosts in it."""
        if not self.outcome.capture:
            return {}
        reader = open_capture(BytesIO(self.outcome.capture))
        for _ in reader:
            pass
        return reader.names

    @cached_property
    def ladder(self) -> Ladder:
        """The essential packets: between the hosts that matter, from who really sent them."""
        whole = ladder_of(self.records, port=self.outcome.port, names=self.names)
        lifelines = self.outcome.lifelines
        arrows = [_honest(arrow, self.records, lifelines) for arrow in whole.arrows]
        kept: Sequence[Arrow] = [arrow for arrow in arrows if _is_essential(arrow, lifelines)]
        if self.outcome.essential is not None:
            kept = self.outcome.essential(kept)
        used = dict.fromkeys(name for arrow in kept for name in (arrow.source, arrow.destination))
        ordered = (name for host in lifelines for name in used if _host(name) == host)
        return Ladder.of(kept, lifelines=tuple(ordered))

    @property
    def verdict(self) -> str:
        """One sentence on the attack, one on theory."""
        compared = [each for each in findings(self.outcome) if each.verdict]
        differing = [each.name for each in compared if each.verdict == DIFFER]
        sentences = []
        if self.scenario.is_attack:
            word = "SUCCEEDED" if self.outcome.attack_succeeded else "failed"
            sentences.append(f"The attack {word}, defence: {self.defence}.")
        if differing:
            sentences.append(f"Measurement DIFFERS from theory in: {', '.join(differing)}.")
        elif compared:
            sentences.append(f"Measurement agrees with theory, figures compared: {len(compared)}.")
        return " ".join(sentences)

    def as_object(self) -> dict[str, object]:
        """For programs: one object, the same octets for the same settings."""
        return {
            "scenario": self.scenario.name,
            "defence": self.defence,
            "seed": self.settings.seed,
            "parameters": dict(sorted(self.settings.parameters.items())),
            "attack_succeeded": self.outcome.attack_succeeded,
            "metrics": self.outcome.metrics,
            "theory": self.outcome.theory,
            "verdicts": {each.name: each.verdict for each in findings(self.outcome) if each.verdict},
            "notes": list(self.outcome.notes),
            "capture_sha256": self.sha256,
        }

    def as_json(self) -> str:
        """`as_object` as text."""
        return json.dumps(self.as_object(), indent=2, ensure_ascii=False)

    def table(self) -> str:
        """The metrics beside theory."""
        rows = [
            (
                each.name,
                show_number(each.measured).rjust(12),
                "" if each.theory is None else show_number(each.theory).rjust(12),
                each.verdict,
                each.spread,
            )
            for each in findings(self.outcome)
        ]
        return format_table(rows, ("metric", "measured".rjust(12), "theory".rjust(12), "verdict", "how sure"))

    def as_text(self, width: int = 100, limit: int = 40) -> str:
        """What a student reads: the story, the ladder, the figures, what to see in them, the verdict."""
        return "\n\n".join(self._parts(width, limit))

    def _parts(self, width: int, limit: int) -> Iterator[str]:
        scenario, outcome = self.scenario, self.outcome
        yield f"{scenario.title}\n{'=' * len(scenario.title)}"
        yield textwrap.fill(scenario.text, width)
        yield textwrap.fill(self._choices(), width)
        if self.ladder.arrows:
            yield self.ladder.as_text(width, limit=limit)
        for heading, text in outcome.texts.items():
            yield f"{heading}\n\n{text}"
        if outcome.metrics:
            yield self.table()
        if outcome.notes:
            yield "\n".join(textwrap.fill(f"* {note}", width, subsequent_indent="  ") for note in outcome.notes)
        yield self.verdict

    def _choices(self) -> str:
        chosen = {"defence": self.defence, "seed": self.settings.seed, **self.settings.parameters}
        return ", ".join(f"{name}: {shown(value)}" for name, value in chosen.items())

    def as_html(self) -> str:
        """One file that loads nothing: the story and figures, then the capture's own report."""
        page = make_report(self.records, title=self.scenario.title, names=self.names)
        facts = {"scenario": self.scenario.name, "defence": self.defence, "seed": self.settings.seed}
        html = page.as_html({**facts, **{name: shown(value) for name, value in self.settings.parameters.items()}})
        head, mark, rest = html.partition("</dl>")
        return head + mark + "".join(self._sections()) + rest

    def _sections(self) -> Iterator[str]:
        outcome = self.outcome
        verdict = f"<p><strong>{escape(self.verdict)}</strong></p>"
        yield f'<h2>What happens</h2><div class="card"><p>{escape(self.scenario.text)}</p>{verdict}</div>'
        if outcome.metrics:
            yield f'<h2>Figures</h2><div class="card">{self._html_table()}</div>'
        if outcome.notes:
            items = "".join(f"<li>{escape(note)}</li>" for note in outcome.notes)
            yield f'<h2>What to see in it</h2><div class="card"><ul>{items}</ul></div>'
        for name, svg in outcome.figures.items():
            yield f'<h2>{escape(name.capitalize())}</h2><div class="card">{_image(svg, name)}</div>'
        if self.ladder.arrows:
            drawn = _image(self.ladder.as_svg(limit=40), "ladder")
            yield f'<h2>The essential packets</h2><div class="card">{drawn}</div>'
        for heading, text in outcome.texts.items():
            yield f'<h2>{escape(heading)}</h2><div class="card"><pre>{escape(text)}</pre></div>'

    def _html_table(self) -> str:
        heads = ("metric", "measured", "theory", "verdict", "how sure")
        head = "".join(f'<th class="{kind}">{name}</th>' for kind, name in zip(_KINDS, heads, strict=True))
        rows = "".join(map(_html_row, findings(self.outcome)))
        return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _image(svg: str, name: str) -> str:
    """As an image, which is made to fit the page, and whose styles do not reach it."""
    return f'<img alt="{escape(name)}" src="data:image/svg+xml;base64,{b64encode(svg.encode()).decode()}">'


_KINDS = ("", "number", "number", "", "")
"""Of the columns of the page's table."""


def _html_row(finding: Finding) -> str:
    theory = "" if finding.theory is None else show_number(finding.theory)
    cells = (finding.name, show_number(finding.measured), theory, finding.verdict, finding.spread)
    kinds = ("", "number", "number", "bad" if finding.verdict == DIFFER else "", "")
    inner = "".join(f'<td class="{kind}">{escape(cell)}</td>' for kind, cell in zip(kinds, cells, strict=True))
    return f"<tr>{inner}</tr>"


def _honest(arrow: Arrow, records: Sequence[Record], lifelines: tuple[str, ...]) -> Arrow:
    """The arrow from who has really sent it; what goes to nobody's addresses ends at `NOBODY`."""
    record = records[arrow.number - 1] if arrow.number else None
    sender = record.interface.name.partition(".")[0] if record is not None else _host(arrow.source)
    arrow = replace(arrow, waypoints=tuple(place for place in arrow.waypoints if place[1] in lifelines))
    if record is not None and _goes_to_nobody(record):
        arrow = replace(arrow, destination=NOBODY)
    if sender == _host(arrow.source):
        return arrow
    return replace(arrow, source=sender, label=f"[from {arrow.source}] {arrow.label}")


def _host(lifeline: str) -> str:
    """Without the port that a lifeline of the only conversation bears."""
    return lifeline.partition(":")[0]


def _goes_to_nobody(record: Record) -> bool:
    head = record.octets
    return is_ip(head) and is_spoofed(ends_in(head, ethernet.HEADER_OCTETS)[1])


def _is_essential(arrow: Arrow, lifelines: tuple[str, ...]) -> bool:
    """ARP with hosts that are not shown is not."""
    if not arrow.label.startswith("ARP"):
        return True
    return arrow.source in lifelines and arrow.destination in lifelines


def run(scenario: Scenario, settings: Settings) -> Result:
    """Runs ``scenario`` once; the settings of the result are complete."""
    settings = scenario.checked(settings)
    return Result(scenario=scenario, settings=settings, outcome=scenario.run(settings))


def written(result: Result) -> Mapping[str, bytes]:
    """The files of a result by name: page, drawings, capture, figures."""
    stem = f"{result.scenario.name}-{result.defence}-{result.settings.seed}"
    files = {f"{stem}.html": result.as_html().encode(), f"{stem}.json": f"{result.as_json()}\n".encode()}
    if result.outcome.capture:
        files[f"{stem}.pcapng"] = result.outcome.capture
    if result.ladder.arrows:
        files[f"{stem}-ladder.svg"] = result.ladder.as_svg(limit=40).encode()
    for name, svg in result.outcome.figures.items():
        files[f"{stem}-{name.replace(' ', '-')}.svg"] = svg.encode()
    return files
