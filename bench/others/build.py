"""Compiles the native peers beside this file, against the libraries of Debian's packages, when they are first used."""

import os
import shutil
import subprocess
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from bench.question import Unavailable

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
OUTPUT = ROOT / "build" / "bench"
SECONDS = 300

INTERPRETED, COMPILED, PEERS = ".venv", ".venv-fast", ".venv-peers"
"""Environments of the Makefile: two with halfopen, and one with the stacks of the Python package index."""

C = ("gcc", "-O2", "-Wall")


@dataclass(frozen=True, kw_only=True)
class Native:
    """One program: its source, the command that compiles it, and the package whose code it measures."""

    source: str
    compiler: tuple[str, ...]
    libraries: tuple[str, ...] = ()
    package: str = ""
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        """Where the compiled program is."""
        return OUTPUT / Path(self.source).stem

    @property
    def build(self) -> str:
        """The package with its version, and how what is our own was compiled."""
        package = f"{self.package} {version(self.package)}, " if self.package else ""
        return f"{package}{self.source} with {' '.join(self.compiler)}"

    def compiled(self) -> str:
        """The path of the program, compiled if it is older than its source; Unavailable says why it cannot be."""
        source = HERE / self.source
        if not self.path.exists() or self.path.stat().st_mtime < source.stat().st_mtime:
            _compile([*self.compiler, "-o", str(self.path), str(source), *self.libraries], self.environment)
        return str(self.path)


RESPONDER = Native(source="responder.c", compiler=C)

CLIENT = Native(source="client.c", compiler=C)

LWIP = Native(
    source="lwip_services.c", compiler=(*C, "-I/usr/include/lwip"), libraries=("-llwip",), package="liblwip-dev"
)

NETSTACK = Native(
    source="netstack.go",
    compiler=("go", "build"),
    package="golang-gvisor-gvisor-dev",
    environment={"GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOCACHE": str(OUTPUT / "go-cache")},
)
"""Against Debian's source tree: nothing is downloaded."""

NS3 = Native(
    source="flows.cc",
    compiler=("g++", "-O2", "-std=c++17"),
    libraries=tuple(
        f"-lns3-{part}" for part in ("applications", "internet", "point-to-point", "traffic-control", "network", "core")
    ),
    package="libns3-dev",
)


def _compile(command: list[str], environment: dict[str, str]) -> None:
    OUTPUT.mkdir(parents=True, exist_ok=True)
    if shutil.which(command[0]) is None:
        raise Unavailable(f"there is no {command[0]} here: make bench-peers-apt")
    done = subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    if done.returncode:
        complaint = next((line for line in done.stderr.splitlines() if "error" in line or "cannot" in line), "")
        raise Unavailable(f"does not compile (make bench-peers-apt installs what it needs): {complaint.strip()}")


@cache
def version(package: str) -> str:
    """Of an installed Debian package."""
    if shutil.which("dpkg-query") is None:
        return "of another system"
    command = ["dpkg-query", "-W", "-f", "${Version}", package]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout or "not installed"


def program(name: str) -> str:
    """The path of a program of a package; Unavailable if it is not here."""
    path = shutil.which(name)
    if path is None:
        raise Unavailable(f"there is no {name} here: make bench-peers-apt")
    return path


def python(environment: str) -> str:
    """The interpreter of an environment of the Makefile; Unavailable if that has not been made."""
    if not (ROOT / environment / ".ready").exists():
        raise Unavailable(f"there is no complete {environment} here: make bench-peers makes it")
    return str(ROOT / environment / "bin" / "python")


@cache
def build_in(environment: str) -> str:
    """The build of halfopen in an environment."""
    try:
        return run_in(environment, "from bench.machine import build; print(build())").strip()
    except Unavailable:
        return "not installed"


def run_in(environment: str, script: str, *arguments: str) -> str:
    """What a short script prints there."""
    command = [python(environment), "-c", script, *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS, check=False)
    if done.returncode:
        raise Unavailable(f"fails: {done.stderr.strip().rpartition(chr(10))[2]}")
    return done.stdout


@cache
def distribution(name: str) -> str:
    """Such a stack with its version, and the interpreter that runs it."""
    script = "import platform, sys; from importlib.metadata import version; "
    script += "print(sys.argv[1], version(sys.argv[1]), 'on CPython', platform.python_version())"
    try:
        return run_in(PEERS, script, name).strip()
    except Unavailable:
        return f"{name}, not installed"
