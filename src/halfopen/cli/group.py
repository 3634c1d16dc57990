"""The command ``halfopen`` and its subcommands, each imported when it is called for, so that ``--help`` costs nothing.

Errors are one line on stderr that names what is wrong and what was expected. The exit code is 2 for what the user wrote
or the system lacks, 1 for what the network or a peer did.
"""

import errno
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

import click

from halfopen import __version__
from halfopen.base.errors import ConfigError, HalfopenError
from halfopen.base.native import build

COMMANDS = {
    "demo": "Exchange files with the Linux kernel, verified, and show what happened.",
    "drill": "Run packetdrill scripts against our TCP.",
    "isn": "Measure how predictable the initial sequence numbers in a file are.",
    "lab": "Run TCP's weaknesses and their defences in a simulated network.",
    "nc": "Connect standard input and output to a peer, over our TCP.",
    "ping": "Send ICMP echo requests from a host of ours.",
    "report": "Make a page of graphs and tables from a capture file.",
    "serve": "Serve a directory or a web application over our TCP.",
    "show": "Draw a capture file as a ladder diagram.",
    "ss": "List the ports of running halfopen processes, and who has them.",
    "topology": "Check a description of a network, print it, draw it.",
}

OPTIONAL = frozenset(
    {"aiohttp", "distributed", "pyarrow", "pydantic", "pyroute2", "rich", "uvicorn", "vl_convert", "yaml"}
)

PEERS_DOING = frozenset(
    {
        errno.ECONNABORTED,
        errno.ECONNREFUSED,
        errno.ECONNRESET,
        errno.EHOSTUNREACH,
        errno.ENETUNREACH,
        errno.EPIPE,
        errno.ETIMEDOUT,
    }
)


class LazyGroup(click.Group):
    """A group whose commands are modules of `halfopen.cli` of the same name; see `COMMANDS`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Their names."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Imports the command."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"halfopen.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list for ``--help``, without importing anything."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def main(  # type: ignore[override]  # click's has overloads for its return value
        self, args: Sequence[str] | None = None, prog_name: str | None = None, **options: Any
    ) -> Any:
        """As click's, with our way to tell of errors."""
        options["standalone_mode"] = False
        given = sys.argv[1:] if args is None else args
        name = next((f"halfopen {word}" for word in given if word in COMMANDS), "halfopen")
        sys.exit(told(name, lambda: super(LazyGroup, self).main(args, prog_name, **options)))


def told(name: str, run: Callable[[], object]) -> int:
    """The exit code of ``run``; what goes wrong in it is told in one line that begins with ``name``."""
    try:
        result = run()
    except click.exceptions.Abort:
        return 130
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return 2
    except click.ClickException as error:
        return _fail(name, error.format_message(), 2)
    except BrokenPipeError:
        # Whoever read our output has gone; nothing more may be flushed to it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except ModuleNotFoundError as error:
        if error.name not in OPTIONAL:
            raise
        return _fail(name, f"this needs {error.name}: install 'halfopen[all]'", 2)
    except HalfopenError as error:
        return _fail(name, str(error), 2 if isinstance(error, ConfigError) else 1)
    except OSError as error:
        return _fail(name, _os_text(error), 1 if error.errno in PEERS_DOING else 2)
    return result if isinstance(result, int) else 0


def _os_text(error: OSError) -> str:
    text = error.strerror or str(error)
    return f"{error.filename}: {text}" if error.filename else text


def _fail(name: str, text: str, code: int) -> int:
    click.echo(f"{name}: {' '.join(text.split())}", err=True)
    return code


def _show_version(context: click.Context, parameter: click.Parameter, wanted: bool) -> None:
    if wanted and not context.resilient_parsing:
        click.echo(version_text())
        context.exit()


def version_text() -> str:
    """``"halfopen 0.1.0 (interpreted) on CPython 3.11.7 built without PGO, Linux 6.1"``."""
    import platform
    from sysconfig import get_config_var

    # An interpreter without profile-guided optimization is up to twice as slow: part of every figure.
    optimized = "with" if "--enable-optimizations" in str(get_config_var("CONFIG_ARGS")) else "without"
    interpreter = f"{platform.python_implementation()} {platform.python_version()}"
    system = f"{platform.system()} {platform.release()}"
    return f"halfopen {__version__} ({build()}) on {interpreter} built {optimized} PGO, {system}"


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Show version, build and interpreter, and exit.",
)
def halfopen() -> None:
    """TCP/IP as a Python library: our own hosts, talking to the Linux kernel."""
