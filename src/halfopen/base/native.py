"""The compiled build (mypyc): which build this is, and marks for the compiler that change nothing when interpreted.

This module itself is never compiled, and nobody needs to have mypyc installed.
"""

from typing import TYPE_CHECKING

from halfopen.base import clock

if TYPE_CHECKING:
    from mypy_extensions import mypyc_attr, trait
else:

    def mypyc_attr(**attributes):
        """What mypyc is to know of a class, such as ``allow_interpreted_subclasses``."""
        return lambda marked: marked

    def trait(marked):
        """A base class that may stand beside others."""
        return marked


def build() -> str:
    """``"compiled"`` or ``"interpreted"``."""
    return "interpreted" if str(clock.__file__).endswith(".py") else "compiled"


__all__ = ["build", "mypyc_attr", "trait"]
