"""``setkey``: the keys of TCP MD5 that FreeBSD keeps as security associations (RFC 2385)."""

import shlex

from halfopen.base.addresses import parse_address
from halfopen.packetdrill.shell_host import Failed, ShellHost
from halfopen.packetdrill.shell_texts import cat
from halfopen.packetdrill.shell_words import NotUnderstood
from halfopen.tcp.master_keys import Md5Key

_WORDS_OF_ADD = 8
"""``add SOURCE DESTINATION tcp SPI -A tcp-md5 KEY``."""


def setkey(host: ShellHost, words: list[str], standard_input: str) -> str:
    """``setkey -c``, ``setkey -f FILE`` and ``setkey -F``; of associations TCP's alone mean anything here."""
    if words == ["-c"]:
        text = standard_input
    elif words[:1] == ["-f"] and len(words) == len(("-f", "FILE")):
        text = cat(host, words[1:], "")
    elif words in (["-F"], ["-FP"], ["-D"], ["-DP"]):
        text = "flush;" if words == ["-F"] else ""
    else:
        raise NotUnderstood(f"setkey {' '.join(words)}")
    for statement in text.replace("\n", " ").split(";"):
        _do(host, shlex.split(statement))
    return ""


def _do(host: ShellHost, words: list[str]) -> None:
    match words[:1]:
        case [] | ["spdflush"] | ["dump"] | ["spddump"]:
            return
        case ["flush"] | ["delete"] | ["deleteall"]:
            _forget(host)
        case ["add"]:
            _add(host, words)
        case _:
            raise NotUnderstood(f"setkey: {' '.join(words)}")


def _add(host: ShellHost, words: list[str]) -> None:
    """Both directions of a connection have the same key: the one from us to the peer counts."""
    words = [word for word in words if word not in ("-4", "-6", "-n")]
    if len(words) != _WORDS_OF_ADD or words[3] != "tcp" or words[5:7] != ["-A", "tcp-md5"]:
        raise NotUnderstood(f"setkey: {' '.join(words)}")
    try:
        destination = parse_address(words[2])
    except ValueError:
        raise Failed(f"setkey: {words[2]} is no address") from None
    if any(destination == address for each in host.stack.interfaces for address, _ in each.addresses):
        return
    secret = bytes.fromhex(words[7][2:]) if words[7].startswith("0x") else words[7].encode("latin-1")
    key = Md5Key(secret=secret, peer=words[2])
    host.stack.tcp.add_key(key)
    host.keys.append(key)


def _forget(host: ShellHost) -> None:
    guard = host.stack.tcp.paths.guard
    while host.keys and guard is not None:
        guard.remove(host.keys.pop())
