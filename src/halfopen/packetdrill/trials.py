"""One run of one script that a file holds: always a verdict, whatever the file holds and however it ends."""

import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType
from typing import Literal

from halfopen.packetdrill.addressing import IPV4, IPV6, MAPPED
from halfopen.packetdrill.errors import DrillError, Verdict, failure
from halfopen.packetdrill.parser import load
from halfopen.packetdrill.profiles import FREEBSD, LINUX, PROFILES
from halfopen.packetdrill.runner import run_traced
from halfopen.packetdrill.script import Script
from halfopen.packetdrill.settings import RunOptions

SECONDS = 20.0
"""Of the wall clock, after which a script is given up."""

_LINUX_V4 = {
    "TFO_COOKIE": "3021b9d889017eeb",
    "CODE": "host_unreachable",
    "CMSG_LEVEL_IP": "SOL_IP",
    "CMSG_TYPE_RECVERR": "IP_RECVERR",
}
_LINUX_V6 = {
    "TFO_COOKIE": "c1d1e9742a47a9bc",
    "CODE": "address_unreachable",
    "CMSG_LEVEL_IP": "SOL_IPV6",
    "CMSG_TYPE_RECVERR": "IPV6_RECVERR",
}
_LINUX = {
    IPV4: _LINUX_V4,
    IPV6: _LINUX_V6,
    MAPPED: {**_LINUX_V6, "TFO_COOKIE": _LINUX_V4["TFO_COOKIE"], "CODE": _LINUX_V4["CODE"]},
}
"""Symbols that the standard runs of Linux's scripts define. The cookies are those of their key and addresses."""
_FREEBSD_KINDS = ("FreeBSD", "STANDARD")
"""Which behaviour a script of FreeBSD's is to expect: the system's, or that of the RFCs where the two differ."""


@dataclass(slots=True, frozen=True, kw_only=True)
class Trial:
    """What is to be run, and how; all of it can be sent to another process."""

    path: str
    profile: str = LINUX.name
    ip_version: str | None = None
    """None: as the script's options or its name say, otherwise IPv4."""
    definitions: Mapping[str, str] = field(default_factory=dict)
    overrides: Mapping[str, str | None] = field(default_factory=dict)
    against: Literal["stack", "kernel"] = "stack"
    seconds: float = SECONDS


class _TooLong(BaseException):
    """Not an Exception, so that nothing on its way takes it for one of its own."""


def attempt(trial: Trial) -> Verdict:
    """Runs a script, whose failure may be expected."""
    verdict = _attempt(trial)
    return replace(verdict, xfail=True) if verdict.verdict == "fail" and is_to_fail(trial.path) else verdict


def is_to_fail(path: str) -> bool:
    """FreeBSD's suite has a file ``.exfail`` beside a script that the system is known to fail."""
    script = Path(path)
    return script.with_suffix(".exfail").exists() or script.with_name(f"{script.name}.exfail").exists()


def _attempt(trial: Trial) -> Verdict:
    """What breaks the interpreter is a failure of this script, and of nothing else."""
    ip_version = trial.ip_version or family_of(trial.path) or IPV4
    try:
        with _limited(trial.seconds):
            script = _loaded(trial, ip_version)
            ip_version = trial.ip_version or written_version(script) or ip_version
            options = RunOptions(
                profile=PROFILES[trial.profile],
                ip_version=ip_version,
                overrides=trial.overrides,
                against=trial.against,
            )
            verdict, trace = run_traced(script, options)
            return replace(verdict, trace=tuple((line.time, line.text) for line in trace))
    except DrillError as error:
        return failure(trial.path, ip_version, error)
    except _TooLong:
        message = f"it has not ended after {trial.seconds:g} s"
        return Verdict(script=trial.path, ip_version=ip_version, verdict="fail", message=message, endless=True)
    except OSError as error:
        message = f"{error.filename or trial.path}: {error.strerror or error}"
    except Exception as error:  # Whatever it is: the others of the corpus still have to be run.
        message = f"the interpreter failed: {type(error).__name__}: {error}{_place(error)}"
    return Verdict(script=trial.path, ip_version=ip_version, verdict="fail", message=message)


def family_of(path: str) -> str | None:
    """The IP version that a script's name restricts it to: ``...v4.pkt`` or ``...v6.pkt``."""
    stem = Path(path).stem
    return IPV4 if stem.endswith("v4") else IPV6 if stem.endswith("v6") else None


def standard_definitions(profile: str, ip_version: str, given: Mapping[str, str]) -> dict[str, str]:
    """The symbols of the standard runs, with those that were given over them."""
    standard: Mapping[str, str] = {}
    if profile == LINUX.name:
        standard = _LINUX[ip_version]
    elif profile == FREEBSD.name and not any(kind in given for kind in _FREEBSD_KINDS):
        standard = {_FREEBSD_KINDS[0]: "1"}
    return {**standard, **given}


def written_version(script: Script) -> str | None:
    """The IP version that the script's own options ask for, if it is one."""
    versions = [option.value for option in script.options if option.name == "ip_version" and option.value in _LINUX]
    return versions[-1] if versions else None


def _loaded(trial: Trial, ip_version: str) -> Script:
    script = load(Path(trial.path), standard_definitions(trial.profile, ip_version, trial.definitions))
    written = None if trial.ip_version else written_version(script)
    if written is not None and written != ip_version:
        script = load(Path(trial.path), standard_definitions(trial.profile, written, trial.definitions))
    return script


@contextmanager
def _limited(seconds: float) -> Iterator[None]:
    """Ends what is inside after so many seconds; only the main thread of a process can do that."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGALRM, _give_up)
    # Again every second: whoever catches it on its way is not to go on for ever.
    others = signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        signal.setitimer(signal.ITIMER_REAL, *others)


def _give_up(number: int, frame: FrameType | None) -> None:
    raise _TooLong


def _place(error: BaseException) -> str:
    """The innermost line of our code that was running."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f" ({Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno})" if trace is not None else ""
