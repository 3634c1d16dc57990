"""Lines of a script, parsed by themselves."""

from typing import TypeVar

from halfopen.packetdrill.parser import parse
from halfopen.packetdrill.script import Action, Call, Event, IcmpLine, PacketLine, TcpLine, UdpLine

Kind = TypeVar("Kind")


def events(text: str, **definitions: str) -> tuple[Event, ...]:
    return parse(text, "test.pkt", definitions).events


def action(line: str, **definitions: str) -> Action:
    (event,) = events(f"0 {line}", **definitions)
    return event.action


def packet(line: str, **definitions: str) -> PacketLine:
    told = action(line, **definitions)
    assert isinstance(told, PacketLine)
    return told


def tcp(line: str, **definitions: str) -> TcpLine:
    told = packet(line, **definitions).transport
    assert isinstance(told, TcpLine)
    return told


def udp(line: str) -> UdpLine:
    told = packet(line).transport
    assert isinstance(told, UdpLine)
    return told


def icmp(line: str, **definitions: str) -> IcmpLine:
    told = packet(line, **definitions).transport
    assert isinstance(told, IcmpLine)
    return told


def call(line: str, **definitions: str) -> Call:
    told = action(line, **definitions)
    assert isinstance(told, Call)
    return told
