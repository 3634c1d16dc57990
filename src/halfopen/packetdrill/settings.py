"""What the options of a script and of the command line say, the latter having the last word."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, TypeVar

from halfopen.base.addresses import Address, Prefix, parse_address
from halfopen.base.clock import MICROSECOND, Duration
from halfopen.packetdrill.addressing import IP_VERSIONS, Addressing, default_addressing
from halfopen.packetdrill.errors import ScriptError
from halfopen.packetdrill.link_layout import LinkLayout, layout_of, link_addressing, link_kind
from halfopen.packetdrill.profiles import LINUX, Profile
from halfopen.packetdrill.script import PacketLine, Position, Script

Parsed = TypeVar("Parsed")

START = Position(1, 1)

OTHER_OPTIONS = frozenset(
    {
        "code_command",
        "code_format",
        "code_sockopt",
        "code_verbose",
        "debug",
        "define",
        "dry_run",
        "init_scripts",
        "is_anyip",
        "local_linklocal_ip",
        "persistent_tun_dev",
        "remote_linklocal_ip",
        "send_omit_free",
        "so_filename",
        "so_flags",
        "speed",
        "tun_dev",
        "verbose",
    }
)
"""Known to the tool, and of no consequence where time and host are virtual."""


@dataclass(slots=True, frozen=True, kw_only=True)
class RunOptions:
    """How a script is to be run: as what host, in which IP version, with which options in place of its own."""

    profile: Profile = LINUX
    ip_version: str | None = None
    against: Literal["stack", "kernel"] = "stack"
    overrides: Mapping[str, str | None] = field(default_factory=dict)
    """Options by name without the dashes, as on the command line."""


@dataclass(slots=True, frozen=True, kw_only=True)
class Settings:
    """The options in force."""

    addressing: Addressing = field(default_factory=Addressing)
    mtu: int = 1500
    mss: int = 0
    """Segment size of inbound aggregates; 0: what arrives is as long as it is."""
    tolerance: Duration = 4000 * MICROSECOND
    tolerance_percent: float = 12.5
    timestamp_tick: Duration = 0
    scales_ecr: bool = False
    strict_segments: bool = False
    non_fatal: frozenset[str] = frozenset()
    tcp_md5_secret: str | None = None
    link: LinkLayout | None = None
    """The networks of a script in the link dialect."""
    is_tcp_in_udp: bool = False
    """What comes in UDP datagrams are TCP segments."""

    def allowance(self, elapsed: Duration) -> Duration:
        """How far a time may be off that lies ``elapsed`` after the event before."""
        return max(self.tolerance, int(elapsed * self.tolerance_percent / 100))


def settings_of(script: Script, options: RunOptions) -> Settings:
    """The options in force for one run; ScriptError where one is unknown or cannot be meant."""
    written: dict[str, tuple[str | None, Position]] = {
        each.name: (each.value, each.position) for each in script.options
    }
    written.update({name: (value, START) for name, value in options.overrides.items()})
    if options.ip_version is not None:
        written["ip_version"] = (options.ip_version, START)
    reader = _Reader(written)
    is_link = bool(reader.take("link", link_kind, ""))
    addressing = _addressing(reader, link_addressing if is_link else default_addressing)
    settings = Settings(
        addressing=addressing,
        link=layout_of(reader.take, addressing) if is_link else None,
        mtu=reader.take("mtu", int, 1500 if is_link else options.profile.mtu[addressing.ip_version]),
        mss=reader.take("mss", int, 0),
        tolerance=reader.take("tolerance_usecs", int, 4000) * MICROSECOND,
        tolerance_percent=reader.take("tolerance_percent", float, 12.5),
        timestamp_tick=reader.take("tcp_ts_tick_usecs", int, 0) * MICROSECOND,
        scales_ecr=reader.switch("tcp_ts_ecr_scaled"),
        strict_segments=reader.switch("strict_segments"),
        non_fatal=reader.take("non_fatal", lambda text: frozenset(text.split(",")), frozenset[str]()),
        tcp_md5_secret=reader.take("tcp_md5_secret", str, None),
        is_tcp_in_udp=reader.take("udp_encapsulation", _is_tcp, False) or _has_udp_ports(script),
    )
    reader.check_rest()
    return settings


class _Reader:
    """Takes one option after the other."""

    def __init__(self, written: dict[str, tuple[str | None, Position]]) -> None:
        self._written = written

    def take(self, name: str, parse: Callable[[str], Parsed], default: Parsed) -> Parsed:
        if name not in self._written:
            return default
        value, position = self._written.pop(name)
        try:
            if value is None:
                raise ValueError("nothing")
            return parse(value)
        except ValueError as error:
            raise ScriptError(position, f"--{name}={value}: {error}") from None

    def switch(self, name: str) -> bool:
        return self._written.pop(name, None) is not None

    def check_rest(self) -> None:
        for name, (_, position) in self._written.items():
            if name not in OTHER_OPTIONS and not name.startswith(("wire_", "psp_")):
                raise ScriptError(position, f"--{name}: there is no such option")


def _addressing(reader: _Reader, layout: Callable[[str], Addressing]) -> Addressing:
    default = layout(reader.take("ip_version", _ip_version, "ipv4"))
    mask = reader.take("netmask_ip", _prefix_length, default.prefix_length)
    local, prefix_length = reader.take("local_ip", _interface, (default.local, mask))
    addressing = replace(
        default,
        local=local,
        prefix_length=prefix_length or mask,
        remote=reader.take("remote_ip", lambda text: _interface(text)[0], default.remote),
        gateway=reader.take("gateway_ip", parse_address, default.gateway),
        bind_port=reader.take("bind_port", int, default.bind_port),
        connect_port=reader.take("connect_port", int, default.connect_port),
    )
    if len(addressing.local) != len(default.local) or len(addressing.remote) != len(default.remote):
        return default  # Written for the other version, as scripts that are run for both do.
    return addressing


def _is_tcp(text: str) -> bool:
    if text != "tcp":
        raise ValueError("only TCP is known in UDP")
    return True


def _has_udp_ports(script: Script) -> bool:
    actions = (event.action for event in script.events)
    return any(isinstance(action, PacketLine) and action.udp_ports is not None for action in actions)


def _ip_version(text: str) -> str:
    if text not in IP_VERSIONS:
        raise ValueError(f"expected one of {', '.join(IP_VERSIONS)}")
    return text


def _interface(text: str) -> tuple[Address, int]:
    """An address with or without the length of its prefix, which is 0 then."""
    address, _, length = text.partition("/")
    if length and not length.isdecimal():
        raise ValueError("expected an address, or an address and the length of its prefix")
    return parse_address(address), int(length or 0)


def _prefix_length(text: str) -> int:
    bits = int.from_bytes(parse_address(text), "big")
    length = bits.bit_count()
    if Prefix.of(b"\xff\xff\xff\xff", length).network != bits.to_bytes(4, "big"):
        raise ValueError("expected a mask such as 255.255.0.0")
    return length
