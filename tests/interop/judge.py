"""Those who judge us: Wireshark's expert by captures, and the kernel by its own counters."""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from halfopen.capture.pcapng import Reader
from halfopen.links.namespaces import Namespace
from halfopen.wire import ipv4, tcp
from halfopen.wire.packet import Packet
from halfopen.wire.tcp import Segment

OBJECTIONABLE = " || ".join(
    (
        "_ws.malformed",
        '_ws.expert.group == "Malformed"',
        # Not what ICMP quotes: that was cut, or its sum not yet complete, and tshark judges it all the same. Nor TCP's
        # 0xFFFF for 0, which a sum of ones' complement is as well: Linux puts it there (skb_checksum_help).
        "!icmp && !(tcp.checksum == 0xffff && tcp.checksum_calculated == 0)"
        ' && (_ws.expert.group == "Checksum" || _ws.expert.severity == "Error")',
        'ip.checksum.status == "Bad"',
        'icmp.checksum.status == "Bad"',
    )
)
CHECKED = [word for each in ("ip", "tcp", "udp") for word in ("-o", f"{each}.check_checksum:TRUE")]
# Else tshark guesses what a payload is, and finds random octets to be a malformed something.
UNDISSECTED = [word for each in ("tcp", "udp") for word in ("-d", f"{each}.port==1-65535,data")]


def objections(capture: Path) -> str:
    """The frames in ``capture`` that Wireshark's expert calls malformed, wrongly summed or an error; empty if none."""
    command = ["tshark", "-n", "-r", str(capture), *CHECKED, *UNDISSECTED, "-Y", OBJECTIONABLE]
    fields = ["-T", "fields", "-e", "frame.number", "-e", "_ws.col.Info", "-e", "_ws.expert.message"]
    return subprocess.run([*command, *fields], capture_output=True, text=True, timeout=60, check=True).stdout


@dataclass(slots=True, frozen=True)
class Seen:
    """A segment in a capture: whether it is one of ours, and what it says."""

    is_ours: bool
    segment: Segment
    octets: int

    @property
    def is_bare_ack(self) -> bool:
        return self.octets == 0 and self.segment.flags == tcp.ACK


def segments(capture: Path, network_offset: int) -> list[Seen]:
    """The TCP segments of a capture, in order."""
    return list(_segments(capture, network_offset))


def _segments(capture: Path, network_offset: int) -> Iterator[Seen]:
    with capture.open("rb") as file:
        for record in Reader(file):
            frame = record.octets
            if network_offset and frame[12:14] != b"\x08\x00":
                continue
            header = ipv4.parse(frame, network_offset, len(frame) - network_offset)
            if header.protocol != ipv4.PROTOCOL_TCP:
                continue
            octets = header.total_octets - header.header_octets
            segment = tcp.parse(Packet(frame), network_offset + header.header_octets, octets)
            yield Seen(record.direction == "outbound", segment, segment.octets)


SPOTLESS = (
    "TcpInErrs",
    "TcpInCsumErrors",
    "IpInHdrErrors",
    "IpExtInCsumErrors",
    "IcmpInCsumErrors",
    "UdpInCsumErrors",
    "TcpExtTCPSACKReneging",
    "TcpExtTCPSACKDiscard",
    "TcpExtTCPRcvQDrop",
    "TcpExtBeyondWindow",
    "TcpExtTSEcrRejected",
    "TcpExtTCPZeroWindowDrop",
)
"""What the kernel counts when a peer breaks the rules; zero always, over any network."""

IN_ORDER = ("TcpExtPAWSEstab",)
"""Zero as well if the network keeps the order of packets."""

EXPLAINED_BY = {
    # A SYN-ACK that comes again, as the ACK of the first was lost, is an error in Linux's eyes, and a challenge too.
    "TcpInErrs": "TcpExtTCPSYNChallenge",
    # When more has come twice than Linux has sent twice, as the network repeats, it takes a D-SACK for a bad SACK.
    "TcpExtTCPSACKDiscard": "TcpExtTCPDSACKIgnoredDubious",
}
"""What is no offence as far as the other has been counted, too."""


def kernel_counters(namespace: Namespace) -> dict[str, int]:
    """All of the kernel's counters since ``namespace`` was made, by their names in nstat(8)."""
    text = namespace.run(["nstat", "--json", "--zeros", "--ignore", "--noupdate"]).stdout
    counters: dict[str, int] = json.loads(text)["kernel"]
    return counters


def blemishes(counters: dict[str, int], in_order: bool = True) -> dict[str, int]:
    """Those of `SPOTLESS`, and with ``in_order`` of `IN_ORDER`, that are not zero."""
    names = SPOTLESS + IN_ORDER if in_order else SPOTLESS
    found = {name: counters[name] for name in names if counters.get(name)}
    return {name: count for name, count in found.items() if count > counters.get(EXPLAINED_BY.get(name, ""), 0)}


LOSS = """
table netdev loss {{
    chain inbound {{
        type filter hook ingress device "{device}" priority 0
        numgen random mod 1000 < {per_mille} counter drop
    }}
}}
"""


def lose_inbound(namespace: Namespace, device: str, per_mille: int) -> None:
    """From now on the kernel loses packets that come in by ``device``, at random: nftables does it.

    Not those that go out: a drop on the egress hook is reported to the kernel's TCP, which then does not count on it.
    """
    with namespace.enter():
        rules = LOSS.format(device=device, per_mille=per_mille)
        subprocess.run(["nft", "-f", "-"], input=rules, text=True, check=True, timeout=10)
