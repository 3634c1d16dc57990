"""System calls of a script: made on a host, again if they have to wait, and compared with what they are to return."""

import errno
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from halfopen.base.clock import MICROSECOND, NEVER, Duration, Instant
from halfopen.packetdrill.addressing import Addressing
from halfopen.packetdrill.arguments import Answer, Arguments
from halfopen.packetdrill.errors import Mismatch, ScriptError, Unsupported
from halfopen.packetdrill.file_calls import FILE_CALLS
from halfopen.packetdrill.posix import Posix, WouldBlock
from halfopen.packetdrill.script import Call, Omitted, Position
from halfopen.packetdrill.socket_calls import SOCKET_CALLS
from halfopen.packetdrill.symbols import LINUX_SYMBOLS

_HANDLERS = {**SOCKET_CALLS, **FILE_CALLS}


@dataclass(slots=True, frozen=True)
class Outcome:
    """What a call has returned: ``result`` in the script's numbers, and the name of its error if it failed."""

    result: int
    errno: str | None = None


@dataclass(slots=True)
class Calls:
    """A program of a script: its calls are made on ``posix``, with the host's ``symbols`` for names.

    ``clock`` tells the time and ``start`` when the script began. Descriptors are the script's: an alias each for what
    the host has given.
    """

    posix: Posix
    clock: Callable[[], Instant]
    symbols: Mapping[str, int] = field(default_factory=lambda: LINUX_SYMBOLS)
    addressing: Addressing = field(default_factory=Addressing)
    start_time: Instant = 0
    tolerance: Duration = 4000 * MICROSECOND
    descriptors: dict[int, int] = field(default_factory=dict)

    def start(self, call: Call, position: Position) -> "Operation":
        """The call, about to be made; ScriptError or Unsupported if it cannot be meant or made."""
        handler = _HANDLERS.get(call.name)
        if handler is None:
            raise Unsupported(position, f"{call.name}(): there is no such call here")
        arguments = Arguments(
            call=call,
            position=position,
            posix=self.posix,
            clock=self.clock,
            symbols=self.symbols,
            addressing=self.addressing,
            descriptors=self.descriptors,
            start=self.start_time,
            tolerance=self.tolerance,
        )
        if call.errno is not None and call.errno not in self.symbols:
            raise ScriptError(position, f"{call.errno} is not the name of an error")
        return Operation(arguments, handler(arguments))

    def close_all(self) -> None:
        """The program ends: every descriptor is closed, whatever state it is in."""
        for live in self.descriptors.values():
            try:
                self.posix.close(live)
            except (OSError, WouldBlock):
                continue  # Not open any more, or lingering, which nobody waits for.
        self.descriptors.clear()


class Operation:
    """One call under way."""

    def __init__(self, arguments: Arguments, attempt: Callable[[], Answer]) -> None:
        self._arguments = arguments
        self._attempt = attempt
        self.until: Instant = NEVER
        """When waiting ends though nothing happens."""

    def poll(self) -> Outcome | None:
        """Makes the call, or makes it again; None if it has to wait. Mismatch if it returns what it should not."""
        self._arguments.posix.attend()
        try:
            answer = self._attempt()
        except WouldBlock as waiting:
            self.until = waiting.until
            return None
        except OSError as error:
            return self._failed(error)
        if answer.descriptors:
            return self._returns_descriptor(answer)
        self._compare(answer.result)
        answer.check()
        return Outcome(answer.result)

    def _failed(self, error: OSError) -> Outcome:
        """The call has returned -1."""
        number = error.errno or errno.EIO
        call, arguments = self._arguments.call, self._arguments
        name = errno.errorcode.get(number, str(number))
        seen = f"-1 {name} ({os.strerror(number)})"
        if not isinstance(call.result, Omitted):
            expected = arguments.value(call.result)
            if expected != -1:
                raise self._mismatch(str(expected), seen)
            if call.errno is not None and arguments.symbols[call.errno] != number:
                raise self._mismatch(f"-1 {call.errno}", seen)
        return Outcome(-1, name)

    def _returns_descriptor(self, answer: Answer) -> Outcome:
        """Any descriptor will do where one is expected; from now on the script's number means it."""
        arguments = self._arguments
        expected = arguments.call.result
        if isinstance(expected, Omitted):
            return Outcome(answer.result)
        number = arguments.value(expected)
        if number < 0:
            raise self._mismatch(str(number), f"descriptor {answer.result}")
        arguments.descriptors[number] = answer.result
        answer.check()
        return Outcome(number)

    def _compare(self, result: int) -> None:
        expected = self._arguments.call.result
        if not isinstance(expected, Omitted) and self._arguments.value(expected) != result:
            wanted = str(self._arguments.value(expected))
            raise self._mismatch(f"{wanted} {self._arguments.call.errno or ''}".rstrip(), str(result))

    def _mismatch(self, expected: str, seen: str) -> Mismatch:
        name = self._arguments.call.name
        return Mismatch(
            self._arguments.position, f"{name}() should have returned {expected}, but returned {seen}", expected, seen
        )
