"""Lines about frames, ARP, ICMP, Neighbor Discovery and fragments, in tcpdump's words: our own dialect (``--link``).

::

    dir [eth1] [ether STATION > STATION] [(IP-INFO)] [HOST > HOST:] BODY

A line with TCP flags in the place of BODY is one of the public language.
"""

from dataclasses import replace

from halfopen.base.addresses import Prefix, parse_address, parse_mac
from halfopen.packetdrill.cursor import U8, U16, U32, Cursor
from halfopen.packetdrill.lexer import Kind
from halfopen.packetdrill.link_layout import DEVICES, HOSTS, STATIONS
from halfopen.packetdrill.link_script import (
    ArpLine,
    Body,
    Host,
    IcmpMessage,
    LinkLine,
    MldLine,
    MldQuery,
    NdpLine,
    RawPayload,
    Slice,
    Station,
    UdpDatagram,
)
from halfopen.packetdrill.parse_packets import ip_item, octets_in, ports_of, tcp_line
from halfopen.packetdrill.script import IpInfo, PacketLine
from halfopen.wire.ndp_options import INFINITE, PrefixInformation

NDP_TYPES = (
    "router_solicitation",
    "router_advertisement",
    "neighbor_solicitation",
    "neighbor_advertisement",
    "redirect",
)
FLAGS = ("router", "solicited", "override", "managed", "other")
NUMBERS = ("lifetime", "hop_limit", "reachable", "retransmit", "preference")
RECORDS = ("to_ex", "to_in", "is_ex")
_BODIES = ("arp", "udp", "proto", "icmp", "icmp6")


def parse_link_packet(cursor: Cursor) -> PacketLine:
    """From the direction to the end of the line."""
    inbound = cursor.take().text == "<"
    ip, line = IpInfo(), LinkLine(RawPayload(0, 0))
    if cursor.at(*DEVICES):
        line = replace(line, device=DEVICES.index(cursor.take().text))
    if cursor.accept("ether"):
        source = _station(cursor)
        cursor.expect(">")
        line = replace(line, stations=(source, _station(cursor)))
    if cursor.accept("("):
        ip, line = _ip_info(cursor, line)
    if _at_host(cursor) and cursor.ahead(1).text == ">":
        source_host = _host(cursor)
        cursor.expect(">")
        line = replace(line, ends=(source_host, _host(cursor)))
        cursor.expect(":")
    if not cursor.at(*_BODIES):
        return _tcp(cursor, inbound, ip, line)
    return PacketLine(inbound, replace(line, body=_body(cursor)), ip)


def _tcp(cursor: Cursor, inbound: bool, ip: IpInfo, line: LinkLine) -> PacketLine:
    if line != LinkLine(line.body):
        cursor.fail(f"{', '.join(_BODIES)} behind a device, stations, hosts or 'frag'")
    return PacketLine(inbound, tcp_line(cursor, inbound), ip)


def _ip_info(cursor: Cursor, line: LinkLine) -> tuple[IpInfo, LinkLine]:
    """``(ttl 1, DF, frag 7:1480@0+)``."""
    info = IpInfo()
    while not cursor.accept(")"):
        if cursor.accept("frag"):
            line = replace(line, slice=_slice(cursor))
        elif cursor.accept("DF"):
            line = replace(line, dont_fragment=True)
        else:
            info = ip_item(cursor, info)
        cursor.accept(",")
    return info, line


def _slice(cursor: Cursor) -> Slice:
    number = cursor.number("fragment identification")
    cursor.expect(":")
    position = cursor.position
    octets = cursor.number("length of a fragment", high=U16)
    cursor.expect("@")
    offset = cursor.number("fragment offset", high=U16)
    if offset % 8:
        cursor.refuse(f"a fragment begins at a multiple of 8 octets, not at {offset}", position)
    return Slice(number, octets, offset, cursor.accept("+"))


def _at_host(cursor: Cursor) -> bool:
    return cursor.token.kind is Kind.ADDRESS or cursor.at(*HOSTS)


def _host(cursor: Cursor) -> Host:
    if not _at_host(cursor):
        cursor.fail(f"an address or one of {', '.join(HOSTS)}")
    token = cursor.take()
    return parse_address(token.text) if token.kind is Kind.ADDRESS else token.text


def _station(cursor: Cursor) -> Station:
    if cursor.at(*STATIONS):
        return cursor.take().text
    position = cursor.position
    try:
        return parse_mac(cursor.glued(until=">,()"))
    except ValueError:
        cursor.refuse(f"expected a link address such as 02:00:00:00:00:01 or one of {', '.join(STATIONS)}", position)


def _said(cursor: Cursor, *words: str) -> bool:
    """Passes words with hyphens between them, as in ``who-has``."""
    if not cursor.at(words[0]) or [cursor.ahead(2 * at).text for at in range(len(words))] != list(words):
        return False
    cursor.glued()
    return True


def _expect(cursor: Cursor, *words: str) -> None:
    if not _said(cursor, *words):
        cursor.fail(repr("-".join(words)))


def _body(cursor: Cursor) -> Body:
    word = cursor.take().text
    if word == "arp":
        return _arp(cursor)
    if word == "udp":
        ports = ports_of(cursor)
        return UdpDatagram(octets_in(cursor), ports)
    if word == "proto":
        protocol = cursor.number("protocol", high=U8)
        return RawPayload(protocol, octets_in(cursor))
    if word == "icmp6" and cursor.at(*NDP_TYPES):
        return _ndp(cursor)
    if word == "icmp6" and cursor.accept("multicast_listener_report"):
        return MldLine(_records(cursor))
    if word == "icmp6" and cursor.accept("multicast_listener_query"):
        group = _host(cursor) if _at_host(cursor) else None
        _expect(cursor, "max", "delay")
        return MldQuery(group, cursor.number("delay in milliseconds", high=U16))
    return _icmp(cursor)


def _arp(cursor: Cursor) -> ArpLine:
    if _said(cursor, "who", "has"):
        target = _host(cursor)
        cursor.expect("tell")
        return ArpLine(False, _host(cursor), target)
    if not cursor.accept("reply"):
        cursor.fail("'who-has' or 'reply'")
    sender = _host(cursor)
    _expect(cursor, "is", "at")
    station = _station(cursor)
    return ArpLine(True, sender, _host(cursor) if cursor.accept("to") else None, station)


def _icmp(cursor: Cursor) -> IcmpMessage:
    line = IcmpMessage(cursor.word("the type of an ICMP message"))
    if cursor.token.kind is Kind.WORD and not cursor.at("id", "seq", "mtu", "gateway", "pointer"):
        line = replace(line, code=cursor.take().text)
    while True:
        if cursor.accept("id"):
            line = replace(line, id=cursor.number("identifier", high=U16))
        elif cursor.accept("seq"):
            line = replace(line, seq=cursor.number("sequence number", high=U16))
        elif cursor.accept("mtu"):
            line = replace(line, mtu=cursor.number("maximum transmission unit"))
        elif cursor.accept("pointer"):
            line = replace(line, pointer=cursor.number("pointer", high=U32))
        elif cursor.accept("gateway"):
            line = replace(line, gateway=_host(cursor))
        elif cursor.at("("):
            return replace(line, octets=octets_in(cursor))
        else:
            return line


def _records(cursor: Cursor) -> tuple[tuple[Host, str], ...]:
    records: list[tuple[Host, str]] = []
    while not records or cursor.accept(","):
        group = _host(cursor)
        if not cursor.at(*RECORDS):
            cursor.fail(" or ".join(RECORDS))
        records.append((group, cursor.take().text))
    return tuple(records)


def _ndp(cursor: Cursor) -> NdpLine:
    line = NdpLine(type=cursor.take().text)
    match line.type:
        case "neighbor_solicitation":
            _expect(cursor, "who", "has")
            line = replace(line, target=_host(cursor))
        case "neighbor_advertisement":
            _expect(cursor, "tgt", "is")
            line = replace(line, target=_host(cursor))
        case "redirect":
            destination = _host(cursor)
            cursor.expect("to")
            line = replace(line, destination=destination, target=_host(cursor))
    while (more := _ndp_item(cursor, line)) is not None:
        line = more
    return line


def _ndp_item(cursor: Cursor, line: NdpLine) -> NdpLine | None:
    """A flag, a number or an option; None if none of them follows."""
    cursor.accept(",")
    if cursor.at(*FLAGS):
        return replace(line, flags=line.flags | {cursor.take().text})
    if cursor.at(*NUMBERS):
        name = cursor.take().text
        return replace(line, numbers=(*line.numbers, (name, cursor.number(name))))
    if _said(cursor, "source", "link"):
        return replace(line, source_link=_station(cursor))
    if _said(cursor, "target", "link"):
        return replace(line, target_link=_station(cursor))
    if cursor.accept("mtu"):
        return replace(line, mtu=cursor.number("maximum transmission unit"))
    if cursor.accept("nonce"):
        return replace(line, nonce=cursor.number("number of a nonce"))
    if cursor.accept("prefix"):
        return replace(line, prefixes=(*line.prefixes, _prefix(cursor)))
    return None


def _prefix(cursor: Cursor) -> PrefixInformation:
    """``2001:db8::/64 [onlink] [auto] [valid SECONDS] [preferred SECONDS]``."""
    position = cursor.position
    address = cursor.take()
    if address.kind is not Kind.ADDRESS or len(parse_address(address.text)) != 16:
        cursor.refuse("expected a prefix such as 2001:db8::/64", position)
    cursor.expect("/")
    prefix = Prefix.of(parse_address(address.text), cursor.number("length of a prefix", high=128))
    told = PrefixInformation(prefix, INFINITE, INFINITE, False, False)
    while True:
        if cursor.accept("onlink"):
            told = replace(told, on_link=True)
        elif cursor.accept("auto"):
            told = replace(told, autonomous=True)
        elif cursor.accept("valid"):
            told = replace(told, valid=cursor.number("seconds"))
        elif cursor.accept("preferred"):
            told = replace(told, preferred=cursor.number("seconds"))
        else:
            return told
