"""``halfopen lab``: scenarios of the lab, listed and run, and the whole matrix of attacks and defences."""

import json
import shutil
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import click

from halfopen.base.errors import ConfigError
from halfopen.lab.catalogue import SCENARIOS, find
from halfopen.lab.results import run, written
from halfopen.lab.scenario import Scenario, Settings
from halfopen.report.tables import format_table

ALL = "all"
"""Stands for every defence of a scenario at once."""
WIDTHS = range(80, 141)
LATER = {"report": "lab_report", "sweep": "sweep"}
"""Subcommands that are modules of `halfopen.cli` of their own."""


class LabGroup(click.Group):
    """Those of this module, and those that are imported when they are called for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Their names."""
        return [*super().list_commands(ctx), *(name for name, module in LATER.items() if _exists(module))]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Imports it if need be."""
        if cmd_name in LATER and _exists(LATER[cmd_name]):
            command: click.Command = import_module(f"halfopen.cli.{LATER[cmd_name]}").command
            return command
        return super().get_command(ctx, cmd_name)


def _exists(module: str) -> bool:
    return find_spec(f"halfopen.cli.{module}") is not None


@click.group("lab", cls=LabGroup, short_help="Run TCP's weaknesses and their defences in a simulated network.")
def command() -> None:
    """TCP's weaknesses shown, measured and closed, in a simulated network that nothing leaves."""


@command.command("list", short_help="What there is to run.")
@click.option("--json", "as_objects", is_flag=True, help="Print an array of objects.")
@click.argument("name", required=False)
def list_scenarios(as_objects: bool, name: str | None) -> None:
    """List the scenarios or, of the one called NAME, the parameters and defences."""
    scenarios = [find(name)] if name else list(SCENARIOS.values())
    if as_objects:
        click.echo(json.dumps([description(scenario) for scenario in scenarios], indent=2))
    elif name:
        click.echo(told(scenarios[0]))
    else:
        rows = [(each.name, each.title, len(each.defences)) for each in scenarios]
        click.echo(format_table(rows, ("scenario", "what it shows", "defences")))


@command.command("run", short_help="Run one scenario.")
@click.argument("name")
@click.option("--defence", "defences", multiple=True, metavar="NAME", help="Switch it on; may be repeated; all: each.")
@click.option("--seed", type=int, default=0, show_default=True, help="The same seed, the same packets.")
@click.option("--set", "assignments", multiple=True, metavar="NAME=VALUE", help="Another value for a parameter.")
@click.option(
    "--ip-version",
    type=click.Choice(["4", "6"]),
    default="4",
    show_default=True,
    help="Of the network; not every story can be told in IPv6.",
)
@click.option("--json", "as_object", is_flag=True, help="Print one object.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Write page, drawings, capture there.")
@click.option("--png", is_flag=True, help="Write the drawings as PNG as well.")
def run_scenario(
    name: str,
    defences: Sequence[str],
    assignments: Sequence[str],
    as_object: bool,
    **options: int | str | Path | bool | None,
) -> None:
    """Run the scenario NAME once: its packets as a ladder, its figures beside theory, the verdict.

    `halfopen lab list NAME` tells its parameters and defences.
    """
    scenario = find(name)
    seed, out = options["seed"], options["out"]
    if options["png"] and out is None:
        raise click.UsageError("--png needs --out: the directory that the drawings are written to")
    settings = Settings(
        seed=seed if isinstance(seed, int) else 0,
        defences=chosen(scenario, defences),
        parameters=assigned(assignments),
        ip_version=int(str(options["ip_version"])),
    )
    result = run(scenario, settings)
    if as_object:
        click.echo(result.as_json())
    else:
        columns = shutil.get_terminal_size((100, 24)).columns
        click.echo(result.as_text(max(WIDTHS[0], min(columns, WIDTHS[-1]))))
    if isinstance(out, Path):
        files = written(result)
        write_files(out, {**files, **pixels(files)} if options["png"] else files)


def chosen(scenario: Scenario, names: Sequence[str]) -> frozenset[str]:
    """The defences that are meant."""
    return frozenset(scenario.defences) if ALL in names else frozenset(names)


def assigned(assignments: Sequence[str]) -> Mapping[str, str]:
    """``["rate=10"]`` as a mapping; ConfigError for what is no assignment."""
    values: dict[str, str] = {}
    for text in assignments:
        name, sign, value = text.partition("=")
        if not sign or not name:
            raise ConfigError(f"--set {text!r} will not do: expected NAME=VALUE")
        values[name] = value
    return values


def pixels(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The drawings among ``files`` as PNG; needs vl-convert-python."""
    import vl_convert

    drawings = {name: octets.decode() for name, octets in files.items() if name.endswith(".svg")}
    return {f"{name[:-4]}.png": vl_convert.svg_to_png(svg, scale=2) for name, svg in drawings.items()}


def write_files(directory: Path, files: Mapping[str, bytes]) -> None:
    """Into ``directory``, which is made; a usage error says why that cannot be done. The names go to stderr."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name, octets in files.items():
            (directory / name).write_bytes(octets)
            click.echo(str(directory / name), err=True)
    except OSError as error:
        raise click.UsageError(f"{directory} cannot be written to: {error.strerror}") from None


def description(scenario: Scenario) -> dict[str, object]:
    """For programs."""
    return {
        "name": scenario.name,
        "title": scenario.title,
        "text": scenario.text,
        "parameters": {
            name: {"default": each.default, "expected": each.range, "text": each.text}
            for name, each in scenario.parameters.items()
        },
        "defences": dict(scenario.defences),
        "ip_versions": list(scenario.ip_versions),
    }


def told(scenario: Scenario) -> str:
    """For people."""
    width = max(WIDTHS[0], min(shutil.get_terminal_size((100, 24)).columns, WIDTHS[-1]))
    parts = [f"{scenario.name}: {scenario.title}", click.wrap_text(scenario.text, width)]
    if scenario.parameters:
        rows = [(name, str(each.default), each.range, each.text) for name, each in scenario.parameters.items()]
        parts.append(format_table(rows, ("parameter", "default", "expected", "what it is")))
    if scenario.defences:
        parts.append(format_table(list(scenario.defences.items()), ("defence", "what it does")))
    return "\n\n".join(parts)
