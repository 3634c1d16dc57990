"""Where the command ``halfopen`` begins."""

import sys


def main() -> None:
    """Runs the command line; says what to install where it is missing."""
    try:
        from halfopen.cli.group import halfopen
    except ModuleNotFoundError as error:
        if error.name != "click":
            raise
        print("halfopen: the command line needs click and rich: install 'halfopen[cli]'", file=sys.stderr)
        sys.exit(2)
    halfopen(prog_name="halfopen")
