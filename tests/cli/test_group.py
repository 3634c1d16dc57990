import errno
import platform
import re
import subprocess
import sys

import click
import pytest

from halfopen import __version__
from halfopen.base.errors import ConfigError, ConnectionTimedOut
from halfopen.cli.group import COMMANDS, halfopen, told, version_text
from tests.cli.running import complaint, invoke


def test_the_version_names_the_build_and_the_interpreter() -> None:
    result = invoke("--version")
    assert result.exit_code == 0
    assert result.stdout.strip() == version_text()
    assert re.match(rf"halfopen {re.escape(__version__)} \((interpreted|compiled)\) on ", result.stdout)
    assert platform.python_version() in result.stdout


def test_help_lists_every_command_and_imports_none() -> None:
    code = (
        "import sys\n"
        "from halfopen.cli.group import halfopen\n"
        "try: halfopen(['--help'])\n"
        "finally: print([name for name in sys.modules if name.startswith('halfopen.') and 'aio' in name])\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert result.returncode == 0
    assert result.stdout.endswith("[]\n")
    assert all(f"  {name} " in result.stdout for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_says_what_the_commands_say(name: str) -> None:
    context = click.Context(halfopen)
    command = halfopen.get_command(context, name)
    assert command is not None
    assert command.name == name
    assert command.get_short_help_str(limit=200) == COMMANDS[name]
    assert invoke(name, "--help").exit_code == 0


def test_without_a_command_there_is_help() -> None:
    result = invoke()
    assert result.exit_code == 2
    assert "Commands:" in result.stderr


def test_an_unknown_command_is_named() -> None:
    assert "'dmeo'" in complaint("dmeo")


def test_an_unknown_option_is_named() -> None:
    assert complaint("ss", "--colour").startswith("halfopen ss: No such option '--colour'")


def test_a_peers_refusal_is_no_mistake_of_the_users(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused\nby 192.0.2.1")

    assert told("halfopen nc", fail) == 1
    assert capsys.readouterr().err == "halfopen nc: Connection refused by 192.0.2.1\n"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("no such thing"), 2),
        (ConnectionTimedOut("no answer"), 1),
        (PermissionError(errno.EPERM, "not allowed", "/dev/net/tun"), 2),
        (ModuleNotFoundError("No module named 'uvicorn'", name="uvicorn"), 2),
        (click.UsageError("what?"), 2),
    ],
)
def test_each_kind_of_error_is_one_line_and_a_code(
    error: Exception, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise error

    assert told("halfopen", fail) == code
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("halfopen: ")


def test_a_mistake_of_ours_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        told("halfopen", lambda: 1 // 0)
    with pytest.raises(ModuleNotFoundError):
        told("halfopen", lambda: __import__("no_module_of_ours"))


def test_an_interrupt_is_130() -> None:
    def interrupt() -> None:
        raise click.exceptions.Abort

    assert told("halfopen", interrupt) == 130


def test_a_reader_that_goes_away_is_no_traceback() -> None:
    code = "from halfopen.cli.group import told; import sys; told('x', lambda: [print('y' * 9999) for _ in range(99)])"
    writer = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert writer.stdout is not None
    writer.stdout.close()
    assert writer.stderr is not None
    assert writer.stderr.read() == b""
    writer.stderr.close()
    assert writer.wait(timeout=30) == 0
