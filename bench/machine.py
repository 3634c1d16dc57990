"""On what the figures were measured: without it they mean nothing."""

import os
import platform
import sys
import sysconfig
from pathlib import Path

from halfopen.base import native

CONGESTION_CONTROL = "reno"
"""Of the kernels' side and of ours: the default of this machine may be a paced one, which no loss slows down."""


def build() -> str:
    """The build of halfopen and of the interpreter, for the results file."""
    return f"{native.build()}, {platform.python_implementation()} {platform.python_version()} ({_optimisation()})"


def describe() -> list[str]:
    """Lines about interpreter, kernel and machine."""
    default = Path("/proc/sys/net/ipv4/tcp_congestion_control").read_text().strip()
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return [
        f"build: {build()}",
        f"interpreter: compiled by {platform.python_compiler()} with {sysconfig.get_config_var('OPT')}",
        f"kernel: {platform.release()}, congestion control {CONGESTION_CONTROL} (the machine's default is {default})",
        f"machine: {os.cpu_count()} cores, {_processor()}, load {load}",
    ]


def _optimisation() -> str:
    """A distribution may optimise without saying so in the configuration that Python keeps."""
    arguments = str(sysconfig.get_config_var("CONFIG_ARGS"))
    if "--enable-optimizations" in arguments:
        return "PGO"
    return "PGO by the distribution" if _is_distributed() else "no PGO"


def _is_distributed() -> bool:
    """Debian and Fedora build with profiles by calling make with a target of their own."""
    return os.path.realpath(sys.executable).startswith("/usr/bin/")


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
