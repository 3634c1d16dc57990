from halfopen.base.clock import SECOND
from halfopen.tcp.config import DEFAULT, BufferConfig, TcpConfig
from halfopen.tcp.metrics import NO_METRICS, Metrics, with_metrics
from halfopen.tcp.windows import first_window


def test_a_route_of_which_nothing_is_known_changes_nothing() -> None:
    assert with_metrics(DEFAULT, NO_METRICS, 1460) is DEFAULT


def test_what_is_known_of_a_route_goes_before_what_the_host_has() -> None:
    config = with_metrics(DEFAULT, Metrics(initial_window=3, rto_min=SECOND, quick_ack=True), 1460)
    assert config.congestion.initial_window == 3
    assert config.retransmission.rto_min == SECOND
    assert config.acks.delay == 0
    assert config.buffers is DEFAULT.buffers


def test_a_receive_window_in_segments_is_what_is_offered() -> None:
    config = TcpConfig(buffers=BufferConfig(window="linux"))
    config = with_metrics(config, Metrics(initial_receive_window=4), 1000)
    assert first_window(config.buffers, 1000) == 4000
