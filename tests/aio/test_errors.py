import errno

import pytest

from halfopen.aio.errors import as_os_error, os_errors
from halfopen.base import errors
from halfopen.stack.udp import BroadcastForbidden, MessageTooLong


@pytest.mark.parametrize(
    ("error", "kind", "number"),
    [
        (errors.ConnectionReset(), ConnectionResetError, errno.ECONNRESET),
        (errors.ConnectionRefused(), ConnectionRefusedError, errno.ECONNREFUSED),
        (errors.ConnectionAborted(), ConnectionAbortedError, errno.ECONNABORTED),
        (errors.ConnectionTimedOut(), TimeoutError, errno.ETIMEDOUT),
        (errors.NetworkUnreachable(), OSError, errno.EHOSTUNREACH),
        (errors.AddressInUse(), OSError, errno.EADDRINUSE),
        (errors.NotConnected(), OSError, errno.ENOTCONN),
        (errors.ConfigError(), OSError, errno.EINVAL),
        (BroadcastForbidden(), PermissionError, errno.EACCES),
        (MessageTooLong(), OSError, errno.EMSGSIZE),
        (errors.TcpError(), OSError, errno.EIO),
    ],
)
def test_every_error_has_the_class_and_number_that_programs_expect(
    error: errors.HalfopenError, kind: type[OSError], number: int
) -> None:
    converted = as_os_error(error)
    assert type(converted) is kind
    assert converted.errno == number
    assert converted.__cause__ is error


def test_the_message_names_the_peer_and_the_details() -> None:
    converted = as_os_error(errors.ConnectionReset("by RST"), "192.0.2.1:80")
    assert str(converted).endswith("Connection reset by peer (192.0.2.1:80): by RST")


def test_a_missing_route_is_an_unreachable_network() -> None:
    with pytest.raises(OSError) as caught, os_errors():
        raise errors.NetworkUnreachable("no route to host")
    assert caught.value.errno == errno.ENETUNREACH
