"""Commands on text and files, of which a script sees its own only."""

import re

from halfopen.packetdrill.linux_sysctls import MODULE_PARAMETERS
from halfopen.packetdrill.shell_host import Failed, ShellHost
from halfopen.packetdrill.shell_words import NotUnderstood


def grep(host: ShellHost, words: list[str], standard_input: str) -> str:
    """``grep [-q] [-c] [-v] [-i] [-E] [-F] [-w] [-e] PATTERN [FILE]``: fails if nothing matches."""
    flags, rest = "", list(words)
    while (at := next((at for at, word in enumerate(rest) if word.startswith("-") and len(word) > 1), -1)) >= 0:
        word = rest.pop(at)
        if word == "--":
            break
        flags += word.lstrip("-")
    if not rest or set(flags) - set("qcviEeFwsoP"):
        raise NotUnderstood(f"grep {' '.join(words)}")
    pattern = re.escape(rest[0]) if "F" in flags else _pattern(rest[0], is_extended="E" in flags or "P" in flags)
    if "w" in flags:
        pattern = rf"\b(?:{pattern})\b"
    text = standard_input if len(rest) == 1 else "".join(cat(host, rest[1:], ""))
    matcher = re.compile(pattern, re.IGNORECASE if "i" in flags else 0)
    found = [line for line in text.splitlines() if bool(matcher.search(line)) is not ("v" in flags)]
    output = f"{len(found)}\n" if "c" in flags else "".join(f"{line}\n" for line in found)
    if not found:
        raise Failed(f"nothing matches {rest[0]!r}", output)
    return "" if "q" in flags else output


def _pattern(text: str, *, is_extended: bool) -> str:
    """A basic regular expression in Python's words: there ``\\|`` is what ``|`` is here, and the other way round."""
    if is_extended:
        return text
    return re.sub(
        r"\\([|+?(){}])|([|+?(){}])", lambda match: match.group(1) if match.group(1) else "\\" + match.group(2), text
    )


def cat(host: ShellHost, words: list[str], standard_input: str) -> str:
    """``cat [FILE...]``."""
    if not words:
        return standard_input
    return "".join(_file(host, name) for name in words)


def _file(host: ShellHost, name: str) -> str:
    if name in host.files:
        return host.files[name].decode("latin-1")
    if setting := setting_of(name):
        return host.sysctls.read(setting) + "\n"
    raise Failed(f"{name}: no such file")


def setting_of(name: str) -> str:
    """The sysctl that a file stands for, or the parameter of a module, which counts as one; else ``""``."""
    if name.startswith("/proc/sys/"):
        return name.removeprefix("/proc/sys/")
    module, is_parameter, parameter = name.removeprefix("/sys/module/").partition("/parameters/")
    setting = f"{module}.{parameter}"
    return setting if is_parameter and setting in MODULE_PARAMETERS else ""


def write_file(host: ShellHost, name: str, text: str) -> None:
    """``> name``: a sysctl, a parameter of a module, or a file of the script's own."""
    if setting := setting_of(name):
        host.sysctls.write(setting, text.strip())
    elif name != "/dev/null":
        host.files[name] = text.encode()


def echo(host: ShellHost, words: list[str], standard_input: str) -> str:
    """``echo [-n] WORDS``."""
    if words[:1] == ["-n"]:
        return " ".join(words[1:])
    return " ".join(words) + "\n"


def print_formatted(host: ShellHost, words: list[str], standard_input: str) -> str:
    """``printf TEXT``, without anything to put into it."""
    if len(words) != 1 or "%" in words[0]:
        raise NotUnderstood(f"printf {' '.join(words)}")
    return words[0].replace("\\n", "\n").replace("\\t", "\t")


def remove(host: ShellHost, words: list[str], standard_input: str) -> str:
    """``rm [-f] FILE...``."""
    for name in words:
        if not name.startswith("-"):
            host.files.pop(name, None)
    return ""


def copy_octets(host: ShellHost, words: list[str], standard_input: str) -> str:
    """``dd of=FILE bs=N count=N [if=/dev/zero]``: so many octets of zero."""
    given = dict(word.partition("=")[::2] for word in words)
    if "of" not in given or given.get("if", "/dev/zero") != "/dev/zero":
        raise NotUnderstood(f"dd {' '.join(words)}")
    host.files[given["of"]] = bytes(_octets(given.get("bs", "512")) * _octets(given.get("count", "1")))
    return ""


def _octets(text: str) -> int:
    """``5``, ``4k``, ``1M``, no more than that."""
    match = re.fullmatch(r"(\d{1,7})([kKM]?)", text)
    if match is None:
        raise NotUnderstood(f"dd with {text!r}")
    octets = int(match.group(1)) * {"": 1, "k": 1024, "K": 1024, "M": 1024 * 1024}[match.group(2)]
    if octets > 64 * 1024 * 1024:
        raise NotUnderstood(f"dd of {octets} octets")
    return octets


def count_words(host: ShellHost, words: list[str], standard_input: str) -> str:
    """``wc -l``."""
    if words != ["-l"]:
        raise NotUnderstood(f"wc {' '.join(words)}")
    return f"{standard_input.count(chr(10))}\n"


def succeed(host: ShellHost, words: list[str], standard_input: str) -> str:
    """``true``, and what has nothing to do here."""
    return ""


def fail(host: ShellHost, words: list[str], standard_input: str) -> str:
    """``false``."""
    raise Failed("")
