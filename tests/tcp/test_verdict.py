"""A verdict is what a step's caller branches on."""

from halfopen.tcp.verdict import CONTINUE, STOP


def test_continue_is_true_and_stop_is_not() -> None:
    assert CONTINUE and not STOP
