"""The commands that scripts run, emulated: nothing here starts a program, or touches the machine it runs on."""

from collections.abc import Callable
from typing import TypeAlias

from halfopen.base.errors import AddressInUse, ConfigError
from halfopen.packetdrill import shell_listings as listings
from halfopen.packetdrill import shell_settings as settings
from halfopen.packetdrill import shell_texts as texts
from halfopen.packetdrill.errors import Mismatch, Unsupported
from halfopen.packetdrill.script import Position
from halfopen.packetdrill.shell_host import Failed, ShellHost
from halfopen.packetdrill.shell_keys import setkey
from halfopen.packetdrill.shell_words import Command, NotUnderstood, Pipeline, parse_shell
from halfopen.packetdrill.sysctls import UnknownSysctl

Program: TypeAlias = Callable[[ShellHost, list[str], str], str]
"""From its arguments and standard input to its output; raises `Failed`."""

PROGRAMS: dict[str, Program] = {
    ":": texts.succeed,
    "cat": texts.cat,
    "dd": texts.copy_octets,
    "defaults.sh": settings.set_defaults,
    "echo": texts.echo,
    "ethtool": settings.ethtool,
    "false": texts.fail,
    "grep": texts.grep,
    "printf": texts.print_formatted,
    "egrep": lambda host, words, text: texts.grep(host, ["-E", *words], text),
    "ip": settings.ip,
    "kldload": texts.succeed,
    "kldstat": texts.succeed,
    "nstat": listings.nstat,
    "rm": texts.remove,
    "setkey": setkey,
    "set_sysctls.py": settings.set_sysctls,
    "sockstat": listings.sockstat,
    "ss": listings.ss,
    "sync": texts.succeed,
    "sysctl": settings.sysctl,
    "sysctl_restore": settings.restore_sysctls,
    "tc": settings.tc,
    "tcpdrop": listings.tcpdrop,
    "true": texts.succeed,
    "wc": texts.count_words,
}

_PREFIXES = frozenset({".", "source", "sh", "bash", "sudo", "python3", "python"})
"""What may stand in front of a script of the suites."""


class Shell:
    """A shell on one host."""

    __slots__ = ("host",)

    def __init__(self, host: ShellHost) -> None:
        self.host = host

    def run(self, text: str, position: Position) -> str:
        """Runs what stands in back quotes: its output; Mismatch if it exits with another status than 0."""
        try:
            return self._run_all(parse_shell(text))
        except (NotUnderstood, UnknownSysctl) as error:
            raise Unsupported(position, f"no such command here: {error}") from None
        except (Failed, ConfigError, AddressInUse) as error:
            detail = " ".join(str(error).split())
            raise Mismatch(position, f"the command {text!r} failed" + (f": {detail}" if detail else "")) from None

    def _run_all(self, pipelines: list[Pipeline]) -> str:
        """The status of the last one that is run is that of all."""
        output, failure = "", None
        for pipeline in pipelines:
            if (pipeline.joined_by == "&&" and failure) or (pipeline.joined_by == "||" and not failure):
                continue
            failure = None
            try:
                output += self._run_pipeline(pipeline)
            except Failed as error:
                failure = error
                output += error.output
        if failure is not None:
            raise failure
        return output

    def _run_pipeline(self, pipeline: Pipeline) -> str:
        """The status of the last command counts; one before it may fail, and what it has printed is read."""
        text = pipeline.commands[0].text
        last = pipeline.commands[-1]
        for command in pipeline.commands:
            try:
                text = self._run_command(command, text)
            except Failed as failed:
                if command is last:
                    raise
                text = failed.output
        return text

    def _run_command(self, command: Command, text: str) -> str:
        words = list(command.words)
        while words and words[0] in _PREFIXES and len(words) > 1:
            words.pop(0)
        if not words:
            raise NotUnderstood("an empty command")
        name = settings.script_name(words[0]) or words[0].rpartition("/")[2]
        if name not in PROGRAMS:
            raise NotUnderstood(" ".join(command.words))
        for path, family in (("/proc/net/tcp", 4), ("/proc/net/tcp6", 16)):
            if path in words:
                self.host.files[path] = listings.proc_net_tcp(self.host, family).encode()
        output = PROGRAMS[name](self.host, words[1:], text)
        if command.target:
            texts.write_file(self.host, command.target, output)
            return ""
        return output
