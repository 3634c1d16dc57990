"""Lines that are packets: TCP segments, UDP datagrams and ICMP messages, of Google's dialect and of FreeBSD's."""

from dataclasses import replace

from halfopen.packetdrill.cursor import U8, U16, U32, Cursor
from halfopen.packetdrill.lexer import Kind
from halfopen.packetdrill.parse_options import octets_of, parse_options
from halfopen.packetdrill.script import IcmpLine, IpInfo, PacketLine, TcpLine, UdpLine
from halfopen.wire.tcp import ACK, AE, CWR, ECE, FIN, PSH, RST, SYN, URG

ECN = ("noecn", "ect0", "ect1", "ect01", "ce")
ENCAPSULATIONS = ("ipv4", "ipv6", "gre", "mpls", "psp")
MOST_OCTETS = U16
"""Of an IP datagram, header included."""
_HEADERS = 40
"""What of it the headers of IPv4 and TCP take at least."""
_FLOW_LABEL = 0xFFFFF

_FLAGS = {"F": FIN, "S": SYN, "R": RST, "P": PSH, ".": ACK, "U": URG, "E": ECE, "W": CWR, "A": AE}
_ACE = "01234567"


def parse_packet(cursor: Cursor) -> PacketLine:
    """From the direction to the end of the line."""
    inbound = cursor.take().text == "<"
    ip, encapsulation, quoted = IpInfo(), [], None
    if _at_quotation(cursor):
        quoted = _quotation(cursor)  # As scripts of 2013 have it: what an ICMP message quotes before the message.
    elif cursor.at("(", "["):
        ip = _ip_info(cursor)
    while cursor.at(*ENCAPSULATIONS):
        encapsulation.append(_encapsulation(cursor))
        if cursor.at("(", "["):
            ip = _ip_info(cursor)
    if quoted is None and _at_quotation(cursor):
        quoted = _quotation(cursor)
    transport: TcpLine | UdpLine | IcmpLine
    if quoted is not None or cursor.at("icmp"):
        transport = _icmp(cursor, quoted)
    elif cursor.accept("udp"):
        transport = _udp(cursor)
    else:
        transport = tcp_line(cursor, inbound)
    udp_ports = _udp_suffix(cursor) if cursor.at("/") else None
    return PacketLine(inbound, transport, ip, tuple(encapsulation), udp_ports)


def _ip_info(cursor: Cursor) -> IpInfo:
    """``(ect0, ttl 64)`` or ``[tos 0x10]``; the commas may be missing."""
    closing = ")" if cursor.take().text == "(" else "]"
    info = IpInfo()
    while not cursor.accept(closing):
        info = ip_item(cursor, info)
        cursor.accept(",")
    return info


def ip_item(cursor: Cursor, info: IpInfo) -> IpInfo:
    """One word about an IP header, added to what is said of it."""
    if cursor.at(*ECN):
        return replace(info, ecn=cursor.take().text)
    if cursor.accept("tos") or cursor.accept("class"):
        return replace(info, tos=cursor.number("type of service", high=U8))
    if cursor.accept("flowlabel"):
        return replace(info, flow_label=cursor.number("flow label", high=_FLOW_LABEL))
    if cursor.accept("ttl") or cursor.accept("hlim"):
        return replace(info, ttl=cursor.number("time to live", high=U8))
    cursor.fail(f"{', '.join(ECN)}, tos, flowlabel, ttl, hlim or class")


def _encapsulation(cursor: Cursor) -> str:
    """The name of a header around the packet. What it says goes unread up to the colon that ends it."""
    name = cursor.take().text
    while not cursor.accept(":"):
        if cursor.token.kind is Kind.END:
            cursor.fail(f"':' behind the header {name}")
        cursor.take()
    return name


def ports_of(cursor: Cursor) -> tuple[int, int] | None:
    """``source > destination``, if they are written."""
    if cursor.token.kind is not Kind.INTEGER or cursor.ahead(1).text != ">":
        return None
    source = cursor.number("port", high=U16)
    cursor.expect(">")
    return source, cursor.number("port", high=U16)


def tcp_line(cursor: Cursor, inbound: bool) -> TcpLine:
    """A segment, from its ports or flags on."""
    position = cursor.position
    ports = ports_of(cursor)
    flags, ace = _flags(cursor)
    line = _said(cursor, replace(_sequence(cursor), flags=flags, ace=ace, ports=ports))
    if inbound and line.window is None:
        cursor.refuse("an inbound segment needs 'win' and its window", position)
    if cursor.at("<"):
        line = replace(line, options=parse_options(cursor))
    if inbound and line.options is None:
        cursor.refuse("'<...>' is only for outbound segments: an inbound one needs its options", position)
    if _HEADERS + sum(map(octets_of, line.options or ())) + line.octets > MOST_OCTETS:
        cursor.refuse(f"{line.octets} octets with their headers do not fit in a datagram", position)
    return line


def _flags(cursor: Cursor) -> tuple[int, int | None]:
    """One word of ``FSRP.EWUA``, ``-`` for none; a digit among them is the ACE field (RFC 9768 3.1.1)."""
    if cursor.token.kind not in (Kind.WORD, Kind.SIGN, Kind.FLOAT, Kind.INTEGER):
        cursor.fail("TCP flags")
    position = cursor.position
    text = cursor.glued()
    flags, ace = 0, None
    for letter in text if text != "-" else "":
        if letter in _ACE and ace is None:
            ace = int(letter)
        elif letter in _FLAGS and not flags & _FLAGS[letter]:
            flags |= _FLAGS[letter]
        else:
            cursor.refuse(f"{text[:40]!r} are no TCP flags: expected F, S, R, P, ., E, W, U, A, or -", position)
    if ace is not None and flags & (ECE | CWR | AE):
        cursor.refuse(f"{text!r} tells the ACE field twice: as a number and as E, W or A", position)
    return flags, ace


def _sequence(cursor: Cursor) -> TcpLine:
    """``1:1001(1000)``, ``1:1001(1000)!`` or ``...(1000)``."""
    position = cursor.position
    if cursor.accept("..."):
        octets = octets_in(cursor)
        return TcpLine(0, None, 0, octets, octets, words=("any seq",))
    start = cursor.number("sequence number")
    absolute = cursor.accept("!")
    cursor.expect(":")
    end = cursor.number("sequence number")
    absolute |= cursor.accept("!")
    octets = octets_in(cursor)
    absolute |= cursor.accept("!")
    if (start + octets) & U32 != end:
        cursor.refuse(f"{start}:{end} is not {octets} octets", position)
    return TcpLine(0, None, start, end, octets, words=("absolute seq",) if absolute else ())


def octets_in(cursor: Cursor) -> int:
    """``(1000)``."""
    cursor.expect("(")
    octets = cursor.number("count of octets", high=U16)
    cursor.expect(")")
    return octets


def _said(cursor: Cursor, line: TcpLine) -> TcpLine:
    """``ack``, ``win`` and ``urg``, each at most once."""
    while cursor.at("ack", "win", "urg"):
        field = cursor.token.text
        if {"ack": line.ack, "win": line.window, "urg": line.urgent}[field] is not None:
            cursor.fail(f"only one {field!r}")
        cursor.take()
        if field == "ack":
            line = replace(line, ack=cursor.number("acknowledgment number"))
            if cursor.accept("!"):
                line = replace(line, words=(*line.words, "absolute ack"))
        elif field == "win" and cursor.accept("..."):
            continue  # Any window, which is what an outbound segment without one has, too.
        elif field == "win":
            line = replace(line, window=cursor.number("window", high=U16))
        else:
            line = replace(line, urgent=cursor.number("urgent pointer", high=U16))
    return line


def _udp_suffix(cursor: Cursor) -> tuple[int, int]:
    """``/udp(9899 > 9899)``."""
    cursor.expect("/")
    cursor.expect("udp")
    cursor.expect("(")
    ports = ports_of(cursor) or cursor.fail("two ports, 'source > destination'")
    cursor.expect(")")
    return ports


def _udp(cursor: Cursor) -> UdpLine:
    position = cursor.position
    ports = ports_of(cursor)
    octets = octets_in(cursor)
    if octets + _HEADERS - 12 > MOST_OCTETS:
        cursor.refuse(f"{octets} octets with their headers do not fit in a datagram", position)
    return UdpLine(octets, ports)


def _at_quotation(cursor: Cursor) -> bool:
    following = cursor.ahead(1)
    return cursor.at("[") and (following.kind is Kind.INTEGER or following.text in ("...", "udp", "raw"))


def _quotation(cursor: Cursor) -> TcpLine | UdpLine | int:
    """``[1:1001(1000)]``, ``[udp (8)]``, or ``[raw (8)]``, whose octets are returned."""
    cursor.expect("[")
    quoted: TcpLine | UdpLine | int
    if cursor.accept("udp"):
        quoted = _udp(cursor)
    elif cursor.accept("raw"):
        quoted = octets_in(cursor)
    else:
        ports = ports_of(cursor)
        quoted = replace(_sequence(cursor), ports=ports)
    cursor.expect("]")
    return quoted


def _icmp(cursor: Cursor, quoted: TcpLine | UdpLine | int | None) -> IcmpLine:
    """``icmp unreachable frag_needed mtu 1200 [1:1001(1000)]``."""
    cursor.expect("icmp")
    line = IcmpLine(cursor.word("the type of an ICMP message"))
    if cursor.token.kind is Kind.WORD and not cursor.at("mtu", "id"):
        line = replace(line, code=cursor.take().text)
    while True:
        if line.mtu is None and cursor.accept("mtu"):
            line = replace(line, mtu=cursor.number("maximum transmission unit"))
        elif line.id is None and cursor.accept("id"):
            line = replace(line, id=cursor.number("identifier", high=U16))
        elif quoted is None and cursor.at("["):
            quoted = _quotation(cursor)
        else:
            break
    if isinstance(quoted, int):
        return replace(line, raw_octets=quoted)
    return replace(line, quoted=quoted or TcpLine(0, None, 0, 0, 0))
