"""Who may speak to this host: segments between ends that share a key are signed, and dropped if they are not.

The guard stands between connections and the wire, and knows them by their flows. It says nothing to who is refused
(RFC 5925 7.3). What it remembers of a connection it makes when our SYN or SYN,ACK leaves, or anew from the third
segment of a handshake, whose numbers tell both initial sequence numbers: a SYN cookie needs no more either.
"""

from collections.abc import Collection
from typing import Final

from halfopen.base.counters import Counters
from halfopen.base.errors import ConfigError
from halfopen.tcp import authentication, md5_signature
from halfopen.tcp.authentication import Association, header_at, is_authentic, message, traffic_key
from halfopen.tcp.master_keys import MAC_OCTETS, MasterKey, Md5Key
from halfopen.tcp.seqnum import unwrap, wrap
from halfopen.wire.tcp import ACK, SYN, Segment
from halfopen.wire.tcp_options import AUTHENTICATION, MD5_SIGNATURE

HANDSHAKES: Final = 1024
"""Associations that are kept for peers without a connection, before the oldest are forgotten."""

_VALUE_OCTETS: Final = 2 + MAC_OCTETS


class Guard:
    """The keys of a host, and what is known of the connections that they are for."""

    __slots__ = (
        "_associations",
        "_counters",
        "_exempt",
        "_flows",
        "_keys",
        "_limit",
        "_md5_keys",
        "_syn",
        "accepts_icmp",
        "accepts_unmatched",
    )

    def __init__(self, flows: Collection[bytes], counters: Counters) -> None:
        """``flows`` are those of the host's connections, now and in the future."""
        self._flows = flows
        self._counters = counters
        self._keys: list[MasterKey] = []
        self._md5_keys: list[Md5Key] = []
        self._associations: dict[bytes, Association] = {}
        self._exempt: set[bytes] = set()
        """Connections that were there, unsigned, before a key for them was."""
        self._limit = 2 * HANDSHAKES
        self._syn: tuple[bytes, MasterKey, MasterKey] | None = None
        """Of the last SYN that was let in: its flow, the key to answer under, and the key that it bears."""
        self.accepts_unmatched = True
        """Segments with the option, between ends that no key is for, pass as if they had none (RFC 5925 7.3).

        # Unlike Linux, which drops them.
        """
        self.accepts_icmp = False
        """Believe ICMP's hard errors about signed connections (RFC 5925 7.8)."""

    def add(self, key: MasterKey | Md5Key) -> None:
        """A key for connections from now on; ConfigError if nothing would tell it from another one."""
        unsigned = [flow for flow in self._flows if key.pattern.matches(flow) and not self.option_octets(flow)]
        if isinstance(key, Md5Key):
            self._md5_keys.append(key)
        elif any(_collide(key, other) for other in self._keys):
            raise ConfigError(f"there is a key for these ends with KeyID {key.send_id} or {key.receive_id} already")
        else:
            self._keys.append(key)
        self._exempt.update(unsigned)

    def remove(self, key: MasterKey | Md5Key) -> None:
        """The key is no longer good for anything; ConfigError if it is not here.

        Connections go on under another, if the peer has asked for it before.
        """
        if isinstance(key, Md5Key) and key in self._md5_keys:
            self._md5_keys.remove(key)
        elif isinstance(key, MasterKey) and key in self._keys:
            self._keys.remove(key)
        else:
            raise ConfigError(f"there is no such key: {key}")

    def association(self, flow: bytes) -> Association | None:
        """What is known of a connection that is signed by TCP-AO."""
        return self._associations.get(flow)

    def roll(self, flow: bytes, key: MasterKey) -> None:
        """From now on the peer is asked, by RNextKeyID, to send under ``key`` (RFC 5925 6.1)."""
        association = self._associations.get(flow)
        if association is None or key not in self._matching(flow):
            raise ConfigError("no connection that is signed, or no key for it")
        association.wanted = key

    def option_octets(self, flow: bytes) -> int:
        """Octets that the signature will take of each segment of a connection that begins now."""
        if flow not in self._flows:
            self._exempt.discard(flow)
        if self._md5_key(flow) is not None:
            return md5_signature.OPTION_OCTETS
        return authentication.OPTION_OCTETS if self._matching(flow) else 0

    def sign(self, flow: bytes, segment: Segment) -> None:
        """Puts the option on a segment that is about to leave, if there is a key for its connection.

        A RST of no connection is not signed: nothing tells under which numbers (RFC 5925 7.7).
        """
        if flow in self._exempt:
            if segment.flags & (SYN | ACK) != SYN | ACK:
                return
            self._exempt.discard(flow)  # the SYN that this answers was signed
        association = self._associations.get(flow)
        if segment.flags & SYN and (association is None or association.iss != segment.seq):
            association = self._begin(flow, segment)
        if association is not None:
            association.sign(segment)
            return
        md5_key = self._md5_key(flow)
        if md5_key is not None:
            md5_signature.sign(md5_key, flow, segment)

    def admits(self, flow: bytes, segment: Segment, head: bytes, offset: int) -> bool:
        """Whether a received segment, whose header is at ``offset`` in ``head``, may go on to its connection."""
        refusal = self._refusal(flow, segment, head, offset)
        if refusal:
            self._counters.add(refusal)
        return not refusal

    def ignores_icmp(self, flow: bytes) -> bool:
        """Whether a hard error, or "fragmentation needed", about a connection is not believed (RFC 5925 7.8)."""
        association = self._associations.get(flow)
        if association is None or association.irs is None or self.accepts_icmp:
            return False
        self._counters.add("TCPAODroppedIcmps")
        return True

    def _refusal(self, flow: bytes, segment: Segment, head: bytes, offset: int) -> str:
        """The name under which a segment is dropped, or "".

        # Deviation: RFC 5925 7.5.1 lets a SYN of an unknown KeyID pass as unsigned; between ends with a key none does.
        """
        if flow in self._exempt and segment.flags & (SYN | ACK) != SYN:
            return ""
        found = _signatures(segment)
        md5_key = self._md5_key(flow)
        if md5_key is not None:
            if len(found) != 1 or found[0][0] != MD5_SIGNATURE:
                return "TCPMD5NotFound"
            is_right = md5_signature.is_authentic(md5_key, flow, segment, header_at(head, offset), found[0][1])
            return "" if is_right else "TCPMD5Failure"
        keys = self._matching(flow)
        if not keys:
            return self._refusal_without_key(flow, found)
        if not found:
            return "TCPAORequired"
        kind, value = found[0]
        if len(found) > 1 or kind != AUTHENTICATION or len(value) != _VALUE_OCTETS:
            return "TCPAOBad"
        for key in keys:
            if key.receive_id == value[0]:
                is_right = self._check(flow, segment, header_at(head, offset), key)
                return "" if is_right else "TCPAOBad"
        return "TCPAOKeyNotFound"

    def _refusal_without_key(self, flow: bytes, found: list[tuple[int, bytes]]) -> str:
        if any(kind == MD5_SIGNATURE for kind, _ in found):
            return "TCPMD5Unexpected"
        if flow in self._associations or (found and not self.accepts_unmatched):
            return "TCPAOKeyNotFound"
        return ""

    def _check(self, flow: bytes, segment: Segment, header: bytes, key: MasterKey) -> bool:
        """Whether the MAC is right; what the segment tells about its connection is remembered if so."""
        association = self._associations.get(flow)
        if segment.flags & (SYN | ACK) == SYN:
            if not _is_first(key, flow, (segment.seq, 0), segment, header):
                return False
            self._syn = (flow, self._answering(flow, header, key), key)
            if association is not None and association.irs is None:
                association.learn(segment.seq)  # simultaneous OPEN
            self._counters.add("TCPAOGood")
            return True
        if association is None or association.irs is None:
            irs = segment.seq if segment.flags & SYN else wrap(segment.seq - 1)
            iss = association.iss if association is not None else wrap(segment.ack - 1)
            if not _is_first(key, flow, (irs, iss), segment, header):
                return False
            if association is None:
                association = self._remember(Association(flow, iss, key, key))
            association.learn(irs)
        elif not association.is_authentic(key, segment, header):
            return False
        association.current = self._answering(flow, header, association.current)
        self._counters.add("TCPAOGood")
        return True

    def _answering(self, flow: bytes, header: bytes, otherwise: MasterKey) -> MasterKey:
        """The key that the peer asks us, by RNextKeyID, to send under, if we have it (RFC 5925 7.5)."""
        wish = authentication.next_key_id(header)
        for key in self._matching(flow):
            if key.send_id == wish:
                return key
        return otherwise

    def _begin(self, flow: bytes, segment: Segment) -> Association | None:
        """Our SYN or SYN,ACK leaves: a new connection, whatever there was before."""
        self._associations.pop(flow, None)
        keys = self._matching(flow)
        if not keys:
            return None
        current = wanted = keys[0]
        if segment.flags & ACK and self._syn is not None and self._syn[0] == flow:
            _, current, wanted = self._syn
        association = self._remember(Association(flow, segment.seq, current, wanted))
        if segment.flags & ACK:
            association.learn(wrap(segment.ack - 1))
        return association

    def _remember(self, association: Association) -> Association:
        """Keeps it; now and then those go whose connections have gone."""
        associations = self._associations
        associations[association.flow] = association
        if len(associations) > self._limit:
            handshakes = [flow for flow in associations if flow not in self._flows]
            for flow in handshakes[:-HANDSHAKES]:
                del associations[flow]
            self._exempt = {flow for flow in self._exempt if flow in self._flows}
            self._limit = 2 * max(HANDSHAKES, len(associations))
        return association

    def _matching(self, flow: bytes) -> list[MasterKey]:
        return [key for key in self._keys if key.pattern.matches(flow)]

    def _md5_key(self, flow: bytes) -> Md5Key | None:
        for key in self._md5_keys:
            if key.pattern.matches(flow):
                return key
        return None


def _signatures(segment: Segment) -> list[tuple[int, bytes]]:
    """The options that sign, of either kind: more than one is an error."""
    if segment.options is None:
        return []
    return [option for option in segment.options.unknown if option[0] in (AUTHENTICATION, MD5_SIGNATURE)]


def _collide(left: MasterKey, right: MasterKey) -> bool:
    """Two keys of the same ends that a KeyID does not tell apart (RFC 5925 3.1)."""
    return left.pattern == right.pattern and (left.send_id == right.send_id or left.receive_id == right.receive_id)


def _is_first(key: MasterKey, flow: bytes, isns: tuple[int, int], segment: Segment, header: bytes) -> bool:
    """Whether a segment at the beginning of a connection between these initial sequence numbers has the right MAC."""
    covered = message(key, flow, unwrap(segment.seq, isns[0]), header, segment.payload)
    return is_authentic(key, traffic_key(key, flow, *isns), covered, header)
