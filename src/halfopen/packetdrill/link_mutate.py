"""Lines of the link dialect with one thing changed that they tell of a frame."""

from collections.abc import Iterator
from dataclasses import replace

from halfopen.packetdrill.cursor import U8, U16
from halfopen.packetdrill.link_script import (
    ArpLine,
    Body,
    Host,
    IcmpMessage,
    LinkLine,
    MldLine,
    NdpLine,
    RawPayload,
    UdpDatagram,
)
from halfopen.packetdrill.script import PacketLine

STRANGER = b"\x02\x00\x00\x00\x00\x99"
"""A station that no script knows."""


def link_mutations(line: PacketLine, frame: LinkLine) -> Iterator[tuple[str, PacketLine]]:
    """Every single change of an outbound frame."""
    for what, changed in _frames(frame):
        yield what, replace(line, transport=changed)
    if line.ip.ttl is not None:
        yield "time to live", replace(line, ip=replace(line.ip, ttl=line.ip.ttl ^ 1))


def _frames(frame: LinkLine) -> Iterator[tuple[str, LinkLine]]:
    yield "device", replace(frame, device=1 - frame.device)
    if frame.stations is not None:
        source, destination = frame.stations
        yield "source station", replace(frame, stations=(STRANGER, destination))
        yield "destination station", replace(frame, stations=(source, STRANGER))
    if frame.ends is not None:
        yield "source", replace(frame, ends=(_another(frame.ends[0]), frame.ends[1]))
        yield "destination", replace(frame, ends=(frame.ends[0], _another(frame.ends[1])))
    if (part := frame.slice) is not None:
        yield "fragment offset", replace(frame, slice=replace(part, offset=part.offset + 8))
        yield "fragment length", replace(frame, slice=replace(part, octets=part.octets - 1))
        yield "more fragments", replace(frame, slice=replace(part, more=not part.more))
    if part is not None and part.offset:
        return  # Of what the whole datagram says this piece shows nothing but zeros.
    for what, body in _bodies(frame.body):
        yield what, replace(frame, body=body)


def _another(host: Host) -> Host:
    return "far" if host != "far" else "remote"


def _bodies(body: Body) -> Iterator[tuple[str, Body]]:
    match body:
        case ArpLine():
            yield "operation", replace(body, is_reply=not body.is_reply)
            yield "sender", replace(body, sender=_another(body.sender))
            if body.target is not None:
                yield "target", replace(body, target=_another(body.target))
            if body.station is not None:
                yield "station", replace(body, station=STRANGER)
        case UdpDatagram():
            yield "length", replace(body, octets=body.octets + 1)
            if body.ports is not None:
                yield "ports", replace(body, ports=(body.ports[1], body.ports[0] ^ 1))
        case RawPayload():
            yield "protocol", replace(body, protocol=body.protocol + 1 & U8)
        case IcmpMessage():
            yield from _messages(body)
        case NdpLine():
            yield from _discoveries(body)
        case MldLine():
            (group, kind), *rest = body.records
            yield "group", replace(body, records=((_another(group), kind), *rest))
            yield "record", replace(body, records=((group, "is_ex" if kind != "is_ex" else "to_in"), *rest))


def _messages(body: IcmpMessage) -> Iterator[tuple[str, Body]]:
    yield "type", replace(body, type="type_199", code="code_0")
    if not body.is_echo:
        yield "code", replace(body, code="code_77")
    if body.id is not None:
        yield "identifier", replace(body, id=body.id + 1 & U16)
        yield "sequence number", replace(body, seq=body.seq + 1 & U16)
        yield "length", replace(body, octets=body.octets + 1)
    if body.mtu is not None:
        yield "MTU", replace(body, mtu=body.mtu + 1)
    if body.pointer is not None:
        yield "pointer", replace(body, pointer=body.pointer + 1)
    if body.gateway is not None:
        yield "gateway", replace(body, gateway=_another(body.gateway))


def _discoveries(body: NdpLine) -> Iterator[tuple[str, Body]]:
    if body.target is not None:
        yield "target", replace(body, target=_another(body.target))
    if body.type == "neighbor_advertisement":
        for flag in ("router", "solicited", "override"):
            yield flag, replace(body, flags=body.flags ^ {flag})
    yield "source link", replace(body, source_link=STRANGER if body.source_link is None else None)
    yield "target link", replace(body, target_link=STRANGER if body.target_link is None else None)
    yield "MTU", replace(body, mtu=1400 if body.mtu is None else None)
    for index, (name, number) in enumerate(body.numbers):
        numbers = (*body.numbers[:index], (name, number ^ 1), *body.numbers[index + 1 :])
        yield name, replace(body, numbers=numbers)
