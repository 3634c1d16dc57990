"""The window that nothing moves."""

from halfopen.base.clock import SECOND
from halfopen.tcp.congestion.base import AckSample
from halfopen.tcp.congestion.fixed import Fixed


def test_nothing_that_happens_changes_the_window() -> None:
    control = Fixed(1460, 20_000)
    control.on_ack(AckSample(1460, 20_000, SECOND, SECOND, SECOND, 0))
    assert control.cwnd == 20_000
    control.on_lost_syn()
    assert control.cwnd == 20_000
    control.on_idle(100 * SECOND, SECOND, 0)
    assert control.cwnd == 20_000
    control.on_timeout(20_000, 0, first=True)
    assert control.cwnd == 20_000
    control.on_loss(20_000, 0)
    control.cwnd = 15_000  # rate reduction at work
    control.on_recovered(0)
    assert control.cwnd == 20_000
    control.on_loss(20_000, 0)
    control.cwnd = 15_000
    control.on_undo()
    assert control.cwnd == 20_000
