"""Every contract of .importlinter is seen to break: the package is copied, an offender planted, the linter asked."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONTRACTS = (ROOT / ".importlinter").read_text(encoding="utf-8")
PENDING = re.compile(r"^#:", re.MULTILINE)

OFFENDERS = [
    ("floors", "base/clock.py", "import halfopen.wire.tcp", "halfopen.base.clock -> halfopen.wire.tcp"),
    ("floors", "capture/__init__.py", "import halfopen.tcp.state", "halfopen.capture -> halfopen.tcp.state"),
    ("floors", "new_package/__init__.py", "", "- halfopen.new_package"),
    ("tcp-floors", "tcp/tcb.py", "import halfopen.tcp.connection", "halfopen.tcp.tcb -> halfopen.tcp.connection"),
    ("tcp-floors", "tcp/sending.py", "import halfopen.tcp.receiving", "tcp.sending -> halfopen.tcp.receiving"),
    ("tcp-floors", "tcp/new_module.py", "", "- halfopen.tcp.new_module"),
    ("sans-io", "wire/tcp.py", "import time", "halfopen.wire.tcp -> time"),
    ("sans-io", "stack/ip.py", "import halfopen.base.entropy", "halfopen.base.entropy -> os"),
    ("confinement-of-sockets", "lab/__init__.py", "import socket", "halfopen.lab -> socket"),
    ("confinement", "lab/__init__.py", "import halfopen.sim\nimport halfopen.links.link", "halfopen.links.link"),
    ("sim-is-virtual", "sim/__init__.py", "import halfopen.links.link", "halfopen.sim -> halfopen.links.link"),
    (
        "input-never-sends",
        "tcp/arrivals.py",
        "import halfopen.tcp.output",
        "halfopen.tcp.arrivals -> halfopen.tcp.output",
    ),
    (
        "no-cycles",
        "wire/packet.py",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import halfopen.wire.offload",
        "halfopen.wire",
    ),
]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package in which every module that a contract names exists, and no contract is pending."""
    root = tmp_path_factory.mktemp("contracts")
    shutil.copytree(ROOT / "src/halfopen", root / "halfopen", ignore=shutil.ignore_patterns("__pycache__"))
    (root / ".importlinter").write_text(PENDING.sub("", CONTRACTS))
    for name in ("web", "lab", "gateway", "packetdrill", "sim"):
        (root / "halfopen" / name).mkdir(exist_ok=True)
        (root / "halfopen" / name / "__init__.py").touch()
    return root


def lint(root: Path, contract: str) -> tuple[int, str]:
    finished = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-logo", "--no-cache", "--contract", contract],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root), "COLUMNS": "300"},
        capture_output=True,
        text=True,
        check=False,
    )
    return finished.returncode, finished.stdout + finished.stderr


@pytest.mark.parametrize(("contract", "path", "offence", "shown"), OFFENDERS)
def test_a_contract_breaks_on_a_planted_offender(
    copy: Path, contract: str, path: str, offence: str, shown: str
) -> None:
    victim = copy / "halfopen" / path
    before = victim.read_text() if victim.exists() else None
    victim.parent.mkdir(exist_ok=True)
    victim.write_text(f"{before or ''}\n{offence}\n")
    try:
        status, output = lint(copy, contract)
    finally:
        if before is not None:
            victim.write_text(before)
        elif victim.name == "__init__.py":
            shutil.rmtree(victim.parent)
        else:
            victim.unlink()
    assert status == 1
    assert re.search(rf"^{re.escape(title(contract))} BROKEN$", output, re.MULTILINE)
    assert shown in output


def title(contract: str) -> str:
    """What the contract with that identifier is called."""
    return re.findall(rf"\[importlinter:contract:{contract}\]\n#?:?name = (.*)", CONTRACTS)[0]


def test_every_contract_has_a_planted_offender() -> None:
    assert set(re.findall(r"importlinter:contract:([\w-]+)", CONTRACTS)) == {offender[0] for offender in OFFENDERS}


@pytest.mark.parametrize("contract", sorted({offender[0] for offender in OFFENDERS}))
def test_every_contract_is_kept_without_an_offender(copy: Path, contract: str) -> None:
    status, output = lint(copy, contract)
    assert status == 0, output


def test_no_contract_about_a_package_that_exists_is_left_pending() -> None:
    pending = re.findall(r"^#:source_modules =\n((?:#: +.*\n)+)", CONTRACTS, re.MULTILINE)
    sources = re.findall(r"halfopen\.(\w+)", " ".join(pending))
    assert [name for name in sources if (ROOT / "src/halfopen" / name).exists()] == []
