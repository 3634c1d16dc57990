"""Proportional Rate Reduction: how much may be sent for each ACK of a fast recovery (RFC 9937)."""

from halfopen.base.native import mypyc_attr


@mypyc_attr(acyclic=True)
class Prr:
    """Spreads the reduction from RecoverFS to ssthresh over one round trip; ends as close to ssthresh as losses allow.

    Per ACK: ``allowed = prr.on_ack(...)``, then ``cwnd = flight + allowed``; whatever is sent is told to `on_sent`. At
    the end cwnd is ssthresh (`CongestionControl.on_recovered`). All figures are octets.
    """

    __slots__ = ("delivered", "mss", "out", "recover_flight", "ssthresh")

    def __init__(self, mss: int) -> None:
        self.mss = mss
        self.ssthresh = 0
        self.recover_flight = 1
        self.delivered = 0
        """prr_delivered: what has reached the peer since recovery began."""
        self.out = 0
        """prr_out: what has been sent since then."""

    def start(self, flight_at_entry: int, ssthresh: int) -> None:
        """Recovery begins (RFC 9937 5).

        ``flight_at_entry`` is RecoverFS: SND.NXT - SND.UNA without what was selectively acknowledged before, but with
        everything that the ACK which triggers the recovery delivers; that ACK is the first one told to `on_ack`.
        """
        self.recover_flight = max(flight_at_entry, 1)
        self.ssthresh = ssthresh
        self.delivered = 0
        self.out = 0

    def on_ack(self, delivered: int, flight: int, safe_ack: bool) -> int:
        """SndCnt: how many octets may be sent now, after an ACK that delivered ``delivered`` (RFC 9937 5).

        ``flight`` is what is in flight after it, by the scoreboard's estimate. ``safe_ack``: SND.UNA advanced and no
        further loss was found.
        """
        if delivered <= 0:
            return 0
        self.delivered += delivered
        if flight > self.ssthresh:
            # Rounded up to whole segments, as Linux, which counts in them: what is less than one could not be sent.
            segments = -(-self.delivered * self.ssthresh // (self.recover_flight * self.mss))
            allowed = max(segments * self.mss - self.out, 0)
        else:
            allowed = max(self.delivered - self.out, delivered)  # PRR-CRB: packet conservation
            if safe_ack:
                allowed += self.mss  # PRR-SSRB: recovery makes progress, slow start back to ssthresh
            allowed = min(self.ssthresh - flight, allowed)
        if self.out == 0 and allowed < self.mss:
            return self.mss  # the fast retransmit itself is never held back
        return allowed

    def on_sent(self, octets: int) -> None:
        """Data, new or retransmitted, was sent in this recovery."""
        self.out += octets
