"""The little of a shell's grammar that scripts need: words, pipes, ``;``, ``&&``, ``||``, and where output goes."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import StringIO
from itertools import pairwise, takewhile

JOINS = frozenset({";", "&&", "||"})
_HERE = re.compile(r"<<-?\s*['\"]?(\w+)['\"]?")
_OUTPUTS = frozenset({">", ">>", ">&", "&>"})
_ERRORS = "2>"
"""The word before the operator in ``2> file``, which is none of the command's."""


class NotUnderstood(Exception):
    """A part of the grammar that no emulation has."""


@dataclass(slots=True)
class Command:
    """One program and its arguments; ``target`` is the file that its output goes to, or ``""``."""

    words: list[str] = field(default_factory=list)
    target: str = ""
    text: str = ""
    """What it reads: the lines behind ``<<``."""


@dataclass(slots=True)
class Pipeline:
    """Commands of which each reads what the one before has written; ``joined_by`` says when it is run at all."""

    commands: list[Command]
    joined_by: str = ";"


def parse_shell(text: str) -> list[Pipeline]:
    """What a shell would make of ``text``; NotUnderstood for what is beyond this one."""
    lines = iter(text.replace("\\\n", " ").splitlines())
    pipelines: list[Pipeline] = []
    for line in lines:
        here = _HERE.search(line)
        parsed = _parse_line(_HERE.sub("", line))
        if here is not None and parsed:
            parsed[0].commands[0].text = _until(here[1], lines)
        pipelines += parsed
    return pipelines


def _until(end: str, lines: Iterator[str]) -> str:
    return "\n".join(takewhile(lambda each: each.strip() != end, lines))


def _parse_line(line: str) -> list[Pipeline]:
    try:
        words = list(_lex(line))
    except ValueError as error:
        raise NotUnderstood(str(error).lower()) from None
    pipelines = [Pipeline([Command()])]
    skipped = False
    for word, following in pairwise([*words, ""]):
        if skipped:
            skipped = False
        elif word in JOINS:
            pipelines.append(Pipeline([Command()], word))
        elif word == "|":
            pipelines[-1].commands.append(Command())
        elif word in _OUTPUTS:
            skipped = _redirect(pipelines[-1].commands[-1], word, following)
        elif set(word) <= set(";&|<>"):
            raise NotUnderstood(f"{word!r} in a command")
        else:
            pipelines[-1].commands[-1].words.append(word)
    return [each for each in pipelines if any(command.words for command in each.commands)]


def _lex(line: str) -> Iterator[str]:
    """Words and operators. A 2 that touches what follows it is the number of an output, else it is a word."""
    stream = StringIO(line)
    lexer = shlex.shlex(stream, posix=True, punctuation_chars=";&|<>")
    lexer.whitespace_split = True
    lexer.commenters = "#"
    for word in lexer:
        yield _ERRORS if word == "2" and line[stream.tell() - 1] == ">" else word


def _redirect(command: Command, operator: str, target: str) -> bool:
    """``> file``, ``2> file``, ``2>&1``: what goes to standard error is of no interest to anyone."""
    if not target:
        raise NotUnderstood(f"{operator!r} leads nowhere")
    is_error = bool(command.words) and command.words[-1] == _ERRORS
    if is_error:
        command.words.pop()
    elif operator in (">", ">>"):
        command.target = target
    return True
