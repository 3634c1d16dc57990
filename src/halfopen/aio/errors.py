"""What asyncio programs expect: `OSError` and its subclasses, with the numbers that Linux gives."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

from halfopen.base.errors import (
    AddressInUse,
    ConfigError,
    ConnectionAborted,
    ConnectionRefused,
    ConnectionReset,
    ConnectionTimedOut,
    HalfopenError,
    NetworkUnreachable,
    NotConnected,
)
from halfopen.stack.udp import BroadcastForbidden, MessageTooLong

NUMBERS: dict[type[HalfopenError], int] = {
    ConnectionReset: errno.ECONNRESET,
    ConnectionTimedOut: errno.ETIMEDOUT,
    ConnectionRefused: errno.ECONNREFUSED,
    ConnectionAborted: errno.ECONNABORTED,
    NetworkUnreachable: errno.EHOSTUNREACH,
    AddressInUse: errno.EADDRINUSE,
    NotConnected: errno.ENOTCONN,
    ConfigError: errno.EINVAL,
    BroadcastForbidden: errno.EACCES,
    MessageTooLong: errno.EMSGSIZE,
}


def as_os_error(error: HalfopenError, where: str = "") -> OSError:
    """The `OSError` for ``error``: Python picks the subclass by the number, e.g. ConnectionResetError for ECONNRESET.

    ``where`` names the peer, for people.
    """
    number = next((NUMBERS[kind] for kind in type(error).__mro__ if kind in NUMBERS), errno.EIO)
    details = f"{os.strerror(number)}{f' ({where})' if where else ''}{f': {error}' if str(error) else ''}"
    converted = OSError(number, details)
    converted.__cause__ = error
    return converted


@contextmanager
def os_errors(where: str = "") -> Iterator[None]:
    """Errors of ours that are raised inside leave as `OSError`."""
    try:
        yield
    except NetworkUnreachable as error:
        raise OSError(errno.ENETUNREACH, f"{os.strerror(errno.ENETUNREACH)}: {error}") from error
    except HalfopenError as error:
        raise as_os_error(error, where) from error
